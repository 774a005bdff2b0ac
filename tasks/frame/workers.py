"""A pool of worker processes. Each does one job at a time, and ends with the process that started it.

A pipe connects each worker. The worker receives a job and answers with messages: `progress`, which the starting process
shows, then one of `done` (the result), `failed` (a user's error) and `fault` (the traceback of any other error).

A worker has a session of its own, so Ctrl-C reaches only the starting process, which then stops its workers. If that
process is killed, Linux kills the workers; on other systems they end when the pipe closes.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

from tasks.frame import code, errors, processes, progress, stage

VARIABLE = "PIPELINE_WORKERS"  # sets the number of processes
PATIENCE = 1.5  # seconds for an orderly end; TensorFlow may be in the middle of an epoch


class Worker:
    """A worker process and this process's end of its pipe."""

    def __init__(self) -> None:
        self.connection, there = Pipe()
        path = os.pathsep.join(filter(None, [str(code.ROOT), os.environ.get("PYTHONPATH")]))
        program = f"from tasks.frame import workers; workers.serve({there.fileno()})"
        with there:
            self.process = processes.start(
                [sys.executable, "-c", program], environment={**os.environ, "PYTHONPATH": path},
                pass_fds=[there.fileno()],
            )  # fmt: skip


class Pool:
    """A pool that starts a worker if none is idle. The caller limits the number of jobs; threads may share a pool."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._all: list[Worker] = []
        self._is_open = True

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def map(self, function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], *, stage: str) -> list[Any]:
        """Return `function(*job)` for every job, in order; all jobs run at the same time, each in its own worker.

        Args:
            function: Defined at module level, so that pickle finds it.
            jobs: The arguments of each call.
            stage: The stage's name, for the message if a worker is killed.

        Raises:
            WorkerKilled: A worker ended before it answered.
            Ended: The pool was stopped.
            RuntimeError: A fault in a worker, with its traceback as a note.
            Exception: The first user's error, as the function raised it.
        """
        with ExitStack() as busy:
            workers = [busy.enter_context(self._worker()) for _ in jobs]
            for worker, job in zip(workers, jobs, strict=True):
                with suppress(OSError):  # `_answers` notices a dead worker
                    worker.connection.send((function, job))
            found = dict(self._answers(workers, stage))
        return [found[worker] for worker in workers]

    def stop(self) -> None:
        """Stop all workers, busy or not, and start no more."""
        with self._lock:
            self._is_open = False
            processes.stop(*(worker.process for worker in self._all))
        for worker in self._idle:
            worker.connection.close()

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        with self._lock:
            if not self._is_open:
                raise errors.Ended("the run was ended")
            if not self._idle:
                self._all.append(Worker())
                self._idle.append(self._all[-1])
            worker = self._idle.pop()
        yield worker
        with self._lock:  # not after an error: the worker may be dead
            self._idle.append(worker)

    def _answers(self, workers: Sequence[Worker], stage: str) -> Iterator[tuple[Worker, Any]]:
        """Yield each worker with its result as it arrives, and show the workers' progress."""
        missing: dict[Any, Worker] = {worker.connection: worker for worker in workers}
        while missing:
            for connection in wait([*missing]):
                try:
                    kind, content = missing[connection].connection.recv()
                except (EOFError, OSError):
                    raise self._died(missing[connection], stage) from None
                if kind == "progress":
                    progress.repeat(*content)
                else:
                    yield missing.pop(connection), _opened(kind, content)

    def _died(self, worker: Worker, stage: str) -> errors.RunError:
        how, exit_code = processes.ending(worker.process.wait())
        if not self._is_open:
            return errors.Ended("the run was ended")
        said = f"stage {stage}: a worker process {how}; {VARIABLE}=1 does all in one process"
        return errors.WorkerKilled(said, exit_code=exit_code or 1)


def _opened(kind: str, content: Any) -> Any:
    """Return a result, or raise the error that the worker sent."""
    if kind == "failed":
        raise content
    if kind == "fault":
        error = RuntimeError("a worker process failed")
        error.add_note(content)
        raise error
    return content


def serve(fd: int) -> None:
    """Run a worker: do the jobs from the pipe `fd` and answer each, until the pipe closes."""
    progress.outlive_readers()
    connection, jobs = Connection(fd), queue.SimpleQueue[bytes]()
    threading.Thread(target=_read, args=[connection, jobs], daemon=True).start()
    while True:
        job = jobs.get()
        with progress.relayed(lambda *event: _send(connection, "progress", event)):
            answer = _answer(job)
        _send(connection, *answer)


def _answer(job: bytes) -> tuple[str, Any]:
    try:
        with stage.quiet():  # unpickling a job imports TensorFlow
            function, arguments = ForkingPickler.loads(job)
        return "done", function(*arguments)
    except Exception as error:  # noqa: BLE001 - raised again in the starting process
        where = f"In a worker process:\n{traceback.format_exc()}"  # pickle drops tracebacks
        return ("failed", _as_it_travels(error)) if errors.is_users(error) else ("fault", where)


def _as_it_travels(error: Exception) -> Exception:
    """Return a user's error; if it cannot be pickled, a RunError with its message and exit code."""
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:  # noqa: BLE001 - a library's class may fail with any error
        return errors.RunError(str(error), exit_code=errors.exit_code(error))
    return error


def _send(connection: Connection, kind: str, content: Any) -> None:
    """Send a message; end this process if the receiver has gone."""
    try:
        connection.send((kind, content))
    except OSError:
        os._exit(1)


def _read(connection: Connection, jobs: queue.SimpleQueue[bytes]) -> None:
    """Queue the jobs of the pipe; end this process when the pipe closes, before another run starts the same stage."""
    with suppress(EOFError, OSError):
        while True:
            jobs.put(connection.recv_bytes())
    os.kill(os.getpid(), signal.SIGTERM)  # also ends a shell command
    time.sleep(PATIENCE)
    os._exit(1)
