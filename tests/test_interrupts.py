"""Signals that ask for the end: none is lost, one that is ignored stays so, none reaches DVC while it writes."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
import typer

from flows import interrupts
from flows.frame import command

IN_TIME = 20  # seconds, in which nothing comes where these tests fail


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(interrupts, "AGAIN", 0.1)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def lose(number: signal.Signals) -> None:
    """Let a signal come where Python drops its exception, as in keras.backend.clear_session()."""

    class Forgotten:
        pass

    forgotten = Forgotten()
    reference = weakref.ref(forgotten, lambda _: signal.raise_signal(number))
    del forgotten
    assert reference() is None


def run_held(steps: list[str], *actions) -> None:
    """Run actions one after the other with signals held; note the number of each that returned."""
    with interrupts.held():
        for i, action in enumerate(actions):
            action()
            steps.append(i)


def run(*actions, within=interrupts.exit_on_request) -> None:
    """Run actions one after the other, as a command does."""
    with within():
        for action in actions:
            action()


def test_a_signal_waits_until_the_block_is_over():
    steps = []
    with pytest.raises(KeyboardInterrupt):
        run_held(steps, interrupt, lambda: None)
    assert steps == [0, 1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_signal_does_not_wait():
    steps = []
    with pytest.raises(KeyboardInterrupt):
        run_held(steps, interrupt, interrupt, lambda: None)
    assert steps == [0]


def test_a_signal_passes_where_it_is_let_through():
    with pytest.raises(KeyboardInterrupt), interrupts.held() as let_through, let_through():
        interrupt()


@pytest.mark.parametrize("number", interrupts.SIGNALS)
def test_a_signal_whose_exception_python_drops_comes_again(number, capfd):
    start = time.monotonic()
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(lambda: lose(number), lambda: time.sleep(IN_TIME))
    assert interrupts.requested() == number
    assert time.monotonic() - start < IN_TIME
    assert "Traceback" not in capfd.readouterr().err


def test_a_signal_whose_exception_was_dropped_ends_the_run_before_the_next_stage():
    with pytest.raises(SystemExit):
        run(lambda: lose(signal.SIGTERM), interrupts.check, lambda: pytest.fail("it went on"))


def test_a_signal_whose_exception_was_dropped_shortly_before_a_stages_end_ends_the_run_when_it_is_recorded():
    steps = []

    def stage() -> None:
        with interrupts.held() as let_through:
            with let_through():
                lose(signal.SIGINT)
            steps.append("recorded")

    with pytest.raises(KeyboardInterrupt):
        run(stage, lambda: steps.append("went on"))
    assert steps == ["recorded"]


def test_nothing_is_sent_again_while_dvc_writes_or_the_run_is_ending():
    steps = []

    def let_through_and_clear_up() -> None:
        with interrupts.held() as let_through:
            try:
                with let_through():
                    interrupt()
            finally:
                time.sleep(0.5)
                steps.append(2)

    with pytest.raises(KeyboardInterrupt):
        run(lambda: run_held(steps, interrupt, lambda: time.sleep(0.5)))
    assert steps == [0, 1]
    with pytest.raises(KeyboardInterrupt):
        run(let_through_and_clear_up)
    assert steps == [0, 1, 2]


def test_the_end_is_announced_at_once_also_while_the_signal_waits(capfd):
    def wait_for_it() -> None:
        end, said = time.monotonic() + IN_TIME, ""
        while "stopping ..." not in said:
            assert time.monotonic() < end
            said += capfd.readouterr().err

    with pytest.raises(KeyboardInterrupt):
        run(lambda: run_held([], interrupt, wait_for_it))


def test_the_end_is_announced_while_a_library_holds_pythons_lock(capfd):
    def hold_the_lock() -> None:
        ctypes.PyDLL(None).system(b"kill -TERM $PPID; sleep 1; echo held >&2")

    with pytest.raises(SystemExit):
        run(lambda: run_held([], hold_the_lock))
    assert capfd.readouterr().err == "stopping ...\nheld\n"


@pytest.mark.parametrize("number", interrupts.SIGNALS)
def test_a_dropped_signal_comes_again_where_the_process_that_announces_it_was_killed(number, monkeypatch):
    started = []
    start = interrupts._start_herald
    monkeypatch.setattr(interrupts, "_start_herald", lambda *given: started.append(start(*given)) or started[0])
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(lambda: started[0].kill(), lambda: time.sleep(0.5), lambda: lose(number), lambda: time.sleep(IN_TIME))


def test_the_process_that_announces_ends_with_the_run():
    with interrupts.exit_on_request():
        assert len(children()) == 1
    assert children() == []


def children() -> list[str]:
    return Path(f"/proc/self/task/{threading.main_thread().native_id}/children").read_text().split()


def test_what_was_interrupted_half_way_says_nothing_when_it_is_deleted_afterwards(capfd):
    class Half:
        def __del__(self) -> None:
            raise AttributeError("no attribute")

    held = [Half()]
    with pytest.raises(KeyboardInterrupt):
        run(interrupt)
    held.clear()
    assert "no attribute" not in capfd.readouterr().err


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with interrupts.exit_on_request(), interrupts.held() as let_through, let_through():
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_error_that_an_interruption_has_become_is_the_interruption(capsys):
    def trace() -> None:
        try:
            interrupt()
        except KeyboardInterrupt:
            raise SystemError("returned a result with an exception set") from None

    with pytest.raises(typer.Exit) as error:
        run(trace, within=command)
    assert error.value.exit_code == 130
    assert capsys.readouterr().err.endswith("interrupted; finished work is kept, run again to continue\n")
