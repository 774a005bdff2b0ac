"""One experiment in MLflow: found again, complete, loadable; and no MLflow costs a result."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_up
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from autoencoders.models import Autoencoder
from tasks import track
from tasks.frame import code, config, errors, experiment, files, models, stage
from tasks.tracking import database, mlflow_store

REPOSITORY = Path(__file__).parents[1]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63680000008200815d51ce600000000049454e44ae426082"
)

pytestmark = pytest.mark.slow
HISTORY = [{"epoch": e, "loss": 1.0 / e, "val_loss": 1.5 / e} for e in (1, 2, 3)]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: every test copies them."""
    store = mlflow_store.Store(tmp_path_factory.mktemp("store"))
    store.uri = f"sqlite:///{store.database}"
    store.connect()
    return store.database


@pytest.fixture
def project(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose stages before `track` have run, with an empty store; the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    # A file of the repository that is saved while the tests run makes no other experiment here.
    known = code.digest(code.computing())
    monkeypatch.setattr(code, "digest", lambda _: known)
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    shutil.copytree(REPOSITORY / "experiments/printed", tmp_path / "experiments/printed")
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    write_results(tmp_path / "data")
    return tmp_path


def write_results(data: Path) -> None:
    rows = np.linspace(0, 1, 60, dtype=np.float32).reshape(10, 6)
    for name in ("prepare", "pretrain", "tying", "phase/1", "phase/2", "stack", "visualize"):
        (data / name).mkdir(parents=True)
    np.save(data / "prepare/valid.npy", rows)
    for name in ("pretrain", "phase/1", "phase/2", "stack"):
        files.write_table(data / name / "history.csv", HISTORY)
        files.write_json(data / name / "metrics.json", {"val_loss": 0.5})
    arms = [{"arm": arm, "run": run, **row} for arm in ("tied", "untied") for run in (0, 1) for row in HISTORY]
    files.write_table(data / "tying/history.csv", arms)
    files.write_json(data / "tying/metrics.json", {"difference_mean": 0.01, "n": 2})
    for name in ("tying/tying.png", "visualize/map.png"):
        (data / name).write_bytes(PNG)


@pytest.fixture
def kept_models(project: Path) -> None:
    """The models of both stages that keep one; logging them takes a second."""
    models.write(project / "data/pretrain", Autoencoder(6, [4, 3], seed=1))
    models.write(project / "data/stack", Autoencoder(6, [4, 3], tied=True, seed=2))


def client(root: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")


def runs(root: Path) -> tuple[list[Run], dict[str, Run]]:
    """Return the runs of experiments, and those of stages by name."""
    found = all_runs(root)
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    assert len({run.info.run_name for run in children}) == len(children), "a stage or an arm has two runs"
    return [r for r in found if r not in children], {run.info.run_name: run for run in children}


@pytest.mark.usefixtures("kept_models")
def test_a_moved_checkout_finds_and_writes_its_artifacts_where_it_is_now(project: Path, tmp_path_factory: Any) -> None:
    stage.execute("track")
    new = tmp_path_factory.mktemp("moved") / "ü b'x"
    shutil.copytree(project, new)
    os.chdir(new)
    shutil.rmtree(project / "mlartifacts")
    store = mlflow_store.Store(new)
    store.connect()
    (parent,), _ = runs(new)
    assert [file.path for file in store.client.list_artifacts(parent.info.run_id)] == ["figures", "metrics"]
    (model, _) = store.client.search_logged_models([parent.info.experiment_id])
    assert Path(mlflow.artifacts.download_artifacts(model.artifact_location)).is_relative_to(new)
    params = new / "params.yaml"
    params.write_text(params.read_text().replace("seed: 42", "seed: 43"))
    stage.execute("track")  # another experiment
    assert len([run for run in all_runs(new) if "experiment_key" in run.data.tags]) == 2
    assert not (project / "mlartifacts").exists()


def test_artifacts_that_somebody_keeps_elsewhere_stay_there(project: Path) -> None:
    own = client(project).create_experiment("mine", "s3://bucket/elsewhere")
    database.relocate(project / "mlflow.db")
    assert client(project).get_experiment(own).artifact_location == "s3://bucket/elsewhere"


def test_a_store_without_the_experiment_in_data_is_filled_from_there_and_data_stays(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert not track.is_logged()
    stage.execute("track")
    assert track.is_logged()
    clone = tmp_path_factory.mktemp("clone")
    shutil.copytree(project / "data", clone / "data")  # as `dvc pull` does
    shutil.copytree(project / "experiments", clone / "experiments")
    shutil.copy(project / "params.yaml", clone)
    os.chdir(clone)
    before = (clone / "data/track/track.json").read_bytes()
    assert not track.is_logged()
    track.fill()
    assert track.is_logged()
    (parent,), children = runs(clone)
    assert (parent.info.status, len(children)) == ("FINISHED", 6)
    assert (clone / "data/track/track.json").read_bytes() == before


@pytest.mark.usefixtures("kept_models")
def test_track_logs_one_run_with_everything_and_a_second_time_nothing(project: Path) -> None:
    stage.execute("track")
    (parent,), children = runs(project)
    params = config.load()
    assert parent.info.status == "FINISHED"
    assert parent.data.params == experiment.parameters(params)
    assert parent.data.params["phase.1.units"] == "100"
    assert parent.data.metrics == {"pretrain.val_loss": 0.5, "stack.val_loss": 0.5}
    assert set(children) == {"pretrain", "tying", "phase@1", "phase@2", "stack", "figures"}
    assert {run.info.status for run in children.values()} == {"FINISHED"}
    assert children["phase@1"].data.params["phase.1.learning_rate"] == "1.5"
    assert "phase.2.units" not in children["phase@1"].data.params
    history = client(project).get_metric_history(children["tying"].info.run_id, "untied run 1/val_loss")
    assert [(m.step, m.value) for m in history] == [(1, 1.5), (2, 0.75), (3, 0.5)]
    assert parent.inputs
    dataset = parent.inputs.dataset_inputs[0].dataset
    assert (dataset.name, dataset.digest) == ("fashion-mnist", files.data_hash(Path("data/prepare")))
    names = {f.path for f in client(project).list_artifacts(parent.info.run_id, "figures/visualize")}
    assert names == {"figures/visualize/map.png"}

    first = Path("data/track/track.json").read_bytes()
    stage.execute("track")
    assert Path("data/track/track.json").read_bytes() == first
    assert runs(project)[0][0].to_dictionary() == parent.to_dictionary()
    assert {n: r.to_dictionary() for n, r in runs(project)[1].items()} == {
        n: r.to_dictionary() for n, r in children.items()
    }
    assert len(client(project).get_metric_history(parent.info.run_id, "stack.val_loss")) == 1
    assert len(client(project).get_metric_history(children["stack"].info.run_id, "loss")) == 3
    assert len(client(project).search_logged_models([parent.info.experiment_id])) == 2


def test_a_study_has_a_run_per_arm_and_one_of_its_own_over_the_number_of_labels_and_twice_adds_nothing(
    project: Path,
) -> None:
    made_up.label_curve(Path("data/label_curve"), 0.02)
    Path("data/report").mkdir()
    files.write_json(Path("data/report/verdict.json"), {"registration": "Registered as mine."})
    stage.execute("track")
    (parent,), children = runs(project)
    assert parent.data.tags["registration"] == "Registered as mine."
    table = pd.read_csv("data/label_curve/comparisons.csv").set_index(["arm", "against", "n_labels"])
    arms = {name: run for name, run in children.items() if "arm" in run.data.tags}
    assert list(arms) and set(arms) == set(pd.read_csv("data/label_curve/cells.csv").arm)
    tags = {name: (run.data.tags["arm"], run.data.tags["pretraining"]) for name, run in arms.items()}
    assert tags["fine-tuned - tied"] == ("fine-tuned", "tied") and tags["logistic regression"] == (
        "logistic regression",
        "none",
    )
    for name in ("accuracy", "balanced_accuracy", "log_loss", "calibration_error", "difference_high"):
        history = client(project).get_metric_history(arms["fine-tuned"].info.run_id, name)
        assert [m.step for m in history] == [6, 15, 30], name
    history = client(project).get_metric_history(arms["fine-tuned"].info.run_id, "difference")
    assert [m.value for m in history] == [table.loc[("fine-tuned", "from scratch", n), "mean"] for n in (6, 15, 30)]
    assert "difference" not in arms["from scratch"].data.metrics
    study = client(project).get_metric_history(children["label_curve"].info.run_id, "fine_tuned/difference")
    assert [(m.step, m.value) for m in study] == [(m.step, m.value) for m in history]
    assert "label_curve.classifier.n_steps" in arms["fine-tuned"].data.params
    assert {run.info.status for run in children.values()} == {"FINISHED"}

    stage.execute("track")
    assert {n: r.to_dictionary() for n, r in runs(project)[1].items()} == {
        n: r.to_dictionary() for n, r in children.items()
    }
    assert len(client(project).get_metric_history(arms["fine-tuned"].info.run_id, "difference")) == 3
    assert files.read_json(Path("data/track/track.json"))["n_children"] == len(children) - 1, "without the figures"
    assert runs(project)[0][0].to_dictionary() == parent.to_dictionary()


def test_a_changed_parameter_is_another_experiment(project: Path) -> None:
    stage.execute("track")
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("seed: 42 ", "seed: 43 "))
    stage.execute("track")
    parents = [run for run in all_runs(project) if "experiment_key" in run.data.tags]
    assert len({run.data.tags["experiment_key"] for run in parents}) == len(parents) == 2
    assert len({run.info.run_name for run in parents}) == 2


def test_curves_that_disagree_with_the_files_are_replaced(project: Path) -> None:
    stage.execute("track")
    files.write_table(Path("data/stack/history.csv"), [{**row, "loss": 9.0} for row in HISTORY])
    stage.execute("track")
    _, children = runs(project)
    history = client(project).get_metric_history(children["stack"].info.run_id, "loss")
    assert [m.value for m in history] == [9.0, 9.0, 9.0]


@pytest.mark.usefixtures("kept_models")
def test_logged_models_load_back_predict_the_same_and_keep_their_tie(project: Path) -> None:
    stage.execute("track")
    (parent,), _ = runs(project)
    rows = np.load("data/prepare/valid.npy")
    for logged in client(project).search_logged_models([parent.info.experiment_id]):
        model = mlflow.tensorflow.load_model(logged.artifact_location)
        saved = models.read(Path("data") / logged.name)
        np.testing.assert_array_equal(model.predict(rows, verbose=0), saved.predict(rows, verbose=0))
        assert model.count_params() == saved.count_params()
        assert model.tied == (logged.name == "stack")
        if model.tied:
            assert model.decoder.layers[-1].dense is model.encoder.layers[0]
        info = mlflow.models.get_model_info(urllib.parse.urlparse(logged.artifact_location).path)
        assert info.signature.inputs.inputs[0].shape == (-1, 6)
        assert info.saved_input_example_info is not None


@pytest.mark.usefixtures("kept_models")
def test_a_logged_model_serves_where_this_repository_is_not(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stage.execute("track")
    (parent,), _ = runs(project)
    logged = client(project).search_logged_models([parent.info.experiment_id])[0]
    code = (
        "import sys, mlflow, numpy as np; rows = np.load(sys.argv[2]);"
        "np.save('out.npy', mlflow.pyfunc.load_model(sys.argv[1]).predict(rows))"
    )
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    arguments = [logged.artifact_location, str(project / "data/prepare/valid.npy")]
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=elsewhere, check=True)
    expected = models.read(Path("data") / logged.name).predict(np.load("data/prepare/valid.npy"), verbose=0)
    np.testing.assert_allclose(np.load(elsewhere / "out.npy"), expected, rtol=1e-6, atol=1e-6)


def test_git_commit_branch_and_dirty_flag_are_tags(project: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-qb", "trunk"], check=True)
    subprocess.run([*git, "add", "params.yaml"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("seed: 42 ", "seed: 43 "))
    stage.execute("track")
    tags = runs(project)[0][0].data.tags
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert tags["mlflow.source.git.commit"] == commit
    assert tags["mlflow.source.git.branch"] == "trunk"
    assert tags["mlflow.source.git.dirty"] == "True"


def test_the_store_may_lie_in_a_folder_of_any_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = project / "ü b'x 50%"
    odd.mkdir()
    shutil.copy(project / "mlflow.db", odd)
    monkeypatch.setenv("DVC_ROOT", str(odd))
    stage.execute("track")
    assert list((odd / "mlartifacts").rglob("map.png"))
    assert len(runs(odd)[0]) == 1
    assert runs(project) == ([], {})
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_importing_the_stage_imports_neither_mlflow_nor_tensorflow() -> None:
    code = "import tasks.track, sys; print(sorted({'mlflow', 'tensorflow', 'pandas', 'sqlalchemy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(params=["closed", "black hole"])
def dead_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that refuses, or that accepts and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if request.param == "black hole":
            server.listen(50)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_track_without_a_server_fails_in_one_line_and_completes_later(
    project: Path, dead_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", dead_server)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    start = time.monotonic()
    with pytest.raises(ConnectionError, match=f"expected an MLflow store at {dead_server}, received: ") as caught:
        stage.execute("track")
    assert time.monotonic() - start < 10
    assert "\n" not in str(caught.value)
    assert errors.is_users(caught.value)
    assert not Path("data/track").exists()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    stage.execute("track")
    assert runs(project)[0][0].info.status == "FINISHED"


def test_a_password_in_the_servers_address_is_not_shown(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    with pytest.raises(ConnectionError) as caught:
        stage.execute("track")
    assert "secret" not in str(caught.value)


def test_what_a_killed_track_has_logged_is_completed_without_duplicates(project: Path) -> None:
    store = mlflow_store.Store(project)
    store.connect()
    parent = store.parent(experiment.Identity.of(config.load(), Path("data"), code.digest(code.computing())))
    half = store.child(parent, "phase@1", {})
    store.log_points(half, [experiment.Point("loss", 1, 1.0)])
    stage.execute("track")
    (finished,), children = runs(project)
    assert (finished.info.run_id, finished.info.status) == (parent.info.run_id, "FINISHED")
    assert (children["phase@1"].info.run_id, children["phase@1"].info.status) == (half.info.run_id, "FINISHED")
    history = client(project).get_metric_history(half.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]


def all_runs(root: Path) -> list[Run]:
    home = client(root).get_experiment_by_name("autoencoders")
    return list(client(root).search_runs([home.experiment_id])) if home else []
