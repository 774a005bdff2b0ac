"""Child processes: each leads a process group, so that stopping it stops all programs that it started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tasks.frame import parent

GRACE = 6.0  # seconds between SIGTERM and SIGKILL


def start(arguments: Sequence[str], *, stdout: IO[Any] | None = None, stderr: IO[Any] | int | None = None,
          environment: dict[str, str] | None = None, folder: Path | None = None,
          pass_fds: Sequence[int] = (), ends_with_us: bool = True) -> subprocess.Popen[str]:  # fmt: skip
    """Start a program as the leader of a process group of its own, so that `stop` reaches all of it.

    Args:
        arguments, stdout, stderr, environment, folder, pass_fds: As for subprocess.Popen.
        ends_with_us: The program imports this project's packages, so it is killed with this process (parent.follow).
    """
    follow = {parent.VARIABLE: str(os.getpid())} if ends_with_us else {}
    return subprocess.Popen(
        [*arguments], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, text=True, cwd=folder,
        env=(environment or {**os.environ}) | follow,
        start_new_session=True, pass_fds=pass_fds,
    )  # fmt: skip


def stop(*processes: subprocess.Popen[str]) -> None:
    """Ask programs and their children to end, wait, then kill those that are left."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        _signal(process, signal.SIGKILL)
        process.wait()


def ending(code: int) -> tuple[str, int]:
    """Return a description of how a process ended, and the exit code that a shell would show."""
    if code < 0:
        return f"was killed by signal {-code}{' (often out of memory)' if code == -signal.SIGKILL else ''}", 128 - code
    return f"failed: {code}", code


def _signal(process: subprocess.Popen[str], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
