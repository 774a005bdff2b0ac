"""What happens to a run while it runs, and the server that it does not find."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable

from benchmarks.faults.project import Project, Run, command_line, marked
from benchmarks.faults.table import Change, During


def wait_for(run: Run, text: str, seconds: float = 200) -> bool:
    """Wait until a run has said something; return whether it has."""
    end = time.monotonic() + seconds
    while text not in run.out + run.err and run.process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    return text in run.out + run.err


def once_started(act: Callable[[Run, Project], str | None], *, later: float = 0.0) -> During:
    """Do something so many seconds after the first stage that runs has started."""

    def during(run: Run, project: Project) -> str:
        if not wait_for(run, " started"):
            return "no stage started"
        time.sleep(later)
        return act(run, project) or ""

    return during


def edit(change: Change, *, later: float = 0.3) -> During:
    """Change files while the first stage runs."""
    return once_started(lambda _, project: change(project.work), later=later)


def sent(name: str, *, later: float, says: str = "", parent: bool = False) -> During:
    """Send a signal as a terminal does, or to the command alone; it has to be answered within a second."""

    def act(run: Run, _: Project) -> str:
        (os.kill if parent else os.killpg)(run.process.pid, getattr(signal, name))
        if says and not wait_for(run, says, 1.0):
            return f"{says} ... not said within a second"
        return "" if run.wait(15) is not None else "still there after 15 s"

    return once_started(act, later=later)


def kill_worker(run: Run, project: Project) -> str:
    """Kill one of the worker processes."""
    workers = [pid for pid in marked(run.token) if "workers.serve" in command_line(pid)]
    if not workers:
        return "no worker found"
    os.kill(workers[0], signal.SIGKILL)
    return ""


def second(run: Run, project: Project) -> str:
    """Start the same beside it; it has to be refused, with the first one's number."""
    other = project.run("flows", "repro", "phase@1", seconds=60)
    said = f"the second: exit {other.process.returncode}, {other.said}"
    return "" if other.process.returncode == 5 and str(run.process.pid) in other.said else said


def closed() -> str:
    """Return the address of a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
