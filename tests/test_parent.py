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
