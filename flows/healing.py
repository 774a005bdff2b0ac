"""What a killed run can leave behind, put right before the next one.

DVC rewrites dvc.lock and its table of locks in place: killed in that moment, it leaves half a file, and then refuses to
work until somebody deletes it. Neither file holds anything that the cache of runs cannot give back.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path

UNFINISHED = re.compile(r"\.\w+\.\d+")  # what a stage was writing when it was killed: .NAME.PID


def move_aside(path: Path, folder: Path) -> None:
    """Move a torn file into `folder`, with a warning."""
    kept = folder / f"{path.name}.torn"
    shutil.move(path, kept)
    print(
        f"warning: {path.name} was torn, by a run that was killed; it lies at {os.path.relpath(kept)}", file=sys.stderr
    )


def lock_holders(table: Path) -> set[int]:
    """Return the processes that hold DVC's locks and are alive; a torn table of locks is moved aside."""
    for _ in range(3):  # half a file can also be a file being written
        try:
            held = json.loads(table.read_text(encoding="utf-8"))
            readers = [info for infos in held.get("read", {}).values() for info in infos]
            return {pid for info in [*readers, *held.get("write", {}).values()] if _is_alive(pid := int(info["pid"]))}
        except FileNotFoundError:
            return set()
        except (ValueError, LookupError, TypeError, AttributeError):
            time.sleep(0.1)
    move_aside(table, table.parent)
    return set()


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


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()
