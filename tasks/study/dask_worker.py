"""A study's cells on a worker of Dask. Every worker is started with this module, from the project's root:

    python -m dask worker ADDRESS --host 127.0.0.1 --dashboard-address 127.0.0.1:0 --nthreads 1 --memory-limit 0
        --preload tasks.study.dask_worker

Without `--host`, Dask's worker listens to the whole network, whatever the scheduler's address. A worker reads
the prepared data by their path, writes each cell into the store, and answers with its name and hash. It takes no cell
unless its data, code, versions and settings are those of the process that asks.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from tasks.frame import addresses, cells, code, compiled, determinism, files, stage
from tasks.frame.cells import Failure, Store
from tasks.frame.errors import DataError, Refused, UsageError
from tasks.frame.sections import Params
from tasks.study.keys import Cell

START = (
    "python -m dask worker {} --host 127.0.0.1 --dashboard-address 127.0.0.1:0 --nthreads 1 --memory-limit 0"
    " --preload tasks.study.dask_worker"
)
DASK = ("dask", "distributed")

_name = "worker"
_bench: dict[str, Any] = {}  # the last job's worker, by the job's token


class Job(NamedTuple):
    """A study as a worker needs it.

    Attributes:
        params: The parameters.
        data: The stages' folder, absolute.
        folder: The store's folder, absolute, which holds a file with the token as its name.
        token: A name for this job.
        facts: As `facts` returns them where the job comes from.
    """

    params: Params
    data: Path
    folder: Path
    token: str
    facts: dict[str, str]


class Answer(NamedTuple):
    """The name of a cell, the hash of its stored result, or why it failed."""

    name: str
    sha256: str
    failures: list[Failure]


def dask_setup(worker: Any) -> None:
    """Make this process ready before it registers; end it if others than its owner could send it pickles."""
    global _name
    _name = f"worker {worker.address}"
    if not all(addresses.is_safe(address) for address in (worker.listener.listen_address, worker.scheduler.address)):
        print(f"error: {worker.scheduler.address}: {addresses.NEEDS_TLS}", file=sys.stderr, flush=True)
        os._exit(UsageError.exit_code)
    _code()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    compiled.keep(code.ROOT / ".cells")
    _bench["threads of Dask"] = worker.state.nthreads


def facts(params: Params, data: Path) -> dict[str, str]:
    """Return what must be the same for a cell to have the same bytes: hashes of data and code, versions, settings."""
    versions = cells.versions() | {name: cells.version(name) for name in DASK}
    return {
        "threads": str(params.threads),
        "code": _code(),
        f"{data / 'prepare'}": files.data_hash(data / "prepare"),
        **versions,
    }


def compute(job: Job, cell: Cell, given: Mapping[str, Any]) -> Answer:
    """Compute a cell on a worker, unless it is stored.

    Args:
        job: The study.
        cell: The cell.
        given: Its key by its name, and that of the encoder that it uses, as `keys.given` returns them.

    Raises:
        RunError: This worker cannot compute the job's cells to the same bytes.
    """
    worker = _worker(job)
    worker.store = store = Store(job.folder, given)
    from tasks.study import runs

    with threadpool_limits(job.params.threads):
        found, failures = cells.run([cell], store, partial(runs.compute_one, worker))
    return Answer(cell.name, cells.digest(found[cell.name]) if found else "", failures)


def _worker(job: Job) -> Any:
    """Return the job's `tasks.study.worker.Worker`, which this process makes once."""
    if job.token not in _bench:
        refuse(job)
        determinism.set_threads(job.params.threads)  # TensorFlow reads it when it starts
        with stage.quiet():
            from tasks.study.worker import Worker

        nthreads = _bench["threads of Dask"]
        _bench.clear()
        _bench.update({"threads of Dask": nthreads, job.token: Worker(job.params, job.data, Store(job.folder, {}))})
    return _bench[job.token]


def refuse(job: Job) -> None:
    """Raise an error of one line if this process cannot compute the job's cells to the same bytes."""
    if _bench.get("threads of Dask") != 1:
        raise UsageError(
            f"{_name}: expected a worker of one thread and this preload; start it by `{START.format('ADDRESS')}`"
        )
    if not (job.folder / job.token).exists():
        raise Refused(f"{_name}: {job.folder}: expected the folder that all machines share, found another or none")
    if not (job.data / "prepare").is_dir():
        raise DataError(f"{_name}: {job.data / 'prepare'}: expected the prepared data at this path, found none")
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS") if "tensorflow" in sys.modules else None
    ours = facts(job.params, job.data) | ({"threads": threads} if threads else {})
    for name, expected in job.facts.items():
        if (received := ours.get(name, "none")) != expected:
            raise Refused(
                f"{_name}: {name}: expected {expected}, received {received}; give it the same commit,"
                " requirements.lock, data and kind of processor, and start it again"
            )
    if more := ours.keys() - job.facts.keys():
        raise Refused(f"{_name}: {min(more)}: expected none, received {ours[min(more)]}; start it again without")


@cache
def _code() -> str:
    """Return the hash of the code at the first call: a worker that runs when the code is edited keeps the old one."""
    return code.digest(code.computing())[:12]
