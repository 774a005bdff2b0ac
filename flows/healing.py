"""What a killed run can leave behind, put right before the next one.

DVC rewrites dvc.lock and its table of locks in place: killed in that moment, it leaves half a file, and then refuses to
work until somebody deletes it. Neither file holds anything that the cache of runs cannot give back.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

UNFINISHED = re.compile(r"\.\w+\.\d+")  # what a stage was writing when it was killed: .NAME.PID


def move_aside(path: Path, folder: Path) -> None:
    """Move a torn file into `folder`, with a warning."""
    kept = folder / f"{path.name}.torn"
    shutil.move(path, kept)
    print(
        f"warning: {path.name} was torn, by a run that was killed; it lies at {os.path.relpath(kept)}", file=sys.stderr
    )


def lock_holders(table: Path) -> set[int]:
    """Return the processes that hold DVC's locks; delete the table of locks where none does.

    To be called with DVC's main lock, without which nobody writes the table. The dead stay in it, and their numbers are
    given to other processes: those are younger than the table.
    """
    try:
        held = json.loads(table.read_text(encoding="utf-8"))
        infos = [*held.get("write", {}).values(), *itertools.chain(*held.get("read", {}).values())]
        pids = {int(info["pid"]) for info in infos}
    except FileNotFoundError:
        return set()
    except (ValueError, LookupError, TypeError, AttributeError):
        move_aside(table, table.parent)
        return set()
    written = table.stat().st_mtime
    alive = {pid for pid in pids - {os.getpid()} if started(pid) <= written}
    if not alive:
        table.unlink()
    return alive


def prune(outs: Iterable[Path]) -> None:
    """Delete unfinished outputs, and outputs of phases that params.yaml no longer has.

    The folder of all phases is a dependency, so one phase too many would change what is computed from them. DVC's cache
    keeps what is deleted here.
    """
    outs = {out.absolute() for out in outs}
    numbered = {out.parent for out in outs if out.name.isdigit()}
    for folder in {out.parent for out in outs}:
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            removed = folder in numbered and path.name.isdigit() and path not in outs
            if path.is_dir() and (removed or UNFINISHED.fullmatch(path.name)):
                shutil.rmtree(path)
                print(f"deleted {os.path.relpath(path)}, which belongs to no stage", file=sys.stderr)


def started(pid: int) -> float:
    """Return when a process was started, in seconds since 1970; for one that is not there, the end of time."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return math.inf
