"""A scheduler of Dask and its workers as processes, started by the commands of docs/cluster.md."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import clones
import psutil
from waiting import wait_until

PAGE = clones.ROOT / "docs/cluster.md"


def command(starts: str) -> str:
    """Return the command of docs/cluster.md that starts so."""
    return next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(starts))


@dataclass
class Cluster:
    """Processes at an address of this machine; `folder` is the project in which workers start."""

    folder: Path
    logs: Path
    variables: dict[str, str] = field(default_factory=dict)
    scheme: str = "tcp"
    started: list[subprocess.Popen] = field(default_factory=list)

    def __post_init__(self) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def start_scheduler(self) -> subprocess.Popen:
        """Start a scheduler; return once it listens."""
        scheduler = self._start(
            command("python -m dask scheduler").replace("8786", f"{self.port} --protocol {self.scheme}")
        )
        wait_until(self._listens, 120)
        return scheduler

    def start_worker(self, host: str = "127.0.0.1") -> subprocess.Popen:
        """Start a worker; it registers by itself."""
        line = command("python -m dask worker").replace("tcp://127.0.0.1:8786", self.address)
        return self._start(line.replace("--host 127.0.0.1", f"--host {host}"))

    def workers(self) -> list[psutil.Process]:
        """Return the processes that compute, which are children of those that `start_worker` has started."""
        found = [child for one in self.started for child in psutil.Process(one.pid).children(recursive=True)]
        return [one for one in found if "spawn_main" in " ".join(one.cmdline())]

    def stop(self) -> None:
        for one in self.started:
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()

    def log(self) -> str:
        """Return what all of them have said."""
        return "".join(path.read_text() for path in sorted(self.logs.glob("*.log")))

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def _start(self, line: str) -> subprocess.Popen:
        arguments = [sys.executable, *line.split()[1:]]
        with (self.logs / f"{len(self.started)}.log").open("w") as log:
            self.started.append(
                subprocess.Popen(
                    arguments, cwd=self.folder, env=clones.environment() | self.variables, stdout=log,
                    stderr=log, start_new_session=True,
                )
            )  # fmt: skip
        return self.started[-1]


@contextmanager
def running(*arguments, n_workers: int = 2, **options) -> Iterator[Cluster]:
    """Start a scheduler and workers, and end all of them."""
    cluster = Cluster(*arguments, **options)
    try:
        cluster.start_scheduler()
        for _ in range(n_workers):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.stop()
