"""Differences of an arm and its base over paired runs, whose true mean is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from autoencoders import label_efficiency

TOLD = (
    "The t interval of a mean difference (`paired` in autoencoders/statistics.py). Skewed differences are "
    "exponential, or lognormal with 1 as the deviation of the logarithm. A run that collapses, at random one in "
    "ten, ends at chance, 70 points down, beside a deviation of 1 point. Ties are differences of whole test rows, "
    "nearly half of them zero."
)
RUNS = (6, 10)

# Distribution -> draws of a shape, minus their true mean.
DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "heavy tails, t(3)": lambda rng, shape: rng.standard_t(3, shape),
    "skewed, exponential": lambda rng, shape: rng.exponential(1, shape) - 1,
    "skewed, lognormal": lambda rng, shape: rng.lognormal(0, 1, shape) - math.exp(0.5),
    "one run in ten collapses": lambda rng, shape: rng.standard_normal(shape) - 70 * (rng.random(shape) < 0.1) + 7,
    "ties": lambda rng, shape: np.round(0.8 * rng.standard_normal(shape)),
}


def held(rng: np.random.Generator, n: int) -> dict[tuple[str, str], np.ndarray]:
    """Return whether the t interval holds the true mean, per distribution and number of runs."""
    found = {}
    for name, draw in DISTRIBUTIONS.items():
        for n_runs in RUNS:
            _, low, high = label_efficiency.band(draw(rng, (n_runs, n)))  # the interval of `paired`, of many studies
            found[name, f"{n_runs} runs"] = (low <= 0) & (high >= 0)
    return found
