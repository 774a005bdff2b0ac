"""The MLflow store on a client that only notes what it is told: what is looked for, and what is logged."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from contextlib import closing, nullcontext
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest

import tasks.frame
from tasks.frame.experiment import Point
from tasks.tracking import database, logged_models, mlflow_store


class Client:
    """Answers what it was given, and notes every call."""

    def __init__(self, **answers):
        self.answers, self.told = answers, []

    def __getattr__(self, name):
        def call(*words, **more):
            self.told.append((name, *words, more))
            return self.answers.get(name)

        return call


def run_of(run_id="r", params=None, metrics=None, status="RUNNING", name="parent", inputs=None):
    info = SimpleNamespace(run_id=run_id, experiment_id="e", status=status, run_name=name, start_time=12345)
    return SimpleNamespace(info=info, data=SimpleNamespace(params=params or {}, metrics=metrics or {}), inputs=inputs)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = mlflow_store.Store(tmp_path)
    store.client = Client()
    return store


def test_the_store_is_the_projects_database_or_the_users(tmp_path, monkeypatch, store):
    assert store.uri == f"sqlite:///{tmp_path}/mlflow.db" and store.database == tmp_path / "mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://here")
    assert mlflow_store.Store(tmp_path).uri == "http://here"


def test_mlflow_is_told_to_be_quiet_and_quick_to_give_up(monkeypatch, store, tmp_path):
    told = []
    monkeypatch.setattr(os, "environ", {"DO_NOT_TRACK": "mine"})
    monkeypatch.setattr(mlflow_store.database, "relocate", told.append)
    monkeypatch.setattr("mlflow.MlflowClient", lambda tracking_uri: tracking_uri)
    monkeypatch.setattr(store, "_create_database", lambda: told.append("created"))
    store.connect()
    assert {name: value for name, value in os.environ.items() if name[0] != "_"} == {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "DO_NOT_TRACK": "mine",
    }  # fmt: skip
    assert {logging.getLogger(name).level for name in ("mlflow", "alembic", "urllib3")} == {logging.ERROR}
    assert store.client == store.uri and told == ["created", tmp_path / "mlflow.db"]
    told.clear()
    store.database.touch()
    store.connect()
    assert told == [store.database] and (tmp_path / "mlflow.db.lock").exists()
    told.clear()
    store.uri = "http://there"
    store.connect()
    assert (told, store.client) == ([], "http://there")


def test_a_database_is_made_under_another_name_and_one_that_is_there_stays(monkeypatch, store, tmp_path):
    def client(tracking_uri):
        path = Path(tracking_uri.removeprefix("sqlite:///"))
        assert path.name == "mlflow.db.new" and not path.exists(), "nothing of a killed process is taken"
        return SimpleNamespace(search_experiments=lambda max_results: path.write_text(f"of {max_results}"))

    monkeypatch.setattr("mlflow.MlflowClient", client)
    (tmp_path / "mlflow.db.new").write_text("half")
    store._create_database()
    store._create_database()
    assert store.database.read_text() == "of 1" and [*tmp_path.iterdir()] == [store.database]


@pytest.fixture
def only(monkeypatch):
    """Return the calls for the only run with some tags, which is `new`."""
    told = []
    found = run_of("new", {"a": "1"})
    monkeypatch.setattr(mlflow_store.claims, "only", lambda client, *words: told.append(words) or found)
    return told


def test_a_child_is_found_by_its_tags_or_made(store, only):
    assert store.child(run_of(), "stack", {"a": "1", "b": "2"}).info.run_id == "new"
    (log,) = store.client.told
    assert log[:2] == ("log_batch", "new") and [(p.key, p.value) for p in log[2]["params"]] == [("b", "2")]
    store.child(run_of(), "x", {}, {"arm": "a"})
    below = {"mlflow.parentRunId": "r"}
    assert only == [("e", "stack", below | {"stage": "stack"}), ("e", "x", below | {"arm": "a"})]


def test_the_experiments_run_has_its_key_title_and_git_tags(store, monkeypatch, only):
    monkeypatch.setattr(mlflow_store.experiment, "git_tags", lambda folder: {"git": str(folder)})
    monkeypatch.setattr(mlflow_store.experiment, "parameters", lambda params: {})
    monkeypatch.setattr(store, "experiment_id", lambda name: f"id of {name}")
    params = SimpleNamespace(track=SimpleNamespace(experiment="autoencoders"))
    store.parent(SimpleNamespace(params=params, key="k", title="t"))
    assert only == [("id of autoencoders", "t", {"experiment_key": "k"}, {"git": str(Path.cwd())})]


@pytest.mark.parametrize(
    ("logged", "deleted", "points"),
    [
        (set(), False, [("loss", 1), ("loss", 2)]),
        ({(("loss", 1), 0.5)}, False, [("loss", 2)]),
        ({(("loss", 1), 0.6)}, True, [("loss", 1), ("loss", 2)]),
        ({(("loss", 3), 0.5)}, True, [("loss", 1), ("loss", 2)]),
    ],
)
def test_curves_are_completed_and_those_with_other_values_replaced(store, monkeypatch, logged, deleted, points):
    found, children = [], []
    monkeypatch.setattr(store, "child", lambda *words: children.append(words) or run_of(f"run {len(children)}"))
    monkeypatch.setattr(store, "logged", lambda run: logged)
    monkeypatch.setattr(store, "log_points", lambda run, new: found.append((run.info.run_id, new)))
    parent = run_of()
    store.complete_child(parent, "stack", [Point("loss", 1, 0.5), Point("loss", 2, 0.4)], {"a": "1"}, {"t": "u"})
    assert children == [(parent, "stack", {"a": "1"}, {"t": "u"})] * (1 + deleted)
    assert store.client.told == [("delete_run", "run 1", {})] * deleted
    assert [(run, [(p.name, p.epoch) for p in new]) for run, new in found] == [(f"run {1 + deleted}", points)]


def test_points_and_parameters_go_in_requests_of_mlflows_largest_size(store):
    store.log_points(run_of(), [Point("loss", k, k / 2) for k in range(2001)])
    batches = [call[2]["metrics"] for call in store.client.told]
    assert [len(batch) for batch in batches] == [1000, 1000, 1]
    metric = batches[2][0]
    assert (metric.key, metric.value, metric.timestamp, metric.step) == ("loss", 1000.0, 12345, 2000)
    store.client.told.clear()
    store._log_parameters(run_of(params={"p0": "x"}), {f"p{k}": "x" for k in range(202)})
    assert [call[2]["params"][0].key for call in store.client.told] == ["p1", "p101", "p201"]
    assert [len(call[2]["params"]) for call in store.client.told] == [100, 100, 1]


def test_parameters_that_another_process_logs_at_the_same_time_are_left_to_it(store):
    there = {"a": "1"}  # as PostgreSQL refuses a whole batch of which one row is there
    logged = []

    def log_batch(run_id, params):
        logged.append([param.key for param in params])
        if there.keys() & {*logged[-1]}:
            raise mlflow.MlflowException("duplicate key value violates unique constraint")

    store.client = SimpleNamespace(log_batch=log_batch, get_run=lambda run_id: run_of(run_id, params=there))
    store._log_parameters(run_of(), {"a": "1", "b": "2"})
    assert logged == [["a", "b"], ["b"]]
    with pytest.raises(mlflow.MlflowException):  # for another reason: no parameter came in between
        store._log_parameters(run_of(params={"c": "3"}), {"a": "1"})
    assert logged[2:] == [["a"]]


def test_metrics_that_are_there_are_not_logged_again(store, monkeypatch):
    told = []
    monkeypatch.setattr(store, "log_points", lambda run, points: told.extend(points))
    store.log_metrics(run_of(metrics={"a": 1.0, "b": 2.0}), {"a": 1.0, "b": 3.0, "c": 4.0})
    assert told == [Point("b", 0, 3.0), Point("c", 0, 4.0)]


def test_a_data_set_is_logged_once_with_its_place_and_digest(store):
    known = SimpleNamespace(dataset_inputs=[SimpleNamespace(dataset=SimpleNamespace(digest="d"))])
    store.log_dataset(run_of(inputs=known), "digits", "d")
    assert store.client.told == []
    for run in (run_of(), run_of(inputs=known)):
        store.log_dataset(run, "digits", "e")
        _, run_id, (logged,), _ = store.client.told.pop()
        assert (run_id, logged.dataset.name, logged.dataset.digest) == ("r", "digits", "e")
        assert '"dvc": "data/prepare"' in logged.dataset.source


def test_what_has_finished_is_ended_and_tagged(store):
    children = [run_of("1", name="stack"), run_of("2", name="other"), run_of("3", name="pca", status="FINISHED")]
    store.client = Client(search_runs=children)
    store.finish(run_of(), ["stack", "pca"], ["track", "track_book"])
    *told, (name, run_id, tagged) = store.client.told
    assert told == [
        ("search_runs", ["e"], "tags.`mlflow.parentRunId` = 'r'", {}),
        ("set_terminated", "1", "FINISHED", {}),
        ("set_terminated", "r", "FINISHED", {}),
    ]
    assert (name, run_id) == ("log_batch", "r"), "set_tag fails if another process sets the tag at the same time"
    assert [(tag.key, tag.value) for tag in tagged["tags"]] == [("logged.track", "yes"), ("logged.track_book", "yes")]


@pytest.mark.parametrize(
    ("uri", "home"),
    [("sqlite:///x", True), ("http://x", False), ("https://x", False), ("databricks://x", False)],
)
def test_an_experiments_artifacts_lie_in_the_project_unless_a_server_keeps_them(store, uri, home):
    store.uri = uri
    store.experiment_id("mine")
    tags = {"mlflow.experimentKind": "custom_model_development"}
    place = (store.root / "mlartifacts").as_uri() if home else None
    assert store.client.told[1:] == [("create_experiment", "mine", place, {"tags": tags})]
    store.client = Client(get_experiment_by_name=SimpleNamespace(experiment_id=7))
    assert store.experiment_id("mine") == "7"


def test_an_experiment_that_another_process_makes_at_the_same_time_is_found(store):
    from mlflow.exceptions import MlflowException

    found = [None, SimpleNamespace(experiment_id=7), None, None]

    def exists(*_, **__):
        raise MlflowException("RESOURCE_ALREADY_EXISTS")

    store.client = SimpleNamespace(get_experiment_by_name=lambda name: found.pop(0), create_experiment=exists)
    assert store.experiment_id("mine") == "7"
    with pytest.raises(MlflowException, match="ALREADY_EXISTS"):  # of a deleted experiment
        store.experiment_id("mine")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\nsecond"), "first"),
        (ValueError(), "ValueError"),
        (ValueError("x" * 300), "x" * 200),
        (
            ValueError('Max retries (Caused by NewConnectionError("Conn(host): Connection refused"))'),
            "Connection refused",
        ),
        (ValueError("a: b"), "a: b"),
    ],
)
def test_of_an_error_the_first_line_is_told_or_its_innermost_message(error, line):
    assert mlflow_store.why(error) == line


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:secret@host/x", "http://host/x"),
        ("http://host", "http://host"),
        ("sqlite:///a.db", "sqlite:///a.db"),
    ],
)
def test_an_address_is_shown_without_its_password(uri, shown):
    assert mlflow_store.without_password(uri) == shown


def test_mlflows_errors_become_one_line_that_says_what_to_do():
    from mlflow.exceptions import MlflowException

    with pytest.raises(ConnectionError) as error, mlflow_store.one_line("http://me:secret@host"):
        raise MlflowException("no\nanswer")
    assert str(error.value) == (
        "expected an MLflow store at http://host, received: no; all results are in data/,"
        " `dvc repro track` logs them later"
    )


def test_a_moved_databases_paths_follow_and_others_stay(tmp_path):
    path = tmp_path / "mlflow.db"
    home = (tmp_path / "mlartifacts").as_uri()
    old, others = "file:///old/mlartifacts", ["s3://bucket/mlartifacts", "file:///old/elsewhere", None, home]
    with closing(sqlite3.connect(path)) as made, made:
        for table, column in database.LOCATIONS.items():
            made.execute(f"CREATE TABLE {table} ({column})")
            made.executemany(f"INSERT INTO {table} VALUES (?)", [(f"{old}/1",), (f"/x{old}",)])
        made.executemany("INSERT INTO experiments VALUES (?)", [(value,) for value in (old, *others)])
    database.relocate(path)
    with closing(sqlite3.connect(path)) as made:
        for table, column in database.LOCATIONS.items():
            found = [row[0] for row in made.execute(f"SELECT {column} FROM {table}")]
            assert found[:2] == [f"{home}/1", f"/x{old}"]
            assert found[2:] == ([home, *others] if table == "experiments" else [])
    assert database.LOCATIONS == {
        "experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location",
        "model_versions": "storage_location",
    }  # fmt: skip


@pytest.fixture
def model_store(monkeypatch, tmp_path):
    """Return MLflow's log of models, which only notes; the model's predictions are its rows' shape."""
    told = []
    rows = np.zeros((9, 2), np.float32)
    model = lambda given: SimpleNamespace(numpy=lambda: ("predicted", len(given)))  # noqa: E731
    fake = SimpleNamespace(log_model=lambda *words, **more: told.append((*words, more)))
    monkeypatch.setitem(sys.modules, "mlflow.tensorflow", fake)
    monkeypatch.setattr(mlflow, "tensorflow", fake)
    monkeypatch.setattr(mlflow, "start_run", lambda run_id: told.append(run_id) or nullcontext())
    monkeypatch.setattr(mlflow, "set_tracking_uri", told.append)
    monkeypatch.setattr(mlflow, "models", SimpleNamespace(infer_signature=lambda given, answers: (len(given), answers)))
    monkeypatch.setattr(logged_models.claims, "turn", lambda client, run, name, is_done: nullcontext(not is_done()))
    monkeypatch.setattr(logged_models.files, "read_rows", lambda *words: told.append(words) or rows)
    models = SimpleNamespace(read=lambda folder: told.append(folder) or model)
    monkeypatch.setitem(sys.modules, "tasks.frame.models", models)  # the module itself imports TensorFlow
    monkeypatch.setattr(tasks.frame, "models", models, raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return told, model


@pytest.mark.parametrize(
    ("name", "status", "again"), [("stack", "READY", False), ("stack", "PENDING", True), ("pretrain", "READY", True)]
)
def test_a_model_is_logged_once_with_what_it_needs_elsewhere(model_store, tmp_path, name, status, again):
    told, model = model_store
    client = Client(search_logged_models=[SimpleNamespace(name=name, status=status)])
    client.tracking_uri = "uri"
    logged_models.log(client, run_of(), "stack", tmp_path)
    assert client.told == [("search_logged_models", ["e"], "source_run_id = 'r'", {})]
    if not again:
        assert told == []
        return
    rows, folder, uri, run_id, (logged, more), after = told
    assert (rows, folder, uri, run_id, after) == ((tmp_path / "prepare", "valid"), tmp_path / "stack", "uri", "r", None)
    assert logged is model and len(more.pop("input_example")) == 5
    assert more == {
        "name": "stack",
        "signature": (5, ("predicted", 5)),
        "pip_requirements": [f"{package}=={version(package)}" for package in ("keras", "numpy", "tensorflow")],
        "code_paths": [str(Path(tasks.__file__).parents[1] / "autoencoders")],
    }


def test_mlflows_own_functions_point_to_the_store_for_a_while(monkeypatch):
    told = []
    monkeypatch.setattr("mlflow.set_tracking_uri", told.append)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "before")
    with logged_models.fluent("now"):
        assert told == ["now"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with logged_models.fluent("now"):
        pass
    assert told == ["now", "before", "now", None]
