"""End this process when the process that it works for ends, even if that one is killed.

Linux can signal a process when its parent ends. Asked for after TensorFlow's import, it comes too late for seconds: so
the package asks as the first thing that it does, and then looks whether the other process is still there.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

VARIABLE = "PIPELINE_PARENT"  # names, to a process that is started, the one that it works for
LOCKS = Path(".dvc/tmp/rwlock")  # DVC's, with the process that runs each stage


def follow() -> None:
    """End this process when the one that PIPELINE_PARENT names ends, or DVC, where DVC has started it for a stage."""
    if named := os.environ.pop(VARIABLE, ""):
        end_with([int(named)])
    elif "DVC_STAGE" in os.environ:
        end_with(_owners())


def end_with(pids: Iterable[int]) -> None:
    """End this process when the thread that started it ends; and at once where none of these processes runs any more.

    What it was writing is cleared by the next run.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if not any(map(is_alive, pids)):
        os._exit(128 + signal.SIGKILL)


def _owners() -> list[int]:
    """Return the processes that write outputs, as DVC's table of locks says; without one, this one's parent."""
    try:
        table = json.loads(LOCKS.read_text(encoding="utf-8"))
        return [int(info["pid"]) for info in table["write"].values()] or [os.getppid()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return [os.getppid()]


def is_alive(pid: int) -> bool:
    """Return whether a process of this machine runs; a dead one that waits to be noticed does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or no /proc here
        return True
    return state not in "ZX"
