"""MLflow and Prefect on PostgreSQL: several that create one experiment at once, two checkouts that run it at once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import clones
import postgres
import pytest
import test_serve
import test_track
from mlflow import MlflowClient

from autoencoders.models import Autoencoder
from flows import services
from flows.environment import DEFAULTS
from tasks.frame import models
from tasks.tracking import claims, mlflow_store

pytestmark = pytest.mark.soak

N, TRIES = 20, 20
SERVE = """
import os, sys
from flows import services

store, port = sys.argv[1:]
with services.running(services.mlflow(store, int(port)), os.environ, "mlflow-server") as server:
    services.wait_until_healthy(f"http://127.0.0.1:{port}/health", server)
    print("up", flush=True)
    server.wait()
"""


@contextmanager
def mlflow_at(store: str, folder: Path, **variables: str) -> Iterator[str]:
    """Run MLflow's server in a folder as `make serve` does; yield its address."""
    port = str(services._free_port())
    told = clones.environment() | DEFAULTS | variables | {"PYTHONPATH": str(clones.ROOT)}
    with subprocess.Popen([sys.executable, "-c", SERVE, store, port], stdout=subprocess.PIPE, text=True, cwd=folder,
                          env=told) as server:  # fmt: skip
        try:
            assert server.stdout.readline() == "up\n"
            yield f"http://{services.HOST}:{port}"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def database() -> Iterator[tuple[str, Path]]:
    """Run PostgreSQL with an empty database."""
    with postgres.running() as running:
        yield running


def test_twenty_clients_that_create_an_experiment_at_once_get_one_run_20_times_of_20(database, tmp_path, monkeypatch):
    address, passwords = database
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
    with mlflow_at(address, tmp_path, PGPASSFILE=str(passwords)) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        stores = [mlflow_store.Store(tmp_path / str(k)) for k in range(N)]  # each in a folder, as on its own machine
        for store in stores:
            store.root.mkdir()
            store.connect()
        barrier = threading.Barrier(N)

        def create(store: mlflow_store.Store, number: int) -> tuple[str, str]:
            barrier.wait()
            home = store.experiment_id(f"experiment {number}")
            run = claims.only(store.client, home, "parent", {"experiment_key": str(number)})
            return home, run.info.run_id

        with ThreadPoolExecutor(N) as pool:
            for number in range(TRIES):
                ((home, run),) = {*pool.map(create, stores, [number] * N)}
                assert [found.info.run_id for found in stores[0].client.search_runs([home])] == [run], number


def test_two_checkouts_that_track_an_experiment_at_once_leave_every_run_metric_and_artifact_once(
    database, tmp_path, monkeypatch
):
    address, passwords = database
    projects = [tmp_path / "one", tmp_path / "two"]
    for project in projects:
        project.mkdir()
        shutil.copy(clones.ROOT / "params.yaml", project)
        shutil.copytree(clones.ROOT / "experiments/printed", project / "experiments/printed")
        test_track.write_results(project / "data")
        models.write(project / "data/pretrain", Autoencoder(6, [4, 3], seed=1))
        models.write(project / "data/stack", Autoencoder(6, [4, 3], tied=True, seed=2))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
    with mlflow_at(address, tmp_path, PGPASSFILE=str(passwords)) as url:
        told = {"MLFLOW_TRACKING_URI": url, "MLFLOW_HTTP_REQUEST_TIMEOUT": "120", "PYTHONPATH": str(clones.ROOT)}
        command = [sys.executable, "-c", "from tasks.frame import stage; stage.execute('track')"]
        both = [subprocess.Popen(command, cwd=project, env=clones.environment() | told) for project in projects]
        assert [process.wait(900) for process in both] == [0, 0]
        check(MlflowClient(url), projects[0])


def test_make_serve_keeps_mlflow_and_prefect_in_one_database_and_shows_no_password(tmp_path):
    project = tmp_path / "project"
    clones.copy(project)
    with postgres.running() as (address, passwords):
        more = {"PGPASSFILE": str(passwords), "PREFECT_CLIENT_REQUEST_TIMEOUT": "300"}
        with test_serve.serving_of(project, "--store", address, **more) as (served, _):
            said = [served.process.stdout.readline() for _ in range(4)]
            url = said[-1].removeprefix("export MLFLOW_TRACKING_URI=").strip()
            assert [found.name for found in MlflowClient(url).search_experiments()] == ["Default"]
            found = served.ask("/deployments/filter", {})
            assert {each["name"] for each in found} == {"nightly", "study"}
            secret = passwords.read_text().strip().rpartition(":")[2]
            shown = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
            logs = "".join(log.read_text() for log in (project / ".prefect").glob("*.log"))
            assert address in shown and secret not in shown and secret not in logs
        assert not (project / ".prefect/prefect.db").exists() and not (project / "mlflow.db").exists()


def check(client: MlflowClient, project: Path) -> None:
    """Assert that every run, point, model and artifact of the experiment is in the store once."""
    (home,) = [e for e in client.search_experiments() if e.name == "autoencoders"]
    runs = client.search_runs([home.experiment_id])
    assert not [run for run in runs if "claim" in run.data.tags]
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    names = Counter((run.info.run_name, run.data.tags.get("arm"), run.data.tags.get("pretraining")) for run in children)
    assert len(children) == len(names) >= 4
    told = json.loads((project / "data/track/track.json").read_text())
    assert len(children) == told["n_children"] + 1, "the figures, too"
    for run in runs:
        for name in run.data.metrics:
            points = client.get_metric_history(run.info.run_id, name)
            assert len({point.step for point in points}) == len(points), (run.info.run_name, name)
    assert 0 < len(parent.data.metrics) < 25 and len(parent.data.params) == told["n_parameters"]
    models = client.search_logged_models([home.experiment_id])
    assert sorted(model.name for model in models) == ["pretrain", "stack"]
    figures = [f for at in client.list_artifacts(parent.info.run_id, "figures") for f in
               client.list_artifacts(parent.info.run_id, at.path)]  # fmt: skip
    assert len(figures) == told["n_printed"]
