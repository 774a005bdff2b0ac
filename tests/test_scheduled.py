"""A scheduled run as a flow, on steps that are only noted; its automation; its name in MLflow."""

from __future__ import annotations

import inspect
import json
import re
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace

import clones
import pytest
from jinja2 import Environment
from ruamel.yaml import YAML

from flows import checkout, notices, scheduled
from tasks.frame.errors import Refused, UsageError
from tasks.tracking import noted


class Run:
    """A checkout whose steps are noted, and fail where they are told to."""

    def __init__(self, told, fails=""):
        self.told, self.fails, self.commit, self.folder, self.name = told, fails, "c" * 40, "folder", "name-1"

    def __getattr__(self, step):
        def do(*words, **more):
            self.told.append((step, *words, *more))
            if step == self.fails:
                raise Refused("no network")
            return f"{step} is done"

        return do


@pytest.fixture
def flow(monkeypatch):
    """Return a function that runs the flow without Prefect; yields its state and what it did."""

    def run(fails="", error=None, **given):
        told = []

        @contextmanager
        def checked_out(name, commit):
            if error:
                raise error
            told.append(("checked out", name, commit))
            try:
                yield Run(told, fails)
            finally:
                told.append(("removed",))

        def step(do, return_state):
            return scheduled.step.fn(do)

        monkeypatch.setattr(scheduled.environment, "settle", lambda: told.append(("settled",)))
        monkeypatch.setattr(scheduled.pipeline, "tell_process", lambda: None)
        monkeypatch.setattr(checkout, "checked_out", checked_out)
        monkeypatch.setattr(scheduled, "get_run_logger", lambda: SimpleNamespace(info=lambda said: None))
        monkeypatch.setattr(scheduled, "step", SimpleNamespace(
            fn=scheduled.step.fn, with_options=lambda **_: step))  # fmt: skip
        at = SimpleNamespace(scheduled_start_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        monkeypatch.setattr(scheduled, "flow_run", at)
        monkeypatch.setattr(scheduled, "task_run", SimpleNamespace(id="t"))
        return scheduled.scheduled.fn(**given), told

    return run


@pytest.mark.parametrize(
    ("given", "name", "arguments"),
    [
        ({}, "pipeline-20260102T030405", ()),
        ({"experiment": "smoke", "commit": "main", "workers": 2}, "smoke-20260102T030405",
         ("--experiment", "smoke", "--workers", "2")),
    ],
)  # fmt: skip
def test_a_run_is_checked_out_pulled_run_noted_pushed_recorded_and_removed(flow, given, name, arguments):
    state, told = flow(**given)
    assert state.is_completed() and name in state.message
    assert told == [
        ("settled",), ("checked out", name, given.get("commit", "HEAD")), ("pull",), ("pipeline", *arguments, "parent"),
        ("note",), ("push",), ("record",), ("removed",),
    ]  # fmt: skip


@pytest.mark.parametrize("fails", ["pull", "pipeline", "push"])
def test_a_step_that_fails_ends_the_run_with_one_line_and_the_folder_is_removed(flow, fails):
    state, told = flow(fails=fails)
    assert state.is_failed() and state.message.endswith(": no network") and "\n" not in state.message
    assert [step for step, *_ in told][-2:] == [fails, "removed"]


def test_a_commit_that_is_refused_is_a_failed_run(flow):
    state, _ = flow(error=UsageError("no commit nowhere here"))
    assert state.is_failed() and state.message == "check out: no commit nowhere here"


def test_a_fault_of_our_own_keeps_its_traceback(flow):
    with pytest.raises(KeyError):
        flow(error=KeyError("a bug"))


def test_the_message_to_the_address_is_json_whatever_the_error_says():
    says = 'run: "quoted"\nand a line, {{ no template }}'
    run = SimpleNamespace(name="calm-owl", state=SimpleNamespace(name="Failed", message=says))
    text = Environment(autoescape=False).from_string(notices.PAYLOAD).render(
        deployment=SimpleNamespace(name="nightly"), flow_run=run
    )  # fmt: skip
    assert json.loads(text) == {"text": f"nightly, calm-owl: Failed: {says}"}


@pytest.fixture
def server(monkeypatch):
    """Return what a server is told that has an automation of an earlier start."""
    told = []
    client = SimpleNamespace(
        read_automations_by_name=lambda name: [SimpleNamespace(id=name)],
        delete_automation=lambda name: told.append(("deleted", name)),
    )
    monkeypatch.setattr(notices, "get_client", lambda sync_client: nullcontext(client))
    monkeypatch.delenv(notices.VARIABLE, raising=False)
    return told


def test_the_page_names_every_deployment_and_only_parameters_that_there_are():
    page = (clones.ROOT / "docs/team.md").read_text(encoding="utf-8")
    declared = YAML(typ="safe").load((clones.ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert {*re.findall(r"scheduled/(\w+)`", page)} == {deployment["name"] for deployment in declared}
    given = {*re.findall(r"--param (\w+)=", page)} | {key for d in declared for key in d["parameters"]}
    assert given <= {*inspect.signature(scheduled.scheduled.fn).parameters}
    assert "export MLFLOW_TRACKING_URI=http://127.0.0.1:5000" in page and notices.VARIABLE in page


def test_without_an_address_an_earlier_automation_goes(server):
    assert notices.watch() == ""
    assert server == [("deleted", notices.NAME)]


def test_an_address_that_is_none_is_refused_without_showing_it(server, monkeypatch):
    monkeypatch.setenv(notices.VARIABLE, "hooks.example/secret")
    with pytest.raises(UsageError, match=r"^PIPELINE_WEBHOOK: expected an address that begins with https://") as error:
        notices.watch()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("there", [True, False])
def test_an_experiments_run_gets_the_name_of_each_scheduled_run_and_is_logged_if_it_is_missing(
    tmp_path, monkeypatch, there
):
    told, runs = [], [SimpleNamespace(info=SimpleNamespace(run_id="r"))]
    (tmp_path / "track.json").write_text('{"key": "k"}')
    client = SimpleNamespace(
        search_runs=lambda homes, condition: told.append(condition) or runs[: there or len(told) > 1],
    )
    store = SimpleNamespace(uri="", connect=lambda: None, experiment_id=lambda name: name, client=client,
                            tag=lambda run, tags: told.append((run.info.run_id, *tags)))  # fmt: skip
    monkeypatch.setattr(noted, "Store", lambda root: store)
    monkeypatch.setattr(noted.track, "written", lambda: {"track": tmp_path / "track.json"})
    monkeypatch.setattr(noted.track, "fill", lambda: told.append("filled"))
    monkeypatch.setattr(noted.finished.config, "load", lambda: SimpleNamespace(track=SimpleNamespace(experiment="e")))
    noted.note("pipeline-1")
    assert [said for said in told if said == "filled"] == ["filled"] * (not there)
    assert told[0] == "tags.experiment_key = 'k'" and told[-1][:2] == ("r", "scheduled.pipeline-1")


def test_where_no_stage_has_logged_there_is_nothing_to_name(monkeypatch):
    monkeypatch.setattr(noted.track, "written", dict)
    monkeypatch.setattr(noted, "Store", lambda root: SimpleNamespace(uri="", connect=lambda: None))
    with pytest.raises(UsageError, match=r"^data/: expected a finished experiment, received none that is logged"):
        noted.note("pipeline-1")
