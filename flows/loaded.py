"""Refuse to record a stage if the code was edited after this process loaded it, because DVC hashes the edited file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tasks.frame import code
from tasks.frame.errors import Edited

CODE = ("autoencoders", "tasks")

_hashes: dict[Path, dict[str, str]] = {}  # of each folder's code, at the first call of `remember`


def remember() -> None:
    """Remember the hashes of the code, at the first call only."""
    _hashes.setdefault(Path.cwd(), _now())


def refuse_edited() -> None:
    """Raise Edited if a file that this process has imported or may import has changed."""
    remember()
    if edited := sorted(path for path, _ in _hashes[Path.cwd()].items() ^ _now().items()):
        files = ", ".join(dict.fromkeys(edited))
        raise Edited(f"{files}: edited since this run started; not recorded: run again")


def _now() -> dict[str, str]:
    """Return the hash of every source file that a stage may import."""
    paths = code.everything(Path(), CODE)
    return {path.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
