"""Processes that run stages beside each other; each imports TensorFlow once, for all the stages that it is given.

DVC stays in the process that starts them. A worker is a session of its own: Ctrl-C is for that process, which then ends
its workers. Killed, it ends them too, by the end of the connection.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

from flows import commands, interrupts, processes
from flows.environment import variables
from flows.processes import RunError
from tasks.frame import progress, stage

PATIENCE = 1.5  # seconds for an orderly end; TensorFlow may be at work on an epoch

Worker = tuple[subprocess.Popen[str], Connection]


class Pool:
    """Starts a worker whenever none is idle; the caller sees to it that not too many are busy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._all: list[Worker] = []
        self._is_open = True

    def execute(self, command: str | list[str], environment: Mapping[str, str]) -> None:
        """Run a stage's commands in a worker, with these variables set.

        Raises:
            RunError: What the stage says to a person, with its exit code; or the worker was killed.
            RuntimeError: A fault of the stage's, with its traceback.
        """
        with self._worker() as (process, connection):
            try:
                connection.send((command, dict(environment)))
                kind, text, code = connection.recv()
            except (EOFError, OSError):
                raise self._died(process, environment.get("DVC_STAGE", "")) from None
        if kind == "failed":
            raise RunError(text, exit_code=code)
        if kind == "fault":
            error = RuntimeError(f"stage {environment.get('DVC_STAGE', '')} failed in a worker process")
            error.add_note(text)
            raise error

    def stop(self) -> None:
        """End all workers, whatever they do, and start no more."""
        with self._lock:
            self._is_open = False
            processes.stop(*(process for process, _ in self._all))
        for _, connection in self._idle:
            connection.close()

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        with self._lock:
            if not self._is_open:
                raise RunError("the run was ended", exit_code=130)
            if not self._idle:
                self._all.append(_start())
                self._idle.append(self._all[-1])
            worker = self._idle.pop()
        yield worker
        with self._lock:  # not after an error: what died is idle no more
            self._idle.append(worker)

    def _died(self, process: subprocess.Popen[str], name: str) -> RunError:
        code = process.wait()
        if not self._is_open:
            return RunError("the run was ended", exit_code=130)
        how = f"was killed by signal {-code}{' (often out of memory)' if code == -9 else ''}" if code < 0 else "ended"
        return RunError(f"stage {name}: the process that ran it {how}", exit_code=128 - code if code < 0 else code or 1)


def _start() -> Worker:
    here, there = Pipe()
    path = os.pathsep.join(filter(None, [str(stage.ROOT), os.environ.get("PYTHONPATH")]))
    code = f"from flows import workers; workers.serve({there.fileno()})"
    with there:
        process = processes.start(
            [sys.executable, "-c", code], environment={**os.environ, "PYTHONPATH": path}, pass_fds=[there.fileno()]
        )
    return process, here


def serve(fd: int) -> None:
    """Be a worker: run what comes through the connection `fd`, and answer, until the connection ends."""
    progress.outlive_readers()
    connection, jobs = Connection(fd), queue.SimpleQueue[Any]()
    threading.Thread(target=_read, args=[connection, jobs], daemon=True).start()
    with interrupts.exit_on_request(aloud=False):
        while True:
            command, environment = jobs.get()
            with variables(**environment):
                answer = _answer(command)
            connection.send(answer)


def _answer(command: str | list[str]) -> tuple[str, str, int]:
    try:
        commands.run(command)
    except Exception as error:  # noqa: BLE001 - raised again by the process that wants the stage
        if stage.is_users(error):
            return "failed", str(error), stage.exit_code(error)
        return "fault", f"In a worker process:\n{traceback.format_exc()}", 1
    return "done", "", 0


def _read(connection: Connection, jobs: queue.SimpleQueue[Any]) -> None:
    """Take jobs, and end this process when there is nobody left who wants them: no successor may meet its stage."""
    with suppress(EOFError, OSError):
        while True:
            jobs.put(connection.recv())
    os.kill(os.getpid(), signal.SIGTERM)  # which ends a shell command, too
    time.sleep(PATIENCE)
    os._exit(1)
