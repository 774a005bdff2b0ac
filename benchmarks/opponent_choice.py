"""How much an opponent picked by its test scores flatters itself, and that one chosen by cross-validation does not.

    python -m benchmarks.opponent_choice [n_studies]

All methods of a simulated study are equally good, so that the true difference between the encoder and its opponent is
zero. In a run the methods share the draw of labels; each has noise of its own, and on the one test set of all runs each
has its luck. A cross-validated accuracy is as noisy as the labels are few.
"""

from __future__ import annotations

import math
import sys

import numpy as np

from autoencoders import label_efficiency
from autoencoders.verdict import verdict
from benchmarks.calibration import DRAW_SD, OWN_SD

TRUTH, N_LABELS, N_TEST, DISAGREEING = 0.7, 500, 10_000, 0.2  # the share of test rows that two methods answer apart
LUCK_SD = math.sqrt(DISAGREEING / N_TEST / 2)
VALIDATION_SD = math.sqrt(TRUTH * (1 - TRUTH) / N_LABELS)
ENCODER = "with the encoder"
WAYS = ("picked by its test mean", "chosen by cross-validation")


def studies(n_studies: int, n_runs: int, n_opponents: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return test and validated accuracies of equal methods, (n_runs, n_studies) each."""
    rng = np.random.default_rng([n_studies, n_runs, n_opponents])
    shape = (n_runs, n_studies)
    draw = rng.normal(TRUTH, DRAW_SD, shape)
    arms = [ENCODER, *(f"opponent {k}" for k in range(n_opponents))]
    scores = {arm: draw + rng.normal(0, OWN_SD, shape) + rng.normal(0, LUCK_SD, n_studies) for arm in arms}
    return scores, {arm: rng.normal(TRUTH, VALIDATION_SD, shape) for arm in arms}


def flattery(n_studies: int, n_runs: int, n_opponents: int) -> dict[str, tuple[float, float]]:
    """Return how far an opponent is ahead in the mean, in points, and how often it seems to be: by way of choosing."""
    scores, validated = studies(n_studies, n_runs, n_opponents)
    opponents = np.array([scores[arm] for arm in scores if arm != ENCODER])
    best = opponents.mean(axis=1).argmax(axis=0)
    picked = label_efficiency.compare(scores[ENCODER], opponents[best, :, np.arange(n_studies)].T)
    found = verdict(
        scores, validated, with_encoder=[ENCODER], from_scratch="opponent 0", budgets=range(n_studies), headline=0,
        margin=1e-6, beforehand=(ENCODER, "opponent 0"), chance=0.1,
    )  # fmt: skip
    pairs = dict(zip(WAYS, (picked, [at.against_without.pair for at in found.budgets]), strict=True))
    return {
        way: (-100 * float(np.mean([pair.mean for pair in told])), float(np.mean([pair.high < 0 for pair in told])))
        for way, told in pairs.items()
    }


def main(n_studies: int = 1000) -> None:
    """Print the results, a row per number of runs and opponents."""
    print(f"{n_studies} simulated studies of equal methods, {N_LABELS} labels, {N_TEST:,} test rows")
    names = [f"{way}: {what}" for way in WAYS for what in ("points ahead", "seems better")]
    print(f"| runs | opponents | {' | '.join(names)} |\n{'|---' * (2 + len(names))}|")
    for n_runs in (6, 10):
        for n_opponents in (2, 5, 10):
            cells = [
                f"{ahead:+.2f} | {seems:.1%}" for ahead, seems in flattery(n_studies, n_runs, n_opponents).values()
            ]
            print(f"| {n_runs} | {n_opponents} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
