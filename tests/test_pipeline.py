"""The Prefect flow on the tiny project: states named for what was done, failures in one line, outages survived."""

from __future__ import annotations

import json
import os
import re
import socket
from contextlib import nullcontext
from types import SimpleNamespace

import httpx
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
def test_prefect_is_told_of_progress_now_and_then(pipeline, monkeypatch):
    now = iter([0, 10, 30, 31, 59.9, 61])
    monkeypatch.setattr(pipeline.time, "monotonic", lambda: next(now))
    told = []
    hear = pipeline._now_and_then(told.append)
    for line in "abcde":
        hear(line)
    assert told == ["b", "e"]


@pytest.mark.slow
def test_an_outage_of_prefect_after_the_last_stage_costs_a_warning(pipeline, project, monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "pipeline", raising(httpx.ConnectError("refused")))
    monkeypatch.setattr(pipeline.planning, "is_up_to_date", lambda _targets: True)
    pipeline.run(None, force=False, isolated=False)
    assert capsys.readouterr().err == "warning: all stages are done, but Prefect's server was lost: refused\n"


@pytest.mark.parametrize("outage", [RuntimeError("Failed to reach API at x"), None])
def test_an_outage_of_prefect_before_that_is_one_line(pipeline, project, monkeypatch, outage):
    monkeypatch.setattr(pipeline, "pipeline", raising(outage or httpx.ConnectError("refused")))
    with pytest.raises(RunError, match="make repro") as error:
        pipeline.run(None, force=False, isolated=False)
    assert error.value.exit_code == 7


def test_other_errors_stay_what_they_are(pipeline, project, monkeypatch):
    monkeypatch.setattr(pipeline, "pipeline", raising(RuntimeError("a fault")))
    with pytest.raises(RuntimeError, match="a fault"):
        pipeline.run(None, force=False, isolated=False)


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


# The flow's own function and its task, without a server.


@pytest.fixture
def task(pipeline):
    """Return the flow's task as it is."""
    return pipeline.reproduce


@pytest.fixture
def flow(pipeline, task, monkeypatch):
    """Let the flow plan two stages, and note what it hands on."""
    told = []
    result = SimpleNamespace(is_completed=lambda: True, result=lambda: "ran", message="", data="data")

    def with_options(**names):
        return lambda *words, **more: told.append((names, words, more)) or result

    def stages(graph, do, *, isolated):
        told.append(("workers", os.environ.get("PIPELINE_WORKERS"), isolated))
        return [do(name, f"{name} of two ", None) for name in graph]

    clock = iter(range(100))
    monkeypatch.delenv("PIPELINE_WORKERS", raising=False)
    monkeypatch.setattr(environment, "settle", lambda: told.append("settled"))
    monkeypatch.setattr(pipeline, "tell_process", lambda: told.append("told"))
    begin = lambda targets, force: told.append((targets, force)) or ({"a": [], "b": ["a"]}, False)  # noqa: E731
    monkeypatch.setattr(pipeline.planning, "begin", begin)
    monkeypatch.setattr(pipeline.runner, "stages", stages)
    monkeypatch.setattr(pipeline.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(pipeline, "reproduce", SimpleNamespace(with_options=with_options))
    monkeypatch.setattr(pipeline.published, "publish", lambda outcomes, seconds: told.append((outcomes, seconds)))
    told.append(result)
    return told


def test_the_flow_gives_each_stage_its_name_its_needs_and_its_place(pipeline, flow, capsys):
    result = flow.pop()
    state = pipeline.pipeline.fn(["a", "b"], force=True, isolated=True, workers=2)
    assert flow[:4] == ["settled", "told", (["a", "b"], True), ("workers", "2", True)]
    more = {"return_state": True}
    assert flow[4:6] == [
        ({"name": "a", "task_run_name": "a"}, ("a", "a of two ", None, True, True), {"wait_for": [], **more}),
        ({"name": "b", "task_run_name": "b"}, ("b", "b of two ", None, True, True), {"wait_for": [result], **more}),
    ]
    assert (state.name, state.data) == ("Completed", {"a": "ran", "b": "ran"})
    outcomes, seconds = flow[6]
    assert [outcome.seconds for outcome in outcomes] == [1, 1] and seconds == 5
    assert capsys.readouterr().out == pipeline.runner.summary(outcomes, 5) + "\n"


def test_a_stage_that_did_not_complete_ends_the_flow_with_its_line(pipeline, flow):
    result = flow.pop()
    result.is_completed, result.message = lambda: False, "no rows"
    state = pipeline.pipeline.fn()
    assert (state.name, state.message, state.data) == ("Failed", "a: no rows", "data")
    assert flow[2:4] == [((), False), ("workers", None, False)] and len(flow) == 5


@pytest.mark.parametrize(("error", "failed"), [(RunError("no"), True), (KeyError("k"), False)])
def test_an_error_of_the_plan_or_of_a_stage_is_a_state_if_it_is_the_users(
    pipeline, task, flow, monkeypatch, error, failed
):
    monkeypatch.setattr(pipeline.planning, "begin", raising(error))
    monkeypatch.setattr(pipeline.runner, "one", raising(error))
    monkeypatch.setattr(pipeline, "get_run_logger", lambda: SimpleNamespace(info=print))
    for call in (pipeline.pipeline.fn, lambda: task.fn("a", "1/1 ", None, True, False)):
        with nullcontext() if failed else pytest.raises(KeyError):
            state = call()
            assert (state.name, state.message, state.data) == ("Failed", "no", error)


def test_a_stage_ends_in_the_state_of_what_was_done_and_is_logged(pipeline, monkeypatch):
    told = []
    outcome = pipeline.Outcome("a", "restored", 1.25)
    monkeypatch.setattr(pipeline.runner, "one", lambda *words, **more: told.append((words, more)) or outcome)
    monkeypatch.setattr(pipeline, "get_run_logger", lambda: SimpleNamespace(info=lambda *words: told.append(words)))
    state = pipeline.reproduce.fn("a", "1/1 ", "elsewhere", True, False)
    assert (state.name, state.data, state.type.value) == ("Restored", "restored", "COMPLETED")
    assert told[0] == (("a", "1/1 ", "elsewhere"), {"force": True, "isolated": False})


def test_the_flows_process_is_told_to_prefect(pipeline, monkeypatch):
    told = []
    client = SimpleNamespace(update_flow_run=lambda *words, **more: told.append((*words, more)))
    monkeypatch.setattr(pipeline, "get_client", lambda sync_client: nullcontext(client if sync_client else None))
    monkeypatch.setattr(pipeline, "flow_run", SimpleNamespace(id="me"))
    pipeline.tell_process()
    assert told == [("me", {"infrastructure_pid": f"{socket.gethostname()}:{os.getpid()}"})]


def test_a_flow_of_a_scheduled_run_stands_below_its_task(pipeline, monkeypatch):
    told, task_run = [], "00000000-0000-0000-0000-000000000007"
    client = SimpleNamespace(create_flow_run=lambda flow, **more: told.append(str(more["parent_task_run_id"])) or "run")
    monkeypatch.setattr(pipeline, "get_client", lambda sync_client: nullcontext(client))
    result = SimpleNamespace(result=lambda: told.append("result"))
    monkeypatch.setattr(pipeline, "run_flow", lambda flow, **more: told.append(more) or result)
    monkeypatch.setenv("PIPELINE_TASK_RUN", task_run)
    pipeline.run(None, force=False, isolated=False, workers=2)
    given = {"targets": None, "force": False, "isolated": False, "workers": 2}
    assert told == [task_run, {"flow_run": "run", "parameters": given, "return_type": "state"}, "result"]
    assert "PIPELINE_TASK_RUN" not in os.environ, "its stages' processes are of no task run"


def test_the_command_hands_all_on_and_asks_about_its_own_stages(pipeline, monkeypatch, capsys):
    told = []
    result = SimpleNamespace(result=lambda: told.append("result"))
    monkeypatch.setattr(pipeline, "pipeline", lambda *words, **more: told.append((*words, more)) or result)
    pipeline.run(["a"], force=True, isolated=True, workers=3)
    given = {"targets": ["a"], "force": True, "isolated": True, "workers": 3}
    assert told == [(given | {"return_state": True},), "result"]
    monkeypatch.setattr(pipeline, "pipeline", raising(httpx.ConnectError("refused")))
    for targets, asked in ((["a"], ["a"]), (None, ())):
        monkeypatch.setattr(pipeline.planning, "is_up_to_date", lambda given, asked=asked: given == asked)
        pipeline.run(targets, force=False, isolated=False)
    said = "warning: all stages are done, but Prefect's server was lost: refused\n"
    assert capsys.readouterr().err == 2 * said
    monkeypatch.setattr(pipeline.planning, "is_up_to_date", lambda _: False)
    for error, line in (
        (httpx.ConnectError("x"), "Prefect's server was lost: x; `make repro` needs none"),
        (RuntimeError("Failed to reach API at x"), "Prefect: Failed to reach API at x; `make repro` needs no server"),
    ):
        monkeypatch.setattr(pipeline, "pipeline", raising(error))
        with pytest.raises(RunError) as shown:
            pipeline.run(None, force=False, isolated=False)
        assert str(shown.value) == line
