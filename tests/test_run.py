"""The command line, the environment and the summary of `make repro`, without running a stage."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

import flows
from flows import (
    __main__,
    environment,
    experiments,
    frame,
    records,
    run,
    services,
    serving,
    verify,
)  # fmt: skip
from flows.run import Outcome
from tasks.tracking import registry


@pytest.fixture
def called(here, monkeypatch):
    """Note what the commands call."""
    noted = []

    def note(name, result=None):
        return lambda *words, **more: noted.append((name, *words, more)) or result

    monkeypatch.setattr(environment, "settle", lambda: None)
    monkeypatch.setattr(services, "connected", nullcontext)
    monkeypatch.setitem(sys.modules, "flows.pipeline", SimpleNamespace(run=note("flow")))
    monkeypatch.setattr(flows, "pipeline", sys.modules["flows.pipeline"], raising=False)
    record = SimpleNamespace(check_cache=note("check_cache", 7), check_outputs=note("check_outputs"))
    monkeypatch.setattr(records, "find", note("find", record))
    monkeypatch.setattr(records, "free_name", lambda name: f"{name}-abc")
    for module, name in ((run, "repro"), (experiments, "write"), (experiments, "record"), (verify, "verify"),
                         (verify, "verify_cells"), (serving, "serve"), (services, "ui"),
                         (registry, "promote")):  # fmt: skip
        monkeypatch.setattr(module, name, note(name))
    return noted


@pytest.mark.parametrize(
    ("command", "calls"),
    [
        ("repro", [("repro", (), {"force": False, "isolated": False})]),
        ("repro a b --force --isolated", [("repro", ["a", "b"], {"force": True, "isolated": True})]),
        ("flow", [("flow", None, {"force": False, "isolated": False, "workers": None})]),
        ("flow a --force --isolated --workers 2",
         [("flow", ["a"], {"force": True, "isolated": True, "workers": 2})]),
        ("experiment x", [("write", "x", {}), ("repro", {"force": False}), ("record", "x-abc", {})]),
        ("experiment x --force", [("write", "x", {}), ("repro", {"force": True}), ("record", "x-abc", {})]),
        ("verify", [("verify", "", {"elsewhere": False})]),
        ("verify x --elsewhere --cells 0", [("verify", "x", {"elsewhere": True})]),
        ("verify --cells 1", [("verify_cells", 1, {})]),
        ("verify --cache x", [("find", "x", {"finished": False}), ("check_cache", {})]),
        ("verify --cache", [("find", "", {"finished": False}), ("check_cache", {}), ("check_outputs", {})]),
        ("serve", [("serve", 4200, 5000, "", {})]),
        ("serve --port 1", [("serve", 1, 5000, "", {})]),
        ("ui", [("ui", 5000, {})]),
        ("promote", [("promote", "", {"name": "", "alias": "champion"})]),
        ("promote stack --name x --alias next", [("promote", "stack", {"name": "x", "alias": "next"})]),
        ("ui --port 65535", [("ui", 65535, {})]),
    ],
)  # fmt: skip
def test_a_command_calls_what_it_is_for(called, command, calls):
    done = CliRunner().invoke(__main__.app, command.split())
    assert (done.exit_code, called) == (0, calls), done.output


@pytest.mark.parametrize("command", ["ui --port 0", "ui --port 65536", "verify --cells -1", "repro --workers 0"])
def test_a_number_out_of_its_range_calls_nothing(called, command):
    assert CliRunner().invoke(__main__.app, command.split()).exit_code == 2
    assert called == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no-such"], 2, "error: No such command 'no-such'; `--help` says what there is\n"),
        (["repro", "--no-such"], 2, "error: No such option: --no-such; `--help` says what there is\n"),
        (["--help"], 0, ""),
        ([], 2, ""),
    ],
)
def test_the_command_line_returns_an_exit_code_with_one_line(monkeypatch, capsys, words, code, said):
    monkeypatch.setattr(sys, "argv", ["flows", *words])
    assert __main__.main() == code
    shown = capsys.readouterr()
    assert shown.err == said
    assert bool(shown.out) == (not said), "the help"


@pytest.mark.parametrize(
    ("kept", "said"),
    [(True, "interrupted; finished work is kept, run again to continue"), (False, "interrupted")],
)
def test_an_interruption_is_one_line_and_says_whether_work_is_kept(called, capsys, kept, said):
    with pytest.raises(typer.Exit) as error, frame.command(**({} if kept else {"kept": False})):
        signal.raise_signal(signal.SIGTERM)
    assert error.value.exit_code == 143
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_what_is_settled_is_every_setting_and_the_path_begins_with_this_python(here, monkeypatch):
    monkeypatch.setattr(environment, "ROOT", here)
    bin_folder = os.path.dirname(sys.executable)
    for before, after in (("/bin", f"{bin_folder}:/bin"), (f"{bin_folder}:/x", f"{bin_folder}:/x")):
        monkeypatch.setattr(environment.os, "environ", {"PATH": before})
        environment.settle()
        assert os.environ == {
            "PATH": after, "DVC_NO_ANALYTICS": "true", "DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_CLIENT_MAX_RETRIES": "3",
            "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json", "DVC_SITE_CACHE_DIR": str(here / ".dvc/tmp/site"),
            "PREFECT_HOME": str(here / ".prefect"),
        }  # fmt: skip
    assert list(here.iterdir()) == []  # no DVC project, no folder of DVC's


def test_the_summary_is_a_table_with_the_places_of_the_results_there_are(here):
    (here / "data/book").mkdir(parents=True)
    (here / "data/book/book.html").touch()
    ways = "book     data/book/book.html\nmetrics  dvc metrics show\ncurves   make ui, then http://127.0.0.1:5000"
    assert run.summary([Outcome("a", "ran", 1.25), Outcome("bcd", "skipped", 0.5)], 1.75) == (
        f"\na    ran            1.2 s\nbcd  skipped        0.5 s\nall                 1.8 s\n\n{ways}"
    )
    skipped = Outcome("a", "skipped", 0.0)
    assert run.summary([skipped], 1.0) == f"Nothing to do: the stage is up to date.\n{ways}"
    assert run.summary([skipped] * 2, 1.0) == f"Nothing to do: all 2 stages are up to date.\n{ways}"
    (here / "data/report").mkdir()
    (here / "data/report/report.html").touch()
    assert run.results().splitlines()[0] == "report   data/report/report.html"


def test_stages_are_done_in_order_each_told_how_far_the_run_is(monkeypatch):
    monkeypatch.setenv("PIPELINE_WORKERS", "1")
    graph = {f"s{k}": [] for k in range(10)}
    assert run.stages(graph, lambda *words: words) == [(f"s{k}", f"{k + 1:2}/10 ", None) for k in range(10)]
    monkeypatch.setenv("PIPELINE_WORKERS", "2")
    assert run.stages({"a": []}, lambda *words: words, isolated=True) == [("a", "1/1 ", None)]
    monkeypatch.setattr(run.beside, "stages", lambda graph, do, n: (n, [do(name, "other") for name in graph]))
    assert run.stages({"a": []}, lambda *words: words) == (2, [("a", "1/1 ", "other")])


def test_one_stage_is_told_its_position_in_this_process_or_another(monkeypatch):
    told = []

    def reproduce(name, **options):
        told.append((name, os.environ.get("PIPELINE_POSITION"), options))
        if "elsewhere" in options:
            options.pop("elsewhere")("command", {"DVC_STAGE": name})
        return "ran"

    clock = iter([1.0, 3.5] * 2)
    monkeypatch.setattr(run.engine, "reproduce", reproduce)
    monkeypatch.setattr(run.time, "monotonic", lambda: next(clock))
    assert run.one("a", "1/2 ", None, force=True, isolated=True) == Outcome("a", "ran", 2.5)
    assert told == [("a", "1/2 ", {"force": True, "isolated": True})]
    told.clear()
    outcome = run.one("a", "1/2 ", lambda *words: told.append(words), force=True, isolated=False)
    assert outcome == Outcome("a", "ran", 2.5)
    assert told == [("a", None, {"force": True}), ("command", {"PIPELINE_POSITION": "1/2 ", "DVC_STAGE": "a"})]


@pytest.mark.parametrize("is_done", [True, False])
def test_a_run_begins_with_its_plan_and_ends_with_the_summary(monkeypatch, capsys, is_done):
    asked = []
    clock = iter([1.0, 3.5])
    monkeypatch.setattr(run.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(
        run.planning, "begin", lambda *words, **more: asked.append((words, more)) or ({"a": []}, is_done)
    )
    monkeypatch.setattr(run, "one", lambda *words, **more: asked.append((words, more)) or Outcome("a", "ran", 2.0))
    monkeypatch.delenv("PIPELINE_WORKERS", raising=False)
    outcomes = run.repro(["a"], force=True, isolated=True)
    assert asked[0] == ((["a"],), {"force": True})
    assert asked[1:] == ([] if is_done else [(("a", "1/1 ", None), {"force": True, "isolated": True})])
    assert outcomes == [Outcome("a", "skipped", 0.0) if is_done else Outcome("a", "ran", 2.0)]
    assert capsys.readouterr().out == run.summary(outcomes, 2.5) + "\n"
