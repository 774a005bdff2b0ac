"""Work divided over processes: the same results, one screen, the same errors, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jobs
import pytest
import tiny

from autoencoders.errors import InputError
from tasks.frame import errors, parallel, progress
from tasks.frame.errors import ConfigError, WorkerKilled

TESTS = Path(__file__).parent
PARENT = """
import sys
from functools import partial
from pathlib import Path
import jobs
from tasks.frame import parallel
parallel.spread(partial(jobs.sleep, Path(sys.argv[1])), [1, 2], threads=1, work=0)
"""


@pytest.fixture(autouse=True)
def workers(monkeypatch):
    """Let workers find these jobs; return the function that sets how many workers there are."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    set_number = partial(monkeypatch.setenv, "PIPELINE_WORKERS")
    set_number("2")
    return set_number


def spread(function, cells, **kwargs):
    return parallel.spread(function, cells, **{"threads": 1, "work": 0.0, **kwargs})


@pytest.mark.parametrize("n", [1, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 9))])
def test_results_come_back_in_order_whatever_the_number_of_workers(workers, n):
    workers(str(n))
    squares, processes = zip(*spread(jobs.square, range(5)), strict=True)
    assert squares == (0, 1, 4, 9, 16)
    assert len(set(processes)) == min(n, 5)
    assert (os.getpid() in processes) == (n == 1)
    assert list(processes) == sorted(processes, key=processes.index)  # neighbours stay together


def test_without_cells_nothing_is_done():
    assert spread(jobs.square, []) == []


def test_by_default_the_cores_and_the_work_set_the_number(workers, monkeypatch):
    workers("")
    monkeypatch.setattr(parallel, "_n_cores", lambda: 4)
    assert [parallel.n_workers(1, work * parallel.WORTH) for work in (0, 1.5, 3.2, 100)] == [1, 1, 3, 4]
    assert [parallel.n_workers(threads, 100 * parallel.WORTH) for threads in (2, 3, 8)] == [2, 1, 1]


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_wrong_number_of_workers_is_one_line(workers, text):
    workers(text)
    with pytest.raises(ValueError, match=f"PIPELINE_WORKERS: expected a whole number >= 1, received '{text}'") as error:
        spread(jobs.square, [1])
    assert errors.is_users(error.value)


def test_what_workers_say_is_shown_by_the_stage(capsys):
    with progress.stage("tying"):
        assert spread(jobs.tell, [1, 2]) == [1, 2]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["tying"] * len(lines)
    for run in (1, 2):
        own = [line for line in lines if f"run {run}" in line]
        assert [f"epoch {k}/2  loss {run / k:.4f}" in own[k - 1] for k in (1, 2)] == [True, True]
        assert own[2].endswith(f"run {run} is done")


@pytest.mark.parametrize(
    ("how", "error", "code", "message"),
    [
        ("parameters", ConfigError, 2, "params.yaml: no"),
        ("data", InputError, 3, "expected 2 classes or more, received 1 in 2 labelled rows"),
        ("killed", WorkerKilled, 137, r"a worker process was killed by signal 9 \(often out of memory\);"),
    ],
)
def test_a_workers_error_is_the_users_as_it_would_be_here(how, error, code, message):
    start = time.monotonic()
    with pytest.raises(error, match=message) as raised:
        spread(jobs.fail, ["sleep", how])
    assert errors.is_users(raised.value)
    assert errors.exit_code(raised.value) == code
    assert time.monotonic() - start < 30  # the other worker is ended


@pytest.mark.slow
def test_a_fault_in_a_worker_shows_where_it_was():
    with pytest.raises(RuntimeError, match="a worker process failed") as raised:
        spread(jobs.fail, ["sleep", "fault"])
    assert not errors.is_users(raised.value)
    (where,) = raised.value.__notes__
    assert 'jobs.py", line' in where and "ValueError: invalid literal" in where


def gone(pids: list[int], patience: float = 20.0) -> bool:
    """Return whether the processes end in time."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if not [pid for pid in pids if Path(f"/proc/{pid}/stat").exists() and not is_zombie(pid)]:
            return True
        time.sleep(0.05)
    return False


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent_and_ctrl_c_says_nothing_of_them(tmp_path, number):
    path = os.pathsep.join([str(tiny.ROOT), str(TESTS)])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert parent.stderr
    end = time.monotonic() + 30
    while len(pids := [int(file.name) for file in tmp_path.iterdir()]) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert len(pids) == 2
    os.killpg(parent.pid, number)  # as a terminal does
    assert gone([*pids, parent.pid])
    assert parent.stderr.read().count("Traceback") == (number == signal.SIGINT)
    parent.stderr.close()
    parent.wait()


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("name", ["tying", "finetune"])
def test_a_study_has_the_same_bytes_with_any_number_of_workers(tmp_path, workers, name, n):
    written = []
    for number in (1, n):
        workers(str(number))
        data = tiny.prepare(tmp_path / str(number))
        if name == "finetune":
            tiny.run("pretrain", data)
        out = tiny.run(name, data, settings=tiny.params(tying={"n_runs": 3, "epochs": 2}))
        written.append({file.name: file.read_bytes() for file in out.iterdir()})
    assert written[0] == written[1]
    assert len(written[0]) >= 2
