"""Repair the files that a killed run left behind, before the next run starts.

DVC rewrites dvc.lock and its table of locks in place. If it is killed at that moment, it leaves half a file, and fails
until somebody deletes the file. Nothing is lost: DVC's cache of runs restores dvc.lock, and DVC's databases only
cache hashes of files.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import psutil

DATABASES = ("hashes/local/cache.db", "links/cache.db")
UNUSABLE = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_NOTADB)
UNFINISHED = re.compile(r"\.\w+\.\d+")  # unfinished output of a killed stage: .NAME.PID


def move_aside(path: Path, folder: Path) -> None:
    """Move an incomplete file into `folder`, with a warning."""
    kept = folder / f"{path.name}.torn"
    shutil.move(path, kept)
    print(
        f"warning: {path.name} was torn, by a run that was killed; it lies at {os.path.relpath(kept)}", file=sys.stderr
    )


def lock_holders(table: Path) -> set[int]:
    """Return the PIDs of the processes that hold DVC's locks; delete the table of locks if there are none.

    The caller must hold DVC's main lock, without which nobody writes the table. Dead processes stay in the table, and
    their PIDs may be reused. A process that reuses one is younger than the table or, after a reboot, is not DVC.
    """
    try:
        held = json.loads(table.read_text(encoding="utf-8"))
        infos = [*held.get("write", {}).values(), *itertools.chain(*held.get("read", {}).values())]
        commands = {int(info["pid"]): str(info["cmd"]) for info in infos}
    except FileNotFoundError:
        return set()
    except (ValueError, LookupError, TypeError, AttributeError):
        move_aside(table, table.parent)
        return set()
    written = table.stat().st_mtime
    alive = {pid for pid, command in commands.items() if started(pid) <= written and _may_be(pid, command)}
    alive.discard(os.getpid())
    if not alive:
        table.unlink()
    return alive


def _may_be(pid: int, command: str) -> bool:
    """Return whether a process may be the one that DVC recorded: Python with the arguments of this command."""
    try:
        process = psutil.Process(pid)
        words, arguments = " ".join(process.cmdline()).split(), command.split()[1:]
        is_python = any(name in " ".join([process.name(), *words]).lower() for name in ("python", "dvc"))
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another user's
        return True
    return is_python and words[len(words) - len(arguments) :] == arguments


@functools.cache
def heal_databases(folder: Path) -> None:
    """Move unreadable databases of DVC below a folder aside, with a warning; they only cache hashes."""
    for name in DATABASES:
        for path in sorted(folder.glob(f"repo/*/{name}")):
            if why := _damage(path):
                kept = path.parent.with_name(f"{path.parent.name}.damaged")
                shutil.rmtree(kept, ignore_errors=True)
                path.parent.rename(kept)
                where = f"it lies at {os.path.relpath(kept)}; DVC reads the files anew"
                print(f"warning: {os.path.relpath(path)} cannot be used ({why}); {where}", file=sys.stderr)


def _damage(path: Path) -> str:
    """Return the error of one of DVC's databases; empty if it is intact or only busy."""
    columns = "key, raw, store_time, expire_time, access_time, tag, size, mode, filename, value"
    try:
        with closing(sqlite3.connect(path)) as database:
            ((said,),) = database.execute("PRAGMA quick_check(1)").fetchall()
            database.execute(f"SELECT {columns} FROM Cache LIMIT 1").fetchall()
            database.execute("SELECT key, value FROM Settings").fetchall()
    except sqlite3.DatabaseError as error:
        return str(error) if error.sqlite_errorcode & 0xFF in UNUSABLE else ""
    return "" if said == "ok" else str(said)


def prune(outs: Iterable[Path]) -> None:
    """Delete unfinished outputs, and outputs of phases that params.yaml no longer has.

    Stages depend on the folder of all phases, so an old phase would change their results. DVC's cache keeps a copy of
    deleted outputs.
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
    """Return a process's start time in seconds since 1970; infinity if there is no such process."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return math.inf
