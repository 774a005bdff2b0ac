"""What Prefect's UI gets of a pipeline's results."""

from __future__ import annotations

import httpx
import pytest

from flows import services
from flows.run import Outcome
from tasks.frame import errors, files

AT = {"n_labels": 50, "use": {"mean": 0.75, "low": 0.7, "high": 0.8}}
VERDICT = {"sentence": "Use it.", "n_labels": 50, "metric": "accuracy", "budgets": [{**AT, "n_labels": 5}, AT]}
STAGES = [Outcome("report", "ran", 1.25), Outcome("track", "skipped", 0.5)]


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Return the module, whose artifacts are only noted in its `shown`, and whose study has a verdict."""
    from flows import published

    shown = {}
    for kind in ("markdown", "table"):
        note = lambda content, *, key, description: shown.update({key: content})  # noqa: E731
        monkeypatch.setattr(published, f"create_{kind}_artifact", note)
    monkeypatch.setattr(published, "VERDICT", tmp_path / "verdict.json")
    files.write_json(published.VERDICT, VERDICT)
    monkeypatch.setattr(published.config, "load", lambda: None)
    monkeypatch.setattr(published.experiment, "metrics", lambda *_: {"stack.val_loss": 0.5, "pca.gap": 0.25})
    monkeypatch.setattr(published.finished, "address", lambda base: f"{base}/#/run")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv(services.MLFLOW, raising=False)
    published.shown = shown
    return published


def test_the_verdict_comes_first_then_the_way_to_mlflow_few_metrics_and_the_stages(published, monkeypatch):
    monkeypatch.setenv(services.MLFLOW, "http://127.0.0.1:5000")
    published.publish(STAGES, 2.0)
    said, link, metrics, stages = published.shown["summary"].split("\n\n")
    assert said == "Use it." and "(http://127.0.0.1:5000/#/run)" in link
    assert metrics.splitlines()[2:] == [
        "| accuracy | 0.75 |", "| accuracy_low | 0.7 |", "| accuracy_high | 0.8 |", "| stack.val_loss | 0.5 |",
    ]  # fmt: skip
    assert stages.splitlines()[2:] == ["| report | ran | 1.2 |", "| track | skipped | 0.5 |", "| all |  | 2.0 |"]
    assert published.shown["metrics"] == [
        {"metric": "stack.val_loss", "value": 0.5}, {"metric": "pca.gap", "value": 0.25},
    ]  # fmt: skip


def test_without_the_study_a_server_of_mlflow_or_its_answer_there_is_no_verdict_or_no_way(published, monkeypatch):
    published.publish(STAGES[1:], 2.0)
    assert published.shown["summary"].startswith("| metric")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there")
    published.publish(STAGES, 2.0)
    assert "(http://there/#/run)" in published.shown["summary"]

    def fails(base):
        raise errors.UsageError("no experiment")

    monkeypatch.setattr(published.finished, "address", fails)
    published.publish(STAGES, 2.0)
    assert "MLflow" not in published.shown["summary"]


def test_an_outage_of_prefect_costs_a_warning(published, monkeypatch, capsys):
    def fails(*_, **__):
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(published, "create_table_artifact", fails)
    published.publish(STAGES, 2.0)
    assert capsys.readouterr().err == "warning: Prefect does not take the metrics: refused\n"
