"""The pipe to the process that logs: a training never waits for it."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tasks.tracking import live


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "PATIENCE", 0.5)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("failed", [False, True])
def test_a_process_that_reads_nothing_costs_an_epoch_nothing_and_the_end_little(failed: bool) -> None:
    watcher = live.Live({"stage": "pretrain"})
    watcher.epoch("", 1, {"loss": 1.0})
    process = watcher._mirror
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    for epoch in range(2, 5000):  # more than a pipe holds
        watcher.epoch("tied run 3", epoch, {"loss": 1.0, "val_loss": 2.0})
    assert time.monotonic() - start < 1
    watcher.close(failed)
    assert time.monotonic() - start < 2
    assert process.poll() is not None


@pytest.mark.usefixtures("patient")
def test_a_process_that_has_died_costs_nothing() -> None:
    watcher = live.Live({"stage": "pretrain"})
    watcher.epoch("", 1, {"loss": 1.0})
    assert watcher._mirror is not None
    watcher._mirror.kill()
    watcher._mirror.wait()
    watcher.epoch("", 2, {"loss": 1.0})
    watcher.close(False)


def test_a_stage_without_epochs_starts_no_process() -> None:
    watcher = live.Live({"stage": "prepare"})
    watcher.close(False)
    assert watcher._mirror is None
