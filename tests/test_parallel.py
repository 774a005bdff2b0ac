"""Work divided over processes: the same results, one screen, the same errors, and nothing left behind."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import SimpleNamespace

import jobs
import pytest
import tiny

from autoencoders.errors import InputError
from tasks.frame import errors, parallel, progress
from tasks.frame import workers as workers_module
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


@pytest.mark.parametrize("n", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 9))])
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


@pytest.mark.slow
def test_what_workers_say_is_shown_by_the_stage(capsys):
    with progress.stage("tying"):
        assert spread(jobs.tell, [1, 2]) == [1, 2]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["tying"] * len(lines)
    for run in (1, 2):
        own = [line for line in lines if f"run {run}" in line]
        assert [f"epoch {k}/2  loss {run / k:.4f}" in own[k - 1] for k in (1, 2)] == [True, True]
        assert own[2].endswith(f"run {run} is done")


@pytest.mark.slow
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


# The parts of the pool, without processes.


class Pipe:
    """One end of a pipe: hands out what it is given, then closes; notes what is sent."""

    def __init__(self, *jobs):
        self.jobs, self.sent = [*jobs], []

    def recv_bytes(self):
        if not self.jobs:
            raise EOFError
        return self.jobs.pop(0)

    def send(self, message):
        self.sent.append(message)


def test_a_worker_whose_pipe_closes_ends_itself_and_at_the_latest_after_its_patience(monkeypatch):
    told, queued = [], queue.SimpleQueue()
    monkeypatch.setattr(workers_module.os, "kill", lambda *words: told.append(words))
    monkeypatch.setattr(workers_module.os, "_exit", lambda code: told.append(("exit", code)))
    monkeypatch.setattr(workers_module.time, "sleep", told.append)
    workers_module._read(Pipe(b"one", b"two"), queued)
    assert [queued.get(timeout=1), queued.get(timeout=1)] == [b"one", b"two"] and queued.empty()
    assert told == [(os.getpid(), signal.SIGTERM), workers_module.PATIENCE, ("exit", 1)]


def test_a_worker_whose_reader_has_gone_ends(monkeypatch):
    told, pipe = [], Pipe()

    def broken(_):
        raise BrokenPipeError

    monkeypatch.setattr(workers_module.os, "_exit", told.append)
    workers_module._send(pipe, "done", 3)
    assert (pipe.sent, told) == ([("done", 3)], [])
    monkeypatch.setattr(pipe, "send", broken)
    workers_module._send(pipe, "done", 3)
    assert told == [1]


class Odd(errors.Busy):
    """A user's error that pickle cannot make anew."""

    def __init__(self, one, two):
        super().__init__(f"{one} {two}")
        self.told = lambda: one  # the libraries of Dask teach pickle to make errors anew


def test_a_job_is_answered_with_its_result_a_users_error_or_a_fault():
    def answer(function, *arguments):
        return workers_module._answer(bytes(ForkingPickler.dumps((function, arguments))))

    assert answer(max, 1, 2) == ("done", 2)
    kind, error = answer(Path.read_text, Path("/no such"))
    assert (kind, type(error)) == ("failed", FileNotFoundError)
    kind, where = answer(int, "x")
    assert kind == "fault" and where.startswith("In a worker process:\nTraceback") and "invalid literal" in where


def test_a_users_error_that_cannot_travel_goes_as_its_line_and_exit_code():
    plain = ConfigError("no")
    assert workers_module._as_it_travels(plain) is plain
    error = workers_module._as_it_travels(Odd("a", "b"))
    assert (type(error), str(error), error.exit_code) == (errors.RunError, "a b", 5)


def test_an_answer_is_the_result_or_is_raised():
    assert workers_module._opened("done", "failed") == "failed"
    with pytest.raises(ConfigError, match="no"):
        workers_module._opened("failed", ConfigError("no"))
    with pytest.raises(RuntimeError, match=r"^a worker process failed") as error:
        workers_module._opened("fault", "where")
    assert (str(error.value), error.value.__notes__) == ("a worker process failed", ["where"])


@pytest.mark.parametrize(
    ("code", "said", "exit_code"),
    [(-9, "was killed by signal 9 (often out of memory)", 137), (-15, "was killed by signal 15", 143),
     (0, "failed: 0", 1), (3, "failed: 3", 3)],
)  # fmt: skip
def test_a_worker_that_died_is_told_with_its_stage(code, said, exit_code):
    worker, pool = SimpleNamespace(process=SimpleNamespace(wait=lambda: code)), workers_module.Pool()
    error = pool._died(worker, "tying")
    assert (type(error), error.exit_code) == (WorkerKilled, exit_code)
    assert str(error) == f"stage tying: a worker process {said}; PIPELINE_WORKERS=1 does all in one process"
    pool._is_open = False
    error = pool._died(worker, "tying")
    assert (type(error), str(error)) == (errors.Ended, "the run was ended")


def test_a_pool_uses_idle_workers_and_stops_all(monkeypatch):
    stopped, made = [], []

    class Worker:
        def __init__(self):
            made.append(self)
            self.process = len(made)
            self.connection = SimpleNamespace(close=lambda: stopped.append(f"closed {self.process}"))

    monkeypatch.setattr(workers_module, "Worker", Worker)
    monkeypatch.setattr(workers_module.processes, "stop", lambda *those: stopped.append(those))
    with workers_module.Pool() as pool:
        for _ in range(2):
            with pool._worker() as first, pool._worker() as second:
                assert first is not second
        busy = pool._worker()
        busy.__enter__()
        assert len(made) == 2
    assert stopped[0] == (1, 2) and len(stopped) == 2, "the busy one's connection is left to its user"
    with pytest.raises(errors.Ended, match="the run was ended"), pool._worker():
        pass


@pytest.mark.parametrize("path", [None, "mine"])
def test_a_worker_finds_this_project_and_the_users_modules(monkeypatch, path):
    told = []
    monkeypatch.delenv("PYTHONPATH")
    if path:
        monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setattr(workers_module.processes, "start", lambda words, **more: told.append((words, more)))
    worker = workers_module.Worker()
    ((words, more),) = told
    (fd,) = more["pass_fds"]
    assert words == [sys.executable, "-c", f"from tasks.frame import workers; workers.serve({fd})"]
    expected = os.pathsep.join([str(tiny.ROOT), *([path] if path else [])])
    assert more["environment"] == {**os.environ, "PYTHONPATH": expected}
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    worker.connection.close()


class Kept:
    """A store of cells of which some are finished."""

    folder = "folder"

    def __init__(self, *finished):
        self.finished = finished

    def read(self, name):
        return 0 if name in self.finished else None

    def n_missing(self, names):
        return sum(self.read(name) is None for name in names)


@pytest.mark.parametrize(
    ("finished", "missing", "said"),
    [
        ((), ["a", "b"], []),
        (("a1",), ["a", "b"], ["1 of 4 cells are finished already, in folder"]),
        (("a1", "a2"), ["b"], ["2 of 4 cells are finished already, in folder"]),
        (("a1", "a2", "b1", "b2"), [], ["4 of 4 cells are finished already, in folder"]),
    ],
)
def test_only_what_is_missing_is_computed_and_what_is_kept_is_said(monkeypatch, finished, missing, said):
    asked, told = [], []
    monkeypatch.setattr(parallel, "spread", lambda *words, **more: asked.append((*words, more)) or ["result"])
    monkeypatch.setattr(parallel.progress, "say", told.append)
    names = lambda unit: [f"{unit}1", f"{unit}2"]  # noqa: E731
    found = parallel.fill(max, ["a", "b"], Kept(*finished), names, threads=3, work=5.0)
    assert asked == ([(max, missing, {"threads": 3, "work": 5.0 * len(missing)})] if missing else [])
    assert (found, told) == (["result"] if missing else [], said)


@pytest.mark.parametrize(("stage", "named"), [("tying", "tying"), ("", "this"), (None, "this")])
def test_consecutive_parts_go_to_the_pool_with_threads_and_the_stages_name(monkeypatch, stage, named):
    asked = []

    class Pool:
        __enter__, __exit__ = (lambda self: self), (lambda *_: None)

        def map(self, function, jobs, *, stage):
            asked.append((function, jobs, stage))
            return [[1], [2, 3]]

    monkeypatch.delenv("DVC_STAGE", raising=False)
    if stage is not None:
        monkeypatch.setenv("DVC_STAGE", stage)
    monkeypatch.setattr(parallel, "Pool", Pool)
    assert spread(max, [5, 6, 7], threads=4) == [1, 2, 3]
    assert asked == [(parallel._do, [(max, [5], 4), (max, [6, 7], 4)], named)]


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda pid: {1, 2, 3} if pid == 0 else set(), raising=False)
    assert parallel._n_cores() == 3
    monkeypatch.delattr(parallel.os, "sched_getaffinity")
    for n in (5, None):
        monkeypatch.setattr(parallel.os, "cpu_count", lambda n=n: n)
        assert parallel._n_cores() == (n or 1)
