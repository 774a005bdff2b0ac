"""Independent trainings, divided over worker processes; the results do not depend on how many there are.

PIPELINE_WORKERS sets their number; by default there are as many as the cores allow and the work is worth. It is no
parameter of the experiment: each process trains with `threads` threads, as one alone would, and answers come back in
order.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, TypeVar

from tasks.frame import determinism, parent, progress, stage
from tasks.frame.cells import Store

Cell = TypeVar("Cell")
Result = TypeVar("Result")
VARIABLE = "PIPELINE_WORKERS"
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
        ChildProcessError: A worker was killed.
        RuntimeError: From a fault of the function's, of any type, in a worker.
        Exception: The function's own for a person, the first that a worker meets; the other workers are ended.
    """
    n = min(n_workers(threads, work), len(cells))
    if n <= 1:
        return function(cells)
    parts = [cells[k * len(cells) // n : (k + 1) * len(cells) // n] for k in range(n)]
    with _processes(n) as processes:
        for connection, part in zip(processes, parts, strict=True):
            connection.send((function, part, threads))
        return _gather(processes)


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
        raise ValueError(f"{VARIABLE}: expected a whole number >= 1, received {text!r}")
    return int(text)


def _n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _processes(n: int) -> Iterator[dict[Connection, subprocess.Popen[bytes]]]:
    """Start n workers, each at the other end of a connection; kill what is left of them when the block ends."""
    processes: dict[Connection, subprocess.Popen[bytes]] = {}
    try:
        for _ in range(n):
            here, there = Pipe()
            with there:
                processes[here] = _start(there.fileno())
        yield processes
    finally:
        for connection, process in processes.items():
            process.kill()  # it writes no file, so there is nothing to tidy up
            process.wait()
            connection.close()


def _start(fd: int) -> subprocess.Popen[bytes]:
    """Start a worker in a session of its own: Ctrl-C is for this process, which then ends the worker."""
    path = os.pathsep.join(filter(None, [str(stage.ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-c", f"from tasks.frame import parallel; parallel.work({fd})"],
        stdin=subprocess.DEVNULL, pass_fds=[fd], start_new_session=True,
        env=os.environ | {"PYTHONPATH": path, parent.VARIABLE: str(os.getpid())},
    )  # fmt: skip


def _gather(processes: dict[Connection, subprocess.Popen[bytes]]) -> list[Any]:
    """Show what workers tell until each has answered; return the answers as one list, in order."""
    answers: dict[Connection, list[Any]] = {}
    while missing := [connection for connection in processes if connection not in answers]:
        for connection in wait(missing):
            assert isinstance(connection, Connection)
            try:
                kind, content = connection.recv()
            except EOFError:
                raise _died(processes[connection]) from None
            if kind == "told":
                progress.repeat(*content)
            elif kind == "failed":
                raise content
            elif kind == "fault":
                raise RuntimeError("a worker process failed") from content
            else:
                answers[connection] = content
    return [result for connection in processes for result in answers[connection]]


def _died(process: subprocess.Popen[bytes]) -> ChildProcessError:
    code = process.wait()
    how = f"was killed by signal {-code}{' (often out of memory)' if code == -9 else ''}" if code < 0 else "ended early"
    name = os.environ.get("DVC_STAGE") or "this"
    return ChildProcessError(f"stage {name}: a worker process {how}; {VARIABLE}=1 does all in one process")


def work(fd: int) -> None:
    """Be a worker: do the job that comes through the connection `fd`, tell of its progress, answer."""
    connection = Connection(fd)
    with stage.quiet():  # what the job is made of imports TensorFlow
        function, cells, threads = connection.recv()
    threading.Thread(target=_end_with_parent, args=[connection], daemon=True).start()
    with determinism.fixed(threads), progress.relayed(lambda *event: _send(connection, ("told", event))):
        try:
            answer = ("done", function(cells))
        except Exception as error:  # noqa: BLE001 - raised again by the process that wants the answer
            answer = ("failed" if stage.is_users(error) else "fault", error)
            error.add_note(f"In a worker process:\n{traceback.format_exc()}")  # a traceback does not travel
    _send(connection, answer)


def _send(connection: Connection, message: tuple[str, Any]) -> None:
    """Send, or end: there is nobody left to answer."""
    try:
        connection.send(message)
    except OSError:
        os._exit(1)


def _end_with_parent(connection: Connection) -> None:
    """Wait for the connection to end, which it does when the process at its other end does, killed or not."""
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)
