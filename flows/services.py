"""The servers that look at runs and start them: Prefect's with a worker, MLflow's. On this machine only.

Any web page in the browser can send requests to 127.0.0.1. So Prefect's server wants a password and lets only its own
pages read its answers; MLflow's answers only where it is addressed by its own name.
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
from contextlib import contextmanager, suppress
from pathlib import Path

from flows import healing, interrupts, processes
from flows.environment import ROOT, private_folder
from flows.processes import RunError

HOST, POOL = "127.0.0.1", "local"
RUNS = "#/experiments?workflowType=machine_learning"  # without it MLflow opens on traces of language models
STATE = Path(".prefect")
PASSWORD = STATE / "password"
PATIENCE = 180.0  # seconds for a server to answer, or for one command to end


def connect() -> None:
    """Point Prefect at the server that `serve` runs for this project, else at one that ends with the run."""
    if "PREFECT_API_URL" not in os.environ:
        os.environ.update(_settings(_served_port()))


def serve(port: int) -> None:
    """Run a Prefect server and a worker until a signal comes, with the deployments of prefect.yaml."""
    if served := _served_port():
        raise RunError(f"this project is served already, at http://{HOST}:{served}; end that one first", exit_code=5)
    _require_free(port)
    environment = {**os.environ, **_settings(port), "PIPELINE_ROOT": str(ROOT)}
    with (
        suppress(KeyboardInterrupt),
        _running(f"prefect server start --host {HOST} --port {port}", environment) as server,
    ):
        _wait_until_healthy(f"http://{HOST}:{port}/api/health", server)
        _do(f"prefect --no-prompt work-pool create {POOL} --type process --overwrite", environment)
        _do("prefect --no-prompt deploy --all", environment)
        work = f"prefect worker start --pool {POOL} --type process --limit 1"
        with _running(work, environment) as worker, _announced(port):
            print(f"Prefect: http://{HOST}:{port}  (its password is the line in {PASSWORD})")
            print(f"Logs: {STATE}/prefect-*.log. Ctrl-C stops both.", flush=True)
            _wait_for_the_first_to_end(server, worker)


def ui(port: int) -> None:
    """Run MLflow's UI over the project's runs until a signal comes."""
    store = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if store.startswith("http"):
        print(f"MLflow: {store}")
        return
    if store == "sqlite:///mlflow.db" and not Path("mlflow.db").exists():
        raise RunError("no runs yet; `make repro` makes the first", exit_code=2)
    _require_free(port)
    show = f"mlflow server --backend-store-uri {shlex.quote(store)} --artifacts-destination ./mlartifacts --workers 1"
    allowed = f"--host {HOST} --port {port} --allowed-hosts {HOST}:{port},localhost:{port}"
    with suppress(KeyboardInterrupt), _running(f"{show} {allowed}", os.environ) as server:
        _wait_until_healthy(f"http://{HOST}:{port}/health", server)
        print(f"MLflow: http://{HOST}:{port}/{RUNS}  (log: {STATE}/mlflow-server.log; Ctrl-C stops it)", flush=True)
        _wait_for_the_first_to_end(server)


@contextmanager
def _running(command: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m COMMAND` beside this program; it and all it starts end with the block, or with this program."""
    path = private_folder(STATE) / f"{command.split()[0]}-{command.split()[1]}.log"
    there, here = os.pipe()
    with path.open("w") as log, open(here, "wb"):
        try:
            code = f"from flows import processes; processes.become({there})"
            process = processes.start(
                [sys.executable, "-c", code, *shlex.split(command)],
                stdout=log, stderr=subprocess.STDOUT, environment={**environment}, pass_fds=[there],
            )  # fmt: skip
        finally:
            os.close(there)
        try:
            yield process
        finally:
            with interrupts.held():
                processes.stop(process)


def _do(command: str, environment: Mapping[str, str]) -> None:
    """Run `python -m COMMAND` to its end; RunError with its last words if it fails."""
    arguments = [sys.executable, "-m", *shlex.split(command)]
    try:
        done = subprocess.run(
            arguments, env={**environment}, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"`{command}` did not end within {PATIENCE} s", exit_code=7) from None
    if done.returncode:
        words = " ".join((done.stdout + done.stderr).split())[-300:]
        raise RunError(f"`{command}` failed: {words}", exit_code=7)


def _wait_until_healthy(url: str, server: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError), opener.open(url, timeout=5):
            return
        time.sleep(0.3)
    raise RunError(f"no answer from {url}; the log in {STATE} says why", exit_code=7)


def _wait_for_the_first_to_end(*servers: subprocess.Popen[str]) -> None:
    while all(server.poll() is None for server in servers):
        time.sleep(0.5)
    raise RunError(f"a server ended by itself; the logs in {STATE} say why", exit_code=7)


def _require_free(port: int) -> None:
    """Raise RunError if another program listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            why = f"port {port} on {HOST}: {error.strerror}; choose another with --port"
            raise RunError(why, exit_code=7) from None


def _settings(port: int | None) -> dict[str, str]:
    """Return Prefect's settings for this project's server, at a port or wherever Prefect starts one."""
    origins = [f"http://{name}:{port}" for name in (HOST, "localhost")] if port else [f"http://{HOST}"]
    settings = {
        "PREFECT_SERVER_API_AUTH_STRING": _password(),
        "PREFECT_API_AUTH_STRING": _password(),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins),
    }
    return settings | ({"PREFECT_API_URL": f"http://{HOST}:{port}/api"} if port else {})


def _password() -> str:
    """Return `user:password` of this project's Prefect server, made at its first use."""
    private_folder(STATE)
    with suppress(FileExistsError), open(PASSWORD, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(f"admin:{secrets.token_urlsafe(24)}")
    return PASSWORD.read_text(encoding="utf-8")


@contextmanager
def _announced(port: int) -> Iterator[None]:
    """Let `connect` find the server while it runs."""
    path = STATE / "serving.json"
    path.write_text(json.dumps({"pid": os.getpid(), "port": port}), encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _served_port() -> int | None:
    """Return the port of the server that `serve` runs, if it runs one; what a killed one has left is not believed."""
    path = STATE / "serving.json"
    try:
        serving = json.loads(path.read_text(encoding="utf-8"))
        if healing.started(int(serving["pid"])) > path.stat().st_mtime:  # it has died; the port may be anybody's
            return None
        with socket.create_connection((HOST, int(serving["port"])), timeout=2):
            return int(serving["port"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
