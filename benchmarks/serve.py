"""The worker's side of the benchmark protocol: one JSON object per line in, one out.

    {"prepare": {...case...}, "name": n}  ->  {"ready": seconds, "peak_bytes": b}   built, compiled and run once
    {"run": n}                            ->  {"seconds": s, "cpu": s, "value": v, "grown_bytes": b, "peak_bytes": b}
    {"describe": true}                    ->  {"versions": {...}}
    {"drop": true}                        ->  {}                   frees the prepared work

Every error is answered with {"cannot": text}. The worker ends at the end of its input.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np

Run = Callable[[], float]
Builder = Callable[[dict[str, Any]], Run]


def serve(build: Builder, versions: dict[str, str]) -> None:
    """Answer until the input ends; `build` takes a case and returns the function to measure, which returns a number."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not look like an answer
    runs: dict[str, Run] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), build, versions, runs)
        except Exception as error:  # noqa: BLE001  told to the parent, which skips this way and says so
            answer = {"cannot": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"}
        print(json.dumps(answer), file=answers)


def _answer(request: dict[str, Any], build: Builder, versions: dict[str, str], runs: dict[str, Run]) -> dict[str, Any]:
    if "prepare" in request:
        with _memory() as held:
            start = time.perf_counter()
            run = runs[request["name"]] = build(request["prepare"])
            run()
            seconds = time.perf_counter() - start
        return {"ready": seconds, "peak_bytes": max(held)}
    if "run" in request:
        return _measure(runs[request["run"]])
    if "drop" in request:
        runs.clear()
        _give_back()
        return {}
    return {"versions": versions}


def _measure(run: Run) -> dict[str, Any]:
    with _memory() as held:
        cpu, start = time.process_time(), time.perf_counter()
        value = run()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "value": value, "grown_bytes": max(held) - held[0], "peak_bytes": max(held)}


@contextmanager
def _memory() -> Iterator[list[int]]:
    """Record this process's own memory, at once and then five times per second; 0 outside Linux."""
    held, end = [_own_bytes()], threading.Event()

    def watch() -> None:
        while not end.wait(0.2):
            held.append(_own_bytes())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield held
    finally:
        end.set()
        watcher.join()
        held.append(_own_bytes())


def _give_back() -> None:
    """Return unused memory to the system, so that the next case's peak is measured correctly."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library than GNU's
            ctypes.CDLL(None).malloc_trim(0)


def _own_bytes() -> int:
    """Return the process's memory without the pages of mapped files, which the system can take back."""
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith("RssAnon:")), 0)


def by_epoch(train: Callable[[Callable[[float], None]], Any], epochs: int) -> Run:
    """Return a function that continues a training for one epoch and returns its loss.

    Args:
        train: Trains for `epochs` epochs and calls its argument with the loss after each.
        epochs: How often the returned function will be called.
    """
    go: Queue[None] = Queue()
    done: Queue[float | Exception] = Queue()
    left = iter(range(epochs - 1, -1, -1))

    def report(loss: float) -> None:
        done.put(loss)
        if next(left):
            go.get()

    def work() -> None:
        try:
            train(report)
        except Exception as error:  # noqa: BLE001  raised again where it is waited for
            done.put(error)

    thread = threading.Thread(target=work, daemon=True)

    def run() -> float:
        if thread.ident is None:
            thread.start()
        else:
            go.put(None)
        value = done.get()
        if isinstance(value, Exception):
            raise value
        return value

    return run


def order(n: int, epoch: int) -> np.ndarray:
    """Draw the order of rows for one epoch; every way includes this cost."""
    return np.random.default_rng([0, 0, epoch]).permutation(n)
