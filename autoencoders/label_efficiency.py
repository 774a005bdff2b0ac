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
from scipy import optimize, stats
from scipy.interpolate import PchipInterpolator

from autoencoders.arms import ROLES
from autoencoders.statistics import Paired, holm, paired, two_way

BALANCED = "balanced accuracy"  # the other metric is "accuracy"
N_POINTS = 201  # of a curve that is inverted: its labels are exact to 0.1 %


def stream(study_seed: int, run: int, role: str) -> int:
    """Return the seed of one role in one run; the streams of different roles and runs are independent."""
    entropy = [study_seed, run, ROLES.index(role)]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)


def compare(
    a: np.ndarray,
    base: np.ndarray,
    rights: tuple[np.ndarray, np.ndarray] | None = None,
    classes: np.ndarray | None = None,
) -> list[Paired]:
    """Compare an arm's scores (n_runs, n_budgets) with a base's, run by run, at every budget.

    `rights` holds which test rows each had right, bool (n_runs, n_budgets, n_rows), for intervals over runs and rows;
    with the rows' `classes`, (n_rows,), the scores are balanced accuracies.
    """
    bits = [None if rights is None else (rights[0][:, k], rights[1][:, k]) for k in range(a.shape[1])]
    return [paired(a[:, k].tolist(), base[:, k].tolist(), rights=at, classes=classes) for k, at in enumerate(bits)]


def adjusted(family: Sequence[Paired]) -> list[float]:
    """Return the p values of a family of comparisons, adjusted by Holm's method."""
    return holm([pair.p for pair in family])


def band(
    scores: np.ndarray, right: np.ndarray | None = None, classes: np.ndarray | None = None, *, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean over runs and the ends of its t interval, each (n_budgets,), of scores (n_runs, n_budgets).

    With `right`, bool (n_runs, n_budgets, n_rows), the interval is over runs and test rows; `classes` as in `compare`.
    """
    n = len(scores)
    if right is not None:
        found = [two_way(right[:, k], classes) for k in range(scores.shape[1])]
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
        needed: Where the base's mean curve reaches the arm's mean score; inf if it does not with the largest budget, 0
            if it exceeds the score with the smallest.
        ratio: needed / n_labels.
        low, high: Interval of the ratio. low is 0 if the base's score with the smallest budget is not distinguishably
            below the arm's, high is inf if its score with the largest is not distinguishably above.
        n_never: Runs in which the base's score with the largest budget is below the arm's.
        n_below: Runs in which the base's score with the smallest budget is above the arm's.
    """

    n_labels: int
    n: int
    needed: float
    ratio: float
    low: float
    high: float
    n_never: int
    n_below: int


def curve(budgets: Sequence[int], scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw a nondecreasing curve through scores, over the logarithm of the labels.

    Args:
        budgets: Label budgets, ascending, 2 or more.
        scores: (..., n_budgets); replaced by the nearest nondecreasing sequence (least squares).

    Returns: log n, (n_points,), from the first budget to the last, and the curve there, (..., n_points): piecewise
        cubic, without overshoot. Between budgets five-fold apart it is off where a curve bends sharply: at the start of
        a sigmoid curve, which is convex in log n, and where a curve reaches its plateau.

    Reference:
        Fritsch and Carlson, Monotone Piecewise Cubic Interpolation, SIAM Journal on Numerical Analysis 17 (1980).
    """
    # Not concave as well: it changes nothing where curves are, and bends the convex start of one that is not.
    rising = np.apply_along_axis(lambda row: optimize.isotonic_regression(row).x, -1, np.asarray(scores, float))
    logs = np.log(budgets)
    grid = np.linspace(logs[0], logs[-1], N_POINTS)
    return grid, PchipInterpolator(logs, rising, axis=-1)(grid)


def labels_saved(
    budgets: Sequence[int], a: np.ndarray, base: np.ndarray, *, confidence: float = 0.95
) -> list[LabelsSaved]:
    """Return, for every budget of an arm, the number of labels with which the base reaches the same score.

    Args:
        budgets: Label budgets, ascending.
        a, base: Scores (n_runs, n_budgets) on the same draws.
        confidence: Confidence level of the interval.

    Returns: The mean curve of the base (`curve`), inverted at the arm's mean scores. The interval is the jackknife-t
        over runs: each run is left out of both arms. It holds t standard errors of log(needed) around the estimate, and
        every number of labels at which curve and score differ by less than t standard errors; the second is the wider
        where the curve is flat. Budgets five-fold apart bias it where the curve bends sharply (see `curve`).

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11; Miller, The Jackknife: a Review,
        Biometrika 61 (1974); Fieller, Some Problems in Interval Estimation, Journal of the Royal Statistical Society B
        16 (1954).
    """
    t = float(stats.t.ppf((1 + confidence) / 2, len(a) - 1))
    grid, curves = curve(budgets, _leaving_out(base))
    gaps = np.round(curves - _leaving_out(a).T[:, :, None], 12)  # ties of accuracies differ in their last bits
    needed, low, high = (np.exp(logs) for logs in _inverted(grid, gaps, t))
    return [
        LabelsSaved(
            n_labels=n_labels,
            n=len(a),
            needed=float(needed[k]),
            ratio=float(needed[k] / n_labels),
            low=float(low[k] / n_labels),
            high=float(high[k] / n_labels),
            n_never=int((base[:, -1] < a[:, k]).sum()),
            n_below=int((base[:, 0] > a[:, k]).sum()),
        )
        for k, n_labels in enumerate(budgets)
    ]


def _leaving_out(scores: np.ndarray) -> np.ndarray:
    """Return the mean over runs, then the means without each run, (1 + n_runs, n_budgets)."""
    total, n = scores.sum(axis=0), len(scores)
    return np.vstack([total / n, (total - scores) / (n - 1)])


def _standard_error(estimates: np.ndarray) -> np.ndarray:
    """Return the jackknife's standard error of estimates (m, 1 + n_runs, ...): of all runs, then without each."""
    n = estimates.shape[1] - 1
    # pseudo-value of run i = n estimate - (n - 1) estimate without i, so that their sd is n - 1 times the estimates'
    error: np.ndarray = (n - 1) * estimates[:, 1:].std(axis=1, ddof=1) / n**0.5
    return error


def _inverted(grid: np.ndarray, gaps: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the log n at which gaps rise through zero and the interval's ends, (m,); -inf or inf outside the grid.

    Args:
        grid: log n, (n_points,).
        gaps: Curve minus score, (m, 1 + n_runs, n_points): of all runs, then without each.
        t: Standard errors to each side.
    """
    # A leave-one-out curve outside the budgets is clipped to their end; then the gap at that end decides.
    logs = _first(grid, gaps)
    gap, half, width = gaps[:, 0], t * _standard_error(gaps), t * _standard_error(logs)
    low = np.minimum(logs[:, 0] - width, _first(grid, gap + half))
    high = np.maximum(logs[:, 0] + width, -_first(-grid[::-1], (half - gap)[:, ::-1]))
    needed = np.where(gap[:, 0] > 0, -np.inf, np.where(gap[:, -1] < 0, np.inf, logs[:, 0]))
    low[gap[:, 0] + half[:, 0] >= 0] = -np.inf
    high[gap[:, -1] - half[:, -1] <= 0] = np.inf
    return needed, low, high


def _first(grid: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return where gaps (..., n_points) first are zero or more, interpolated; the last point if they nowhere are."""
    reached = gaps >= 0
    k = np.where(reached.any(axis=-1), reached.argmax(axis=-1), len(grid) - 1)
    j = np.maximum(k - 1, 0)
    before, after = (np.take_along_axis(gaps, index[..., None], axis=-1)[..., 0] for index in (j, k))
    rises = (before < 0) & (after >= 0)
    # share of the last step that lies above zero = after / (after - before)
    share = np.where(rises, after, 0.0) / np.where(rises, after - before, 1.0)
    found: np.ndarray = grid[k] - share * (grid[k] - grid[j])
    return found


def findings(
    budgets: Sequence[int],
    a: np.ndarray,
    base: np.ndarray,
    headline: int,
    rights: tuple[np.ndarray, np.ndarray] | None = None,
    classes: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return an arm's differences, labels saved and crossovers for JSON; what is missing or infinite is None.

    Args:
        budgets: Label budgets, ascending; headline is one of them.
        a, base: Scores (n_runs, n_budgets) on the same draws.
        headline: The budget of `difference` and `labels_saved`.
        rights, classes: As in `compare`.
    """
    pairs, at = compare(a, base, rights, classes), list(budgets).index(headline)
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
