"""Stages beside each other on a tiny project: the same bytes as one after the other, and clean ends of all kinds."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future

import clones
import pytest
from waiting import is_running, wait_until

from flows import beside, loaded, planning, run
from tasks.frame.errors import RunError

STAGE = """
import os, sys, time
from pathlib import Path

name, begin = os.environ["DVC_STAGE"], time.time()
Path(f"pid-{name}").write_text(str(os.getppid()))
awaited = {"phase@1": os.environ["WAIT_FOR"], "phase@2": "pid-phase@1"}.get(name, ".")  # each waits for the other
parent = os.getppid()
while not Path(awaited).exists():
    time.sleep(0.05)
    if os.getppid() != parent:
        sys.exit("the run has ended")
if name == os.environ.get("FAILING"):
    sys.exit(print("error: no rows", file=sys.stderr) or 3)
out = Path("data", *name.split("@"))
out.mkdir(parents=True)
(out / "value.txt").write_text(name)
with Path("calls").open("a") as calls:
    calls.write(f"{name} {begin} {time.time()} {os.environ['PIPELINE_POSITION']}\\n")
"""


@pytest.fixture
def project(tiny_project, monkeypatch):
    """Make the tiny project's stages scripts, which any process can run; phase@1 ends when phase@2 has; two workers."""
    (tiny_project / ".gitignore").write_text("/data/\n")  # or DVC names each output in one, in the order of its end
    text = (tiny_project / "dvc.yaml").read_text()
    (tiny_project / "dvc.yaml").write_text(re.sub(r"python -m tasks\.(\w+)", r"python tasks/\1.py", text))
    for name in ("first", "phase", "last"):
        (tiny_project / f"tasks/{name}.py").write_text(STAGE)
    monkeypatch.setattr(loaded, "_hashes", {})
    for name, value in {"PIPELINE_WORKERS": "2", "WAIT_FOR": "data/phase/2/value.txt"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}")
    return tiny_project


def how(outcomes) -> dict[str, str]:
    return {outcome.stage: outcome.how for outcome in outcomes}


def results(project) -> dict[str, bytes]:
    """Return dvc.lock and all that the stages wrote."""
    paths = [project / "dvc.lock", *sorted((project / "data").rglob("*.*"))]
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def locked(project) -> bool:
    """Return whether DVC's table of locks names anybody."""
    return any(json.loads((project / ".dvc/tmp/rwlock").read_text()).values())


@pytest.mark.slow
def test_stages_run_beside_each_other_and_leave_the_bytes_of_one_process(project, monkeypatch, capfd):
    assert how(run.repro()) == dict.fromkeys(["first", "phase@1", "phase@2", "last"], "ran")
    calls = [line.split() for line in (project / "calls").read_text().splitlines()]
    assert [call[0] for call in calls] == ["first", "phase@2", "phase@1", "last"]
    begun, ended = ({call[0]: float(call[i]) for call in calls} for i in (1, 2))
    assert begun["phase@1"] < ended["phase@2"] < ended["phase@1"] < begun["last"]
    assert [call[3] for call in calls] == ["1/4", "3/4", "2/4", "4/4"]
    beside_each_other = results(project)
    assert not locked(project)
    for name, value in {"PIPELINE_WORKERS": "1", "WAIT_FOR": "dvc.yaml"}.items():
        monkeypatch.setenv(name, value)
    shutil.rmtree(project / ".dvc/cache")
    shutil.rmtree(project / "data")
    (project / "dvc.lock").unlink()
    assert set(how(run.repro()).values()) == {"ran"}
    assert results(project) == beside_each_other


@pytest.mark.slow
def test_what_is_up_to_date_is_skipped_and_what_is_kept_restored(project):
    run.repro()
    assert set(how(run.repro()).values()) == {"skipped"}
    shutil.rmtree(project / "data")
    (project / "dvc.lock").unlink()
    assert set(how(run.repro()).values()) == {"restored"}


@pytest.mark.slow
def test_after_a_failure_what_is_under_way_ends_and_is_kept_and_nothing_is_started(project, monkeypatch):
    for name, value in {"FAILING": "phase@2", "WAIT_FOR": "pid-phase@2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match=r"^no rows$") as error:
        run.repro()
    assert error.value.exit_code == 3
    assert not locked(project)
    monkeypatch.delenv("FAILING")
    assert how(run.repro()) == {"first": "skipped", "phase@1": "skipped", "phase@2": "ran", "last": "ran"}


def test_the_first_failure_is_told_at_once_and_raised_when_all_have_ended(capsys):
    futures = {name: Future() for name in ("a", "b", "c")}
    futures["b"].set_exception(ValueError("first"))
    threading.Timer(0.2, futures["a"].set_exception, [ValueError("second")]).start()
    with pytest.raises(ValueError, match="first"):
        beside._schedule({"a": [], "b": [], "c": []}, futures.__getitem__, 2, ())
    assert capsys.readouterr().err == "b failed; waiting for a\n"


@pytest.mark.slow
def test_a_killed_worker_fails_its_stage_alone(project, monkeypatch):
    (project / "tasks/first.py").write_text("import os; os.kill(os.getppid(), 9)")
    with pytest.raises(RunError, match=r"killed by signal 9 .*out of memory") as error:
        run.repro()
    assert error.value.exit_code == 137
    (project / "tasks/first.py").write_text(STAGE)
    loaded._hashes.clear()
    assert set(how(run.repro()).values()) == {"ran"}


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)],
)
@pytest.mark.slow
def test_a_run_that_is_ended_leaves_no_process_and_goes_on_later(project, monkeypatch, number, code):
    start = (
        f"from pathlib import Path; from flows import environment; environment.ROOT = Path({str(project)!r});"
        "from flows.__main__ import app; app(['repro'])"
    )
    variables = {**os.environ, "PYTHONPATH": str(clones.ROOT), "WAIT_FOR": "never"}
    running = subprocess.Popen([sys.executable, "-c", start], env=variables)
    mark = project / "pid-phase@1"
    wait_until(lambda: mark.exists() and mark.read_text())
    os.kill(running.pid, number)
    assert running.wait(20) == code
    wait_until(lambda: not is_running(int(mark.read_text())), 5)
    if number != signal.SIGKILL:
        assert not locked(project)
    monkeypatch.setenv("WAIT_FOR", "dvc.yaml")
    done = how(run.repro())
    assert (done["first"], done["phase@1"], done["last"]) == ("skipped", "ran", "ran")


@pytest.mark.parametrize(
    ("ready", "running", "expected"),
    [
        (["a", "wide", "b", "c"], [], ["a", "b"]),
        (["wide", "b", "c"], ["a"], ["b"]),
        (["wide"], ["a"], []),
        (["wide", "wider"], [], ["wide"]),
        (["a"], ["wide"], []),
        ([], [], []),
    ],
)
def test_a_stage_that_divides_its_own_work_runs_alone(ready, running, expected):
    assert beside.chosen(ready, running, 2, {"wide", "wider"}) == expected


def test_the_stages_that_divide_their_work_are_known_by_what_they_depend_on(project):
    assert planning.spreading() == set()
    text = (project / "dvc.yaml").read_text()
    (project / "dvc.yaml").write_text(text.replace("last.py, data", "last.py, tasks/frame/parallel.py, data"))
    assert planning.spreading() == {"last"}
