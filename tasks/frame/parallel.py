"""Independent trainings, divided over worker processes; the results do not depend on how many there are.

PIPELINE_WORKERS sets their number; by default there are as many as the cores allow and the work is worth. It is no
parameter of the experiment: each process trains with `threads` threads, as one alone would, and answers come back in
order.
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
WORTH = 8e11  # multiply-adds that take a core some 20 s; starting a worker (TensorFlow, a compilation) takes 7 to 10


def spread(
    function: Callable[[Sequence[Cell]], list[Result]], cells: Sequence[Cell], *, threads: int, work: float
) -> list[Result]:
    """Return `function(cells)`, consecutive cells given to each of some worker processes, or all of them done here.

    Args:
        function: Returns a result per cell, each the same whatever other cells are given; a module's own, for pickle.
        cells: What to do; neighbours may share what is dear, such as a compiled function.
        threads: Of each process.
        work: Multiply-adds in all, about; little work starts no process.

    Raises:
        Exception: As `Pool.map`; the other workers are ended.
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
    """Do a worker's part."""
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
    """Return what `function` returns for the units of which a cell is missing; it computes those, and keeps them.

    Args:
        function: As `spread` wants it; writes every cell to the store as soon as it is finished.
        units: What is computed together: a cell, or several that share what is dear.
        store: Where cells are kept.
        names: Returns the names of a unit's cells.
        threads: Of each process.
        work: Of one unit, as in `spread`.
    """
    missing = [unit for unit in units if any(store.read(name) is None for name in names(unit))]
    every = [name for unit in units for name in names(unit)]
    if n_kept := len(every) - store.n_missing(every):
        progress.say(f"{n_kept} of {len(every)} cells are there already, in {store.folder}")
    return spread(function, missing, threads=threads, work=work * len(missing)) if missing else []


def n_workers(threads: int, work: float) -> int:
    """Return the number that PIPELINE_WORKERS sets, or else what the cores allow and the work is worth."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return max(1, min(_n_cores() // threads, int(work / WORTH)))
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{VARIABLE}: expected a whole number >= 1, received {text!r}")
    return int(text)


def _n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
