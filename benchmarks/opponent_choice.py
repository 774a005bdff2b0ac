"""How much an opponent picked by its test scores flatters itself, and that one chosen by cross-validation does not.

    python -m benchmarks.opponent_choice [n_studies]

All methods of a simulated study are equally good, so that the true difference between the encoder and its opponent is
zero. Test rows differ in how hard they are; on each, a method has luck of its own, the same in all runs. In a run the
methods share the draw of labels, and each has noise of its own. A cross-validated accuracy is as noisy as the labels
are few.
"""

from __future__ import annotations

import math
import sys

import numpy as np

from autoencoders.statistics import paired
from autoencoders.verdict import verdict

TRUTH, N_LABELS, N_TEST = 0.7, 500, 1000
LUCK_SD, DRAW_SD, OWN_SD, NOISE_SD = 0.4, 0.07, 0.03, 0.5  # of a method on a row, of a run, of a method in a run, rest
EASY = 0.524 * math.sqrt(1 + LUCK_SD**2 + DRAW_SD**2 + OWN_SD**2 + NOISE_SD**2)  # as many are right as TRUTH says
VALIDATION_SD = math.sqrt(TRUTH * (1 - TRUTH) / N_LABELS)
ENCODER = "with the encoder"
WAYS = ("picked by its test mean", "chosen by cross-validation")
Study = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def study(rng: np.random.Generator, n_runs: int, n_opponents: int) -> Study:
    """Return the test rows that equal methods had right, bool (n_runs, 1, N_TEST); validated accuracies (n_runs, 1)."""
    arms = [ENCODER, *(f"opponent {k}" for k in range(n_opponents))]
    row, draw = rng.normal(EASY, 1, N_TEST), rng.normal(0, DRAW_SD, (n_runs, 1, 1))
    right = {}
    for arm in arms:
        luck, own = rng.normal(0, LUCK_SD, N_TEST), rng.normal(0, OWN_SD, (n_runs, 1, 1))
        right[arm] = row + draw + luck + own + rng.normal(0, NOISE_SD, (n_runs, 1, N_TEST)) > 0
    return right, {arm: rng.normal(TRUTH, VALIDATION_SD, (n_runs, 1)) for arm in arms}


def flattery(n_studies: int, n_runs: int, n_opponents: int) -> dict[str, tuple[float, float]]:
    """Return how far an opponent is ahead in the mean, in points, and how often it seems to be: by way of choosing."""
    rng = np.random.default_rng([n_studies, n_runs, n_opponents])
    told = []
    for _ in range(n_studies):
        right, validated = study(rng, n_runs, n_opponents)
        scores = {arm: bits.mean(axis=2) for arm, bits in right.items()}
        best = max((arm for arm in scores if arm != ENCODER), key=lambda arm: float(scores[arm].mean()))
        picked = paired(scores[ENCODER][:, 0].tolist(), scores[best][:, 0].tolist())
        found = verdict(
            scores, validated, with_encoder=[ENCODER], from_scratch="opponent 0", budgets=[N_LABELS], headline=N_LABELS,
            margin=1e-6, beforehand=(ENCODER, "opponent 0"), chance=0.1, right=right,
        )  # fmt: skip
        told.append((picked, found.clauses.against_without.pair))
    return {
        way: (-100 * float(np.mean([pair.mean for pair in pairs])), float(np.mean([pair.high < 0 for pair in pairs])))
        for way, pairs in zip(WAYS, zip(*told, strict=True), strict=True)
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
