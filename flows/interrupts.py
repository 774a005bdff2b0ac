"""Handle Ctrl-C and other signals: at once while a stage runs, delayed while DVC writes its files, never lost.

A signal becomes an exception in the main thread. This exception can get lost: Python drops exceptions in callbacks of
weak references, of which keras.backend.clear_session() runs thousands, and TensorFlow replaces exceptions while it
traces. So the signal is remembered, and sent again until the code that ends the run has seen it. While DVC writes its
files in place, signals wait. A signal that the user's shell ignores, such as SIGHUP under nohup, stays ignored.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
AGAIN = 1.0  # seconds after which a signal without effect is sent again
LetThrough = Callable[[], AbstractContextManager[None]]

# A separate process reads and announces signals: a thread would wait while TensorFlow holds Python's lock.
_HERALD = """
import os, sys
numbers, said = [int(number) for number in sys.argv[1:]], False
while came := os.read(0, 64):
    if not said and any(number in numbers for number in came):
        said = os.write(2, b"stopping ...\\n")
    os.write(1, came)
"""

_asked = 0  # the number of the received signal
_taken = False  # whether the run is ending because of it
_is_over = False  # whether the block of `exit_on_request` has ended
_holders: list[object] = []  # the nested blocks in which signals wait


@contextmanager
def exit_on_request(*, aloud: bool = True) -> Iterator[None]:
    """Turn signals into KeyboardInterrupt or SystemExit(128 + number), so that open files and processes are closed.

    Args:
        aloud: Print `stopping ...` at once; the exception may have to wait seconds for XLA's compilation.
    """
    global _asked, _taken, _is_over
    _asked, _taken, _is_over = 0, False, False
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
    hook, (there, here) = sys.unraisablehook, os.pipe()
    os.set_blocking(here, False)
    for number in before:
        signal.signal(number, _leave)
    sys.unraisablehook = lambda dropped: None if _asked else hook(dropped)
    former = signal.set_wakeup_fd(here, warn_on_full_buffer=False)
    heralds = [_start_herald(there, [*before])] if aloud else []
    insisting = threading.Thread(target=_insist, args=[there, [*before], heralds], daemon=True)
    insisting.start()
    try:
        yield
    finally:
        _is_over = True
        signal.set_wakeup_fd(former)
        os.close(here)  # ends the herald and the thread
        insisting.join()
        os.close(there)
        for number, handler in before.items():
            signal.signal(number, handler)
        if not _asked:  # otherwise interrupted objects may still report errors when the process ends
            sys.unraisablehook = hook


def requested() -> int:
    """Return the number of the signal that asked this run to end; 0 for none."""
    return _asked


def check() -> None:
    """End the run if a signal asked for it and its exception was lost."""
    if _asked and not _taken:
        _leave(_asked, None)


@contextmanager
def held() -> Iterator[LetThrough]:
    """Delay signals until the block ends, or a second one comes; the yielded context manager lets them through."""
    global _taken
    if threading.current_thread() is not threading.main_thread():  # signals arrive in the main thread only
        yield nullcontext
        return
    _taken = _taken or bool(_asked)  # code that delays signals after one arrived is cleaning up
    waiting: list[int] = []
    handlers = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}
    before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}

    def wait(number: int, _frame: Any) -> None:
        waiting.append(number)
        if len(waiting) > 1:
            release()

    def hold() -> None:
        _holders.append(waiting)
        for number in before:
            signal.signal(number, wait)

    def release() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        _holders[:] = [holder for holder in _holders if holder is not waiting]
        if waiting:
            first = waiting[0]
            waiting.clear()
            signal.raise_signal(first)

    @contextmanager
    def let_through() -> Iterator[None]:
        global _taken
        release()
        try:
            yield
        except BaseException:
            _taken = True
            raise
        finally:
            hold()

    hold()
    try:
        yield let_through
    finally:
        release()
    check()  # a signal may have been lost just before the end of `let_through`, too late to be sent again


def _leave(number: int, _frame: Any) -> None:
    global _asked
    if _is_over:
        return
    _asked = number
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def _start_herald(fd: int, numbers: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start the process that prints `stopping ...` at the first signal, and passes all signals on."""
    command = [sys.executable, "-I", "-S", "-c", _HERALD, *(str(int(number)) for number in numbers)]
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, SIGNALS
    )  # the child inherits the block: a terminal signals both processes
    try:
        return subprocess.Popen(command, stdin=fd, stdout=subprocess.PIPE, bufsize=0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _insist(fd: int, numbers: Sequence[int], heralds: Sequence[subprocess.Popen[bytes]]) -> None:
    """Read signals until the pipe is closed; send the first one again until the run is ending.

    Args:
        fd: The pipe into which Python writes the number of each signal.
        numbers: The signals that ask for the end.
        heralds: The process that reads the pipe first, if any; if it is killed, this thread reads the pipe.
    """
    for herald in heralds:
        with herald, herald.stdout as passed_on:  # type: ignore[union-attr]
            _insist_on(passed_on.fileno(), numbers)
    _insist_on(fd, numbers)


def _insist_on(fd: int, numbers: Sequence[int]) -> None:
    global _asked
    while True:
        ready = select.select([fd], [], [], AGAIN if _asked else None)[0]
        came = os.read(fd, 64) if ready else b""
        if ready and not came:
            return
        if not _asked and (known := [number for number in came if number in numbers]):
            _asked = known[0]
        elif _asked and not ready and not (_taken or _holders or _is_over):
            os.kill(os.getpid(), _asked)
