"""Waiting for other processes."""

from __future__ import annotations

import os
import time


def is_running(pid: int) -> bool:
    """Return whether a process is there, ended and not waited for included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition, seconds: float = 30) -> None:
    """Fail where a condition does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
