"""Whole processes, from their start to their end: many small fits, and what a command costs before it does anything."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, Say, summary
from benchmarks.small_fits import ARMS, N_LABELS, cells
from benchmarks.workers import ROOT, environment

N_SEEDS = 10
CHECK = """
import sys
from flows import environment
environment.settle()
from flows import engine
sys.exit(not engine.is_up_to_date(()))
"""


def small_fits(path: Path, threads: int, rounds: int, n_cells: int, say: Say) -> dict[str, Any]:
    """Measure 150 classifiers by one process and by two, and Keras' loop, extrapolated from `n_cells` of its cells."""
    n_fits = len(N_LABELS) * len(ARMS) * N_SEEDS
    measured = len(cells(n_cells))
    say(f"{n_fits} small fits, cold")
    half = N_SEEDS // 2
    ways: dict[str, Callable[[], float]] = {
        "ours, one process": lambda: _together([_fits("ours", path, 0, N_SEEDS)], threads)[0],
        "ours, two processes": lambda: _together(
            [_fits("ours", path, 0, half), _fits("ours", path, half, half)], threads
        )[0],
        f"Keras, a model per fit (from {measured} fits)": lambda: _extrapolated(path, threads, n_cells, n_fits),
    }
    note = (
        f"{len(N_LABELS)} numbers of labels (50 to 5,000), {N_SEEDS} seeds, {len(ARMS)} arms, 20 epochs at batch 32, "
        "Adam; whole processes, imports and compilation included. Keras' loop builds, compiles, fits and scores a "
        f"model per fit: {measured} of them were run, and their mean taken {n_fits} times, its import once."
    )
    rows = [_timed(label, "peer" if "Keras" in label else "ours", way, rounds) for label, way in ways.items()]
    return _record("small-fits", f"{n_fits} small fits, cold", note, rows, rounds, say)


def _fits(way: str, path: Path, first: int, seeds: int, n_cells: int = 0) -> list[str]:
    return [sys.executable, "-m", "benchmarks.small_fits", way, str(path), str(first), str(seeds), str(n_cells)]


def _extrapolated(path: Path, threads: int, n_cells: int, n_fits: int) -> float:
    seconds, said = _together([_fits("keras", path, 0, 1, n_cells)], threads)
    spent = json.loads(said[0])
    return seconds - sum(spent) + statistics.fmean(spent) * n_fits


def start_up(rounds: int, threads: int, say: Say) -> dict[str, Any]:
    """Measure `--help`, a run with nothing to do (only where that is so), and TensorFlow's import."""
    say("Start-up")
    commands = {
        "python -m flows --help": [sys.executable, "-m", "flows", "--help"],
        "import tensorflow": [sys.executable, "-c", "import tensorflow"],
        "python -m flows repro, nothing to do": [sys.executable, "-m", "flows", "repro"],
        "dvc status, nothing to do": [str(Path(sys.executable).parent / "dvc"), "status", "--quiet"],
    }
    rows: list[Row] = []
    for label, command in commands.items():
        if "nothing to do" in label and _run([sys.executable, "-c", CHECK], threads):
            rows.append({"label": label, "role": "ours", "skipped": "data/ is not up to date"})
            say(f"  {label}: skipped, data/ is not up to date")
            continue
        rows.append(_timed(label, "ours", lambda command=command: _together([command], threads)[0], rounds))
    return _record("start-up", "start-up", "Whole processes; seconds, not ratios, count here.", rows, rounds, say)


def _timed(label: str, role: str, way: Callable[[], float], rounds: int) -> Row:
    row: Row = {"label": label, "role": role, "seconds": [], "cpu": []}
    for _ in range(rounds):
        before = _children()
        try:
            row["seconds"].append(way())
        except (subprocess.CalledProcessError, OSError) as error:
            return {"label": label, "role": role, "skipped": str(error).partition("\n")[0]}
        row["cpu"].append(_children() - before)
    return row


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _together(commands: list[list[str]], threads: int) -> tuple[float, list[str]]:
    """Run commands side by side; return the seconds until all have ended, and what they printed."""
    start = time.perf_counter()
    running = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment(threads), text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for command in commands
    ]
    said = [process.communicate()[0] for process in running]
    seconds = time.perf_counter() - start
    for process in running:
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, " ".join(map(str, process.args[1:4])))
    return seconds, said


def _run(command: list[str], threads: int) -> int:
    """Return a command's exit code."""
    return subprocess.run(command, cwd=ROOT, env=environment(threads), capture_output=True, check=False).returncode


def _record(key: str, title: str, note: str, rows: list[Row], rounds: int, say: Say) -> dict[str, Any]:
    record = {"key": key, "title": title, "kind": "process", "note": note, "n_rows": 0, "rounds": rounds}
    record |= {"batch_size": 0, "units": [], "rows": rows}
    for line in summary(record):
        say(line)
    return record
