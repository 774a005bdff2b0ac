"""How often do the planner's 95 % intervals hold the truth, by the shape of the curve?

    python -m benchmarks.planner_coverage [STUDIES]

Simulated studies with the budgets and the noise of the full study: a standard deviation over runs of 2.5 points with 20
labels, 0.4 with 5,000, correlated within a run. The truth is a run's expected accuracy with 2 and 3 times the largest
budget. The result is in docs/log.md; tests/test_learning_curves.py repeats it with fewer studies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from autoencoders.learning_curves import FAR, fit

BUDGETS = [20, 50, 100, 200, 500, 1000, 2000, 5000]
SD, DECAY, CORRELATION = 0.025, 0.332, 0.5
Truth = Callable[[np.ndarray], np.ndarray]


def bent(bend: float, before: float, after: float) -> Truth:
    """Return a curve with two slopes per log label, before and after a bend; 55 % with 20 labels."""
    return lambda n: 0.55 + before * np.log(np.minimum(n, bend) / 20) + after * np.log(np.maximum(n / bend, 1))


FAMILIES: dict[str, Truth] = {
    "power, c = 0.1": lambda n: 1.0 - 0.62 * n**-0.1,
    "power, c = 0.35": lambda n: 0.9 - n**-0.35,
    "power, c = 0.6": lambda n: 0.86 - 1.6 * n**-0.6,
    "shifted power": lambda n: 0.92 - 0.6 * (1 + n / 50) ** -0.3,
    "log-logistic": lambda n: 0.87 - 0.77 / (1 + (n / 15) ** 0.6),
    "log-logistic, late": lambda n: 0.9 - 0.6 / (1 + (n / 300) ** 0.8),
    "Weibull": lambda n: 0.85 - 0.7 * np.exp(-((n / 30) ** 0.35)),
    "Weibull, late": lambda n: 0.85 - 0.5 * np.exp(-((n / 800) ** 0.6)),
    "exponential, ends at 1,000": lambda n: 0.8 - 0.3 * np.exp(-n / 1000),
    "logarithm": lambda n: 0.35 + 0.055 * np.log(n),
    "flat": lambda n: 0.7 + 0 * n,
    "falling": lambda n: 0.75 - 0.01 * np.log(n / 20),
    "bent down at 300": bent(300, 0.065, 0.025),
    "flat from 300": bent(300, 0.07, 0.0),
    "bent up at 300": bent(300, 0.02, 0.05),
    "bent down at 5,000": bent(5000, 0.05, 0.02),
}


def study(rng: np.random.Generator, truth: Truth, budgets: list[int], n_runs: int) -> np.ndarray:
    """Return scores (n_runs, n_budgets) around a curve."""
    n, shape = np.array(budgets, float), (n_runs, len(budgets))
    own, shared = rng.standard_normal(shape), rng.standard_normal((n_runs, 1))
    noise = CORRELATION**0.5 * shared + (1 - CORRELATION) ** 0.5 * own
    return truth(n) + SD * (n / n[0]) ** -DECAY * noise


def coverage(truth: Truth, budgets: list[int], n_runs: int, n_studies: int) -> list[tuple[float, float, float]]:
    """Return, at 2 and 3 times the largest budget, the shares held and too high, and the median width in points."""
    rng = np.random.default_rng([n_studies, n_runs])
    fitted = [fit(budgets, study(rng, truth, budgets, n_runs), seed=k) for k in range(n_studies)]
    found = []
    for n in (2 * budgets[-1], FAR * budgets[-1]):
        _, low, high = np.array([curve.predict(n) for curve in fitted]).T
        value = float(truth(np.float64(n)))
        held, above = np.mean((low <= value) & (value <= high)), np.mean(low > value)
        found.append((float(held), float(above), 100 * float(np.median(high - low))))
    return found


def main(n_studies: int = 200) -> None:
    """Print a table for each of three designs, a row per family."""
    for budgets, n_runs in ((BUDGETS, 10), (BUDGETS[:6], 10), ([20, 100, 500, 2000], 6)):
        print(f"\n{n_studies} studies of {n_runs} runs, budgets {', '.join(f'{n:,}' for n in budgets)}\n")
        print("| curve | held at 2 times | at 3 times | of it too high | points wide |\n|---|---|---|---|---|")
        for name, truth in FAMILIES.items():
            (twice, *_), (thrice, above, width) = coverage(truth, budgets, n_runs, n_studies)
            print(f"| {name} | {twice:.1%} | {thrice:.1%} | {above:.1%} | {width:.1f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
