"""`make serve`: Prefect's server, a worker with the deployments of prefect.yaml, and MLflow's server.

They run on this machine alone, until a signal comes or one of them ends; then all end.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from flows import services, stores
from flows.environment import ROOT, variables
from flows.services import HOST, PASSWORD, STATE
from tasks.frame.errors import Busy

POOL = "local"
FAILED = re.compile(
    r"\| ERROR +\| docket\.\S+ - ↩ \[[^]]*\] (\w+)\("
)  # a failed service in the log of Prefect's server


def serve(port: int, mlflow_port: int, store: str = "") -> None:
    """Run Prefect's server, a worker and MLflow's server until a signal comes.

    Args:
        port, mlflow_port: The ports of Prefect and MLflow on this machine.
        store: The address of a PostgreSQL database for both, without a password; by default each has its SQLite file.

    Raises:
        UsageError: `store` is no such address.
        Refused: A port is taken, the database cannot be used, or a server does not start.
    """
    where = stores.of(store, mlflow_port)
    if served := services.served_port():
        raise Busy(f"this project has a running server at http://{HOST}:{served}; stop that one first")
    for each in (port, mlflow_port):
        services.require_free(each)
    own = {"PIPELINE_ROOT": str(ROOT), services.MLFLOW: f"http://{HOST}:{mlflow_port}"}
    told = services.settings(port) | where.variables() | own
    with suppress(KeyboardInterrupt), variables(**told), ExitStack() as stack:
        where.make_ready()
        start = f"{services.prefect(port)} --log-level warning"
        final = {**os.environ, "PREFECT__SERVER_FINAL": "1"}  # the only one of its process
        prefect = stack.enter_context(services.running(start, final, "prefect-server"))
        command = services.mlflow(where.mlflow, mlflow_port)
        mlflow = stack.enter_context(services.running(command, os.environ, "mlflow-server"))
        services.wait_until_healthy(f"http://{HOST}:{port}/api/health", prefect)
        services.wait_until_healthy(f"http://{HOST}:{mlflow_port}/health", mlflow)
        threading.Thread(target=_tell_of_failures, daemon=True).start()
        _work(port, mlflow_port, where, prefect, mlflow)


def _work(port: int, mlflow_port: int, where: stores.Stores, *servers: subprocess.Popen[str]) -> None:
    """Update the deployments, repair the database, and start a worker; wait until a server or the worker ends."""
    services.do(f"prefect --no-prompt work-pool create {POOL} --type process --overwrite", os.environ)
    services.do(f"prefect --no-prompt work-pool set-concurrency-limit {POOL} 1", os.environ)
    from flows import deployments, leftovers, notices  # import Prefect only now: it reads the variables at import

    told = notices.watch()  # before crashed runs are found
    deployments.deploy(Path("prefect.yaml"))
    for line in [*leftovers.put_right(POOL), *filter(None, [told])]:
        print(line)
    start = f"prefect worker start --pool {POOL} --type process --limit 1"
    address = os.environ[services.MLFLOW]
    with services.running(start, os.environ, "prefect-worker") as worker, services.announced(port, address):
        print(f"Prefect: http://{HOST}:{port}  (its password is the line in {PASSWORD})")
        print(f"MLflow:  {address}/{services.RUNS}")
        print(f"Logs: {STATE}/*.log, of scheduled runs {STATE}/scheduled. Ctrl-C stops all. For another shell:")
        for line in lines(port, where):
            print(line, flush=True)
        services.wait_for_the_first_to_end(*servers, worker)


def lines(port: int, where: stores.Stores) -> list[str]:
    """Return the lines that a shell needs for the commands of Prefect and MLflow, and for `make repro` to log there."""
    prefect = f'export PREFECT_API_URL=http://{HOST}:{port}/api PREFECT_API_AUTH_STRING="$(cat {PASSWORD})"'
    return [prefect, f"export MLFLOW_TRACKING_URI={where.clients}"]


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
