"""Refuse to record a stage if the code was edited after this process had loaded it, because DVC hashes the file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tasks.frame import code
from tasks.frame.errors import Edited

CODE = ("autoencoders", "tasks")

_hashes: dict[Path, dict[str, str]] = {}  # of the code in each folder, when this process first looked


def remember() -> None:
    """Note what the code is now, unless that was noted before."""
    _hashes.setdefault(Path.cwd(), _now())


def refuse_edited() -> None:
    """Raise Edited if a file is no longer what this process has imported or may import."""
    remember()
    if edited := sorted(path for path, _ in _hashes[Path.cwd()].items() ^ _now().items()):
        files = ", ".join(dict.fromkeys(edited))
        raise Edited(f"{files}: edited since this run started; not recorded: run again")


def _now() -> dict[str, str]:
    """Return the hash of every file of code that a stage may import."""
    paths = code.everything(Path(), CODE)
    return {path.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
