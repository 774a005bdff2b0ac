"""Studies whose arm is worth a known number of the base's labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from autoencoders import label_efficiency

FULL, QUICK = (20, 50, 100, 200, 500, 1000, 2000, 5000), (20, 100, 500, 2000)
RATIOS = (1.0, 1.5, 2.0, 4.0)
FEWEST_SD, MOST_SD = 0.025, 0.004  # standard deviation of a score over runs, with 20 and with 5,000 labels
SHARED = 0.85  # of a score's variance: the draw, which an arm and its base share
TOLD = (
    "The interval of the labels saved (`labels_saved` in autoencoders/label_efficiency.py). An arm with n labels "
    f"has the accuracy of its base with n times the true ratio. Scores vary over runs by {100 * FEWEST_SD:g} "
    f"points with 20 labels and {100 * MOST_SD:g} with 5,000. {100 * SHARED:g} % of this variance is the draw's, "
    "which both arms share; scores of one run at budgets five-fold apart are correlated by 0.37. Where the true "
    "number of labels lies beyond the largest budget, only an open end holds it. A curve that is half-way at 100 "
    "labels is convex (in log n) below that; on the flat one every number of labels is true."
)

# Accuracy of the base with n labels.
CURVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "power law": lambda n: 0.9 - n**-0.35,
    "log-logistic, half-way at 15 labels": lambda n: 0.1 + 0.78 / (1 + (15 / n) ** 0.7),
    "log-logistic, half-way at 100 labels": lambda n: 0.1 + 0.78 / (1 + 100 / n),
    "plateau from about 1,000 labels": lambda n: 0.85 - 0.35 * np.exp(-((n / 100) ** 0.7)),
    "flat": lambda n: np.full_like(n, 0.8),
}


def study(
    rng: np.random.Generator,
    curve: Callable[[np.ndarray], np.ndarray] = CURVES["power law"],
    ratio: float = 1.0,
    n_runs: int = 6,
    budgets: Sequence[int] = QUICK,
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (n_runs, n_budgets) of an arm and its base; a label of the arm is worth `ratio` of the base's."""
    n = np.asarray(budgets, float)
    sd = FEWEST_SD * (n / 20) ** (math.log(MOST_SD / FEWEST_SD) / math.log(5000 / 20))
    # correlation within a run = 1 / e for budgets five-fold apart
    within = np.linalg.cholesky(np.exp(-np.abs(np.subtract.outer(np.log(n), np.log(n))) / math.log(5)))
    draw, arm, base = sd * (rng.standard_normal((3, n_runs, len(n))) @ within.T)
    own = (1 - SHARED) ** 0.5
    return curve(ratio * n) + SHARED**0.5 * draw + own * arm, curve(n) + SHARED**0.5 * draw + own * base


def held(rng: np.random.Generator, n: int, *, budgets: Sequence[int], n_runs: int) -> dict[tuple[str, str], np.ndarray]:
    """Return whether the interval holds the true ratio, per curve, ratio and number of labels."""
    found = {}
    for name, curve in CURVES.items():
        for ratio in RATIOS:
            told = [
                label_efficiency.labels_saved(budgets, *study(rng, curve, ratio, n_runs, budgets)) for _ in range(n)
            ]
            for k, n_labels in enumerate(budgets):
                if n_labels in QUICK:
                    holds = np.array([saved[k].low <= ratio <= saved[k].high for saved in told])
                    found[f"{name}; true ratio {ratio:g}", f"{n_labels:,} labels"] = holds
    return found
