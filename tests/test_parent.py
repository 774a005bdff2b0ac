"""A process that works for another one ends with it, from its first moment on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.frame import parent

ROOT = Path(__file__).resolve().parents[1]
CODE = "import tasks, time; print('there', flush=True); time.sleep(60)"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can end a process with its parent")


@pytest.fixture
def nobody() -> int:
    """Return the number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.mark.parametrize("table", [None, "", "[]", '{"write": {}}', '{"write": {"a": {}}}', '{"write": {"a": 1}}'])
def test_without_a_table_of_locks_the_owner_is_the_parent(tmp_path, monkeypatch, table):
    monkeypatch.setattr(parent, "LOCKS", tmp_path / "rwlock")
    if table is not None:
        parent.LOCKS.write_text(table)
    assert parent._owners() == [os.getppid()]


def test_the_owners_are_those_who_write_and_only_who_runs_none_of_them_ends(tmp_path, monkeypatch, nobody):
    monkeypatch.setattr(parent, "LOCKS", tmp_path / "rwlock")
    parent.LOCKS.write_text(json.dumps({"write": {"a": {"pid": nobody}, "b": {"pid": os.getpid()}}, "read": {}}))
    assert parent._owners() == [nobody, os.getpid()]
    told, ended = [], []
    monkeypatch.setattr(
        parent.ctypes, "CDLL", lambda _: type("C", (), {"prctl": lambda _, *words: told.append(words)})()
    )
    monkeypatch.setattr(parent.os, "_exit", ended.append)
    parent.end_with(parent._owners())
    assert (told, ended) == ([(1, signal.SIGKILL)], [])
    parent.end_with([nobody])
    assert ended == [137]


def test_a_process_follows_the_one_that_is_named_or_as_a_stage_the_owners(monkeypatch):
    followed = []
    monkeypatch.setattr(parent, "end_with", followed.append)
    monkeypatch.setattr(parent, "_owners", lambda: [5])
    for names in ({}, {parent.VARIABLE: "7"}, {"DVC_STAGE": "toy"}):
        for name in (parent.VARIABLE, "DVC_STAGE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in names.items():
            monkeypatch.setenv(name, value)
        parent.follow()
        assert parent.VARIABLE not in os.environ, "what this process starts follows it, not its parent"
    assert followed == [[7], [5]]


def start(code: str = CODE, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.slow
def test_a_process_whose_parent_has_ended_before_it_looked_ends_at_once(nobody):
    with start(PIPELINE_PARENT=str(nobody)) as process:
        assert process.wait(30) == 128 + signal.SIGKILL


@pytest.mark.slow
def test_a_stage_whose_dvc_has_ended_before_it_looked_ends_at_once(nobody, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    for pid in (os.getpid(), nobody):
        (tmp_path / parent.LOCKS).write_text(json.dumps({"write": {"data/toy": {"pid": pid, "cmd": "dvc repro"}}}))
        with start("import tasks; print('there')", DVC_STAGE="toy") as process:
            assert process.communicate()[0] == ("there\n" if pid != nobody else "")


@pytest.mark.slow
def test_a_process_ends_with_the_one_that_it_works_for_and_no_other_is_told():
    code = f"""import os, subprocess, sys; assert "PIPELINE_PARENT" not in os.environ
child = subprocess.Popen([sys.executable, "-c", {CODE!r}], env=os.environ | {{"PIPELINE_PARENT": str(os.getpid())}})
print(child.pid, flush=True); child.wait()"""
    with start(code) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        assert process.stdout.readline() == "there\n"
        process.kill()
    end = time.monotonic() + 20
    while parent.is_alive(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_dead_process_that_nobody_has_waited_for_is_not_alive(nobody):
    process = subprocess.Popen([sys.executable, "-c", ""])
    end = time.monotonic() + 20
    while parent.is_alive(process.pid):
        assert time.monotonic() < end
    process.wait()
    assert not parent.is_alive(nobody)
    assert parent.is_alive(os.getpid())
    assert parent.is_alive(1)
