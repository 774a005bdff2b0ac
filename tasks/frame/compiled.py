"""XLA's compiled functions, kept on disk: a process loads what an earlier one compiled, and computes the same bits.

TensorFlow reads and writes the files of a folder that belongs to one process and its children, and fails on a damaged
file. So a process begins with links to the kept files whose hash is right, and at its end adds its new ones with their
hashes: processes side by side delete nothing under each other's hands. The files are machine code: the folder is
private, and another version or processor has another one.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import platform
import shutil
from contextlib import suppress
from pathlib import Path

import psutil

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
    of = {**cells.versions(), "host": platform.node()}  # machines may share the folder, and number their own processes
    name = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:16]
    kept = root / "compiled" / name
    mine = kept / str(os.getpid())
    for folder in (kept, mine):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    clean(kept)
    for path in kept.glob("*.pb"):
        with suppress(OSError):  # another process has just thrown it away
            os.link(path, mine / path.name)
    atexit.register(seal, kept, os.getpid())
    os.environ[VARIABLE] = f"{given} {FLAG}{mine.resolve()}".strip()


def clean(kept: Path) -> None:
    """Delete the kept files whose hash is missing or another one, and the folders of processes that are no more."""
    for path in sorted(kept.iterdir()):
        if path.name.isdigit() and not psutil.pid_exists(int(path.name)):
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix == ".pb":
            with suppress(FileNotFoundError):  # another process cleans, too
                if not (_beside(path).exists() and _beside(path).read_text() == _hash(path)):
                    path.unlink()


def seal(kept: Path, process: int) -> None:
    """Keep a process's new files, each with its hash first, and delete its folder; nothing in a copy of the process."""
    mine = kept / str(process)
    if process != os.getpid() or not mine.exists():
        return
    for path in mine.glob("*.pb"):
        if not (kept / path.name).exists():
            new = mine / f"{path.name}.sha256"
            new.write_text(_hash(path))
            new.replace(_beside(kept / path.name))
            path.replace(kept / path.name)
    shutil.rmtree(mine, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
