"""Parallel trainings: independent trainings in worker processes; the number of workers does not change the results.

PIPELINE_WORKERS sets the number; by default it follows from the cores and the amount of work. It is not a parameter of
the experiment: each process trains with `threads` threads, as a single process would, and results keep their order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from tasks.frame import determinism, progress
from tasks.frame.cells import Store
from tasks.frame.errors import UsageError
from tasks.frame.workers import VARIABLE, Pool

Cell = TypeVar("Cell")
Result = TypeVar("Result")
WORTH = 8e11  # multiply-adds, about 20 s on a core; a worker takes 7 to 10 s to start (TensorFlow, compilation)


def spread(
    function: Callable[[Sequence[Cell]], list[Result]], cells: Sequence[Cell], *, threads: int, work: float
) -> list[Result]:
    """Return `function(cells)`, computed by worker processes on consecutive parts of the cells, or in this process.

    Args:
        function: Returns one result per cell, which does not depend on the other cells; defined at module level, so
            that pickle finds it.
        cells: The units of work; neighbours may share costly preparations, such as a compiled function.
        threads: Threads of each process.
        work: Approximate multiply-adds in total; a small number starts no process.

    Raises:
        Exception: As `Pool.map`; the other workers are stopped.
    """
    n = min(n_workers(threads, work), len(cells))
    if n <= 1:
        return function(cells)
    parts = [cells[k * len(cells) // n : (k + 1) * len(cells) // n] for k in range(n)]
    jobs = [(function, part, threads) for part in parts]
    with Pool() as pool:
        answers: list[list[Result]] = pool.map(_do, jobs, stage=os.environ.get("DVC_STAGE") or "this")
    return [result for answer in answers for result in answer]


def _do(function: Callable[[Sequence[Cell]], list[Result]], cells: Sequence[Cell], threads: int) -> list[Result]:
    """Compute a worker's part."""
    with determinism.fixed(threads):
        return function(cells)


def fill(
    function: Callable[[Sequence[Cell]], list[Result]],
    units: Sequence[Cell],
    store: Store,
    names: Callable[[Cell], Sequence[str]],
    *,
    threads: int,
    work: float,
) -> list[Result]:
    """Compute the units with unfinished cells; return `function`'s results for these units.

    Args:
        function: As in `spread`; writes every cell to the store as soon as it is finished.
        units: Units of work: single cells, or groups of cells that share costly preparations.
        store: The store of the cells.
        names: Returns the names of a unit's cells.
        threads, work: As in `spread`; `work` is that of one unit.
    """
    missing = [unit for unit in units if any(store.read(name) is None for name in names(unit))]
    every = [name for unit in units for name in names(unit)]
    if n_kept := len(every) - store.n_missing(every):
        progress.say(f"{n_kept} of {len(every)} cells are finished already, in {store.folder}")
    return spread(function, missing, threads=threads, work=work * len(missing)) if missing else []


def n_workers(threads: int, work: float) -> int:
    """Return the number of workers: PIPELINE_WORKERS, or a number that suits the cores and the amount of work."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return max(1, min(_n_cores() // threads, int(work / WORTH)))
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{VARIABLE}: expected a whole number >= 1, received {text!r}")
    return int(text)


def _n_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
