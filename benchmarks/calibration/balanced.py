"""Differences of balanced accuracy over runs and test rows, where classes differ in size and in difficulty."""

from __future__ import annotations

import numpy as np
from scipy import stats

from autoencoders.metrics import class_weights
from autoencoders.statistics import paired
from benchmarks.calibration.two_way import DIFFICULTY_SD, OWN_SD, ROW_SD, ROWS, RUNS, SHARED_SD

RECALLS = np.array([[0.95, 0.85, 0.55], [0.96, 0.83, 0.48]])  # of the arm and of its base, by class
SHARES = {"three equal classes": (1 / 3, 1 / 3, 1 / 3), "80, 15 and 5 % of the rows": (0.80, 0.15, 0.05)}
TRADED_SD = 0.3  # of a class's level in a run of an arm: what it gains in one class it loses in another
TOLD = (
    "The same for balanced accuracy (`paired` with `classes`): test rows are drawn within each class. Recalls differ "
    "between classes, and in each run an arm trades some of one class for some of another. With 200 rows, the rarest "
    "of the unequal classes has 10."
)


def rights(rng: np.random.Generator, n_runs: int, classes: np.ndarray, row_sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows an arm and its base have right, bool (n_runs, n_rows) each; as in two_way.py, by class."""
    variance = SHARED_SD**2 + OWN_SD**2 + TRADED_SD**2 + DIFFICULTY_SD**2 + row_sd**2 + 1
    level = stats.norm.ppf(RECALLS) * variance**0.5
    run = SHARED_SD * rng.standard_normal((n_runs, 1)) + OWN_SD * rng.standard_normal((2, n_runs, 1))
    traded = TRADED_SD * rng.standard_normal((2, n_runs, len(RECALLS[0])))
    row = DIFFICULTY_SD * rng.standard_normal(len(classes)) + row_sd * rng.standard_normal((2, 1, len(classes)))
    chance = rng.standard_normal((2, n_runs, len(classes)), np.float32)
    a, b = level[:, None, classes] + run + traded[:, :, classes] + row + chance > 0
    return a, b


def held(rng: np.random.Generator, n: int) -> dict[tuple[str, str], np.ndarray]:
    """Return whether the interval holds the true difference, per shares and rows, number of runs and of rows."""
    truth, found = float((RECALLS[0] - RECALLS[1]).mean()), {}
    for name, shares in SHARES.items():
        for kind, row_sd in ROW_SD.items():
            for n_runs in RUNS:
                for n_rows in ROWS:
                    classes = np.repeat(
                        range(len(shares)), np.diff(np.rint(np.cumsum([0, *shares]) * n_rows)).astype(int)
                    )
                    weights, holds = class_weights(classes), []
                    for _ in range(n):
                        a, b = rights(rng, n_runs, classes, row_sd)
                        means = ((bits * weights).mean(axis=1).tolist() for bits in (a, b))
                        pair = paired(*means, rights=(a, b), classes=classes)
                        holds.append(pair.low <= truth <= pair.high)
                    found[f"{name}; {kind}", f"{n_runs} runs, {n_rows:,} rows"] = np.array(holds)
    return found
