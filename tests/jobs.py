"""What test_parallel.py and test_cluster.py have worker processes do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autoencoders.rows import classes
from tasks.frame import progress
from tasks.frame.cells import Failure, Store, digest
from tasks.frame.errors import ConfigError
from tasks.study import dask_worker
from tasks.study.keys import Cell


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


def keep(job: dask_worker.Job, cell: Cell, given: dict[str, Any]) -> dask_worker.Answer:
    """Stand for a study's cell on a worker of Dask: store a made-up result, log it, or do what a file's name says."""
    dask_worker.refuse(job)
    store = Store(job.folder, given)
    with (job.folder / "log").open("a") as log:
        log.write(f"{cell.name}\n")
    time.sleep(0.1)
    if (job.folder / f"kills {cell.name}").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    if (job.folder / f"fails {cell.name}").exists():
        return dask_worker.Answer(cell.name, "", [Failure(cell.name, "it diverged")])
    encoders = [store.read(name) for name in given if name != cell.name]
    if None in encoders:
        return dask_worker.Answer(cell.name, "", [Failure(cell.name, "it has no encoder")])
    content = {"loss": 0.5, "pid": os.getpid(), "encoder": [encoder["pid"] for encoder in encoders]}
    store.write(cell.name, content)
    return dask_worker.Answer(cell.name, digest(content), [])
