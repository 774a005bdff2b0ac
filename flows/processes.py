"""Programs that this process runs to their end, and servers that end with the process that started them."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from flows import interrupts
from tasks.frame import parent
from tasks.frame.errors import RunError
from tasks.frame.processes import ending, start, stop

LAST_GRACE = 2.0  # seconds between SIGTERM and SIGKILL, once the caller has ended


def run(arguments: Sequence[str], *, folder: Path | None = None, environment: dict[str, str] | None = None,
        name: str = "") -> None:  # fmt: skip
    """Run a program to its end, in this folder or another, and show its output as it comes.

    Args:
        arguments, folder, environment: As in `start`.
        name: The program's name in the error message; by default its arguments.

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
        how, exit_code = ending(code)
        raise RunError(said or f"{name or ' '.join(arguments)} {how}", exit_code=exit_code)


def become(caller: int) -> None:
    """Run `python -m` with this process's arguments in a child; end the process group when process `caller` ends.

    A killed program cannot end the programs that it started, and a hanging one cannot end itself. So this process only
    watches the caller and the child: it ends with the child, or ends the whole group.
    """
    guard = os.getpid()
    if program := os.fork():
        _guard(program, caller)
    parent.end_with([guard])
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _guard(program: int, caller: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # signals to the group are for the child
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
