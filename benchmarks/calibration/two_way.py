"""Differences of an arm and its base whose runs and whose test rows are both drawn at random."""

from __future__ import annotations

import numpy as np
from scipy import stats

from autoencoders.statistics import paired

RUNS, ROWS = (6, 10), (200, 1000, 10_000)
ACCURACIES = np.array([0.80, 0.78])  # of the arm and its base
DIFFICULTY_SD = 2.0  # of the test rows, for both arms; 1 is the deviation of an answer's own chance
SHARED_SD, OWN_SD = 0.08, 0.03  # of the runs, for both arms and for each: 1 point and 0.4 points of accuracy
ROW_SD = {"both arms find the same rows difficult": 0.0, "each arm has difficult rows of its own": 1.0}
TOLD = (
    "The interval over runs and test rows (`paired` in autoencoders/statistics.py, with `rights`), where other runs "
    "and other test rows would have been possible. An answer is right if the sum of these is positive: the arm's "
    "level, the run's, the row's difficulty (the same in every run) and chance."
)


def rights(rng: np.random.Generator, n_runs: int, n_rows: int, row_sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows an arm and its base have right, bool (n_runs, n_rows) each.

    right = level + run + run of the arm + row + row of the arm + chance > 0, all but the level normal, so that
    accuracy = Phi(level / deviation of the sum)
    """
    variance = SHARED_SD**2 + OWN_SD**2 + DIFFICULTY_SD**2 + row_sd**2 + 1
    level = stats.norm.ppf(ACCURACIES) * variance**0.5
    run = SHARED_SD * rng.standard_normal((n_runs, 1)) + OWN_SD * rng.standard_normal((2, n_runs, 1))
    row = DIFFICULTY_SD * rng.standard_normal(n_rows) + row_sd * rng.standard_normal((2, 1, n_rows))
    a, b = level[:, None, None] + run + row + rng.standard_normal((2, n_runs, n_rows), np.float32) > 0
    return a, b


def held(rng: np.random.Generator, n: int) -> dict[tuple[str, str], np.ndarray]:
    """Return whether the interval holds the true difference, per kind of rows, number of runs and number of rows."""
    truth = float(ACCURACIES[0] - ACCURACIES[1])
    found = {}
    for kind, row_sd in ROW_SD.items():
        for n_runs in RUNS:
            for n_rows in ROWS:
                drawn = (rights(rng, n_runs, n_rows, row_sd) for _ in range(n))
                pairs = [paired(a.mean(axis=1), b.mean(axis=1), rights=(a, b)) for a, b in drawn]
                holds = np.array([pair.low <= truth <= pair.high for pair in pairs])
                found[kind, f"{n_runs} runs, {n_rows:,} rows"] = holds
    return found
