"""One experiment in MLflow: found again, complete, loadable; and no MLflow costs a result."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from autoencoders.models import Autoencoder
from tasks import config, experiment, files, progress, stage, track

REPOSITORY = Path(__file__).parents[1]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63680000008200815d51ce600000000049454e44ae426082"
)
HISTORY = [{"epoch": e, "loss": 1.0 / e, "val_loss": 1.5 / e} for e in (1, 2, 3)]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: every test copies them."""
    store = track.Store(tmp_path_factory.mktemp("store"))
    store.uri = f"sqlite:///{store.database}"
    store.connect()
    return store.database


@pytest.fixture
def project(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose stages before `track` have run, with an empty store; the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("PIPELINE_WATCHERS", "")
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    write_results(tmp_path / "data")
    return tmp_path


def write_results(data: Path) -> None:
    rows = np.linspace(0, 1, 60, dtype=np.float32).reshape(10, 6)
    for name in ("prepare", "pretrain", "tying", "phase/1", "phase/2", "stack", "visualize"):
        (data / name).mkdir(parents=True)
    np.save(data / "prepare/valid.npy", rows)
    files.write_model(data / "pretrain", Autoencoder(6, [4, 3], seed=1))
    files.write_model(data / "stack", Autoencoder(6, [4, 3], tied=True, seed=2))
    for name in ("pretrain", "phase/1", "phase/2", "stack"):
        files.write_table(data / name / "history.csv", HISTORY)
        files.write_json(data / name / "metrics.json", {"val_loss": 0.5})
    arms = [{"arm": arm, "seed": seed, **row} for arm in ("tied", "untied") for seed in (42, 43) for row in HISTORY]
    files.write_table(data / "tying/history.csv", arms)
    files.write_json(data / "tying/metrics.json", {"difference_mean": 0.01, "n": 2})
    for name in ("tying/tying.png", "visualize/map.png"):
        (data / name).write_bytes(PNG)


def client(root: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")


def runs(root: Path) -> tuple[list[Run], dict[str, Run]]:
    """Return the runs of experiments, and those of stages by name."""
    home = client(root).get_experiment_by_name("autoencoders")
    found = client(root).search_runs([home.experiment_id]) if home else []
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    assert len({run.data.tags["stage"] for run in children}) == len(children), "a stage has two runs"
    return [r for r in found if r not in children], {run.info.run_name: run for run in children}


def test_track_logs_one_run_with_everything_and_a_second_time_nothing(project: Path) -> None:
    stage.execute("track")
    (parent,), children = runs(project)
    params = config.load()
    assert parent.info.status == "FINISHED"
    assert parent.data.params == experiment.parameters(params)
    assert parent.data.params["phase.1.units"] == "100"
    assert parent.data.metrics["phase.1.val_loss"] == 0.5
    assert parent.data.metrics == experiment.metrics(params, Path("data"))
    assert set(children) == {"pretrain", "tying", "phase@1", "phase@2", "stack"}
    assert {run.info.status for run in children.values()} == {"FINISHED"}
    assert children["phase@1"].data.params["phase.1.learning_rate"] == "1.5"
    assert "phase.2.units" not in children["phase@1"].data.params
    history = client(project).get_metric_history(children["tying"].info.run_id, "untied seed 43/val_loss")
    assert [(m.step, m.value) for m in history] == [(1, 1.5), (2, 0.75), (3, 0.5)]
    dataset = parent.inputs.dataset_inputs[0].dataset
    assert (dataset.name, dataset.digest) == ("fashion-mnist", experiment.data_hash(Path("data/prepare")))
    names = {f.path for f in client(project).list_artifacts(parent.info.run_id, "figures/visualize")}
    assert names == {"figures/visualize/map.png"}

    first = Path("data/track/track.json").read_bytes()
    stage.execute("track")
    assert Path("data/track/track.json").read_bytes() == first
    assert runs(project)[0][0].to_dictionary() == parent.to_dictionary()
    assert {n: r.to_dictionary() for n, r in runs(project)[1].items()} == {n: r.to_dictionary() for n, r in children.items()}
    assert len(client(project).get_metric_history(parent.info.run_id, "stack.val_loss")) == 1
    assert len(client(project).get_metric_history(children["stack"].info.run_id, "loss")) == 3
    assert len(client(project).search_logged_models([parent.info.experiment_id])) == 2
