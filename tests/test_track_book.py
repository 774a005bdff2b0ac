"""Stage `track_book`: the book's part of the experiment's MLflow run, whichever part comes first."""

from __future__ import annotations

import shutil

import pytest
from test_track import empty_database, project, runs  # noqa: F401

from tasks.frame import code, stage
from tasks.tracking.mlflow_store import Store, has_part


def begun(root, *names):
    """Run the book's part; return the store, the experiment's run, and a stage's run by each name, not ended yet."""
    stage.execute("track_book")
    (parent,), _ = runs(root)
    store = Store(root)
    store.connect()
    return store, parent, [store.child(parent, name, {}) for name in names]


@pytest.mark.parametrize("order", [("track", "track_book"), ("track_book", "track")])
def test_both_parts_are_one_run_whichever_comes_first(project, order):  # noqa: F811
    shutil.copy(code.ROOT / "dvc.yaml", project)  # each sees its own stages alone
    for name in order:
        stage.execute(name)
    (parent,), children = runs(project)
    assert parent.info.status == "FINISHED"
    assert {"pretrain", "tying", "phase@1", "phase@2", "stack"} <= {*children}
    database = Store(project).database
    key = parent.data.tags["experiment_key"]
    assert has_part(database, key, "track") and has_part(database, key, "track_book")


@pytest.mark.slow
def test_a_part_leaves_a_stage_of_the_other_at_work(project):  # noqa: F811
    store, parent, (live,) = begun(project, "label_curve")
    store.begin(parent, live, 1)
    stage.execute("track_book")
    (parent,), children = runs(project)
    assert children["label_curve"].info.status == parent.info.status == "RUNNING"
    assert children["pretrain"].info.status == "FINISHED"
    store.end(parent, live, "FINISHED")
    stage.execute("track_book")
    assert runs(project)[0][0].info.status == "FINISHED"


@pytest.mark.slow
def test_a_stage_that_died_or_failed_is_not_hidden_by_the_other_part(project):  # noqa: F811
    store, parent, (live,) = begun(project, "label_curve")
    store.begin(parent, live, 2**22 + 1)  # a process number that no machine gives
    stage.execute("track_book")
    (parent,), children = runs(project)
    assert children["label_curve"].info.status == parent.info.status == "KILLED"
    store.end(parent, live, "FINISHED")
    stage.execute("track_book")
    assert runs(project)[0][0].info.status == "FINISHED"


@pytest.mark.slow
def test_of_two_stages_at_work_the_first_to_end_leaves_the_experiment_running(project):  # noqa: F811
    store, parent, live = begun(project, "label_curve", "finetune")
    for run in live:
        store.begin(parent, run, 1)
    store.end(parent, live[0], "FINISHED")
    assert runs(project)[0][0].info.status == "RUNNING"
    store.end(parent, live[1], "FINISHED")
    assert runs(project)[0][0].info.status == "SCHEDULED"


def test_what_is_no_database_of_mlflows_holds_no_part(tmp_path):
    for content in (b"", b"no database at all"):
        (tmp_path / "mlflow.db").write_bytes(content)
        assert not has_part(tmp_path / "mlflow.db", "key", "track")
