"""The planner's predictions: curves of many shapes, by benchmarks/planner_coverage.py, beyond the largest budget."""

from __future__ import annotations

import numpy as np

from autoencoders.learning_curves import FAR, fit
from benchmarks.planner_coverage import FAMILIES, study

TOLD = (
    "The planner's interval of the accuracy with 2 and 3 times the largest budget (`fit` in "
    "autoencoders/learning_curves.py), for curves that are one of its laws and for some that are none. Scores vary "
    "over runs by 2.5 points with 20 labels and 0.4 with 5,000, half of the variance shared within a run."
)


def held(rng: np.random.Generator, n: int, *, budgets: list[int], n_runs: int) -> dict[tuple[str, str], np.ndarray]:
    """Return whether the interval holds the true accuracy, per curve and multiple of the largest budget."""
    found = {}
    for name, truth in FAMILIES.items():
        fitted = [fit(budgets, study(rng, truth, budgets, n_runs), seed=k) for k in range(n)]
        for times in (2, FAR):
            _, low, high = np.array([curve.predict(times * budgets[-1]) for curve in fitted]).T
            value = float(truth(np.float64(times * budgets[-1])))
            found[name, f"{times} times the largest budget"] = (low <= value) & (value <= high)
    return found
