"""Toy stages, and a Dense layer with the layer tied to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write(text: str) -> Callable[..., None]:
    """Return a stage that writes `text`."""
    return lambda params, data, out, key: (out / "a.txt").write_text(text)


def fail(error: BaseException) -> Callable[..., None]:
    """Return a stage that fails half-way."""

    def run(params, data, out, key):
        (out / "a.txt").write_text("half")
        raise error

    return run


def content(folder: str = "data") -> dict[str, str]:
    """Return every file under a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def md5(text: str) -> str:
    """Return the MD5 of a text, as DVC names a file of it."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def pair(d: int = 3, units: int = 2, **kwargs) -> tuple[Any, Any]:
    """Return a built Dense layer d -> units and the layer tied to it."""
    import keras

    from autoencoders.layers import DenseTranspose

    dense = keras.layers.Dense(units, name="encoder")
    dense.build((None, d))
    return dense, DenseTranspose(dense, name="decoder", **kwargs)
