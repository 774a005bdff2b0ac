"""What test_parallel.py has worker processes do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autoencoders.rows import classes
from tasks.frame import progress
from tasks.frame.errors import ConfigError


def square(cells: Sequence[int]) -> list[tuple[int, int]]:
    """Return each number's square and the process that computed it."""
    return [(cell**2, os.getpid()) for cell in cells]


def tell(cells: Sequence[int]) -> list[int]:
    """Tell of two epochs of each training, and of its end."""
    for cell in cells:
        on_epoch = progress.epochs(f"run {cell}", 2)
        for epoch in (1, 2):
            on_epoch(epoch, {"epoch": epoch, "loss": cell / epoch})
        progress.say(f"run {cell} is done")
    return list(cells)


def fail(cells: Sequence[str]) -> list[None]:
    """Fail in one of several ways in the second worker; the first goes on for long."""
    for cell in cells:
        if cell == "sleep":
            time.sleep(60)
        elif cell == "parameters":
            raise ConfigError("params.yaml: no")
        elif cell == "data":
            classes(np.array([1, 1]))
        elif cell == "fault":
            int("not the project's own error")
        elif cell == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
    return [None for _ in cells]


def sleep(folder: Path, cells: Sequence[int]) -> list[int]:
    """Leave a file with the process' number as its name, and sleep."""
    (folder / str(os.getpid())).touch()
    time.sleep(60)
    return list(cells)
