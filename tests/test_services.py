"""Servers beside this program: when one counts as up, as ended, as failed."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows import services
from flows.processes import RunError


class Healthy(BaseHTTPRequestHandler):
    """Answers."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


def program(code: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)


def test_a_server_is_waited_for_until_it_answers_or_ends(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # no proxy stands between
    with HTTPServer(("127.0.0.1", 0), Healthy) as server, program("input()") as running:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        services.wait_until_healthy(url, running)
        running.communicate(b"\n")
        with pytest.raises(RunError, match=rf"^no answer from {url}; the log in .prefect says why$") as error:
            services.wait_until_healthy(url, running)
    assert error.value.exit_code == 7


def test_a_server_that_ends_by_itself_ends_the_others_wait():
    with program("input()") as stays, program("") as ends:
        with pytest.raises(RunError, match=r"^a server ended by itself; the logs in \.prefect say why$") as error:
            services.wait_for_the_first_to_end(stays, ends)
        assert stays.poll() is None
        stays.communicate(b"\n")
    assert error.value.exit_code == 7


def test_a_command_that_fails_or_takes_too_long_is_named_with_its_last_words(monkeypatch):
    services.do("this", os.environ)
    with pytest.raises(RunError, match=r"^`json.tool --no-such` failed: usage: .* --no-such$") as error:
        services.do("json.tool --no-such", {**os.environ, "COLUMNS": "80"})
    assert error.value.exit_code == 7
    monkeypatch.setattr(services, "PATIENCE", 0.01)
    with pytest.raises(RunError, match=r"^`this` did not end within 0.01 s$") as error:
        services.do("this", os.environ)
    assert error.value.exit_code == 7


def test_a_port_that_is_free_is_found_and_let_through_and_a_busy_one_is_named():
    port = services._free_port()
    assert port >= 1024
    services.require_free(port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(RunError, match=f"^port {port} on 127.0.0.1: .*; choose another with --port$") as error:
            services.require_free(port)
    assert error.value.exit_code == 7


def test_prefects_settings_name_the_port_and_let_its_own_pages_alone_read_answers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = services.settings(4200)
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert found["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4200,http://localhost:4200"


class Clock:
    """Has a time that only sleeping moves."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(services, "time", clock)
    return clock


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Go to an empty folder where servers are noted instead of started: the command, some variables and the name."""
    noted = []

    @contextmanager
    def running(command, environment, name):
        noted.append((command, {key: environment[key] for key in environment if key.startswith("PREFECT_")}, name))
        yield name

    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(services, "running", running)
    for name in ("wait_until_healthy", "wait_for_the_first_to_end"):
        monkeypatch.setattr(services, name, lambda *words, name=name: noted.append((name, *words)))
    return noted


def test_a_server_that_does_not_answer_is_asked_every_tenth_of_a_second_until_the_patience_ends(clock, monkeypatch):
    asked = []

    def refuse(url, timeout):
        asked.append((url, timeout))
        raise OSError

    monkeypatch.setattr(services, "PATIENCE", 0.2)
    monkeypatch.setattr(services.urllib.request, "build_opener", lambda _: SimpleNamespace(open=refuse))
    with pytest.raises(RunError, match="no answer from it"):
        services.wait_until_healthy("it", SimpleNamespace(poll=lambda: None))
    assert (asked, clock.slept) == ([("it", 5)] * 2, [0.1] * 2)


def test_servers_are_looked_at_twice_a_second(clock):
    polled = iter([None, None, 1])
    with pytest.raises(RunError, match="ended by itself"):
        services.wait_for_the_first_to_end(SimpleNamespace(poll=lambda: next(polled)))
    assert clock.slept == [0.5, 0.5]


def test_of_a_failed_command_the_last_300_characters_are_told():
    with pytest.raises(RunError, match=r"^`timeit .*` failed: x{300}$"):
        services.do("""timeit "raise SystemExit(500 * 'x')" """, os.environ)


def test_a_flow_without_a_server_has_one_of_its_own_to_which_all_is_sent_before_it_ends(started, monkeypatch):
    def worker(name):
        return SimpleNamespace(drain_all=lambda timeout: started.append((name, timeout)))

    for module, name in (("prefect.events.worker", "EventsWorker"), ("prefect.logging.handlers", "APILogWorker")):
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{name: worker(name)}))
    monkeypatch.setattr(services, "_free_port", lambda: 4300)
    with suppress(KeyError), services.connected():
        assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:4300/api"
        assert os.environ["PREFECT_UI_URL"] == ""
        started.append("the flow")
        raise KeyError
    assert "PREFECT_API_URL" not in os.environ
    (command, told, name), *after = started
    own = "http://127.0.0.1:4300 http://localhost:4300 ws://127.0.0.1:4300 ws://localhost:4300"
    assert shlex.split(command) == [
        "uvicorn", "prefect.server.api.server:create_app", "--factory", "--lifespan", "on", "--host", "127.0.0.1",
        "--port", "4300", "--header", "Content-Security-Policy:default-src 'self' data: blob: 'unsafe-inline'"
        f" 'unsafe-eval'; connect-src 'self' {own}", "--log-level", "error", "--timeout-graceful-shutdown", "2",
    ]  # fmt: skip
    password = (Path(".prefect/password")).read_text()
    assert told == {
        "PREFECT_API_URL": "http://127.0.0.1:4300/api", "PREFECT_API_AUTH_STRING": password, "PREFECT_UI_URL": "",
        "PREFECT_SERVER_API_AUTH_STRING": password, "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1",
        "PREFECT_UI_ENABLED": "0", "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "flows.ordering",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "http://127.0.0.1:4300,http://localhost:4300",
    }  # fmt: skip
    assert name == "flow-server"
    health = ("wait_until_healthy", "http://127.0.0.1:4300/api/health", "flow-server")
    assert after == [health, "the flow", ("EventsWorker", services.FLUSH), ("APILogWorker", services.FLUSH)]
    assert services.FLUSH == 3


def test_prefects_server_tells_browsers_to_reach_itself_alone_by_either_name():
    *start, header = shlex.split(services.prefect(4300))
    assert start == [
        "uvicorn", "prefect.server.api.server:create_app", "--factory", "--lifespan", "on", "--host", "127.0.0.1",
        "--port", "4300", "--header",
    ]  # fmt: skip
    name, _, policy = header.partition(":")
    assert name == "Content-Security-Policy" and policy == policy.strip(), "uvicorn refuses blanks around it"
    parts = {part.split()[0]: part.split()[1:] for part in policy.split(";")}
    assert parts["connect-src"] == [
        "'self'", "http://127.0.0.1:4300", "http://localhost:4300", "ws://127.0.0.1:4300", "ws://localhost:4300",
    ]  # fmt: skip
    assert parts["default-src"] == ["'self'", "data:", "blob:", "'unsafe-inline'", "'unsafe-eval'"]


def test_the_address_of_the_mlflow_that_is_served_is_known_while_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".prefect").mkdir()
    assert services.served_mlflow() == ""
    with services.announced(4200, "http://127.0.0.1:5000"):
        assert services.served_mlflow() == "http://127.0.0.1:5000"
    (tmp_path / ".prefect/serving.json").write_text("half")
    assert services.served_mlflow() == ""


def test_a_flow_goes_to_the_server_that_runs_and_starts_none(started, monkeypatch):
    monkeypatch.setattr(services, "served_port", lambda: 4200)
    with services.connected():
        assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert started == [] and "PREFECT_API_URL" not in os.environ


@pytest.mark.parametrize(
    ("store", "words", "filled"),
    [(None, "sqlite:///mlflow.db", [True]), ("sqlite:///of mine.db", "'sqlite:///of mine.db'", [])],
)
def test_the_ui_is_mlflows_server_for_this_machine_alone(started, monkeypatch, capsys, store, words, filled):
    tried = []
    if store:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setattr(services, "require_free", tried.append)
    monkeypatch.setattr(services, "_fill", lambda: tried.append(True))
    services.ui(5000)
    assert tried == [5000, *filled]
    (command, _, name), healthy, ended = started
    assert command == (
        f"mlflow server --backend-store-uri {words} --artifacts-destination ./mlartifacts --workers 1"
        " --host 127.0.0.1 --port 5000 --allowed-hosts 127.0.0.1:5000,localhost:5000"
    )
    assert name == "mlflow-server"
    assert healthy == ("wait_until_healthy", "http://127.0.0.1:5000/health", name)
    assert ended == ("wait_for_the_first_to_end", name)
    link = "http://127.0.0.1:5000/#/experiments?workflowType=machine_learning  (log: .prefect/mlflow-server.log;"
    assert capsys.readouterr().out.startswith(f"MLflow: {link}")


@pytest.mark.parametrize(
    ("logged", "parts", "ready", "filled"),
    [(False, ["track"], True, 1), (True, ["track"], True, 0), (False, [], True, 0), (False, ["track"], False, 0)],
)
def test_the_store_is_filled_where_it_lacks_what_is_finished_and_its_paths_follow(
    started, monkeypatch, logged, parts, ready, filled
):
    Path("mlflow.db").touch()
    monkeypatch.setattr("tasks.track.is_logged", lambda: logged)
    monkeypatch.setattr("tasks.track.written", lambda: dict.fromkeys(parts))
    monkeypatch.setattr("flows.planning.is_up_to_date", lambda targets: targets == parts and ready)
    monkeypatch.setattr("tasks.track.fill", lambda: started.append("filled"))
    monkeypatch.setattr("tasks.tracking.database.relocate", started.append)
    services._fill()
    assert started == ["filled"] * filled + [Path("mlflow.db")]


@pytest.mark.parametrize("there", [True, False])
def test_a_run_in_progress_logs_itself_and_keeps_nobody_from_looking(started, monkeypatch, there):
    def busy():
        raise RunError("another process")

    monkeypatch.setattr("tasks.track.is_logged", busy)
    monkeypatch.setattr("tasks.tracking.database.relocate", started.append)
    if there:
        Path("mlflow.db").touch()
    with nullcontext() if there else pytest.raises(RunError, match="another process"):
        services._fill()
    assert started == [Path("mlflow.db")] * there


def test_what_runs_in_the_background_is_watched_and_stopped_with_signals_held(tmp_path, monkeypatch):
    told = []

    def start(arguments, **more):
        told.append((arguments, more.pop("stdout").name, more))
        return "process"

    @contextmanager
    def held():
        told.append("held")
        yield

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(services.processes, "start", start)
    monkeypatch.setattr(services.processes, "stop", told.append)
    monkeypatch.setattr(services.interrupts, "held", held)
    with suppress(KeyError), services.running("toy --of 'mine now'", {"A": "b"}, "toy") as process:
        assert process == "process"
        raise KeyError
    become = f"from flows import processes; processes.become({os.getpid()})"
    arguments = [sys.executable, "-c", become, "toy", "--of", "mine now"]
    options = {"stderr": subprocess.STDOUT, "environment": {"A": "b"}, "ends_with_us": False}
    assert told == [(arguments, ".prefect/toy.log", options), "held", "process"]


def test_a_file_of_a_served_project_that_somebody_deleted_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(".prefect").mkdir()
    with services.announced(4200):
        Path(".prefect/serving.json").unlink()


def test_a_password_is_admin_and_192_bits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(services.password()) == len("admin:") + 192 // 6
    assert services.password().startswith("admin:")
