"""Signals wait while DVC writes its files, which it does in place, and reach a running stage at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
LetThrough = Callable[[], AbstractContextManager[None]]


@contextmanager
def exit_on_request() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit(128 + number), so that what is open gets closed."""

    def leave(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in SIGNALS if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held() -> Iterator[LetThrough]:
    """Hold signals back until the block ends; the yielded context manager lets them through. A second signal passes."""
    if threading.current_thread() is not threading.main_thread():  # signals never come here
        yield nullcontext
        return
    waiting: list[int] = []
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}

    def wait(number: int, _frame: Any) -> None:
        waiting.append(number)
        if len(waiting) > 1:
            release()

    def hold() -> None:
        for number in SIGNALS:
            signal.signal(number, wait)

    def release() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        if waiting:
            first = waiting[0]
            waiting.clear()
            signal.raise_signal(first)

    @contextmanager
    def let_through() -> Iterator[None]:
        release()
        try:
            yield
        finally:
            hold()

    hold()
    try:
        yield let_through
    finally:
        release()
