"""Programs that are started here and never outlive what started them."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from flows import interrupts
from tasks import parent

GRACE = 6.0  # seconds between asking a program to end and ending it


class RunError(ValueError):
    """What stopped a run: one line for a person, and an exit code that says which kind of thing it was."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run(arguments: Sequence[str], *, folder: Path | None = None, environment: dict[str, str] | None = None) -> None:
    """Run a program to its end, in this folder or another, its output shown as it comes.

    Raises:
        RunError: The program's own line `error: ...`, or how it ended, with its exit code.
    """
    process = start(arguments, stderr=subprocess.PIPE, folder=folder, environment=environment)
    assert process.stderr
    said = ""
    try:
        for line in process.stderr:
            if line.startswith("error: "):
                said = line.removeprefix("error: ").strip()
            else:
                sys.stderr.write(line)
        code = process.wait()
    finally:
        with interrupts.held():
            stop(process)
        process.stderr.close()
    if code:
        how = (
            f"was killed by signal {-code}{' (often out of memory)' if code == -9 else ''}"
            if code < 0
            else f"failed: {code}"
        )
        raise RunError(said or f"{' '.join(arguments)} {how}", exit_code=code if code > 0 else 128 - code)


def start(arguments: Sequence[str], *, stdout: IO[Any] | None = None, stderr: IO[Any] | int | None = None,
          environment: dict[str, str] | None = None, folder: Path | None = None,
          pass_fds: Sequence[int] = ()) -> subprocess.Popen[str]:  # fmt: skip
    """Start a program as the leader of a process group of its own, so that `stop` reaches all of it."""
    return subprocess.Popen(
        [*arguments], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, text=True, cwd=folder,
        env=(environment or {**os.environ}) | {parent.VARIABLE: str(os.getpid())},
        start_new_session=True, pass_fds=pass_fds,
    )  # fmt: skip


def stop(*processes: subprocess.Popen[str]) -> None:
    """Ask programs and all they started to end, wait, and end what is left."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        _signal(process, signal.SIGKILL)
        process.wait()


def become(fd: int) -> None:
    """Run `python -m` with this process's arguments; end its group when what holds the pipe's other end has ended.

    A program that is killed cannot end what it has started.
    """
    threading.Thread(target=_end_with, args=[fd], daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with(fd: int) -> None:
    os.read(fd, 1)
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)


def _signal(process: subprocess.Popen[str], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
