"""The deployments of prefect.yaml, through a Prefect server and its worker."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import clones
import pytest
from ruamel.yaml import YAML
from waiting import is_running, wait_until

from flows import serving

# How the log of Prefect's server looked with SQLAlchemy 2.1.
LOG = """\
17:03:38.997 | ERROR   | docket.dependencies - ↩ [    73ms] schedule_recent_deployments(){schedule_recent_deployments}
Traceback (most recent call last):
  File "prefect/server/models/deployments.py", line 1009, in _insert_scheduled_flow_runs
    await session.execute(
sqlalchemy.exc.InvalidRequestError: Can't evaluate bulk DML statement; please supply a bulk_dml decorated function
17:03:39.000 | INFO    | prefect.server - all is well
"""
NAP = """
stages:
  nap:
    cmd: sleep {seconds}; {how}
    always_changed: true
    outs: [data/nap]
"""


def test_a_service_of_the_server_that_fails_is_named_with_the_reason():
    why = "sqlalchemy.exc.InvalidRequestError: Can't evaluate bulk DML statement; please supply a bulk_dml decorated"
    assert list(serving.failures(LOG.splitlines(keepends=True))) == [("schedule_recent_deployments", why + " function")]


def test_a_service_that_fails_again_and_again_is_told_of_once_with_its_effect(monkeypatch, capsys):
    other = LOG.replace("schedule_recent_deployments", "mark_late_runs")
    monkeypatch.setattr(serving, "_followed", lambda log: (log.name + "\n" + 2 * LOG + other).splitlines(keepends=True))
    serving._tell_of_failures()
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: schedule_recent_deployments of Prefect's server fails: sqlalchemy.exc.Invalid")
    assert first.endswith("; no schedule fires while it does")
    assert second.startswith("warning: mark_late_runs of") and second.endswith("; Prefect will try it again")


def test_the_worker_serves_the_pool_of_every_deployment():
    declared = YAML(typ="safe").load((clones.ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert {deployment["work_pool"]["name"] for deployment in declared} == {serving.POOL}


def test_a_log_is_followed_in_whole_lines(tmp_path, monkeypatch):
    log = tmp_path / "log"
    log.write_text("one\ntw")
    texts = iter(["one\ntwo", "one\ntwo\nthree\n"])
    monkeypatch.setattr(serving.time, "sleep", lambda _: log.write_text(next(texts)))
    assert list(itertools.islice(serving._followed(log), 3)) == ["one\n", "two\n", "three\n"]


@dataclass(frozen=True)
class Served:
    """A project whose Prefect server runs."""

    project: Path
    url: str
    process: subprocess.Popen

    def ask(self, path: str, body: dict | None = None, password: str | None = None) -> dict | list:
        """Send a request to the API with the project's password, or another; return the answer."""
        password = password or (self.project / ".prefect/password").read_text()
        headers = {"Authorization": "Basic " + base64.b64encode(password.encode()).decode()}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers | {"Content-Type": "application/json"})
        for _ in range(60):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 503:  # its database is busy; every client of Prefect's asks again
                    raise
                time.sleep(1)
        raise TimeoutError(path)

    def fire(self, deployment: str, **parameters: str) -> tuple[str, list[str]]:
        """Run a deployment to its end; return how it ended, and the names of the states of the pipeline's tasks."""
        told = {
            "PREFECT_API_URL": self.url,
            "PREFECT_API_AUTH_STRING": (self.project / ".prefect/password").read_text(),
        }
        given = [word for name, value in parameters.items() for word in ("--param", f"{name}={value}")]
        fired = clones.run(self.project, "prefect", "deployment", "run", f"scheduled/{deployment}", *given, **told)
        assert fired.returncode == 0, fired.stderr
        run = {"id": re.search(r"UUID: ([0-9a-f-]{36})", fired.stdout)[1]}
        end = time.monotonic() + 900
        while (state := self.ask(f"/flow_runs/{run['id']}")["state"])["type"] not in ("COMPLETED", "FAILED", "CRASHED"):
            assert time.monotonic() < end, (self.project / ".prefect/prefect-worker.log").read_text()
            time.sleep(1)
        steps = self.ask("/task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
        below = {"flow_runs": {"parent_task_run_id": {"any_": [step["id"] for step in steps]}}}
        assert state["type"] != "COMPLETED" or len(self.ask("/flow_runs/filter", below)) == 1
        return state["type"], [task["state_name"] for task in self.ask("/task_runs/filter", below)]


@contextmanager
def serving_of(project: Path, *more: str, **variables: str) -> Iterator[tuple[Served, list[str]]]:
    """Serve a project; yield it, and what `serve` says before it is ready."""
    with socket.socket() as probe, socket.socket() as other:
        for each in (probe, other):
            each.bind(("127.0.0.1", 0))
        port, mlflow_port = (each.getsockname()[1] for each in (probe, other))
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "serve", "--port", str(port), "--mlflow-port", str(mlflow_port), *more],
        cwd=project, env=clones.environment() | variables, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process, process.stdout:
        try:
            said = list(itertools.takewhile(lambda line: not line.startswith("Prefect: "), process.stdout))
            assert process.poll() is None
            yield Served(project, f"http://127.0.0.1:{port}/api", process), said
        finally:
            process.terminate()


@pytest.fixture
def served(clone) -> Iterator[Served]:
    """Serve a clone whose work tree is dirty: its parameters are those of smoke, and a stage's code is broken."""
    code = "from flows import environment, experiments; environment.settle(); experiments.write('smoke')"
    subprocess.run([sys.executable, "-c", code], cwd=clone, env=clones.environment(), check=True)
    (clone / "tasks/pretrain.py").write_text("half an ed")
    with serving_of(clone) as (served, _):
        yield served
    clones.git(clone, "checkout", "--", "tasks/pretrain.py")


@pytest.fixture
def napping(tmp_path) -> Path:
    """Make a copy of this project whose only stage sleeps for a second, and whose schedule fires each minute."""
    clones.copy(tmp_path / "nap")
    path = tmp_path / "nap/prefect.yaml"
    path.write_text(path.read_text().replace("0 3 * * *", "* * * * *"))
    nap(path.parent, 1)
    return path.parent


def nap(project: Path, seconds: int, how: str = "mkdir -p data/nap") -> None:
    """Commit a dvc.yaml whose only stage sleeps."""
    (project / "dvc.yaml").write_text(NAP.format(seconds=seconds, how=how))
    clones.git(project, "commit", "-qam", f"{seconds} s")


@pytest.mark.slow
def test_prefects_scheduler_inserts_the_runs_of_a_schedule(tmp_path):
    from prefect.server import models, schemas
    from prefect.server.database import provide_database_interface
    from prefect.server.services.scheduler import schedule_deployments
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

    async def insert() -> int:
        db = provide_database_interface()
        await db.create_db()
        cron = schemas.schedules.CronSchedule(cron="* * * * *")
        async with db.session_context(begin_transaction=True) as session:
            flow = await models.flows.create_flow(session, schemas.core.Flow(name="pipeline"))
            schedules = [schemas.core.DeploymentSchedule(schedule=cron, active=True)]
            nightly = schemas.core.Deployment(name="nightly", flow_id=flow.id, schedules=schedules)
            await models.deployments.create_deployment(session, nightly)
        await schedule_deployments()
        async with db.session_context() as session:
            return await models.flow_runs.count_flow_runs(session)

    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}"}):
        assert asyncio.run(insert()) >= 3


@pytest.mark.soak
def test_a_schedule_fires_by_itself_and_a_killed_server_leaves_no_jam(napping):
    with serving_of(napping) as (served, said):
        assert said == []
        wait_until(lambda: scheduled(served, "COMPLETED"), 300)  # nobody fired it
        deployment = served.ask("/deployments/name/scheduled/nightly")
        path = f"/deployments/{deployment['id']}/schedules"
        served.ask(path, [{"schedule": {"interval": 3600}, "active": False}])  # without a slug, as the CLI makes them
        nap(napping, 300)
        wait_until(lambda: scheduled(served, "RUNNING"), 300)
        started = descendants(served.process.pid)
        served.process.kill()
        wait_until(lambda: not any(is_running(pid) for pid in started), 15)  # a stage may have to be killed, too
    nap(napping, 1)
    with serving_of(napping) as (served, said):
        assert "1 flow runs marked as crashed, their process is gone\n" in said
        kept = served.ask("/deployments/name/scheduled/nightly")["schedules"]
        assert sorted(schedule["active"] for schedule in kept) == [False, True]
        n = len(scheduled(served, "COMPLETED"))
        wait_until(lambda: len(scheduled(served, "COMPLETED")) > n, 300)  # the slot is free


@pytest.mark.soak
@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGKILL, 5), (signal.SIGTERM, 15)])
def test_a_flow_that_is_ended_leaves_no_server(napping, number, seconds):
    nap(napping, 300)
    with subprocess.Popen([sys.executable, "-m", "flows", "flow"], cwd=napping, env=clones.environment()) as flow:
        wait_until(lambda: any("sleep" in command(pid) for pid in descendants(flow.pid)), 300)
        servers = [pid for pid in descendants(flow.pid) if "processes.become" in command(pid)]
        assert len(servers) == 2  # it, and what watches it
        flow.send_signal(number)
        wait_until(lambda: not any(is_running(pid) for pid in servers), seconds)


def command(pid: int) -> str:
    """Return a process's command line, or nothing if it has ended."""
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_bytes().replace(b"\0", b" ").decode() if path.exists() else ""


def scheduled(served: Served, state: str) -> list[dict]:
    """Return the runs that the scheduler made and that are in a state."""
    wanted = {"flow_runs": {"state": {"type": {"any_": [state]}}}}
    return [run for run in served.ask("/flow_runs/filter", wanted) if run["auto_scheduled"]]


@pytest.mark.soak
def test_failed_and_crashed_runs_are_told_and_a_killed_worker_ends_serve_with_nothing_left(napping):
    told = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    nap(napping, 0, "echo broken && exit 3")
    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        address = {"PIPELINE_WEBHOOK": f"http://127.0.0.1:{receiver.server_port}/"}
        with serving_of(napping, **address) as (served, said):
            assert said == ["Failed and crashed scheduled runs are told to the address in PIPELINE_WEBHOOK.\n"]
            wait_until(lambda: any("Failed" in text and "exit 3" in text for text in told), 300)
            nap(napping, 300)
            wait_until(lambda: any("sleep 300" in command(pid) for pid in descendants(served.process.pid)), 300)
            started = descendants(served.process.pid)
            (worker, *_) = [pid for pid in reversed(started) if "prefect worker start" in command(pid)]
            os.kill(worker, signal.SIGKILL)
            assert served.process.wait(60) == 7
            wait_until(lambda: not [pid for pid in started if is_running(pid)], 30)  # each notices by itself
        nap(napping, 1)
        with serving_of(napping, **address) as (served, said):
            n = len(scheduled(served, "COMPLETED"))
            wait_until(lambda: len(scheduled(served, "COMPLETED")) > n, 300)  # the slot is free
            wait_until(lambda: any("Crashed" in text for text in told), 60)
            folders = [path for path in (napping / ".dvc/tmp/scheduled").iterdir() if path.suffix != ".lock"]
            assert len(folders) <= 1, "that of the killed run is deleted"
        receiver.shutdown()


@pytest.mark.slow
def test_a_deployment_runs_every_stage_beside_a_dirty_work_tree_and_fired_again_skips_every_stage(served):
    dirty = clones.git(served.project, "status", "--porcelain")
    assert len(dirty.splitlines()) == 2
    here = subprocess.Popen([sys.executable, "-m", "flows", "repro", "prepare"], cwd=served.project,
                            env=clones.environment())  # fmt: skip
    ended, stages = served.fire("study", experiment="smoke")
    assert ended == "COMPLETED" and stages.count("Ran") > 10
    assert {*stages} <= {"Ran", "Restored"}, "what the work tree's run has put into the shared cache is restored"
    assert here.wait(300) == 0
    assert served.fire("study", experiment="smoke") == ("COMPLETED", ["Skipped"] * len(stages))
    assert [line for line in clones.git(served.project, "status", "--porcelain").splitlines()
            if "dvc.lock" not in line] == dirty.splitlines()  # fmt: skip

    listed = clones.run(served.project, "dvc", "exp", "list", "--name-only").stdout
    names = [name for name in listed.split() if name.startswith("smoke-")]
    assert len(names) == 2
    with closing(sqlite3.connect(served.project / "mlflow.db")) as database:
        query = "SELECT run_uuid, key FROM tags WHERE key LIKE 'scheduled.%'"
        noted = database.execute(query).fetchall()
    assert len({run for run, _ in noted}) == 1 and {key.removeprefix("scheduled.") for _, key in noted} == {*names}
    assert not [*(served.project / ".dvc/tmp/scheduled").iterdir()]

    artifacts = {artifact["key"]: artifact for artifact in served.ask("/artifacts/latest/filter", {})}
    table = {row["metric"]: row["value"] for row in json.loads(artifacts["metrics"]["data"])}
    assert 0 < table["stack.val_loss"] < 1
    assert "| stack | skipped |" in artifacts["summary"]["data"]

    ended, _ = served.fire("nightly", commit="nowhere")
    assert ended == "FAILED"

    with pytest.raises(urllib.error.HTTPError, match="401"):
        served.ask("/flows/count", {}, password="admin:guess")
    log = served.project / ".prefect/flow-server.log"
    log.unlink(missing_ok=True)
    done = clones.run(served.project, "flows", "flow", "fetch")  # goes to this server, starts none
    assert (done.returncode, log.exists()) == (0, False), done.stderr

    started = descendants(served.process.pid)
    assert len(started) >= 2
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 143
    assert not [pid for pid in started if os.path.exists(f"/proc/{pid}")]
    assert not (served.project / ".prefect/serving.json").exists()


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and they."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    children = [int(line) for line in listed.stdout.split()]
    return children + [d for child in children for d in descendants(child)]
