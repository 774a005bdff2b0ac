"""What every stage does alike: its folder whole or not at all, errors in one line."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from toys import content, fail, write

from autoencoders.errors import Diverged, InputError, TransferError
from tasks.frame import config, files, stage
from tasks.frame.errors import ConfigError, UsageError
from tasks.frame.sections import Params

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[[Params, Path, Path, str], None]


pytestmark = pytest.mark.usefixtures("fresh_repository")
clear_session = keras.backend.clear_session


# The folder.


def test_a_stage_gets_the_checked_parameters_and_its_folder_appears_when_it_is_whole(as_stage):
    seen = {}

    def run(params, data, out, key):
        seen.update(params=params, key=key, threads=os.environ["TF_NUM_INTRAOP_THREADS"], folder=out.stat().st_ino)
        (out / "a.txt").write_text("whole")
        assert data == Path("data")
        assert not (data / "toy").exists()

    as_stage(run)
    stage.execute("toy")
    assert content() == {"toy/a.txt": "whole"}
    assert os.listdir("data") == ["toy"]
    assert seen.pop("folder") == Path("data/toy").stat().st_ino  # one rename: whole or not at all
    assert seen == {"params": config.load(), "key": "", "threads": str(config.load().threads)}


def test_a_numbered_stage_writes_the_folder_of_its_number(as_stage):
    as_stage(lambda params, data, out, key: (out / "a.txt").write_text(key), "phase")
    stage.execute("phase", "1")
    stage.execute("phase", "2")
    assert content() == {"phase/1/a.txt": "1", "phase/2/a.txt": "2"}


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_a_stage_that_fails_leaves_nothing_new_and_the_last_output_stays(as_stage, error):
    as_stage(fail(error))
    with pytest.raises(type(error)):
        stage.execute("toy")
    assert content() == {}
    as_stage(write("first"))
    stage.execute("toy")
    as_stage(fail(error))
    with pytest.raises(type(error)):
        stage.execute("toy")
    assert content() == {"toy/a.txt": "first"}
    as_stage(write("second"))
    stage.execute("toy")
    assert content() == {"toy/a.txt": "second"}


def test_an_output_is_on_the_disk_before_it_has_its_name(as_stage, monkeypatch):
    calls, fsync, rename = [], os.fsync, Path.rename

    def run(params, data, out, key):
        (out / "b").mkdir()
        (out / "b/a.txt").write_text("whole")

    monkeypatch.setattr(os, "fsync", lambda fd: calls.append(os.readlink(f"/proc/self/fd/{fd}")) or fsync(fd))
    monkeypatch.setattr(Path, "rename", lambda a, b: calls.append("rename") or rename(a, b))
    as_stage(run)
    stage.execute("toy")
    before = calls[: calls.index("rename")]
    assert [Path(path).name for path in before[:-1]] == ["b", "a.txt"] and Path(before[-1]).name.startswith(".toy.")
    assert calls[len(before) + 1 :] == [str(Path("data").resolve())]


def test_a_copy_that_git_keeps_is_written_with_the_output_or_not_at_all(as_stage, monkeypatch):
    monkeypatch.setattr(stage, "KEPT_BY_GIT", "a.txt")
    monkeypatch.setattr(stage.code, "metrics", lambda name: [Path("kept.txt")] if name == "toy" else [])
    Path(".kept.txt.99").write_text("left by a run that was killed")
    as_stage(write("first"))
    stage.execute("toy")
    assert (content(), Path("kept.txt").read_text()) == ({"toy/a.txt": "first"}, "first")
    assert not Path(".kept.txt.99").exists()
    as_stage(fail(RuntimeError("no")))
    with pytest.raises(RuntimeError):
        stage.execute("toy")
    assert Path("kept.txt").read_text() == "first"
    Path("file").write_text("no folder")
    monkeypatch.setattr(stage.code, "metrics", lambda name: [Path("file/kept.txt")])
    as_stage(write("second"))
    with pytest.raises(OSError, match="file"):
        stage.execute("toy")
    assert content() == {"toy/a.txt": "first"}


def test_what_a_killed_run_left_is_removed_and_nothing_else(as_stage):
    for left in ("data/.toy.99/a.txt", "data/.toybox/a.txt", "data/.other.99/a.txt"):
        Path(left).parent.mkdir(parents=True)
        Path(left).write_text("left")
    as_stage(write("new"))
    stage.execute("toy")
    assert content() == {"toy/a.txt": "new", ".toybox/a.txt": "left", ".other.99/a.txt": "left"}


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        ("phase", "3", r"^tasks.phase: expected a phase's number \(1, 2\), received 3$"),
        ("phase", "", r"^tasks.phase: expected a phase's number \(1, 2\), received none$"),
        ("phase", "../x", r"received \.\./x$"),
        ("toy", "1", r"^tasks.toy: expected no argument, received 1$"),
    ],
)
def test_a_number_that_is_no_phase_is_refused_before_anything_is_written(as_stage, name, key, message):
    as_stage(write("never"), name)
    with pytest.raises(UsageError, match=message):
        stage.execute(name, key)
    assert not Path("data").exists()


@pytest.mark.slow
def test_a_stage_finds_keras_as_a_fresh_process_would_also_after_one_that_failed(as_stage, monkeypatch):
    monkeypatch.setattr(keras.backend, "clear_session", clear_session)
    names = []

    def run(params, data, out, key):
        names.append(keras.layers.Dense(1).name)
        raise RuntimeError("no")

    as_stage(write("x"))
    stage.execute("toy")
    as_stage(run)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            stage.execute("toy")
    assert names == ["dense", "dense"]


# Errors.


def start(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["tasks/toy.py", *arguments])
    return stage.start("tasks/toy.py")


def a_broken_file(params, data, out, key):
    Path("broken.json").write_text("{")
    files.read_json(Path("broken.json"))


def in_a_try(params, data, out, key):
    try:
        raise InputError("expected this, received that")
    finally:
        Path("tried").touch()


USERS = [
    (in_a_try, 3, "expected this, received that"),
    (fail(ConfigError("params.yaml: seed: missing key")), 2, "params.yaml: seed: missing key"),
    (a_broken_file, 3, r"broken\.json: expected JSON: .*"),
    (lambda *_: files.read_rows(Path("data/prepare"), "train"), 3, r".*No such file.*data/prepare/train\.npy.*"),
    (fail(Diverged("training diverged in epoch 1")), 4, "training diverged in epoch 1"),
    (fail(TransferError("transfer proof failed")), 4, "transfer proof failed"),
    (fail(PermissionError(13, "Permission denied", "data/x")), 7, r".*Permission denied: 'data/x'"),
    (fail(MemoryError("Unable to allocate 9 TiB")), 7, "Unable to allocate 9 TiB"),
    (lambda *_: Path("/dev/full").write_text("x"), 7, "data: no space left on its disk; .*"),
]


@pytest.mark.parametrize(("run", "code", "message"), USERS)
def test_a_users_error_is_one_line_and_an_exit_code(as_stage, monkeypatch, capsys, run, code, message):
    as_stage(run)
    assert start(monkeypatch) == code
    assert re.fullmatch(f"error: {message}\n", capsys.readouterr().err)
    assert content() == {}


def test_a_folder_that_cannot_be_made_is_an_error_of_the_disk(as_stage, monkeypatch, capsys):
    Path("data").write_text("in the way")
    as_stage(write("never"))
    assert start(monkeypatch) == 7
    assert "data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "error"),
    [
        (lambda *_: np.zeros(3).reshape(2, 2), ValueError),
        (lambda *_: keras.losses.get("no such loss"), ValueError),
        (fail(KeyError("k")), KeyError),
        (lambda *_: int("no number"), ValueError),
        (fail(ValueError("raised by code that no person's data can reach")), ValueError),
    ],
)
def test_a_fault_in_the_program_keeps_its_traceback(as_stage, monkeypatch, run, error):
    as_stage(run)
    with pytest.raises(error):
        start(monkeypatch)


def test_a_stage_that_ends_well_says_so(as_stage, monkeypatch, capsys):
    as_stage(write("x"))
    assert start(monkeypatch) == 0
    assert start(monkeypatch, "1", "2") == 2
    assert "expected no argument, received 1 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "checked"),
    [("toy", [("data/prepare", True, True)]), ("encode", [("data/prepare", False, True)]),
     ("visualize", [("data/prepare", False, True)]), ("pretrain", [("data/prepare", True, True)]), ("fetch", []),
     ("prepare", [("out", True, True)]), ("label_curve", [("data/prepare", True, False)])],
)  # fmt: skip
def test_sizes_are_checked_by_what_is_prepared_and_whether_the_stage_trains(as_stage, monkeypatch, name, checked):
    told = []

    def check(params, folder, trains=True, book=True):
        told.append(("out" if folder.name.startswith(".prepare.") else str(folder), trains, book))

    monkeypatch.setattr(stage.sizes, "check", check)
    as_stage(write("x"), name)
    stage.execute(name, "1" if name == "encode" else "")
    assert told == checked


def test_tensorflow_is_told_to_keep_its_remarks_to_itself(as_stage, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    as_stage(write("x"))
    stage.execute("toy")
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert logging.getLogger("tensorflow").level == logging.ERROR


def test_what_an_import_says_is_hidden_unless_it_fails(capfd):
    with stage.quiet():
        os.write(2, b"hidden\n")
    with pytest.raises(KeyError), stage.quiet():  # noqa: PT012
        os.write(2, b"shown\n")
        raise KeyError
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "shown\nafter\n"


def test_a_stage_that_starts_leaves_ctrl_c_to_the_system_unless_it_is_ignored(as_stage, monkeypatch):
    as_stage(write("x"))
    before = signal.getsignal(signal.SIGINT)
    try:
        for handler, after in ((signal.SIG_IGN, signal.SIG_IGN), (before, signal.SIG_DFL)):
            signal.signal(signal.SIGINT, handler)
            start(monkeypatch)
            assert signal.getsignal(signal.SIGINT) == after
    finally:
        signal.signal(signal.SIGINT, before)


# Whole processes.

TOY = """
import sys, types, time, pathlib
from tasks.frame import stage
def run(params, data, out, key):
    (out / "half.txt").write_text("half")
    print("running", flush=True)
    time.sleep(60)
sys.modules["tasks.toy"] = types.SimpleNamespace(run=run)
raise SystemExit(stage.start(__file__))
"""
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "toy.py"], stdout=subprocess.PIPE, text=True)
for line in child.stdout:
    if line.strip() == "running":
        print(child.pid, flush=True)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can end a process with its parent")
def test_a_stage_dies_with_its_parent_and_what_it_left_goes_with_the_next_run(as_stage):
    Path("toy.py").write_text(TOY)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_STAGE": "toy"}
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)
    assert content() == {f".toy.{pid}/half.txt": "half"}
    as_stage(write("new"))
    stage.execute("toy")
    assert content() == {"toy/a.txt": "new"}
