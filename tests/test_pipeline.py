"""The Prefect flow on the tiny project: states named for what was done, failures in one line, outages survived."""

from __future__ import annotations

import json
import os
import re

import pytest

from flows import environment
from tasks.frame.errors import RunError


@pytest.fixture(scope="module")
def pipeline():
    """Import Prefect, late."""
    from flows import pipeline

    return pipeline


@pytest.fixture
def project(tiny_project, monkeypatch):
    """Let the flow settle in the tiny project."""
    monkeypatch.setattr(environment, "settle", lambda: None)
    return tiny_project


@pytest.fixture(scope="module")
def server(pipeline):
    """Run flows against a Prefect server of their own."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


def raising(error: Exception):
    """Return a flow that does nothing but raise."""

    def flow(*_arguments, **_options):
        raise error

    return flow


@pytest.mark.slow
def test_an_outage_of_prefect_after_the_last_stage_costs_a_warning(pipeline, project, monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "pipeline", raising(pipeline.httpx.ConnectError("refused")))
    monkeypatch.setattr(pipeline.planning, "is_up_to_date", lambda _targets: True)
    pipeline.run(None, force=False, isolated=False)
    assert capsys.readouterr().err == "warning: all stages are done, but Prefect's server was lost: refused\n"


@pytest.mark.parametrize("outage", [RuntimeError("Failed to reach API at x"), None])
def test_an_outage_of_prefect_before_that_is_one_line(pipeline, project, monkeypatch, outage):
    monkeypatch.setattr(pipeline, "pipeline", raising(outage or pipeline.httpx.ConnectError("refused")))
    with pytest.raises(RunError, match="make repro") as error:
        pipeline.run(None, force=False, isolated=False)
    assert error.value.exit_code == 7


def test_other_errors_stay_what_they_are(pipeline, project, monkeypatch):
    monkeypatch.setattr(pipeline, "pipeline", raising(RuntimeError("a fault")))
    with pytest.raises(RuntimeError, match="a fault"):
        pipeline.run(None, force=False, isolated=False)


def test_metrics_and_summary_are_shown_in_prefect_and_an_outage_costs_a_warning(pipeline, project, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(pipeline.experiment, "metrics", lambda *_: {"pca.gap": 0.5})
    monkeypatch.setattr(pipeline, "create_table_artifact", lambda table, **more: shown.append((table, more["key"])))
    monkeypatch.setattr(pipeline, "create_markdown_artifact", lambda text, **more: shown.append((text, more["key"])))
    pipeline._publish("all done")
    assert shown == [([{"metric": "pca.gap", "value": 0.5}], "metrics"), ("```\nall done\n```", "summary")]
    monkeypatch.setattr(pipeline, "create_table_artifact", raising(pipeline.httpx.ConnectError("refused")))
    pipeline._publish("all done")
    assert capsys.readouterr().err == "warning: Prefect does not take the metrics: refused\n"


@pytest.mark.slow
def test_tasks_end_as_ran_restored_or_skipped(pipeline, project, server):
    assert pipeline.pipeline() == dict.fromkeys(["first", "phase@1", "phase@2", "last"], "ran")
    path = project / "params.yaml"
    whole = path.read_text()
    path.write_text(whole.replace("seed: 42", "seed: 43"))
    pipeline.run(None, force=False, isolated=False)
    path.write_text(whole)
    assert set(pipeline.pipeline().values()) == {"restored"}
    assert pipeline.pipeline(targets=["phase@1"]) == {"first": "skipped", "phase@1": "skipped"}
    assert task_states(pipeline)[-2:] == ["Skipped", "Skipped"]
    assert json.loads((project / ".dvc/tmp/rwlock").read_text() or "{}") == {}


@pytest.mark.slow
def test_a_failing_stage_fails_the_flow_and_what_needs_it_does_not_run(pipeline, project, server, monkeypatch):
    monkeypatch.setattr(pipeline.errors, "is_users", lambda error: str(error) == "no rows")  # as if it were ours
    pipeline.pipeline(targets=["first"])
    (project / "broken").touch()
    state = pipeline.pipeline(return_state=True)
    assert (state.name, state.message) == ("Failed", "phase@1: no rows")
    assert task_states(pipeline)[-2:] == ["Skipped", "Failed"]
    with pytest.raises(ValueError, match=r"^no rows$"):
        pipeline.run(None, force=False, isolated=False)


@pytest.mark.slow
def test_with_workers_tasks_run_beside_each_other_and_a_failure_is_the_flows(pipeline, project, server):
    text = (project / "dvc.yaml").read_text()  # scripts, which any process can run
    (project / "dvc.yaml").write_text(re.sub(r"python -m tasks\.(\w+)", r"python tasks/\1.py", text))
    assert pipeline.pipeline(workers=2) == dict.fromkeys(["first", "phase@1", "phase@2", "last"], "ran")
    assert task_states(pipeline)[-4:] == ["Ran"] * 4
    assert pipeline.pipeline(workers=2) == dict.fromkeys(["first", "phase@1", "phase@2", "last"], "skipped")
    (project / "broken").touch()
    state = pipeline.pipeline(force=True, workers=2, return_state=True)
    assert (state.name, state.message) == ("Failed", "first: no rows")
    assert task_states(pipeline)[-1] == "Failed"
    assert "PIPELINE_WORKERS" not in os.environ


@pytest.mark.slow
def test_wrong_parameters_fail_the_flow_before_any_task(pipeline, project, server):
    before = task_states(pipeline)
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("seed: 42", "sed: 42"))
    assert "did you mean seed" in pipeline.pipeline(return_state=True).message
    assert task_states(pipeline) == before


def task_states(pipeline) -> list[str]:
    """Return the names of the states in which tasks ended, in order."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import TaskRunSort

    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(sort=TaskRunSort.END_TIME_DESC)
    return [run.state_name for run in reversed(runs)]
