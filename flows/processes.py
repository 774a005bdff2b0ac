"""Start other programs, and end them with this one, however it ends."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from flows import interrupts
from tasks.frame import parent

GRACE = 6.0  # seconds between asking a program to end and ending it
LAST_GRACE = 2.0  # the same where nobody waits for it any more


class RunError(ValueError):
    """The reason why a run stopped: one readable line, and an exit code for the kind of reason."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run(arguments: Sequence[str], *, folder: Path | None = None, environment: dict[str, str] | None = None,
        name: str = "") -> None:  # fmt: skip
    """Run a program to its end, in this folder or another, its output shown as it comes.

    Args:
        arguments, folder, environment: As in `start`.
        name: What it is called where it fails; by default its arguments.

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
        raise RunError(said or f"{name or ' '.join(arguments)} {how}", exit_code=code if code > 0 else 128 - code)


def start(arguments: Sequence[str], *, stdout: IO[Any] | None = None, stderr: IO[Any] | int | None = None,
          environment: dict[str, str] | None = None, folder: Path | None = None,
          pass_fds: Sequence[int] = (), ends_with_us: bool = True) -> subprocess.Popen[str]:  # fmt: skip
    """Start a program as the leader of a process group of its own, so that `stop` reaches all of it.

    Args:
        arguments, stdout, stderr, environment, folder, pass_fds: As for subprocess.Popen.
        ends_with_us: One of this project's that is killed with this process; else it has to see to that itself.
    """
    follow = {parent.VARIABLE: str(os.getpid())} if ends_with_us else {}
    return subprocess.Popen(
        [*arguments], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, text=True, cwd=folder,
        env=(environment or {**os.environ}) | follow,
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


def become(caller: int) -> None:
    """Run `python -m` with this process's arguments in a child; end the group when the process `caller` ends.

    A program that is killed cannot end what it has started, and one that hangs cannot end itself. So this process only
    watches the two: it ends with the child, or ends the whole group.
    """
    guard = os.getpid()
    if program := os.fork():
        _guard(program, caller)
    parent.end_with([guard])
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _guard(program: int, caller: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # sent to the group: for the program
        signal.signal(number, signal.SIG_IGN)
    while os.getppid() == caller:
        ended, status = os.waitpid(program, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
        time.sleep(0.2)
    os.killpg(0, signal.SIGTERM)
    time.sleep(LAST_GRACE)
    os.killpg(0, signal.SIGKILL)


def _signal(process: subprocess.Popen[str], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
