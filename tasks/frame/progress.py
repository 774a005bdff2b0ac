"""The progress of a running stage: one line that is rewritten on a terminal, one line per epoch in a log file."""

from __future__ import annotations

import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LONGEST = 1_500  # characters of a line about a user's data: a cell may have millions
OnEpoch = Callable[[int, dict[str, float]], None]


class _Screen(io.FileIO):
    """Standard output or error; its text is dropped once its reader has gone."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content) or 0
        except BrokenPipeError:
            _to_nowhere(self.fileno())
            return len(content)


_current: _Stage | _Relay | None = None
_hear: Callable[[str], None] | None = None


def outlive_readers() -> None:
    """Let this process and its children go on when their output is closed: `make repro | head`, `>&-`."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        now = getattr(sys, name)
        if now is None:  # closed: the next opened file would get its number
            _to_nowhere(fd)
            setattr(sys, name, open(fd, "w" if fd else "r", closefd=False))  # noqa: SIM115 - open until the process ends
        elif fd and now is getattr(sys, f"__{name}__"):  # not one that a test or a notebook has set
            screen = io.BufferedWriter(_Screen(fd, "w", closefd=False))
            setattr(sys, name, io.TextIOWrapper(screen, now.encoding, now.errors, line_buffering=now.line_buffering))


def _to_nowhere(fd: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, fd)
    if null != fd:
        os.close(null)


@contextmanager
def stage(name: str, key: str = "") -> Iterator[None]:
    """Print a line when a stage starts, and one with its duration when it ends."""
    global _current
    _current = current = _Stage(f"{name}@{key}" if key else name)
    failed = True
    try:
        yield
        failed = False
    finally:
        current.close(failed)
        _current = None


@contextmanager
def relayed(tell: Callable[..., None]) -> Iterator[None]:
    """In a worker process: pass progress to `tell`; the process that receives it calls `repeat`."""
    global _current
    _current = _Relay(tell)
    try:
        yield
    finally:
        _current = None


@contextmanager
def heard(hear: Callable[[str], None]) -> Iterator[None]:
    """Pass every line of a stage that runs in this process to `hear`, too."""
    global _hear
    _hear = hear
    try:
        yield
    finally:
        _hear = None


def repeat(event: str, *arguments: Any) -> None:
    """Show a line or an epoch from a worker process."""
    if _current is not None:
        getattr(_current, event)(*arguments)


def epochs(label: str, n_epochs: int) -> OnEpoch:
    """Return a callback that a training calls after each epoch with (epoch from 1, metrics)."""
    current, start = _current, time.monotonic()

    def on_epoch(epoch: int, row: dict[str, float]) -> None:
        if current is not None:
            left = (time.monotonic() - start) / epoch * (n_epochs - epoch)
            current.epoch(label, epoch, n_epochs, row, left)

    return on_epoch


def one_line(message: str) -> str:
    """Return a message in one line of characters that any terminal can show; the middle of a very long one is left out.

    Names of files and columns, and cells, may hold line ends, control characters and bytes that are no text.
    """
    words = " ".join(message.split())
    words = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)
    return words if len(words) <= LONGEST else f"{words[: LONGEST // 2]} ... {words[-LONGEST // 4 :]}"


def say(text: str) -> None:
    """Print one line about the running stage."""
    if _current is not None:
        _current.line(one_line(text))


class _Relay:
    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell

    def line(self, text: str) -> None:
        self._tell("line", text)

    def epoch(self, *arguments: Any) -> None:
        self._tell("epoch", *arguments)


class _Stage:
    def __init__(self, name: str) -> None:
        self.name = name
        self.position = os.environ.get("PIPELINE_POSITION", "")  # "3/14 ", set by the runner that knows the graph
        self.is_terminal = sys.stdout.isatty()
        self.start = time.monotonic()
        self.line("started")

    def line(self, text: str, *, end: bool = True) -> None:
        if _hear is not None and end:
            _hear(text)
        line = f"{self.position}{self.name:<12} {text}"
        if self.is_terminal:
            width = shutil.get_terminal_size().columns  # 80 if the terminal gives none
            print("\r\x1b[2K" + (line if end else line[: width - 1]), end="\n" if end else "", flush=True)
        else:
            print(line, flush=True)

    def epoch(self, label: str, epoch: int, n_epochs: int, row: dict[str, float], left: float) -> None:
        numbers = "  ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "epoch")
        text = f"{label + '  ' if label else ''}epoch {epoch}/{n_epochs}  {numbers}  left {_clock(left)}"
        self.line(text, end=epoch == n_epochs)

    def close(self, failed: bool) -> None:
        self.line(("failed" if failed else "done") + f" after {_clock(time.monotonic() - self.start)}")


def _clock(seconds: float) -> str:
    return f"{int(seconds + 0.5) // 60}:{int(seconds + 0.5) % 60:02d}"
