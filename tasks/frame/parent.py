"""Orphan protection: end this process when the process that it works for ends, even if that one is killed.

Linux can signal a process when its parent ends. TensorFlow's import takes seconds, in which the parent could end
unnoticed. So the package requests the signal before any other import, and then checks that the parent still runs.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

VARIABLE = "PIPELINE_PARENT"  # the PID of the process that a new process works for
LOCKS = Path(".dvc/tmp/rwlock")  # DVC's table of locks, with the PID of the process that runs each stage


def follow() -> None:
    """End this process when the one that PIPELINE_PARENT names ends; for a stage that DVC started, when DVC ends."""
    if named := os.environ.pop(VARIABLE, ""):
        end_with([int(named)])
    elif "DVC_STAGE" in os.environ:
        end_with(_owners())


def end_with(pids: Iterable[int]) -> None:
    """End this process when the thread that started it ends, or at once if none of these processes is alive.

    The next run deletes unfinished output.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if not any(map(is_alive, pids)):
        os._exit(128 + signal.SIGKILL)


def _owners() -> list[int]:
    """Return the processes that write outputs, from DVC's table of locks; this process's parent if there is none."""
    try:
        table = json.loads(LOCKS.read_text(encoding="utf-8"))
        return [int(info["pid"]) for info in table["write"].values()] or [os.getppid()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return [os.getppid()]


def is_alive(pid: int) -> bool:
    """Return whether a process of this machine runs; a zombie does not count."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or no /proc here
        return True
    return state not in "ZX"
