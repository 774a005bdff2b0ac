"""Progress of a stage: plain lines in a log file, one line that is rewritten on a terminal."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from toys import fail

from tasks.frame import progress, stage

ROOT = Path(__file__).resolve().parents[1]


pytestmark = pytest.mark.usefixtures("fresh_repository")


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


def test_whole_lines_are_heard_by_who_asks_until_he_has_heard_enough(as_stage):
    def run(params, data, out, key):
        progress.epochs("", 2)(1, {"loss": 0.5})  # which a terminal rewrites
        progress.say("half of it")

    as_stage(run, "encode")
    heard = []
    with progress.heard(heard.append):
        stage.execute("encode", "1")
    stage.execute("encode", "1")
    assert heard == ["started", "half of it", "done after 0:00"]


def test_a_failed_stage_says_so(as_stage, capsys):
    as_stage(fail(RuntimeError("no")))
    with pytest.raises(RuntimeError):
        stage.execute("toy")
    assert capsys.readouterr().out.splitlines()[-1] == "toy          failed after 0:00"


def test_outside_of_a_stage_nothing_is_said(capsys):
    progress.say("nobody listens")
    progress.epochs("", 1)(1, {"loss": 1.0})
    assert capsys.readouterr().out == ""


TOY = """
from tasks.frame import progress
with progress.stage("toy"):
    on_epoch = progress.epochs("", 2)
    on_epoch(1, {"loss": 0.5, "another_metric_with_a_long_name": 0.5, "one_more_of_them": 0.25})
    on_epoch(2, {"loss": 0.25})
"""


def test_a_terminal_gets_one_rewritten_line_that_fits_its_width():
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "50"}
    with subprocess.Popen([sys.executable, "-c", TOY], stdout=slave, env=environment) as process:
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


def test_what_is_written_when_nobody_reads_any_more_goes_nowhere():
    reader, writer = os.pipe()
    os.close(reader)
    with io.BufferedWriter(progress._Screen(writer, "w")) as screen:
        for _ in range(2):
            assert screen.write(b"a line") == 6
            screen.flush()


def test_what_is_said_in_a_worker_is_told_to_its_other_end_which_shows_it(capsys):
    told = []
    with progress.relayed(lambda *words: told.append(words)):
        progress.say("a line")
        progress.epochs("run 1", 2)(1, {"loss": 1.0})
    progress.say("to nobody")
    assert told[0] == ("line", "a line") and told[1][:-1] == ("epoch", "run 1", 1, 2, {"loss": 1.0}) and len(told) == 2
    progress.repeat(*told[0])
    with progress.stage("tying"):
        for words in told:
            progress.repeat(*words)
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[1].split() == ["tying", "a", "line"] and "run 1  epoch 1/2  loss 1.0000" in lines[2] and len(lines) == 4
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (0.49, "0:00"), (0.5, "0:01"), (59.4, "0:59"), (59.5, "1:00"), (3661, "61:01")]
)
def test_a_duration_is_rounded_to_seconds(seconds, text):
    assert progress._clock(seconds) == text


def test_a_line_is_one_line_of_characters_that_can_be_shown():
    assert progress.one_line("a\nb\t c \x1b[31m \udcff é 猫 \x00") == "a b c \\x1b[31m \\udcff é 猫 \\x00"
    long = progress.one_line(f"{'x' * 10**6} in the end")
    assert len(long) <= progress.LONGEST and long.startswith("xxx") and long.endswith("in the end")
