"""Many small fits in separate processes, and the start-up time of a command."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Say
from benchmarks.processes import Took, record, timed, together
from benchmarks.small_fits import ARMS, N_LABELS, cells

N_SEEDS = 10
FEW_FITS = "ours, one process, 15 fits only"


def small_fits(path: Path, threads: int, rounds: int, n_cells: int, say: Say) -> dict[str, Any]:
    """Measure 150 classifiers in one process and in two, and Keras' loop, extrapolated from `n_cells` cells."""
    n_fits = len(N_LABELS) * len(ARMS) * N_SEEDS
    measured = len(cells(n_cells))
    say(f"{n_fits} small fits, cold")
    half = N_SEEDS // 2
    two = [_fits("ours", path, 0, half), _fits("ours", path, half, half)]
    ways: dict[str, Callable[[], Took]] = {
        "ours, one process": lambda: together([_fits("ours", path, 0, N_SEEDS)], threads)[0],
        "ours, two processes": lambda: together(two, threads)[0],
        FEW_FITS: lambda: together([_fits("ours", path, 0, 1)], threads)[0],
        f"Keras, a model per fit (from {measured} fits)": lambda: _extrapolated(path, threads, n_cells, n_fits),
    }
    note = (
        f"{len(N_LABELS)} numbers of labels (50 to 5,000), {N_SEEDS} seeds, {len(ARMS)} arms, 20 epochs at batch 32, "
        "Adam; whole processes, imports and compilation included. Keras' loop builds, compiles, fits and scores a "
        f"model per fit: {measured} of them were run, and their mean taken {n_fits} times, its import once."
    )
    rows = [timed(label, "peer" if "Keras" in label else "ours", way, rounds) for label, way in ways.items()]
    return record("small-fits", f"{n_fits} small fits, cold", note, rows, rounds, say)


def _fits(way: str, path: Path, first: int, seeds: int, n_cells: int = 0) -> list[str]:
    return [sys.executable, "-m", "benchmarks.small_fits", way, str(path), str(first), str(seeds), str(n_cells)]


def _extrapolated(path: Path, threads: int, n_cells: int, n_fits: int) -> Took:
    took, said = together([_fits("keras", path, 0, 1, n_cells)], threads)
    spent = json.loads(said[0])  # a pair for each fit: seconds, processor time
    whole = [
        t - sum(cell) + statistics.fmean(cell) * n_fits
        for t, cell in zip(took[:2], zip(*spent, strict=True), strict=True)
    ]
    return Took(whole[0], whole[1], took.peak_bytes)


def start_up(rounds: int, threads: int, say: Say) -> dict[str, Any]:
    """Measure `--help` and TensorFlow's import."""
    say("Start-up")
    commands = {
        "python -m flows --help": [sys.executable, "-m", "flows", "--help"],
        "import tensorflow": [sys.executable, "-c", "import tensorflow"],
    }
    rows = [
        timed(label, "ours", lambda command=command: together([command], threads)[0], rounds)
        for label, command in commands.items()
    ]
    return record("start-up", "start-up", "Whole processes; seconds, not ratios, count here.", rows, rounds, say)
