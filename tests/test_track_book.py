"""Stage `track_book`: the book's part of the experiment's MLflow run, whichever part comes first."""

from __future__ import annotations

import shutil

import pytest
from test_track import empty_database, project, runs  # noqa: F401

from tasks.frame import code, stage
from tasks.tracking.database import has_part
from tasks.tracking.mlflow_store import Store

pytestmark = pytest.mark.slow


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


def test_what_is_no_database_of_mlflows_holds_no_part(tmp_path):
    for content in (b"", b"no database at all"):
        (tmp_path / "mlflow.db").write_bytes(content)
        assert not has_part(tmp_path / "mlflow.db", "key", "track")
