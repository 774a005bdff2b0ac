"""What a killed run leaves: databases, locks, processes, files of no stage."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from flows import (
    healing,
)  # fmt: skip


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

    _use(monkeypatch, connect)
    assert healing._damage(Path("a")) == said


def test_a_database_is_damaged_where_its_check_says_so(monkeypatch):
    answers = iter([[("row 1 is missing",)], [], []])
    database = SimpleNamespace(execute=lambda _: SimpleNamespace(fetchall=lambda: next(answers)), close=lambda: None)
    _use(monkeypatch, lambda _: database)
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


def _use(monkeypatch, connect):
    """Let healing alone connect in this way; coverage, which measures this test, has a database too."""
    mine = SimpleNamespace(**{name: getattr(sqlite3, name) for name in dir(sqlite3)})
    mine.connect = connect
    monkeypatch.setattr(healing, "sqlite3", mine)
