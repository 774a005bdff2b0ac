"""Servers on this machine: Prefect's, for one flow, and MLflow's UI.

Any web page in the browser can send requests to 127.0.0.1. So Prefect's server requires a password and lets only its
own pages read its answers; MLflow's server answers only requests to its own host name.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from flows import healing, interrupts, processes
from flows.environment import private_folder, variables
from tasks.frame.errors import Refused, RunError, UsageError

HOST = "127.0.0.1"
RUNS = "#/experiments?workflowType=machine_learning"  # otherwise MLflow opens its page for traces of language models
MLFLOW = "PIPELINE_MLFLOW"  # the variable with the address of the MLflow server that `serve` runs
# Prefect's pages ask Amplitude for its settings although analytics are off: browsers let them reach this server only.
POLICY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' {api} {sockets}"
STATE = Path(".prefect")
PASSWORD = STATE / "password"
PATIENCE = 180.0  # seconds for a server to answer, or for one command to end
FLUSH = 3.0  # seconds to send Prefect's pending events and logs


@contextmanager
def connected() -> Iterator[None]:
    """Connect Prefect to the server that `serve` runs for this project, or to a temporary one."""
    if "PREFECT_API_URL" in os.environ:
        yield
    elif port := served_port():
        with variables(**settings(port), **{MLFLOW: served_mlflow()}):
            yield
    else:
        with _temporary_server():
            yield


@contextmanager
def _temporary_server() -> Iterator[None]:
    """Run a temporary Prefect server in a child process, which ends even if this process is killed."""
    port = _free_port()
    brief = "--log-level error --timeout-graceful-shutdown 2"
    small = {"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1", "PREFECT_UI_ENABLED": "0"}
    told = settings(port) | {"PREFECT_UI_URL": ""}  # it serves no pages
    with (
        variables(**told),
        running(f"{prefect(port)} {brief}", {**os.environ, **told, **small}, "flow-server") as server,
    ):
        from prefect.events.worker import EventsWorker  # imports while the server starts
        from prefect.logging.handlers import APILogWorker

        wait_until_healthy(f"http://{HOST}:{port}/api/health", server)
        try:
            yield
        finally:
            for worker in (EventsWorker, APILogWorker):
                worker.drain_all(timeout=FLUSH)


def ui(port: int) -> None:
    """Run MLflow's UI with the project's runs until a signal comes."""
    store = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if store.startswith("http"):
        print(f"MLflow: {store}")
        return
    require_free(port)
    if store == "sqlite:///mlflow.db":
        _fill()
    with suppress(KeyboardInterrupt), running(mlflow(store, port), os.environ, "mlflow-server") as server:
        wait_until_healthy(f"http://{HOST}:{port}/health", server)
        print(f"MLflow: http://{HOST}:{port}/{RUNS}  (log: {STATE}/mlflow-server.log; Ctrl-C stops it)", flush=True)
        wait_for_the_first_to_end(server)


def mlflow(store: str, port: int) -> str:
    """Return the command of MLflow's server at a port of this machine, for its store of runs."""
    show = f"mlflow server --backend-store-uri {shlex.quote(store)} --artifacts-destination ./mlartifacts --workers 1"
    return f"{show} --host {HOST} --port {port} --allowed-hosts {HOST}:{port},localhost:{port}"


def prefect(port: int) -> str:
    """Return the command of Prefect's server at a port of this machine, as `prefect server start` runs it."""
    names = (HOST, "localhost")
    api, sockets = (" ".join(f"{scheme}://{name}:{port}" for name in names) for scheme in ("http", "ws"))
    policy = shlex.quote("Content-Security-Policy:" + POLICY.format(api=api, sockets=sockets))
    start = f"uvicorn prefect.server.api.server:create_app --factory --lifespan on --host {HOST} --port {port}"
    return f"{start} --header {policy}"


def _fill() -> None:
    """Log the experiment in data/ if MLflow does not have it, and update the paths of moved artifacts."""
    from flows import planning
    from tasks import track
    from tasks.tracking import database

    path = Path("mlflow.db")
    with suppress(RunError) if path.exists() else nullcontext():  # a run in progress logs itself
        if not track.is_logged() and (parts := track.written()) and planning.is_up_to_date([*parts]):
            print("Writing the experiment in data/ into MLflow's database ...", flush=True)
            track.fill()
    if not path.exists():
        ways = "`make repro` makes the first; where results were shared, `dvc pull` brings them"
        raise UsageError(f"no runs yet, and data/ is not finished: {ways}")
    database.relocate(path)


@contextmanager
def running(command: str, environment: Mapping[str, str], name: str) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m COMMAND` in the background; it and its children end with the block, or with this process."""
    with (private_folder(STATE) / f"{name}.log").open("w") as log:
        process = processes.start(
            [sys.executable, "-c", f"from flows import processes; processes.become({os.getpid()})",
             *shlex.split(command)],
            stdout=log, stderr=subprocess.STDOUT, environment={**environment}, ends_with_us=False,
        )  # fmt: skip
        try:
            yield process
        finally:
            with interrupts.held():
                processes.stop(process)


def do(command: str, environment: Mapping[str, str]) -> None:
    """Run `python -m COMMAND` to its end; Refused, with the end of its output, if it fails."""
    arguments = [sys.executable, "-m", *shlex.split(command)]
    try:
        done = subprocess.run(
            arguments, env={**environment}, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"`{command}` did not end within {PATIENCE} s") from None
    if done.returncode:
        words = " ".join((done.stdout + done.stderr).split())[-300:]
        raise Refused(f"`{command}` failed: {words}")


def wait_until_healthy(url: str, server: subprocess.Popen[str]) -> None:
    """Wait until a server answers; Refused if it ends or does not answer in time."""
    end = time.monotonic() + PATIENCE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError), opener.open(url, timeout=5):
            return
        time.sleep(0.1)
    raise Refused(f"no answer from {url}; the log in {STATE} says why")


def wait_for_the_first_to_end(*servers: subprocess.Popen[str]) -> None:
    """Wait until one of the servers ends by itself, then raise Refused."""
    while all(server.poll() is None for server in servers):
        time.sleep(0.5)
    raise Refused(f"a server ended by itself; the logs in {STATE} say why")


def require_free(port: int) -> None:
    """Raise Refused if another program listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            why = f"port {port} on {HOST}: {error.strerror}; choose another with --port"
            raise Refused(why) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def settings(port: int) -> dict[str, str]:
    """Return Prefect's settings for this project's server at a port, and for its clients."""
    return {
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_SERVER_API_AUTH_STRING": password(),
        "PREFECT_API_AUTH_STRING": password(),
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "flows.ordering",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{name}:{port}" for name in (HOST, "localhost")),
    }


def password() -> str:
    """Return `user:password` of this project's Prefect server; create it at first use."""
    private_folder(STATE)
    known = PASSWORD.read_text(encoding="utf-8").strip() if PASSWORD.exists() else ""
    if not known:  # an empty password would admit everybody
        new = STATE / f".password.{os.getpid()}"
        with open(new, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(f"admin:{secrets.token_urlsafe(24)}")
        new.replace(PASSWORD)
    return known or PASSWORD.read_text(encoding="utf-8")


@contextmanager
def announced(port: int, mlflow: str = "") -> Iterator[None]:
    """Let `connected` find Prefect's server, and the address of MLflow's, within the block."""
    path = STATE / "serving.json"
    path.write_text(json.dumps({"pid": os.getpid(), "port": port, "mlflow": mlflow}), encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def served_port() -> int | None:
    """Return the port of the server that `serve` runs, or None; ignore the file of a killed server."""
    path = STATE / "serving.json"
    try:
        serving = json.loads(path.read_text(encoding="utf-8"))
        if (
            healing.started(int(serving["pid"])) > path.stat().st_mtime
        ):  # the server has ended; another program may use the port
            return None
        with socket.create_connection((HOST, int(serving["port"])), timeout=2):
            return int(serving["port"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def served_mlflow() -> str:
    """Return the address of the MLflow server that `serve` runs; empty if it is not known."""
    with suppress(OSError, ValueError):
        return str(json.loads((STATE / "serving.json").read_text(encoding="utf-8")).get("mlflow", ""))
    return ""
