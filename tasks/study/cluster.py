"""The study's cells on the workers of a Dask cluster: `--dask ADDRESS`, or PIPELINE_DASK.

The scheduler knows only as many cells as there are workers, and a cell whose workers ended is tried once more, alone:
so a cell that kills its workers takes no other with it. Encoders come first; a score is sent once its encoder is kept.
Workers write into the store and answer with names and hashes (tasks/study/dask_worker.py); every future is released at
once, for Dask would compute held ones again after a worker's death. The bytes are those of one process.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from tasks.frame import cells, progress
from tasks.frame.cells import Failure, Store
from tasks.frame.errors import Refused
from tasks.frame.sections import Params
from tasks.frame.view import Place, unchecked
from tasks.study import dask_worker, keys
from tasks.study.dask_worker import Job
from tasks.study.keys import Cell, EncoderCell

PATIENCE = 10  # seconds for a scheduler to answer
KILLED = "KilledWorker"
PAUSE = 0.005  # seconds between two looks for finished cells
COUNT = 1.0  # seconds between two counts of the workers

Say = Callable[[Cell, dict[str, Any]], None]


def fill(params: Params, data: Place, store: Store, wanted: Sequence[Cell], address: str, say: Say) -> list[Failure]:
    """Compute the missing ones of some cells on a cluster; return the failures.

    Args:
        params, data, store: The study's. Workers find data/prepare and the store at the same paths as this process.
        wanted: The cells; with each cell the encoder that it uses.
        address: The scheduler's, as `addresses.checked` returns it.
        say: Called with each newly stored cell and its result.

    Raises:
        Refused: The scheduler is not there or gone, or a worker would not compute the same bytes.
    """
    missing = [cell for cell in wanted if store.read(cell.name) is None]
    if not missing:
        return []
    here, folder, token = unchecked(data).resolve(), store.folder.resolve(), f".job.{secrets.token_hex(8)}"
    job = Job(params, here, folder, token, dask_worker.facts(params, here))
    with _connected(address) as client:
        _refuse_other_versions(client)
        (folder / token).touch()
        try:
            return _drive(client, address, job, store, missing, say)
        finally:
            (folder / token).unlink(missing_ok=True)


def _drive(client: Any, address: str, job: Job, store: Store, missing: Sequence[Cell], say: Say) -> list[Failure]:
    """Send the cells, as many at a time as there are workers, and collect the answers."""
    from distributed import as_completed

    ready, waiting = _in_order(job.params, missing)
    running: dict[Any, Cell] = {}
    suspects, tried = deque[Cell](), set[Cell]()
    finished = as_completed(loop=client.loop, raise_errors=False)
    failures: list[Failure] = []
    workers = _Workers(client, address)
    while ready or running or suspects:
        if client.status != "running":
            raise _lost(address)
        if not ready and not running:  # a cell is alone with a worker the second time: which one ends the workers?
            ready.append(suspects.popleft())
        while ready and len(running) < workers.n():
            cell = ready.popleft()
            used = [one for one in (cell, keys.encoder_of(job.params, cell)) if one]
            given = {one.name: store.given[one.name] for one in used}
            key = f"{store.stems[cell.name]}{' again' if cell in tried else ''}"
            future = client.submit(dask_worker.compute, job, cell, given, key=key, pure=False)
            running[future] = cell
            finished.add(future)
        answered = finished.next_batch(block=False)
        for future in answered:
            cell = running.pop(future)
            failed = _failures(future, cell, store, address)
            future.release()
            if failed and failed[0].reason.startswith(KILLED) and cell not in tried:
                tried.add(cell)
                suspects.append(cell)
                continue
            failures += failed
            if not failed:
                say(cell, store.kept(cell.name))
            ready.extend(waiting.pop(cell.name, ()))
        if not answered:
            time.sleep(PAUSE)
    return failures


def _in_order(params: Params, missing: Sequence[Cell]) -> tuple[deque[Cell], dict[str, list[Cell]]]:
    """Return the cells to send at once, encoders first, and those that wait for an encoder, by its name."""
    encoders = {cell.name for cell in missing if isinstance(cell, EncoderCell)}
    ready, waiting = deque[Cell](), dict[str, list[Cell]]()
    for cell in missing:
        encoder = keys.encoder_of(params, cell)
        if encoder and encoder.name in encoders:
            waiting.setdefault(encoder.name, []).append(cell)
        else:
            ready.append(cell)
    return ready, waiting


class _Workers:
    """The number of workers, counted anew from time to time; says so while there is none."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address, self._n, self._at = client, address, -1, 0.0

    def n(self) -> int:
        if time.monotonic() - self._at > COUNT:
            with _gone(self._address):
                n = len(self._client.scheduler_info()["workers"])
            if n != self._n:
                none = f"no worker at {self._address} yet; `{dask_worker.START.format(self._address)}` starts one"
                progress.say(f"{n} workers at {self._address}" if n else none)
            self._n, self._at = n, time.monotonic()
        return self._n


def _failures(future: Any, cell: Cell, store: Store, address: str) -> list[Failure]:
    """Return why a cell failed, empty if it is stored; raise what makes the whole run fail."""
    from distributed.scheduler import KilledWorker

    if future.status == "cancelled":
        raise _lost(address)
    with _gone(address):
        error = future.exception()
    if isinstance(error, KilledWorker):
        n = error.allowed_failures + 1
        return [Failure(cell.name, f"{KILLED}: {n} workers ended while they computed it")]
    if error:
        raise error
    with _gone(address):
        _, sha256, failures = future.result()
    if not failures and cells.digest(store.read(cell.name)) != sha256:
        raise Refused(
            f"{store.path(cell.name)}: expected the cell that a worker has written, found none: the store must be a"
            f" folder that all machines share; {cells.VARIABLE} names one"
        )
    return [Failure(*failure) for failure in failures]


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Connect to a scheduler; without Dask's own log, since errors become one line."""
    try:
        from distributed import Client
        from distributed.security import Security
    except ImportError as error:
        raise Refused(f"--dask needs the extra `cluster`, which `make setup` installs: {error}") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        security = Security(require_encryption=address.startswith("tls://"))
        client = Client(address, timeout=PATIENCE, set_as_default=False, security=security)
    except (OSError, TypeError, ValueError, RuntimeError) as error:
        line = " ".join(str(error).split())
        raise Refused(f"{address}: expected a scheduler of Dask, found none: {line}") from None
    with client:
        yield client


def _refuse_other_versions(client: Any) -> None:
    """Raise Refused if the scheduler or a worker has other versions of Python or of a package, which pickles show."""
    found = client.get_versions(packages=[*cells.PACKAGES])
    ours = found["client"]["packages"]
    others = {"scheduler": found["scheduler"], **{f"worker {name}": own for name, own in found["workers"].items()}}
    for name, own in others.items():
        for package, expected in ours.items():
            if own and (received := own["packages"].get(package)) != expected:
                raise Refused(
                    f"{name}: {package}: expected {expected} as here, received {received}; install requirements.lock"
                )


def _lost(address: str) -> Refused:
    return Refused(f"{address}: the scheduler is gone; finished cells are kept: start one, then run again")


@contextmanager
def _gone(address: str) -> Iterator[None]:
    """Say in one line that the scheduler is gone."""
    try:
        yield
    except (OSError, CancelledError, TimeoutError) as error:
        raise _lost(address) from error
