"""What every stage does alike: its folder whole or not at all, errors in one line, progress, files byte by byte."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from autoencoders.models import Autoencoder
from autoencoders.stopping import Diverged
from tasks import config, files, models, progress, stage
from tasks.sections import Params

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[[Params, Path, Path, str], None]


clear_session = keras.backend.clear_session


@pytest.fixture(autouse=True)
def _in_a_fresh_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "clear_session", lambda: None)  # half a second at the end of each toy stage
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELINE_WATCHERS", "")
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "")


@pytest.fixture
def as_stage(monkeypatch) -> Callable[[Run, str], None]:
    """Make a function the stage of a name."""

    def put(run: Run, name: str = "toy") -> None:
        module = types.ModuleType(f"tasks.{name}")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"tasks.{name}", module)

    return put


def write(text: str) -> Run:
    return lambda params, data, out, key: (out / "a.txt").write_text(text)


def fail(error: BaseException) -> Run:
    def run(params, data, out, key):
        (out / "a.txt").write_text("half")
        raise error

    return run


def content(folder: str = "data") -> dict[str, str]:
    """Return every file under a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


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
    with pytest.raises(config.ConfigError, match=message):
        stage.execute(name, key)
    assert not Path("data").exists()


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
    monkeypatch.setattr(stage, "_die_with_parent", lambda: None)  # the tests' own parent may well end first
    return stage.start("tasks/toy.py")


def a_broken_file(params, data, out, key):
    Path("broken.json").write_text("{")
    files.read_json(Path("broken.json"))


def in_a_try(params, data, out, key):
    try:
        raise ValueError("expected this, received that")
    finally:
        Path("tried").touch()


USERS = [
    (in_a_try, 3, "expected this, received that"),
    (fail(config.ConfigError("params.yaml: seed: missing key")), 2, "params.yaml: seed: missing key"),
    (a_broken_file, 3, r"broken\.json: expected JSON: .*"),
    (lambda *_: files.read_rows(Path("data/prepare"), "train"), 3, r".*No such file.*data/prepare/train\.npy.*"),
    (fail(Diverged("training diverged in epoch 1")), 4, "training diverged in epoch 1"),
    (fail(PermissionError(13, "Permission denied", "data/x")), 7, r".*Permission denied: 'data/x'"),
    (fail(MemoryError("Unable to allocate 9 TiB")), 7, "Unable to allocate 9 TiB"),
    (lambda *_: Path("/dev/full").write_text("x"), 7, ".*No space left on device"),
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
        (fail(RuntimeError("transfer proof failed")), RuntimeError),
    ],
)
def test_a_fault_in_the_program_keeps_its_traceback(as_stage, monkeypatch, run, error):
    as_stage(run)
    with pytest.raises(error):
        start(monkeypatch)


def test_a_stage_that_ends_well_or_is_interrupted_says_so(as_stage, monkeypatch, capsys):
    as_stage(write("x"))
    assert start(monkeypatch) == 0
    assert start(monkeypatch, "1", "2") == 2
    assert "expected no argument, received 1 2" in capsys.readouterr().err
    as_stage(fail(KeyboardInterrupt()))
    assert start(monkeypatch) == 130


# Whole processes.

TOY = """
import sys, types, time, pathlib
from tasks import stage
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
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
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


# Progress.


def test_a_log_file_gets_a_plain_line_per_epoch_with_metrics_and_time_left(as_stage, capsys, monkeypatch):
    now = iter([0, 0, 10, 20, 60, 75.5])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    monkeypatch.setenv("PIPELINE_POSITION", "3/14 ")

    def run(params, data, out, key):
        on_epoch = progress.epochs("seed 1", 3)
        on_epoch(1, {"epoch": 1, "loss": 0.5, "val_loss": 0.25})
        on_epoch(2, {"epoch": 2, "loss": 0.4, "val_loss": 0.2})
        on_epoch(3, {"epoch": 3, "loss": 0.3, "val_loss": 0.1})
        progress.say("three epochs")

    as_stage(run, "encode")
    stage.execute("encode", "1")
    assert capsys.readouterr().out.splitlines() == [
        "3/14 encode@1     started",
        "3/14 encode@1     seed 1  epoch 1/3  loss 0.5000  val_loss 0.2500  left 0:20",
        "3/14 encode@1     seed 1  epoch 2/3  loss 0.4000  val_loss 0.2000  left 0:10",
        "3/14 encode@1     seed 1  epoch 3/3  loss 0.3000  val_loss 0.1000  left 0:00",
        "3/14 encode@1     three epochs",
        "3/14 encode@1     done after 1:16",
    ]


def test_a_failed_stage_says_so(as_stage, capsys):
    as_stage(fail(RuntimeError("no")))
    with pytest.raises(RuntimeError):
        stage.execute("toy")
    assert capsys.readouterr().out.splitlines()[-1] == "toy          failed after 0:00"


def test_outside_of_a_stage_nothing_is_said(capsys):
    progress.say("nobody listens")
    progress.epochs("", 1)(1, {"loss": 1.0})
    assert capsys.readouterr().out == ""


LIVE = """
from tasks import progress
with progress.stage("toy"):
    on_epoch = progress.epochs("", 2)
    on_epoch(1, {"loss": 0.5, "another_metric_with_a_long_name": 0.5, "one_more_of_them": 0.25})
    on_epoch(2, {"loss": 0.25})
"""


def test_a_terminal_gets_one_live_line_that_fits_its_width():
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "50"}
    with subprocess.Popen([sys.executable, "-c", LIVE], stdout=slave, env=environment) as process:
        os.close(slave)
        text = b""
        while chunk := _read(master):
            text += chunk
    os.close(master)
    assert process.returncode == 0
    started, epochs, done, rest = text.decode().split("\r\n")
    first, second = epochs.split("\r\x1b[2K")[1:]  # each clears the line and writes it anew
    assert started.endswith("toy          started")
    assert first == "toy          epoch 1/2  loss 0.5000  another_metr"
    assert second == "toy          epoch 2/2  loss 0.2500  left 0:00"
    assert done.endswith("done after 0:00")
    assert rest == ""


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:  # Linux's way to say that the other end is closed
        return b""


class Watch:
    """A watcher that raises in one of its methods."""

    def __init__(self, raises: str = "") -> None:
        self.raises = raises
        self.seen: list[tuple] = []

    def watch(self, name: str) -> Watch:
        return self._see("watch", name)

    def epoch(self, *arguments) -> None:
        self._see("epoch", *arguments)

    def close(self, *arguments) -> None:
        self._see("close", *arguments)

    def _see(self, method: str, *arguments) -> Watch:
        self.seen.append((method, *arguments))
        if method == self.raises:
            raise RuntimeError("no view today")
        return self


def watched(as_stage, monkeypatch, *watchers: Watch) -> None:
    def run(params, data, out, key):
        on_epoch = progress.epochs("a", 2)
        on_epoch(1, {"loss": 0.5})
        on_epoch(2, {"loss": 0.4})
        (out / "a.txt").write_text("whole")

    for k, watcher in enumerate(watchers):
        monkeypatch.setitem(sys.modules, f"watcher{k}", watcher)
    monkeypatch.setenv("PIPELINE_WATCHERS", " ".join(f"watcher{k}" for k in range(len(watchers))))
    as_stage(run)
    stage.execute("toy")


def test_a_watcher_sees_every_epoch_and_the_end(as_stage, monkeypatch):
    watcher = Watch()
    watched(as_stage, monkeypatch, watcher)
    assert watcher.seen == [
        ("watch", "toy"), ("epoch", "a", 1, {"loss": 0.5}), ("epoch", "a", 2, {"loss": 0.4}), ("close", False)
    ]  # fmt: skip


@pytest.mark.parametrize("raises", ["watch", "epoch", "close"])
def test_a_watcher_that_raises_costs_one_warning_and_neither_the_run_nor_the_others(
    as_stage, monkeypatch, capsys, raises
):
    broken, other = Watch(raises), Watch()
    watched(as_stage, monkeypatch, broken, other)
    assert content() == {"toy/a.txt": "whole"}
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: ")
    assert warnings[0].endswith("no view today")
    assert [event[0] for event in broken.seen].count(raises) == 1
    assert [event[0] for event in other.seen] == ["watch", "epoch", "epoch", "close"]


def test_a_watcher_that_cannot_be_loaded_costs_a_warning(as_stage, monkeypatch, capsys):
    monkeypatch.setenv("PIPELINE_WATCHERS", "no_such_module")
    as_stage(write("x"))
    stage.execute("toy")
    assert capsys.readouterr().err == "warning: no_such_module does not watch: No module named 'no_such_module'\n"


# Files.


def test_images_are_scaled_to_float32_and_codings_are_read_as_they_are():
    np.save("train.npy", np.array([[0, 51, 255]], "uint8"))
    files.write_json(Path("scale.json"), {"scale": 255})
    rows = files.read_rows(Path(), "train")
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.array([[0, 0.2, 1]], "float32"))
    codings = np.array([[-3.0, 7.5]], "float32")
    np.save("valid.npy", codings)
    np.testing.assert_array_equal(files.read_rows(Path(), "valid"), codings)
    np.save("train_labels.npy", np.array([3, 1]))
    np.testing.assert_array_equal(files.read_labels(Path(), "train"), [3, 1])


@pytest.mark.parametrize("broken", [b"", b"junk", "cut", "pickled"])
def test_a_damaged_array_is_named_and_a_pickled_one_is_not_opened(broken):
    np.save("train.npy", np.ones((9, 9)) if broken == "cut" else np.array([{}], dtype=object))
    if broken == "cut":
        Path("train.npy").write_bytes(Path("train.npy").read_bytes()[:200])
    elif broken != "pickled":
        Path("train.npy").write_bytes(broken)
    with pytest.raises(ValueError, match=r"^train\.npy: expected an array as numpy.save writes it: "):
        files.read_rows(Path(), "train")


def test_json_has_one_form_and_no_nan():
    files.write_json(Path("a.json"), {"b": 0.1, "a": [1, "é"]})
    files.write_json(Path("b.json"), {"a": [1, "é"], "b": 0.1})
    assert Path("a.json").read_bytes() == Path("b.json").read_bytes()
    assert Path("a.json").read_text().endswith("}\n")
    assert files.read_json(Path("a.json")) == {"a": [1, "é"], "b": 0.1}
    with pytest.raises(ValueError, match=r"^c\.json: expected finite numbers: .*nan"):
        files.write_json(Path("c.json"), {"loss": float("nan")})
    assert not Path("c.json").exists()


def test_a_table_is_written_with_numbers_in_full():
    files.write_table(Path("a.csv"), [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 1e-9}])
    assert Path("a.csv").read_bytes() == b"epoch,loss\n1,0.30000000000000004\n2,1e-09\n"


@pytest.mark.parametrize("tied", [False, True])
def test_a_model_is_written_in_the_same_bytes_each_time_and_computes_the_same_when_read(tied):
    x = np.random.default_rng(0).uniform(size=(3, 6)).astype("float32")
    written = []
    for folder in (Path("a"), Path("b")):
        folder.mkdir()
        model = Autoencoder(6, [4, 2], seed=1, tied=tied)
        models.write(folder, model)
        written.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert written[0] == written[1]
    assert [path.name for path in sorted(Path("a").iterdir())] == ["model.json", "model.weights.h5"]
    np.testing.assert_array_equal(models.read(Path("a"))(x), model(x))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


DAMAGE = {
    "cut": _cut,
    "empty": lambda path: path.write_bytes(b""),
    "of another shape": lambda path: Autoencoder(6, [5, 2]).save_weights(path),
    "of a tied model": lambda path: Autoencoder(6, [4, 2], tied=True).save_weights(path),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_weights_that_do_not_belong_to_the_model_are_refused_in_one_line(damage):
    models.write(Path(), Autoencoder(6, [4, 2]))
    damage(Path("model.weights.h5"))
    with pytest.raises(
        ValueError, match=r"^model\.weights\.h5: expected the weights of the model in model\.json: [^\n]+$"
    ):
        models.read(Path())


def test_weights_of_an_untied_model_are_refused_by_a_tied_one():
    models.write(Path(), Autoencoder(6, [4, 2]))
    tied = json.loads(Path("model.json").read_text()) | {"tied": True}
    files.write_json(Path("model.json"), tied)
    with pytest.raises(ValueError, match="expected the weights of the model"):
        models.read(Path())


def test_a_missing_weights_file_is_named():
    files.write_json(Path("model.json"), Autoencoder(6, [4, 2]).get_config())
    with pytest.raises(FileNotFoundError, match=r"^model\.weights\.h5: no such file$"):
        models.read(Path())


def test_the_last_epochs_metrics_are_those_without_its_number():
    assert files.last([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]) == {"loss": 1.0}
