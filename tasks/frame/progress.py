"""Epochs as they pass: one live line on a terminal, plain lines in a log file, and whoever else watches.

Watchers (the live MLflow view) are modules named in PIPELINE_WATCHERS and loaded by name: what watches a run cannot
change its result, so it is no dependency of the stage.
"""

from __future__ import annotations

import importlib
import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

OnEpoch = Callable[[int, dict[str, float]], None]


class Watcher(Protocol):
    """Sees one stage: every epoch of every training, and the end."""

    def epoch(self, label: str, epoch: int, row: dict[str, float]) -> None: ...
    def close(self, failed: bool) -> None: ...


class _Shown(Protocol):
    """Takes what a stage says."""

    def line(self, text: str) -> None: ...
    def epoch(self, label: str, epoch: int, n_epochs: int, row: dict[str, float], left: float) -> None: ...


class _Screen(io.FileIO):
    """Standard output or error; when nobody reads it any more, what is written goes nowhere."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content) or 0
        except BrokenPipeError:
            _to_nowhere(self.fileno())
            return len(content)


_current: _Shown | None = None


def outlive_readers() -> None:
    """Let this process, and those that it starts, go on when nobody reads what they say: `make repro | head`, `>&-`."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        now = getattr(sys, name)
        if now is None:  # closed: the next file that is opened would take its place
            _to_nowhere(fd)
            setattr(sys, name, open(fd, "w" if fd else "r", closefd=False))  # noqa: SIM115 - open as long as the process
        elif fd and now is getattr(sys, f"__{name}__"):  # not what a test or a notebook has put there
            screen = io.BufferedWriter(_Screen(fd, "w", closefd=False))
            setattr(sys, name, io.TextIOWrapper(screen, now.encoding, now.errors, line_buffering=now.line_buffering))


def _to_nowhere(fd: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, fd)
    if null != fd:
        os.close(null)


@contextmanager
def stage(name: str, key: str = "") -> Iterator[None]:
    """Announce a stage, let watchers see it, and say how long it took."""
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
    """In a worker process: give what is said to `tell`, whose other end gives it to `repeat`."""
    global _current
    _current = _Relay(tell)
    try:
        yield
    finally:
        _current = None


def repeat(event: str, *arguments: Any) -> None:
    """Show what a worker process said."""
    if _current is not None:
        getattr(_current, event)(*arguments)


def epochs(label: str, n_epochs: int) -> OnEpoch:
    """Return the function that a training of `n_epochs` epochs calls after each with (epoch from 1, its metrics)."""
    current, start = _current, time.monotonic()

    def on_epoch(epoch: int, row: dict[str, float]) -> None:
        if current is not None:
            left = (time.monotonic() - start) / epoch * (n_epochs - epoch)
            current.epoch(label, epoch, n_epochs, row, left)

    return on_epoch


def say(text: str) -> None:
    """Print one line about the running stage."""
    if _current is not None:
        _current.line(text)


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
        self.live = sys.stdout.isatty()
        self.start = time.monotonic()
        self.watchers = list(_watchers(name))
        self.line("started")

    def line(self, text: str, *, end: bool = True) -> None:
        line = f"{self.position}{self.name:<12} {text}"
        if self.live:
            width = shutil.get_terminal_size().columns  # 80 where the terminal does not say
            print("\r\x1b[2K" + (line if end else line[: width - 1]), end="\n" if end else "", flush=True)
        else:
            print(line, flush=True)

    def epoch(self, label: str, epoch: int, n_epochs: int, row: dict[str, float], left: float) -> None:
        numbers = "  ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "epoch")
        text = f"{label + '  ' if label else ''}epoch {epoch}/{n_epochs}  {numbers}  left {_clock(left)}"
        self.line(text, end=epoch == n_epochs)
        self._tell("epoch", label, epoch, row)

    def close(self, failed: bool) -> None:
        self._tell("close", failed)
        self.line(("failed" if failed else "done") + f" after {_clock(time.monotonic() - self.start)}")

    def _tell(self, event: str, *arguments: Any) -> None:
        for watcher in list(self.watchers):
            try:
                getattr(watcher, event)(*arguments)
            except Exception as error:  # noqa: BLE001 - a watcher may cost its view, never the run
                self.watchers.remove(watcher)
                print(f"warning: {type(watcher).__module__} stopped watching: {error}", file=sys.stderr)


def _watchers(name: str) -> Iterator[Watcher]:
    for module in os.environ.get("PIPELINE_WATCHERS", "tasks.track").split():
        try:
            yield importlib.import_module(module).watch(name)
        except Exception as error:  # noqa: BLE001 - as above
            print(f"warning: {module} does not watch: {error}", file=sys.stderr)


def _clock(seconds: float) -> str:
    return f"{int(seconds + 0.5) // 60}:{int(seconds + 0.5) % 60:02d}"
