"""The deployment of prefect.yaml, through a Prefect server and its worker."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import clones
import pytest

pytestmark = pytest.mark.slow


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

    def fire(self) -> tuple[str, list[str]]:
        """Run the deployment to its end; return how it ended and the names of its tasks' states."""
        deployment = self.ask("/deployments/name/pipeline/nightly")
        run = self.ask(f"/deployments/{deployment['id']}/create_flow_run", {})
        end = time.monotonic() + 600
        while (state := self.ask(f"/flow_runs/{run['id']}")["state"])["type"] not in ("COMPLETED", "FAILED", "CRASHED"):
            assert time.monotonic() < end, (self.project / ".prefect/prefect-worker.log").read_text()
            time.sleep(1)
        wanted = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        return state["type"], [task["state_name"] for task in self.ask("/task_runs/filter", wanted)]


@pytest.fixture
def served(clone) -> Iterator[Served]:
    """Serve a clone whose parameters are those of smoke."""
    code = "from flows import environment, experiments; environment.settle(); experiments.write('smoke')"
    subprocess.run([sys.executable, "-c", code], cwd=clone, env=clones.environment(), check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "serve", "--port", str(port)], cwd=clone, env=clones.environment(),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process, process.stdout:
        try:
            assert process.stdout.readline().startswith(f"Prefect: http://127.0.0.1:{port} ")
            yield Served(clone, f"http://127.0.0.1:{port}/api", process)
        finally:
            process.terminate()


def test_the_deployment_runs_every_stage_and_fired_again_skips_every_stage(served):
    ended, stages = served.fire()
    assert (ended, set(stages)) == ("COMPLETED", {"Ran"})
    assert served.fire() == ("COMPLETED", ["Skipped"] * len(stages))
    assert json.loads(clones.run(served.project, "dvc", "status", "--json").stdout) == {}

    artifacts = {artifact["key"]: artifact for artifact in served.ask("/artifacts/latest/filter", {})}
    table = {row["metric"]: row["value"] for row in json.loads(artifacts["metrics"]["data"])}
    assert 0 < table["stack.val_loss"] < 1
    assert "Nothing to do" in artifacts["summary"]["data"]

    with pytest.raises(urllib.error.HTTPError, match="401"):
        served.ask("/flows/count", {}, password="admin:guess")
    done = clones.run(served.project, "flows", "flow", "fetch")  # goes to this server, starts none
    assert (done.returncode, "temporary server" in done.stdout + done.stderr) == (0, False)

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
