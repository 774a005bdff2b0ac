"""Code, files, room on the disk and programs, as the flows handle them."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from toys import md5

from flows import (
    commands,
    loaded,
    objects,
    processes,
    space,
)  # fmt: skip
from tasks.frame.errors import Edited, FullDisk, RunError


class Stop(BaseException):
    """What ends a loop that has no end."""


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
