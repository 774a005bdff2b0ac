"""`make serve`: a Prefect server and a worker with the deployments of prefect.yaml, until a signal comes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from flows import services
from flows.environment import ROOT, variables
from flows.services import HOST, PASSWORD, STATE
from tasks.frame.errors import Busy

POOL = "local"
FAILED = re.compile(
    r"\| ERROR +\| docket\.\S+ - ↩ \[[^]]*\] (\w+)\("
)  # a failed service in the log of Prefect's server


def serve(port: int) -> None:
    """Run a Prefect server and a worker at a port until a signal comes."""
    if served := services.served_port():
        raise Busy(f"this project has a running server at http://{HOST}:{served}; stop that one first")
    services.require_free(port)
    with suppress(KeyboardInterrupt), variables(**services.settings(port), PIPELINE_ROOT=str(ROOT)):
        start = f"prefect server start --host {HOST} --port {port}"
        with services.running(start, os.environ, "prefect-server") as server:
            services.wait_until_healthy(f"http://{HOST}:{port}/api/health", server)
            threading.Thread(target=_tell_of_failures, daemon=True).start()
            _work(port, server)


def _work(port: int, server: subprocess.Popen[str]) -> None:
    """Update the deployments, repair the database, and start a worker; wait until the server or the worker ends."""
    services.do(f"prefect --no-prompt work-pool create {POOL} --type process --overwrite", os.environ)
    from flows import deployments, leftovers  # import Prefect only now: it reads the variables at import

    deployments.deploy(Path("prefect.yaml"))
    for line in leftovers.put_right(POOL):
        print(line)
    start = f"prefect worker start --pool {POOL} --type process --limit 1"
    with services.running(start, os.environ, "prefect-worker") as worker, services.announced(port):
        print(f"Prefect: http://{HOST}:{port}  (its password is the line in {PASSWORD})")
        print(f"Logs: {STATE}/prefect-*.log. Ctrl-C stops both. For Prefect's own commands, in a shell:")
        print(
            f'export PREFECT_API_URL=http://{HOST}:{port}/api PREFECT_API_AUTH_STRING="$(cat {PASSWORD})"', flush=True
        )
        services.wait_for_the_first_to_end(server, worker)


def _tell_of_failures() -> None:
    """Print a warning, once per service, when a service of Prefect's server fails; the server only logs it."""
    told: set[str] = set()
    for service, why in failures(_followed(STATE / "prefect-server.log")):
        if service not in told:
            told.add(service)
            effect = (
                "no schedule fires while it does" if service.startswith("schedule") else "Prefect will try it again"
            )
            print(f"warning: {service} of Prefect's server fails: {why}; {effect}", file=sys.stderr, flush=True)


def failures(log: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (service, last line of its traceback) for every failure in a log."""
    service = ""
    for line in log:
        if match := FAILED.search(line):
            service = match[1]
        elif service and line.strip() and not line.startswith((" ", "Traceback ")):
            yield service, line.strip()[:200]
            service = ""


def _followed(log: Path) -> Iterator[str]:
    """Yield the lines of a file, without end, as they are written."""
    with log.open(encoding="utf-8", errors="replace") as file:
        line = ""
        while True:
            line += file.readline()
            if line.endswith("\n"):
                yield line
                line = ""
            else:
                time.sleep(0.5)
