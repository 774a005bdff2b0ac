"""XLA's compiled functions, kept on disk: a process loads what an earlier one compiled, and computes the same bits.

TensorFlow reads and writes the files, and fails on a damaged one. So each gets a hash when the process ends, and the
next process deletes files without their hash. They are machine code: the folder is private, and another version or
processor has another one.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
from pathlib import Path

from tasks.frame import cells

VARIABLE = "TF_XLA_FLAGS"
FLAG = "--tf_xla_persistent_cache_directory="


def keep(root: Path) -> None:
    """Let TensorFlow, which is not loaded yet, keep compiled functions below `root`, in this process and its children.

    A folder that the user names in TF_XLA_FLAGS is left as it is.
    """
    given = os.environ.get(VARIABLE, "")
    if FLAG in given:
        return
    name = hashlib.sha256(json.dumps(cells.versions(), sort_keys=True).encode()).hexdigest()[:16]
    folder = root / "compiled" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    clean(folder)
    atexit.register(seal, folder, os.getpid())
    os.environ[VARIABLE] = f"{given} {FLAG}{folder.resolve()}".strip()


def clean(folder: Path) -> None:
    """Delete the files whose hash is missing or another one."""
    for path in sorted(folder.iterdir()):
        known = _beside(path).read_text() if _beside(path).exists() else ""
        if path.suffix != ".sha256" and known != _hash(path):
            path.unlink(missing_ok=True)
            _beside(path).unlink(missing_ok=True)


def seal(folder: Path, process: int) -> None:
    """Write the hash of every new file; only in the process that asked for it, and not in a copy of it."""
    if process != os.getpid() or not folder.exists():
        return
    for path in folder.glob("*.pb"):
        if not _beside(path).exists():
            new = _beside(path).with_suffix(f".{process}")
            new.write_text(_hash(path))
            new.replace(_beside(path))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
