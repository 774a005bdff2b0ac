"""Compute the results of a label-efficiency study: differences at every budget, labels saved, and the crossover.

Scores are arrays (n_runs, n_budgets). A run is one draw of labels and one set of initial weights; its row is the same
for every arm, so that differences are taken run by run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from autoencoders.arms import ROLES
from autoencoders.statistics import Paired, holm, paired, two_way


def stream(study_seed: int, run: int, role: str) -> int:
    """Return the seed of one role in one run; the streams of different roles and runs are independent."""
    entropy = [study_seed, run, ROLES.index(role)]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)


def compare(a: np.ndarray, base: np.ndarray, rights: tuple[np.ndarray, np.ndarray] | None = None) -> list[Paired]:
    """Compare an arm's scores (n_runs, n_budgets) with a base's, run by run, at every budget.

    `rights` holds which test rows each had right, bool (n_runs, n_budgets, n_rows), for intervals over runs and rows.
    """
    bits = [None if rights is None else (rights[0][:, k], rights[1][:, k]) for k in range(a.shape[1])]
    return [paired(a[:, k].tolist(), base[:, k].tolist(), rights=at) for k, at in enumerate(bits)]


def adjusted(family: Sequence[Paired]) -> list[float]:
    """Return the p values of a family of comparisons, adjusted by Holm's method."""
    return holm([pair.p for pair in family])


def band(
    scores: np.ndarray, right: np.ndarray | None = None, *, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean over runs and the ends of its t interval, each (n_budgets,), of scores (n_runs, n_budgets).

    With `right`, bool (n_runs, n_budgets, n_rows), the interval is over runs and test rows.
    """
    n = len(scores)
    if right is not None:
        found = [two_way(right[:, k]) for k in range(scores.shape[1])]
        low, high = np.array([mean.interval(confidence) for mean in found]).T
        return np.array([mean.mean for mean in found]), low, high
    mean = scores.mean(axis=0)
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * scores.std(axis=0, ddof=1) / n**0.5
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class LabelsSaved:
    """The labels that the base needs to reach an arm's score with n_labels.

    Attributes:
        n_labels, n: The arm's budget; number of runs.
        needed: Geometric mean over runs; inf if most runs do not reach the score with the largest budget, 0 if most
            exceed it with the smallest.
        ratio: needed / n_labels.
        low, high: Interval of the ratio, Student's t on its logarithm; 0 or inf if a run lies outside the budgets.
        n_never: Runs in which the base does not reach the score with the largest budget.
        n_below: Runs in which the base exceeds the score with the smallest budget.
    """

    n_labels: int
    n: int
    needed: float
    ratio: float
    low: float
    high: float
    n_never: int
    n_below: int


def labels_needed(budgets: Sequence[int], scores: np.ndarray, target: float) -> float:
    """Return the smallest number of labels with which a curve reaches a score.

    Args:
        budgets: Label budgets, ascending.
        scores: (n_budgets,); replaced by their running maximum.
        target: The score to reach.

    Returns: Number of labels, interpolated on its logarithm; 0 below the first budget, inf beyond the last.
    """
    best = np.maximum.accumulate(scores)
    if best[-1] < target:
        return math.inf
    if best[0] > target:
        return 0.0
    k = int(np.argmax(best >= target))
    if k == 0:
        return float(budgets[0])
    share = (target - best[k - 1]) / (best[k] - best[k - 1])
    low, high = math.log(budgets[k - 1]), math.log(budgets[k])
    return math.exp(low + share * (high - low))


def labels_saved(
    budgets: Sequence[int], a: np.ndarray, base: np.ndarray, *, confidence: float = 0.95
) -> list[LabelsSaved]:
    """Return, for every budget of an arm, the number of labels with which the base reaches the same score.

    Args:
        budgets: Label budgets, ascending.
        a, base: Scores (n_runs, n_budgets) on the same draws.
        confidence: Confidence level of the interval.
    """
    return [
        _saved(n, [labels_needed(budgets, curve, target) for curve, target in zip(base, a[:, k], strict=True)],
               budgets, confidence)
        for k, n in enumerate(budgets)
    ]  # fmt: skip


def _saved(n_labels: int, needed: list[float], budgets: Sequence[int], confidence: float) -> LabelsSaved:
    n = len(needed)
    never, below = sum(map(math.isinf, needed)), needed.count(0.0)
    # A run outside the budgets is clipped to their end, which makes runs look too similar: the interval is open there.
    logs = np.log(np.clip(needed, budgets[0], budgets[-1]) / n_labels)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * float(logs.std(ddof=1)) / n**0.5
    ratio = math.exp(logs.mean())
    ratio = math.inf if 2 * never > n else 0.0 if 2 * below > n else ratio
    return LabelsSaved(
        n_labels=n_labels,
        n=n,
        needed=ratio * n_labels,
        ratio=ratio,
        low=0.0 if below else math.exp(logs.mean() - half),
        high=math.inf if never else math.exp(logs.mean() + half),
        n_never=never,
        n_below=below,
    )


def findings(
    budgets: Sequence[int],
    a: np.ndarray,
    base: np.ndarray,
    headline: int,
    rights: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Return an arm's differences, labels saved and crossovers for JSON; what is missing or infinite is None.

    Args:
        budgets: Label budgets, ascending; headline is one of them.
        a, base: Scores (n_runs, n_budgets) on the same draws.
        headline: The budget of `difference` and `labels_saved`.
        rights: As in `compare`.
    """
    pairs, at = compare(a, base, rights), list(budgets).index(headline)
    means = [pair.mean for pair in pairs]
    saved = asdict(labels_saved(budgets, a, base)[at])
    return {
        "differences": [{"n_labels": n, **asdict(pair)} for n, pair in zip(budgets, pairs, strict=True)],
        "difference": asdict(pairs[at]) | {"p_holm": adjusted(pairs)[at], "n_family": len(pairs)},
        "labels_saved": {name: value if math.isfinite(value) else None for name, value in saved.items()},
        "crossover": crossover(budgets, means),
        "pays_from": crossover(budgets, [-mean for mean in means]),
        "no_difference_from": no_difference_from(budgets, pairs),
        "hurts_from": hurts_from(budgets, pairs),
    }


def crossover(budgets: Sequence[int], differences: Sequence[float]) -> float | None:
    """Return the labels, interpolated on their logarithm, at which mean differences first fall to zero, or None."""
    for k in range(len(budgets) - 1):
        a, b = differences[k], differences[k + 1]
        if a > 0 >= b:
            low, high = math.log(budgets[k]), math.log(budgets[k + 1])
            return math.exp(low + a / (a - b) * (high - low))
    return None


def no_difference_from(budgets: Sequence[int], comparisons: Sequence[Paired]) -> int | None:
    """Return the smallest budget from which on every interval contains zero; None if the last one does not."""
    return _from(budgets, [not pair.distinguishable for pair in comparisons])


def hurts_from(budgets: Sequence[int], comparisons: Sequence[Paired]) -> int | None:
    """Return the smallest budget from which on every interval lies below zero; None if the last one does not."""
    return _from(budgets, [pair.high < 0 for pair in comparisons])


def _from(budgets: Sequence[int], holds: Sequence[bool]) -> int | None:
    first = None
    for budget, true in zip(budgets, holds, strict=True):
        first = (first or budget) if true else None
    return first
