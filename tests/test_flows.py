"""The parts of flows one at a time: what each hands on, its messages to the letter, its limits on both sides."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import signal
import sqlite3
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import typer
from dvc.exceptions import DvcException, NotDvcRepoError, ReproductionError
from dvc.lock import LockError
from dvc.scm import SCMError
from dvc.stage.exceptions import StageNotFound
from typer.testing import CliRunner

import flows
from flows import (
    __main__,
    commands,
    engine,
    environment,
    experiments,
    healing,
    loaded,
    objects,
    planning,
    processes,
    records,
    repository,
    run,
    services,
    serving,
    space,
    verify,
)  # fmt: skip
from flows.run import Outcome
from tasks.frame.errors import Busy, Changed, Edited, FullDisk, Refused, RunError, UsageError

DAG = SimpleNamespace(relpath="dvc.yaml")


class Stop(BaseException):
    """What ends a loop that has no end."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Go to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The command line


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
    for module, name in ((run, "repro"), (experiments, "write"), (experiments, "record"), (verify, "verify"),
                         (verify, "verify_cells"), (serving, "serve"), (services, "ui")):  # fmt: skip
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
        ("experiment x", [("write", "x", {}), ("repro", {"force": False}), ("record", "x", {})]),
        ("experiment x --force", [("write", "x", {}), ("repro", {"force": True}), ("record", "x", {})]),
        ("verify", [("verify", "", {"elsewhere": False})]),
        ("verify x --elsewhere --cells 0", [("verify", "x", {"elsewhere": True})]),
        ("verify --cells 1", [("verify_cells", 1, {})]),
        ("verify --cache x", [("find", "x", {"finished": False}), ("check_cache", {})]),
        ("verify --cache", [("find", "", {"finished": False}), ("check_cache", {}), ("check_outputs", {})]),
        ("serve", [("serve", 4200, {})]),
        ("serve --port 1", [("serve", 1, {})]),
        ("ui", [("ui", 5000, {})]),
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
    with pytest.raises(typer.Exit) as error, __main__._command(**({} if kept else {"kept": False})):
        signal.raise_signal(signal.SIGTERM)
    assert error.value.exit_code == 143
    assert capsys.readouterr().err.splitlines()[-1] == said


# The environment


def test_what_is_settled_is_every_setting_and_the_path_begins_with_this_python(here, monkeypatch):
    monkeypatch.setattr(environment, "ROOT", here)
    bin_folder = os.path.dirname(sys.executable)
    for before, after in (("/bin", f"{bin_folder}:/bin"), (f"{bin_folder}:/x", f"{bin_folder}:/x")):
        monkeypatch.setattr(environment.os, "environ", {"PATH": before})
        environment.settle()
        assert os.environ == {
            "PATH": after, "DVC_NO_ANALYTICS": "true", "DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_CLIENT_MAX_RETRIES": "3",
            "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json", "DVC_SITE_CACHE_DIR": str(here / ".dvc/tmp/site"),
            "PREFECT_HOME": str(here / ".prefect"),
        }  # fmt: skip
    assert list(here.iterdir()) == []  # no DVC project, no folder of DVC's


# One process: the summary, positions, variables


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


# The plan


def stage_of(name, path, size, *, cached):
    return SimpleNamespace(
        addressing=name, outs_cached=lambda: cached,
        outs=[SimpleNamespace(fs_path=str(path), meta=SimpleNamespace(size=size))],
    )  # fmt: skip


LOST = [{"changed outs": {"data/a": "deleted"}}]


@pytest.mark.parametrize(
    ("stale", "cached", "there", "force", "expected"),
    [
        ({}, True, True, False, []),
        ({}, True, True, True, [("cache", 5), ("cache", 7)]),
        ({"a": LOST}, True, False, False, [("data", 5)]),  # comes back from the cache
        ({"a": LOST}, False, False, False, [("cache", 5), ("data", 5), ("cache", 7)]),
        ({"a": [{"changed deps": {}}]}, True, True, False, [("cache", 5), ("cache", 7)]),  # what reads it runs, too
        ({"a": ["changed command"]}, True, False, False, [("cache", 5), ("data", 5), ("cache", 7)]),
        ({"b": [{"changed deps": {}, "changed outs": {}}]}, True, True, False, [("cache", 7)]),
    ],
)
def test_what_will_be_written_is_what_runs_again_and_what_comes_back(here, stale, cached, there, force, expected):
    for name in ("a", "b"):
        if there or name == "b":
            (here / name).touch()
    stages = [stage_of("a", here / "a", 5, cached=cached), stage_of("b", here / "b", 7, cached=True)]
    repo = SimpleNamespace(
        index=SimpleNamespace(stages=stages), cache=SimpleNamespace(legacy=SimpleNamespace(path="cache"))
    )
    found = planning._to_write(repo, {"a": [], "b": ["a"]}, stale, force=force)
    assert [(path.name, size) for path, size in found] == expected


def test_an_output_of_unknown_size_takes_no_room(here):
    repo = SimpleNamespace(
        index=SimpleNamespace(stages=[stage_of("a", here / "a", None, cached=True)]),
        cache=SimpleNamespace(legacy=SimpleNamespace(path="cache")),
    )
    assert [size for _, size in planning._to_write(repo, {"a": []}, {}, force=True)] == [0, 0]


@pytest.mark.parametrize(
    ("stale", "force", "checked", "done"),
    [({}, False, [], True), ({}, True, [], False), ({"other": []}, False, ["sizes"], False),
     ({"fetch": [], "other": []}, False, [], False)],
)  # fmt: skip
def test_sizes_are_checked_before_a_run_unless_they_are_about_to_change(monkeypatch, stale, force, checked, done):
    told = []
    monkeypatch.setattr(planning.config, "read", lambda path: path)
    monkeypatch.setattr(planning.stage, "check", lambda read: ("params", read))
    monkeypatch.setattr(planning, "_made_ready", lambda: nullcontext("repo"))
    monkeypatch.setattr(planning, "_order", lambda repo, targets: {"of": [repo, *targets]})
    monkeypatch.setattr(planning, "_status", lambda repo, targets: stale)
    monkeypatch.setattr(planning, "_to_write", lambda *words, force: (words, force))
    monkeypatch.setattr(planning.sizes, "check", lambda *words, trains: told.append(("sizes", words, trains)))
    monkeypatch.setattr(planning.space, "check", lambda needs: told.append(("space", needs)))
    graph = {"of": ["repo", "a"]}
    assert planning.begin(["a"], force=force) == (graph, done)
    *sizes, room = told
    assert room == ("space", (("repo", graph, stale), force))
    assert sizes == [("sizes", (("params", Path("params.yaml")), Path("data/prepare")), False)] * len(checked)


def test_stages_that_are_up_to_date_are_asked_for_with_what_they_need(monkeypatch):
    asked = []
    repo = SimpleNamespace(status=lambda **options: asked.append(options) or {})
    monkeypatch.setattr(repository, "looked_at", lambda: nullcontext(repo))
    assert planning.is_up_to_date(["a"]) is True
    assert planning.is_up_to_date() is True
    assert asked == [{"targets": ["a"], "with_deps": True}, {"targets": None, "with_deps": True}]


@pytest.mark.parametrize(
    ("text", "what"),
    [(None, "received no file"), ("vars: []", "received none"), (" \n", "it is empty")],
)
def test_where_there_are_no_stages_the_file_is_named_with_the_way_back(here, text, what):
    if text is not None:
        (here / "dvc.yaml").write_text(text)
    with pytest.raises(UsageError) as error:
        planning._stages(SimpleNamespace(index=SimpleNamespace(stages=[])))
    wanted = f"dvc.yaml: expected stages, {what}; `git checkout dvc.yaml` brings back the committed one"
    assert str(error.value) == wanted


def test_linked_data_are_refused_with_the_way_to_keep_them_elsewhere(here):
    (here / "big").mkdir()
    (here / "data").symlink_to("big")
    with pytest.raises(Refused) as error:
        planning._refuse_linked_data()
    assert str(error.value) == (
        "data: expected a folder, received a symbolic link to big, which git and DVC do not follow: `rm data && git"
        " checkout data`, then keep the files elsewhere by `dvc cache dir --local DISK/cache && dvc config --local"
        " cache.type symlink`"
    )


# DVC's repository and its errors


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (sqlite3.OperationalError("locked"), Refused,
         "DVC's databases in .dvc/tmp/site: locked; delete the folder: it only caches"),
        (LockError("held (PID 12) and (PID 3)"), Busy,
         "another process is working on this project (PID 12, PID 3); wait for it to end, or end it"),
        (LockError("held"), Busy,
         "another process is working on this project (PID 77); wait for it to end, or end it"),
        (NotDvcRepoError("x"), Refused, "{here} is no DVC project: clone the whole project with git"),
        (SCMError("x"), Refused, "{here} is not kept by git: clone the project, or run `git init` here"),
        (StageNotFound(DAG, "x"), UsageError, "dvc: Stage 'x' not found inside 'dvc.yaml' file"),
        (DvcException("two\n  lines"), RunError, "dvc: two lines"),
    ],
)  # fmt: skip
def test_an_error_of_dvc_is_one_line(here, monkeypatch, error, kind, text):
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    (here / ".dvc/tmp").mkdir(parents=True)
    (here / ".dvc/tmp/lock").write_text("77 lock\n")
    with pytest.raises(RunError) as shown, repository.translated():
        raise error
    assert (type(shown.value), str(shown.value)) == (kind, text.format(here=here))


def test_a_lock_whose_holder_nobody_knows_and_a_project_of_git_say_so(here):
    assert str(repository._line(LockError("held"))) == (
        "another process is working on this project (of unknown PID); wait for it to end, or end it"
    )
    (here / ".git").mkdir()
    assert str(repository._line(SCMError("no commit"))) == "dvc: no commit"


def test_a_failed_stage_raises_its_own_error_with_its_cause():
    cause, own = KeyError("why"), ValueError("its own")
    own.__cause__ = cause
    with pytest.raises(ValueError, match="its own") as error, repository.translated():
        raise ReproductionError("a") from own
    assert error.value.__cause__ is cause
    for behind, text in ((None, "dvc: a"), (DvcException("clear"), "dvc: clear")):
        with pytest.raises(RunError) as error, repository.translated():
            raise ReproductionError("a") from behind
        assert str(error.value) == text
    full = OSError(errno.ENOSPC, "No space left", "f")
    with pytest.raises(FullDisk, match=r"^f: no space left"), repository.translated():
        raise ReproductionError("a") from full
    with pytest.raises(FullDisk, match=r"^f: no space left"), repository.translated():
        raise full
    with pytest.raises(PermissionError), repository.translated():
        raise PermissionError("a")


@pytest.mark.parametrize(("site", "folder"), [(None, ".dvc/tmp/site"), ("mine", "mine")])
def test_dvcs_databases_are_healed_where_they_are_before_it_is_opened(monkeypatch, site, folder):
    healed = []
    monkeypatch.setattr(healing, "heal_databases", healed.append)
    monkeypatch.setattr(repository, "Repo", lambda **options: nullcontext(options))
    monkeypatch.setattr(os, "environ", {"DVC_SITE_CACHE_DIR": site} if site else {})
    for wait in (True, False):
        with repository.opened(wait=wait) as repo:
            assert repo == {"_wait_for_lock": wait}
    assert healed == [Path(folder)] * 2


def test_the_messages_of_dvc_below_a_warning_are_not_shown():
    assert logging.getLogger("dvc").level == logging.WARNING
    assert space.raise_hidden in logging.getLogger("dvc_data.hashfile.transfer").filters


# What a killed run left


@pytest.mark.parametrize(
    ("code", "said"),
    [(sqlite3.SQLITE_CORRUPT_VTAB, "broken"), (sqlite3.SQLITE_ERROR, "broken"), (sqlite3.SQLITE_NOTADB, "broken"),
     (sqlite3.SQLITE_FORMAT, "broken"), (sqlite3.SQLITE_BUSY, ""), (sqlite3.SQLITE_BUSY_RECOVERY, "")],
)  # fmt: skip
def test_a_database_is_damaged_unless_it_is_only_busy(monkeypatch, code, said):
    error = sqlite3.DatabaseError("broken")
    error.sqlite_errorcode = code

    def connect(_):
        raise error

    monkeypatch.setattr(healing.sqlite3, "connect", connect)
    assert healing._damage(Path("a")) == said


def test_a_database_is_damaged_where_its_check_says_so(monkeypatch):
    answers = iter([[("row 1 is missing",)], [], []])
    database = SimpleNamespace(execute=lambda _: SimpleNamespace(fetchall=lambda: next(answers)), close=lambda: None)
    monkeypatch.setattr(healing.sqlite3, "connect", lambda _: database)
    assert healing._damage(Path("a")) == "row 1 is missing"


@pytest.mark.parametrize("name", healing.DATABASES)
def test_a_damaged_database_is_moved_aside_in_place_of_an_earlier_one(here, capsys, name):
    assert name in ("hashes/local/cache.db", "links/cache.db")
    path = here / "repo/1" / name
    for text in ("one", "two"):
        path.parent.mkdir(parents=True)
        path.write_text(text)
        healing.heal_databases.cache_clear()
        healing.heal_databases(here)
        assert not path.parent.exists()
        assert (path.parent.with_name(f"{path.parent.name}.damaged") / "cache.db").read_text() == text
    assert capsys.readouterr().err.splitlines()[0] == (
        f"warning: repo/1/{name} cannot be used (file is not a database); it lies at"
        f" repo/1/{Path(name).parent}.damaged; DVC reads the files anew"
    )


def test_holders_of_locks_are_the_live_ones_but_this_process(here, monkeypatch):
    table = here / "rwlock"
    info = [{"pid": pid, "cmd": f"dvc {pid}"} for pid in (1, 2, 3, os.getpid())]
    monkeypatch.setattr(healing, "_may_be", lambda pid, command: command == f"dvc {pid}" and pid != 3)
    table.write_text(json.dumps({"write": {"a": info[0]}, "read": {"b": info[1:3], "c": info[3:]}}))
    written = table.stat().st_mtime
    monkeypatch.setattr(healing, "started", lambda pid: written + (pid == 2))
    assert healing.lock_holders(table) == {1}
    assert table.exists()
    table.write_text(json.dumps({"write": {"a": info[3]}}))
    assert healing.lock_holders(table) == set()
    assert not table.exists()
    assert healing.lock_holders(table) == set()


@pytest.mark.parametrize(
    ("name", "line", "command", "expected"),
    [
        ("python3", ["/usr/bin/python3", "-m", "dvc", "repro"], "dvc repro", True),
        ("x", ["/usr/bin/DVC", "repro"], "dvc repro", True),
        ("x", ["python", "repro a"], "dvc repro a", True),  # a process that renames itself has one long word
        ("bash", ["bash", "repro"], "dvc repro", False),
        ("python3", ["python3", "repro", "b"], "dvc repro", False),
        ("python3", ["python3"], "dvc", True),
    ],
)
def test_a_process_may_be_the_recorded_one_if_it_is_python_with_these_arguments(
    monkeypatch, name, line, command, expected
):
    process = SimpleNamespace(name=lambda: name, cmdline=lambda: line)
    monkeypatch.setattr(healing.psutil, "Process", lambda pid: process)
    assert healing._may_be(1, command) is expected


@pytest.mark.parametrize(("error", "expected"), [(psutil.NoSuchProcess(1), False), (psutil.AccessDenied(1), True)])
def test_a_process_of_another_user_may_be_it_and_one_that_has_ended_not(monkeypatch, error, expected):
    def refuse(_):
        raise error

    monkeypatch.setattr(healing.psutil, "Process", refuse)
    assert healing._may_be(1, "dvc") is expected


def test_a_process_began_when_it_began_and_one_that_is_not_there_never():
    assert healing.started(os.getpid()) == psutil.Process().create_time()
    assert healing.started(2**22 + 1) == math.inf


def test_what_belongs_to_no_stage_is_deleted_and_named(here, capsys):
    kept = ["phase/1", "phase/notes", "last", "3", ".last.1x", "phase/.a.b"]
    gone = ["phase/2", ".last.12", "phase/.1.77"]
    for name in kept + gone:
        (here / "data" / name).mkdir(parents=True)
    (here / "data/phase/4").touch()  # a file: somebody's own
    healing.prune([Path("data/phase/1"), Path("data/last"), Path("data/absent/1")])
    assert all((here / "data" / name).is_dir() for name in kept) and (here / "data/phase/4").is_file()
    assert not any((here / "data" / name).exists() for name in gone)
    assert sorted(capsys.readouterr().err.splitlines()) == sorted(
        f"deleted data/{name}, which belongs to no stage" for name in gone
    )


# Code and files


@pytest.mark.parametrize("folder", ["autoencoders", "tasks"])
def test_an_edit_of_the_code_is_noticed_by_its_name_in_the_folder_where_it_was_read(here, monkeypatch, folder):
    monkeypatch.setattr(loaded, "_hashes", {})
    (here / folder).mkdir()
    for name in ("a", "b"):
        (here / f"{folder}/{name}.py").write_text("1")
    loaded.remember()
    loaded.refuse_edited()
    for name in ("b", "a"):
        (here / f"{folder}/{name}.py").write_text("2")
    loaded.remember()
    with pytest.raises(Edited) as error:
        loaded.refuse_edited()
    both = f"{folder}/a.py, {folder}/b.py"
    assert str(error.value) == f"{both}: edited since this run started; not recorded: run again"
    (here / "other").mkdir()
    monkeypatch.chdir(here / "other")
    loaded.refuse_edited()


def test_a_stages_commands_run_here_alone_or_in_a_shell(monkeypatch):
    told = []
    monkeypatch.setattr(commands.stage, "execute", lambda *words: told.append(words))
    monkeypatch.setattr(commands.processes, "run", lambda words, **more: told.append((words, more)))
    commands.run("python -m tasks.phase 1\n  python -m tasks.fetch")
    commands.run(["python -m tasks.phase 1", "python -m tasks.phase 1 2"], isolated=True)
    assert told[:2] == [("phase", "1"), ("fetch", "")]
    assert told[2] == (([sys.executable, "-m", "tasks.phase", "1"]), {})
    shell, name = told[3]
    assert shell[:2] == [sys.executable, "-c"] and shell[3] == "python -m tasks.phase 1 2"
    assert "import tasks" in shell[2] and "/bin/sh" in shell[2]
    assert name == {"name": "/bin/sh -c python -m tasks.phase 1 2"}


def md5(text):
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def test_an_output_that_is_one_file_is_right_or_deleted(here, capsys):
    cache, name = here / "cache", md5("right")
    place = objects.place(cache, name)
    assert place == cache / name[:2] / name[2:]
    place.parent.mkdir(parents=True)
    place.write_text("right")
    Path("out").write_text("right")
    assert objects.put_right(cache, "out", name, here / "tmp") is True
    Path("out").write_text("wrong")
    assert objects.put_right(cache, "out", name, here / "tmp") is False  # DVC's copy is right: it stays
    assert not Path("out").exists() and place.read_text() == "right" and not (here / "tmp").exists()
    assert objects.put_right(cache, "out", name, here / "tmp") is False
    place.unlink()
    assert objects.put_right(cache, "out", name, here / "tmp") is False
    assert capsys.readouterr().err == ""


def test_damaged_files_of_the_cache_are_moved_away_and_their_folder_deleted(here, capsys):
    cache, tmp = here / "cache", here / "tmp"
    tmp.mkdir()
    entries = [{"relpath": name, "md5": md5(name)} for name in ("a", "b", "c")]
    text = json.dumps(entries)
    Path("out").mkdir()
    for name, content in ((md5(text) + ".dir", text), (md5("a"), "x"), (md5("b"), "y"), (md5("c"), "c")):
        objects.place(cache, name).parent.mkdir(parents=True, exist_ok=True)
        objects.place(cache, name).write_text(content)
    for name, content in (("a", "x"), ("b", "y"), ("c", "c")):
        Path("out", name).write_text(content)
    assert objects.put_right(cache, "out", md5(text) + ".dir", tmp) is False
    assert not Path("out").exists()
    assert sorted(path.name for path in (tmp / "damaged").iterdir()) == sorted([md5("a"), md5("b")])
    assert objects.place(cache, md5("c")).exists()
    where = f"cache/{md5('a')[:2]}/{md5('a')[2:]}, of out: damaged in DVC's cache; moved to tmp/damaged/{md5('a')}"
    assert capsys.readouterr().err.splitlines()[0] == f"warning: {where}"


# Room on the disk


def test_folders_of_one_disk_share_its_room_and_nothing_needs_none(here, monkeypatch):
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: SimpleNamespace(free=1_500_000))
    space.check([(here / "a/b", 1_000_000), (here / "a/b", 500_000), (here / "none", 0)])
    with pytest.raises(FullDisk) as error:
        space.check([(here / "a/b", 1_000_000), (here / "c", 1_250_000), (here / "a/b", 1_000_000)])
    assert str(error.value) == (
        "a/b and c: expected 3.2 MB free, as the last run took (dvc.lock), received 1.5 MB;"
        " free some space; nothing was started"
    )


def test_a_full_disk_is_found_behind_other_errors(here):
    full, hidden = OSError(errno.ENOSPC, "No space left", "f"), ValueError("what followed")
    hidden.__context__ = full
    assert str(space.full(hidden)).startswith("f: no space left")
    assert space.full(FullDisk("f: said before")) is None
    assert space.full(ValueError("another")) is None


def test_an_error_that_dvc_only_logs_is_raised_and_other_records_pass():
    def record(error):
        told = (type(error), error, None) if error else None
        return logging.LogRecord("dvc", logging.ERROR, "f", 1, "text", (), told)

    with pytest.raises(KeyError):
        space.raise_hidden(record(KeyError("a")))
    assert space.raise_hidden(record(None)) is True


# Programs


def test_a_programs_own_error_is_raised_and_what_else_it_says_is_shown(here, capfd, monkeypatch):
    code = "import os, sys; print('seen', os.getcwd(), os.environ['A'], file=sys.stderr); sys.exit('error:  of mine ')"
    with pytest.raises(RunError, match=r"^of mine$") as error:
        processes.run([sys.executable, "-c", code], folder=here, environment={**os.environ, "A": "b"})
    assert error.value.exit_code == 1
    assert capfd.readouterr().err == f"seen {here} b\n"


def test_a_program_is_stopped_where_its_output_cannot_be_shown(monkeypatch):
    def refuse(_):
        raise Stop

    stopped = []
    stop = processes.stop
    monkeypatch.setattr(processes, "stop", lambda process: stopped.append(stop(process)))
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=refuse))
    code = "import sys, time; print('a', file=sys.stderr, flush=True); time.sleep(60)"
    with pytest.raises(Stop):
        processes.run([sys.executable, "-c", code])
    assert stopped == [None]


@pytest.fixture
def system(monkeypatch):
    """Replace the system by one that ends where a program would, and note what it is asked for."""
    told = []

    def end(code):
        told.append(("exit", code))
        raise Stop

    def kill(group, number):
        told.append((group, number))
        if number == signal.SIGKILL:
            raise Stop

    fake = SimpleNamespace(
        WNOHANG=os.WNOHANG, waitstatus_to_exitcode=lambda status: status, getppid=lambda: 5, getpid=lambda: 9,
        waitpid=lambda *words: told.append(words) or (0, 0), _exit=end, killpg=kill, fork=lambda: 0,
    )  # fmt: skip
    ignored = []
    monkeypatch.setattr(processes, "os", fake)
    monkeypatch.setattr(processes, "time", SimpleNamespace(sleep=lambda seconds: told.append(seconds)))
    numbers = SimpleNamespace(
        SIGTERM=signal.SIGTERM, SIGINT=signal.SIGINT, SIGHUP=signal.SIGHUP, SIGKILL=signal.SIGKILL, SIG_IGN="ignored",
        signal=lambda *words: ignored.append(words),
    )  # fmt: skip
    monkeypatch.setattr(processes, "signal", numbers)
    fake.told, fake.ignored = told, ignored
    return fake


@pytest.mark.parametrize(("ended", "code"), [(0, 0), (3, 3), (-9, 137)])
def test_a_guard_ends_with_its_program_and_its_exit_code(system, ended, code):
    answers = iter([(0, 0), (7, ended)])
    system.waitpid = lambda *words: system.told.append(words) or next(answers)
    with pytest.raises(Stop):
        processes._guard(7, 5)
    assert system.told == [(7, os.WNOHANG), 0.2, (7, os.WNOHANG), ("exit", code)]
    assert system.ignored == [(number, "ignored") for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]


def test_a_guard_whose_caller_has_ended_ends_the_whole_group(system):
    with pytest.raises(Stop):
        processes._guard(7, 6)
    assert system.told == [(0, signal.SIGTERM), processes.LAST_GRACE, (0, signal.SIGKILL)]
    assert processes.LAST_GRACE == 2


@pytest.mark.parametrize("program", [0, 7])
def test_the_child_becomes_the_program_and_the_parent_its_guard(system, monkeypatch, program):
    told, arguments = [], ["-c", "toy", "--of", "mine"]
    system.fork = lambda: program
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(processes, "_guard", lambda *words: told.append(words))
    monkeypatch.setattr(processes.parent, "end_with", told.append)
    monkeypatch.setattr(processes.runpy, "run_module", lambda name, **more: told.append((name, more)))
    processes.become(5)
    ran = ("toy", {"run_name": "__main__", "alter_sys": True})
    assert told == [(7, 5)] * bool(program) + [[9], ran]
    assert arguments == ["toy", "--of", "mine"]


# `make serve`


def test_serving_is_a_server_then_a_worker_each_with_its_name_and_settings(here, monkeypatch, capsys):
    told = []

    @contextmanager
    def running(command, variables, name):
        told.append((name, command, variables.get("PIPELINE_ROOT"), variables.get("PREFECT_API_URL")))
        yield name

    @contextmanager
    def announced(port):
        told.append(("announced", port))
        yield

    def note(name, result=None):
        return lambda *words: told.append((name, *words)) or result

    def started(target, daemon):
        told.append(("thread", target, daemon))
        return SimpleNamespace(start=note("started"))

    monkeypatch.setattr(services, "served_port", lambda: None)
    monkeypatch.setattr(services, "running", running)
    monkeypatch.setattr(services, "announced", announced)
    for name in ("require_free", "wait_until_healthy", "wait_for_the_first_to_end"):
        monkeypatch.setattr(services, name, note(name))
    monkeypatch.setattr(
        services, "do", lambda command, variables: told.append(("do", command, variables is os.environ))
    )
    monkeypatch.setattr(serving.threading, "Thread", started)
    for name, function in (
        ("deployments", {"deploy": note("deploy")}),
        ("leftovers", {"put_right": lambda pool: [pool]}),
    ):
        monkeypatch.setitem(sys.modules, f"flows.{name}", SimpleNamespace(**function))
        monkeypatch.setattr(flows, name, SimpleNamespace(**function), raising=False)
    serving.serve(4200)
    root, url = str(environment.ROOT), "http://127.0.0.1:4200/api"
    assert told == [
        ("require_free", 4200),
        ("prefect-server", "prefect server start --host 127.0.0.1 --port 4200", root, url),
        ("wait_until_healthy", f"{url}/health", "prefect-server"),
        ("thread", serving._tell_of_failures, True),
        ("started",),
        ("do", "prefect --no-prompt work-pool create local --type process --overwrite", True),
        ("deploy", Path("prefect.yaml")),
        ("prefect-worker", "prefect worker start --pool local --type process --limit 1", root, url),
        ("announced", 4200),
        ("wait_for_the_first_to_end", "prefect-server", "prefect-worker"),
    ]
    assert "PIPELINE_ROOT" not in os.environ
    assert capsys.readouterr().out.splitlines()[:2] == [
        "local", "Prefect: http://127.0.0.1:4200  (its password is the line in .prefect/password)"
    ]  # fmt: skip


def test_ctrl_c_ends_what_serves_without_a_word(here, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(services, "served_port", lambda: None)
    monkeypatch.setattr(services, "require_free", lambda _: None)
    monkeypatch.setattr(services, "running", interrupt)
    serving.serve(4200)


# Records


@pytest.mark.parametrize("known", [True, False])
def test_an_experiment_is_recorded_by_its_user_or_where_git_knows_none_by_nobody(monkeypatch, known):
    told, asked = [], []

    def save(name):
        told.append((name, {key: value for key, value in os.environ.items() if key.startswith("GIT_")}))

    def git(*words):
        asked.append(words)
        return SimpleNamespace(returncode=int(not known))

    for key in [key for key in os.environ if key.startswith("GIT_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "me")
    monkeypatch.setattr(experiments, "_git", git)
    monkeypatch.setattr(experiments.engine, "save_experiment", save)
    experiments.record("mine")
    nobody = {
        "GIT_AUTHOR_EMAIL": "experiment@localhost", "GIT_COMMITTER_NAME": "experiment",
        "GIT_COMMITTER_EMAIL": "experiment@localhost",
    }  # fmt: skip
    assert asked == [("config", "user.email")]
    assert told == [("mine", {"GIT_AUTHOR_NAME": "me"} | ({} if known else nobody))]


def test_an_experiment_takes_an_earlier_ones_place(monkeypatch):
    told = []
    monkeypatch.setattr(engine.dvc.api, "exp_save", lambda **options: told.append(options))
    engine.save_experiment("mine")
    assert told == [{"name": "mine", "force": True}]


def test_without_git_experiments_say_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Refused, match=r"^git: not found; experiments need it: install git$"):
        experiments._git("status")


@pytest.mark.parametrize(
    ("old", "changes", "expected"),
    [
        ("a: 1  # one\nb: 2\n", "b: 3\n", "a: 1  # one\nb: 3\n"),
        ("a:\n  b: 1  # one\n  c: 2\n", "a: {b: 7}\n", "a:\n  b: 7  # one\n  c: 2\n"),
        ("a: [1, 2]  # one\nb: 2\n", "a:\n    - 3\n    - 4\n", "a:  # one\n  - 3\n  - 4\nb: 2\n"),
        ("a:  # one\n  - 1\n  - 2\n# two\nb: 2\n", "a: [3]\n", "a: [3]  # one\n# two\nb: 2\n"),
        ("a:\n  - 1\nb: 2\n", "a:\n- 3\n- 4\n", "a:\n  - 3\n  - 4\nb: 2\n"),
        ("phase:\n  '1': {a: 1}\n  '2': {a: 2}\nb: 2\n", "phase:\n  '1': {a: 3}\n", "phase:\n  '1': {a: 3}\nb: 2\n"),
    ],
)
def test_a_change_replaces_a_value_where_it_stands_and_leaves_the_comments(old, changes, expected):
    text = old
    found = experiments._edits(old, experiments._compose(old), changes, experiments._compose(changes))
    for start, end, new in sorted(found, reverse=True):
        text = text[:start] + new + text[end:]
    assert text == expected


# Verification


@pytest.fixture
def recorded():
    """Return a record of stages, in which two write no metric."""
    return records.Record(
        "c" * 40, "seed: 1", {name: {} for name in ("fetch", "label_curve", "track", "track_book")}, Path("x")
    )


def judged(monkeypatch, recorded, metrics, *, elsewhere=False, files=""):
    monkeypatch.setattr(verify, "_metrics", lambda record, name, clone: metrics.get(name, ({}, {})))
    monkeypatch.setattr(verify, "_bytes", lambda record, name, clone: files)
    return verify._judge(recorded, Path("clone"), elsewhere=elsewhere)


def test_of_what_differs_three_are_named_and_of_files_too(recorded, monkeypatch, capsys):
    old = dict.fromkeys("abcd", 1.0) | {"e": 5.0}
    for n, end in ((4, " ..."), (3, "")):
        new = {"e": 5.0, **dict.fromkeys("abcd"[:n], 2.0), **dict.fromkeys("abcd"[n:], 1.0)}
        with pytest.raises(RunError) as error:
            judged(monkeypatch, recorded, {"fetch": (old, new)}, files="; files")
        assert error.value.exit_code == 1
        where = "; --elsewhere where the machine or versions are others"
        assert str(error.value) == f"not reproduced: {n} of 5 metrics differ{where}"
        named = "; ".join(f"{name}: recorded 1, now 2" for name in "abc")
        assert capsys.readouterr().out.splitlines() == [
            f"fetch          5 metrics, {n} differ; {named}{end}; files", "label_curve    0 metrics, the same; files"
        ]  # fmt: skip


def test_elsewhere_a_metric_may_move_and_a_lost_one_may_not(recorded, monkeypatch, capsys):
    judged(monkeypatch, recorded, {"fetch": ({"a": 1.0}, {"a": 2.0})}, elsewhere=True)
    moved = "fetch          1 metrics, 1 moved, none out of its interval; a: recorded 1, now 2"
    assert capsys.readouterr().out.splitlines() == [
        moved, "label_curve    0 metrics, the same",
        "Reproduced: all 1 metrics of 2 stages agree within their intervals, where they have one.",
    ]  # fmt: skip
    with pytest.raises(RunError, match=r"^not reproduced: 1 of 1 metrics differ$"):
        judged(monkeypatch, recorded, {"fetch": ({"a": 1 / 3}, {})}, elsewhere=True)
    assert "a: recorded 0.3333333333, now none" in capsys.readouterr().out


def test_a_metric_on_an_intervals_end_lies_in_it_and_half_an_interval_is_none():
    recorded = {"d_low": 1.0, "d_mean": 2.0, "d_high": 3.0}
    assert [verify._agrees("d_mean", recorded, {"d_mean": x}) for x in (0.9, 1.0, 3.0, 3.1)] == [
        False,
        True,
        True,
        False,
    ]
    assert verify._agrees("d_mean", {"d_mean": 1.0, "d_low": 2.0}, {"d_mean": 1.0})
    assert verify._agrees("d_mean", {"d_mean": 3.0, "d_high": 2.0}, {"d_mean": 3.0})
    assert not verify._agrees("new", {}, {"new": 1.0})


@pytest.mark.parametrize(
    ("n", "text"), [(0, ""), (3, "; other bytes in f0, f1, f2"), (4, "; other bytes in f0, f1, f2 ...")]
)
def test_files_with_other_bytes_are_named(recorded, monkeypatch, n, text):
    monkeypatch.setattr(
        records.Record, "outputs", lambda self, name: [(f"f{k}", "new" if k >= n else "old") for k in range(5)]
    )
    monkeypatch.setattr(verify.objects, "md5", lambda path: "new" if path.parent == Path("clone") else "old")
    assert verify._bytes(recorded, "fetch", Path("clone")) == text


def test_nothing_that_points_to_the_work_tree_goes_to_the_clone(monkeypatch):
    mine = {f"{name}X": "1" for name in ("DVC_", "MLFLOW_", "PREFECT_", "GIT_", "PYTHONPATH")}
    monkeypatch.setattr(os, "environ", {**mine, "HOME": "h"})
    assert verify._environment() == {"HOME": "h", "DVC_NO_ANALYTICS": "true", "PIPELINE_WATCHERS": ""}


@pytest.fixture
def cells(monkeypatch):
    """Have finished cells a, b and c, of which those that are wrong come out otherwise."""
    import tasks.study

    runs = SimpleNamespace()  # the module itself imports TensorFlow
    monkeypatch.setitem(sys.modules, "tasks.study.runs", runs)
    monkeypatch.setattr(tasks.study, "runs", runs, raising=False)

    def of(names, wrong=()):
        monkeypatch.setattr(verify.config, "load", lambda: SimpleNamespace(threads=1))
        monkeypatch.setattr(verify.determinism, "set_threads", lambda n: None)
        monkeypatch.setattr(verify.determinism, "fixed", lambda n: nullcontext())
        monkeypatch.setattr(verify.stage, "quiet", nullcontext)
        runs.kept_names = lambda params, data: names
        runs.recompute = lambda params, data, drawn: [(name, name not in wrong) for name in drawn]

    return of


def test_drawn_cells_are_said_to_be_the_same(cells, capsys):
    cells(["a", "b", "c"])
    verify.verify_cells(2)
    *lines, verdict = capsys.readouterr().out.splitlines()
    assert len(set(lines)) == 2 and {line[1:] for line in lines} == {"  the same"}
    assert verdict == "Reproduced: 2 of 3 finished cells, drawn at random, are the same."
    verify.verify_cells(9)
    assert capsys.readouterr().out.splitlines()[-1].startswith("Reproduced: 3 of 3 finished")


def test_a_cell_that_differs_and_a_study_without_cells_are_errors(cells, capsys):
    cells(["a", "b", "c"], wrong="bc")
    with pytest.raises(RunError, match=r"^not reproduced: 2 of 3 cells differ$") as error:
        verify.verify_cells(3)
    assert error.value.exit_code == 1
    assert sorted(capsys.readouterr().out.splitlines()) == ["a  the same", "b  DIFFERS", "c  DIFFERS"]
    cells([])
    with pytest.raises(UsageError, match=r"^no finished cells of these parameters, data and code; `make repro` first$"):
        verify.verify_cells(3)


def test_an_edited_output_is_named_and_a_deleted_one_is_none_to_check(here):
    stages = {"a": {"outs": [{"path": "there", "md5": md5("x")}, {"path": "away", "md5": md5("y")}]}}
    record = records.Record("c", "", stages, here)
    Path("there").write_text("x")
    record.check_outputs()
    Path("there").write_text("z")
    with pytest.raises(Changed) as error:
        record.check_outputs()
    what = f"expected MD5 {md5('x')}, which stage a wrote, received {md5('z')}"
    assert str(error.value) == f"there: {what}; delete it, and `make repro` restores it"


def test_code_is_that_of_the_record_and_data_are_not_code(here):
    (here / "tasks").mkdir()
    (here / "tasks/a.py").write_text("x")
    right = [{"path": "tasks/a.py", "md5": md5("x")}, {"path": "tasks", "md5": records.files.data_hash(here / "tasks")}]
    deps = [{"path": "data/a", "md5": "other"}, *right]
    records.Record("c" * 40, "", {"none": {}, "a": {"deps": deps}}, here).check_code(here)
    for dep in right:
        wrong = [{**dep, "md5": "other"}]
        with pytest.raises(UsageError) as error:
            records.Record("c" * 40, "", {"a": {"deps": wrong}}, here).check_code(here)
        at = f"{dep['path']} at commit {10 * 'c'}"
        assert str(error.value) == f"{at} is not the one that a was made with; commit it"


def test_the_latest_record_of_a_name_is_found_and_an_unknown_name_is_told_the_others(monkeypatch):
    asked, there = [], [True]

    def git(*words):
        asked.append(words)
        if words[0] == "show":
            return {"params.yaml": "seed: 1", "dvc.lock": "stages: {a: {}}", "dvc.yaml": "stages: {a: {}}"}[
                words[1].partition(":")[2]
            ]
        return "1 refs/exps/ab/mine\n2 refs/exps/ab/exec/mine\n3 refs/exps/cd/mine\n4 refs/exps/cd/other\n" * len(there)

    monkeypatch.setattr(records, "_git", git)
    monkeypatch.setattr(records.engine, "cache_folder", lambda: Path("cache"))
    assert records.find("mine") == records.Record("1", "seed: 1", {"a": {}}, Path("cache"))
    refs = ("for-each-ref", "--sort=-creatordate", "--format=%(objectname) %(refname)", "refs/exps")
    assert asked == [refs, *(("show", f"1:{path}") for path in ("params.yaml", "dvc.lock", "dvc.yaml"))]
    for known in ("mine, other", "none"):
        with pytest.raises(UsageError) as error:
            records.find("min")
        end = "`make experiment` records one"
        assert str(error.value) == f"no recorded experiment min; there are {known}; {end}"
        there.clear()


@pytest.mark.parametrize(("finished", "ready"), [(True, True), (False, False)])
def test_the_record_of_the_work_tree_is_its_files_at_the_last_commit(here, monkeypatch, finished, ready):
    for name, text in (("params.yaml", "seed: 1"), ("dvc.lock", "stages: {a: {}}"), ("dvc.yaml", "stages: {a: {}}")):
        Path(name).write_text(text)
    monkeypatch.setattr(records.engine, "cache_folder", lambda: Path("cache"))
    monkeypatch.setattr(records.planning, "is_up_to_date", lambda: ready)
    monkeypatch.setattr(records, "_git", lambda *words: " ".join(words) + "\n")
    found = records.find("", finished=finished)
    assert found == records.Record("rev-parse HEAD", "seed: 1", {"a": {}}, Path("cache"))


def test_metrics_that_dvc_does_not_keep_are_no_output():
    entry = {"cmd": "a", "outs": [{"path": "data/a"}, {"path": "m.json"}, {"path": "n.json"}]}
    metrics = ["plain.json", {"m.json": {"cache": False}}, {"n.json": {"cache": True}}]
    assert records._cached(entry, metrics) == {"cmd": "a", "outs": [{"path": "data/a"}, {"path": "n.json"}]}
    assert records._cached(entry, ["plain.json"]) is entry


def test_git_that_fails_is_one_line(here):
    with pytest.raises(UsageError, match=r"^git show: fatal: .*not a git repository"):
        records._git("show", "HEAD")
    with pytest.raises(Refused, match=r"^git: fatal: .*not a git repository"):
        verify._git("show", "HEAD")
