"""What MLflow shows of an experiment: headline, note, files, and models by an alias."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import made_up
import mlflow
import numpy as np
import pytest
import tiny
from PIL import Image
from test_track import client, empty_database, kept_models, project, runs  # noqa: F401

from tasks.frame import config, files, models, stage
from tasks.frame.errors import UsageError
from tasks.tracking import database, finished, headline, registry

END = {"mean": 0.1, "low": 0.0, "high": 0.2}
AT = {"n_labels": 15, "use": None, "highest": END, "with_encoder": END, "without": None,
      "against_scratch": END, "against_without": None}  # fmt: skip
VERDICT = {"n_labels": 15, "metric": "balanced accuracy", "budgets": [{**AT, "n_labels": 6}, AT], "sentence": "Use it.",
           "registration": "Not registered."}  # fmt: skip


def test_the_metrics_in_front_are_those_of_the_verdict_and_few_of_the_book():
    found = headline.metrics(VERDICT, {"stack.val_loss": 0.3, "pca.gap": 1.0})
    names = ["balanced_accuracy", "encoder_minus_scratch"]
    ends = [name + end for name in names for end in ("", "_low", "_high")]
    assert [*found] == [*ends, "stack.val_loss"] and found["encoder_minus_scratch_high"] == 0.2
    assert headline.metrics({}, {"pca.gap": 1.0}) == {}


def test_the_books_metrics_in_front_are_metrics_of_the_default_experiment():
    assert {*headline.OF_BOOK} <= {*files.read_json(tiny.ROOT / "metrics/book.json")}


def test_levels_and_gaps_are_three_curves_each_over_the_number_of_labels():
    points = {(point.name, point.epoch): point.value for point in headline.curves(VERDICT)}
    names = [f"{name}/{end}" for name in ("with_encoder", "minus_scratch") for end in ("mean", "low", "high")]
    assert {*points} == {(name, n) for name in names for n in (6, 15)}
    assert headline.curves({}) == []


def test_the_note_begins_with_the_verdict_and_shows_the_figure_of_a_study():
    params = tiny.params()
    title, *said, where, source = headline.note(params, VERDICT, "r").split("\n\n")
    assert title == f"**{params.report.title}.** Use it." and source == params.report.source
    assert said == [
        "Not registered.", "![Label curve](get-artifact?path=figures%2Freport%2Flabel-curve.png&run_uuid=r)",
    ]  # fmt: skip
    assert headline.note(params, {}, "r").split("\n\n") == [f"**{params.report.title}.**", where, source]


@pytest.fixture
def study(project) -> Path:  # noqa: F811
    """The project with a made-up study, its verdict, page and figure."""
    made_up.label_curve(Path("data/label_curve"), 0.02)
    (project / "data/report").mkdir()
    files.write_json(Path("data/report/verdict.json"), VERDICT)
    Path("data/report/report.html").write_text("<h1>The page</h1>")
    Image.new("RGB", (40, 30), "white").save("data/report/label-curve.png")
    return project


@pytest.mark.slow
def test_a_run_has_the_note_the_page_a_table_of_metrics_per_stage_and_each_figure_once(study):
    stage.execute("track")
    (parent,), children = runs(study)
    there = client(study)
    assert parent.data.tags["mlflow.note.content"] == headline.note(config.load(), VERDICT, parent.info.run_id)
    history = there.get_metric_history(parent.info.run_id, "with_encoder/low")
    assert [(point.step, point.value) for point in history] == [(6, 0.0), (15, 0.0)]
    download = lambda name: Path(there.download_artifacts(parent.info.run_id, name))  # noqa: E731
    assert download("report.html").read_text() == "<h1>The page</h1>"
    with download("metrics/phase@1.csv").open(newline="") as file:
        assert [*csv.reader(file)] == [["metric", "value"], ["phase.1.val_loss", "0.5"]]

    def images():
        listed = there.list_artifacts(children["figures"].info.run_id, "images")
        return sorted(file.path.split("/")[1].split("+")[0] for file in listed if file.path.endswith(".png"))

    assert images() == ["label-curve", "map", "tying"]
    assert children["figures"].data.params == {}, "MLflow would list them above each image"
    stage.execute("track")
    assert images() == ["label-curve", "map", "tying"]
    Image.new("RGB", (40, 30), "black").save("data/report/label-curve.png")
    stage.execute("track")
    assert images() == ["label-curve", "label-curve", "map", "tying"]
    assert download("figures/report/label-curve.png").read_bytes() == Path("data/report/label-curve.png").read_bytes()


@pytest.mark.slow
def test_the_note_of_the_study_stays_when_the_books_part_is_logged_later(study):
    shutil.copy(tiny.ROOT / "dvc.yaml", study)  # each part sees its own stages alone
    for name in ("track_book", "track", "track_book"):
        stage.execute(name)
    ((parent,), _) = runs(study)
    assert "Use it." in parent.data.tags["mlflow.note.content"]


@pytest.mark.slow
def test_the_address_of_a_run_is_found_in_the_database(study, monkeypatch):
    assert finished.address("http://there") == ""
    stage.execute("track")
    ((parent,), _) = runs(study)
    where = f"#/experiments/{parent.info.experiment_id}/runs/{parent.info.run_id}?workflowType=machine_learning"
    assert finished.address("http://there") == f"http://there/{where}"
    assert database.run(study / "nowhere.db", "key") == ("", "")


@pytest.fixture
def promotable(project, kept_models) -> Path:  # noqa: F811
    """The project with both models logged; the stack's has the least error."""
    for name, error in (("pretrain", 0.2), ("stack", 0.1)):
        files.write_json(project / "data" / name / "metrics.json", {"val_loss": 0.5, "val_mse": error})
    stage.execute("track")
    return project


@pytest.mark.slow
def test_the_model_with_the_least_error_gets_the_alias_which_moves_and_no_model_is_registered_twice(promotable):
    said = registry.promote()
    assert said.startswith("fashion-mnist@champion is now version 1: stack of ") and "stack 0.1" in said
    assert registry.promote("pretrain", alias="next").startswith("fashion-mnist@next is now version 2: pretrain of ")
    assert registry.promote("pretrain").startswith("fashion-mnist@champion is now version 2")
    assert registry.promote() == said
    assert len(client(promotable).search_model_versions("name = 'fashion-mnist'")) == 2
    rows = np.load("data/prepare/valid.npy")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{promotable / 'mlflow.db'}")
    try:
        loaded = mlflow.tensorflow.load_model("models:/fashion-mnist@champion").predict(rows, verbose=0)
    finally:
        mlflow.set_tracking_uri(before)
    np.testing.assert_array_equal(loaded, models.read(Path("data/stack")).predict(rows, verbose=0))


@pytest.mark.slow
def test_without_models_or_an_experiment_there_is_nothing_to_promote(project):  # noqa: F811
    with pytest.raises(UsageError, match=r"^data/: expected a finished experiment, received none"):
        registry.promote()
    stage.execute("track")
    with pytest.raises(UsageError, match=r"expected pretrain or stack in MLflow, received no model; `make repro`"):
        registry.promote()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": "svm"}, "MODEL: expected one of pretrain, stack, received svm"),
        ({"name": "a/b"}, "NAME: expected letters, digits, '_', '-' and '.', received 'a/b'"),
        ({"alias": "v1"}, "ALIAS: expected letters, digits, '_' and '-', not `latest` or `v1`, received 'v1'"),
        ({"alias": "Latest"}, "ALIAS: expected letters, digits, '_' and '-', not `latest` or `v1`, received 'Latest'"),
        ({"alias": ""}, "ALIAS: expected letters, digits, '_' and '-', not `latest` or `v1`, received ''"),
    ],
)
def test_what_mlflow_would_not_accept_is_said_before_anything_is_done(monkeypatch, given, said):
    monkeypatch.chdir(tiny.ROOT)
    monkeypatch.setattr(registry.Store, "connect", lambda _: pytest.fail("a connection"))
    with pytest.raises(UsageError) as error:
        registry.promote(**given)
    assert str(error.value) == said
