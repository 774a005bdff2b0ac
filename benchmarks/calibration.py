"""Check of the label-efficiency study's statistics on simulated studies with known effects.

    python -m benchmarks.calibration [STUDIES]

A score rises with log labels. The drawn labels shift an arm and its base alike, other noise shifts each by itself. The
result is in docs/log.md; tests/test_label_efficiency.py repeats the check with fewer studies.
"""

from __future__ import annotations

import math
import sys

import numpy as np

from autoencoders import label_efficiency, power_law

BUDGETS = [20, 100, 500, 2000, 5000]
SLOPE, DRAW_SD, OWN_SD = 0.05, 0.02, 0.005  # points per log label; of the shared draw; of everything else
AT = 2  # the budget looked at: 500 labels
LIMIT, AMPLITUDE, EXPONENT = 0.9, 1.0, 0.35  # of the power law that the planner is to find
AHEAD, TARGET = 20_000, 0.86


def study(rng: np.random.Generator, worth: float = 1.0, n_runs: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (n_runs, n_budgets) of an arm and its base; an arm's label is worth `worth` of the base's."""
    shared = rng.normal(0, DRAW_SD, (n_runs, len(BUDGETS)))
    arm, base = (0.4 + SLOPE * np.log(BUDGETS) + shared + rng.normal(0, OWN_SD, shared.shape) for _ in range(2))
    return arm + SLOPE * math.log(worth), base


def rates(n_studies: int, n_runs: int) -> dict[str, float]:
    """Return shares of simulated studies: false claims, effects found, and intervals that contain the truth."""
    rng = np.random.default_rng([n_studies, n_runs])
    none = [label_efficiency.compare(*study(rng, 1.0, n_runs)) for _ in range(n_studies)]
    two = [study(rng, 2.0, n_runs) for _ in range(n_studies)]
    effects = [label_efficiency.compare(*scores)[AT] for scores in two]
    saved = [label_efficiency.labels_saved(BUDGETS, *scores)[AT] for scores in two]
    truth = SLOPE * math.log(2)
    return {
        "no effect, interval leaves out zero": float(np.mean([pairs[AT].distinguishable for pairs in none])),
        "no effect, exact p <= 0.05": float(np.mean([pairs[AT].p <= 0.05 for pairs in none])),
        "no effect, any p <= 0.05 of 5 after Holm": float(
            np.mean([min(label_efficiency.adjusted(p)) <= 0.05 for p in none])
        ),
        "effect, interval leaves out zero": float(np.mean([pair.distinguishable for pair in effects])),
        "effect, interval holds it": float(np.mean([pair.low <= truth <= pair.high for pair in effects])),
        "twice the labels, interval holds 2": float(np.mean([s.low <= 2 <= s.high for s in saved])),
    }


def curve(rng: np.random.Generator, n_runs: int) -> np.ndarray:
    """Return scores (n_runs, n_budgets) around a power law; noise falls with the labels, a run has its own level."""
    noise = 0.05 * np.power(BUDGETS, -0.25) * rng.standard_normal((n_runs, len(BUDGETS)))
    return LIMIT - AMPLITUDE * np.power(BUDGETS, -EXPONENT) + noise + 0.004 * rng.standard_normal((n_runs, 1))


def planner_rates(n_studies: int, n_runs: int) -> dict[str, float]:
    """Return the coverage of the planner's intervals, and of predictions of the largest budget from smaller ones."""
    rng = np.random.default_rng([n_studies, n_runs])
    studies = [curve(rng, n_runs) for _ in range(n_studies)]
    laws = [power_law.fit(BUDGETS, scores, seed=k) for k, scores in enumerate(studies)]
    checks = [power_law.held_out(BUDGETS, scores, seed=k)[-1] for k, scores in enumerate(studies)]
    ahead, needed = LIMIT - AMPLITUDE * AHEAD**-EXPONENT, (AMPLITUDE / (LIMIT - TARGET)) ** (1 / EXPONENT)
    truths = ((ahead, [law.predict(AHEAD) for law in laws]), (LIMIT, [law.limit() for law in laws]),
              (needed, [law.labels(TARGET) for law in laws]))  # fmt: skip
    names = ("accuracy with 4 times the labels", "limit", "labels that a target takes")
    held = {
        f"planner, interval holds {name}": float(np.mean([low <= truth <= high for _, low, high in found]))
        for name, (truth, found) in zip(names, truths, strict=True)
    }
    return held | {"planner, held-out budget within its interval": float(np.mean([check.within for check in checks]))}


def main(n_studies: int) -> None:
    """Print the results, a row per question."""
    found = {n_runs: rates(n_studies, n_runs) | planner_rates(n_studies // 4, n_runs) for n_runs in (6, 10)}
    error = math.sqrt(0.05 * 0.95 / n_studies)
    print(f"{n_studies} simulated studies, {n_studies // 4} of the planner; error of a share of 5 %: {error:.2%}")
    print("| share of studies | 6 runs | 10 runs |\n|---|---|---|")
    for question in found[6]:
        print(f"| {question} | {found[6][question]:.1%} | {found[10][question]:.1%} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
