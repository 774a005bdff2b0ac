"""Extrapolate learning curves to three times the largest budget; plan the labels for a target.

    accuracy(n) = level + rise h(n) + W(log n),   h(n) = (g(n) - g(n_m)) / (g(n_1) - g(n_m))

g is the decay of a law (LAWS) with its two shape parameters, so that `level` is the accuracy with the largest budget
n_m. The law's own error W is a random walk over log n that starts at n_m: a real curve follows no law exactly. `fit`
averages over all laws, shapes and sizes of the walk, each weighted by its posterior probability (on a grid; level and
rise integrated, with flat priors). How often the intervals hold, and Akaike weights beside these: docs/log.md.

Reference:
    Hoeting et al., Bayesian Model Averaging: a Tutorial, Statistical Science 14 (1999); Kennedy and O'Hagan, Bayesian
    Calibration of Computer Models, JRSS B 63 (2001), for the law's error; the laws' own papers are in laws.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from autoencoders.laws import LAWS, shapes, share_left

LEAST_BUDGETS = 3
FAR = 3  # times the largest budget: nothing can be told beyond
FLOOR = 1e-3  # smallest standard deviation over runs
WANDER = {0.0005: 64, 0.002: 8, 0.008: 1}  # standard deviation of W per unit of log n: its prior weight
N_DRAWS = 4000
LEVELS = (0.025, 0.5, 0.975)


@dataclass(frozen=True)
class LearningCurve:
    """A fitted learning curve, as draws from the average over laws.

    Attributes:
        budgets, means: The fitted points, (m,).
        law: Index in LAWS of each draw, (n_draws,).
        k, c, level, rise, wander: Parameters of each draw, (n_draws,).
        z: The law's error of each draw beyond the largest budget, (n_draws,), standard normal.
    """

    budgets: np.ndarray
    means: np.ndarray
    law: np.ndarray
    k: np.ndarray
    c: np.ndarray
    level: np.ndarray
    rise: np.ndarray
    wander: np.ndarray
    z: np.ndarray

    def predict(self, n: float) -> tuple[float, float, float]:
        """Return the accuracy with n labels, a mean over many runs, and the ends of its 95 % interval.

        Raises:
            ValueError: n is below the largest budget, or more than three times as large: that cannot be told.
        """
        first, last = int(self.budgets[-1]), FAR * int(self.budgets[-1])
        if not first <= n <= last:
            raise ValueError(f"expected {first:,} to {last:,} labels, received {n:,}: beyond, nothing can be told")
        low, value, high = self.band(np.array([n], float))[:, 0]
        return float(value), float(low), float(high)

    def band(self, n: np.ndarray) -> np.ndarray:
        """Return the low end, the value and the high end, (3, p), with n (p,) labels."""
        share = np.empty((n.size, self.law.size))
        for number, (law, _) in enumerate(LAWS):
            at = self.law == number
            share[:, at] = share_left(law, n, self.budgets, self.k[at], self.c[at])
        walk = np.sqrt(np.log(n / self.budgets[-1]))[:, None] * self.wander * self.z
        return np.quantile(np.clip(self.level + self.rise * share + walk, 0, 1), LEVELS, axis=1)

    def weights(self) -> dict[str, float]:
        """Return each law's weight in the average."""
        counts = np.bincount(self.law, minlength=len(LAWS))
        return {law.__name__: float(n / counts.sum()) for (law, _), n in zip(LAWS, counts, strict=True)}


def fit(budgets: Sequence[int], scores: np.ndarray, *, seed: int, n_draws: int = N_DRAWS) -> LearningCurve:
    """Fit the average over laws to the means over runs.

    Args:
        budgets: Label budgets, (m,), m >= 3, ascending.
        scores: Accuracies (n_runs, m), n_runs >= 2; a run's scores are correlated, since its draws are nested.
        seed: Seed of the draws.
        n_draws: Number of draws.

    Raises:
        ValueError: Fewer than 3 budgets or 2 runs.
    """
    n_runs, m = scores.shape
    if m < LEAST_BUDGETS or n_runs < 2:
        raise ValueError(f"expected {LEAST_BUDGETS} budgets and 2 runs or more, received {m} and {n_runs}")
    n, means = np.asarray(budgets, float), scores.mean(axis=0)
    noise, freedom = _noise(n, scores)
    law, k, c, prior = shapes(n)
    share = np.concatenate([share_left(g, n, n, k[law == i], c[law == i]) for i, (g, _) in enumerate(LAWS)], axis=1)
    found = [_posterior(share, means, noise + s**2 * _walk(n)) for s in WANDER]
    evidence, level, rise, level_sd, slope, rise_sd = (np.concatenate(parts) for parts in zip(*found, strict=True))
    weights = np.exp(evidence - evidence.max()) * np.outer([*WANDER.values()], prior).ravel()
    rng = np.random.default_rng(seed)
    at = rng.choice(weights.size, n_draws, p=weights / weights.sum())
    shape, size = at % prior.size, at // prior.size
    # Student's t: the noise is estimated from few runs.
    a, b = rng.standard_normal((2, n_draws)) * np.sqrt(freedom / rng.chisquare(freedom, n_draws))
    return LearningCurve(
        n, means, law[shape], k[shape], c[shape],
        level=level[at] + level_sd[at] * a,
        rise=rise[at] + slope[at] * level_sd[at] * a + rise_sd[at] * b,
        wander=np.array([*WANDER])[size],
        z=rng.standard_normal(n_draws),
    )  # fmt: skip


def _walk(n: np.ndarray) -> np.ndarray:
    """Return the covariance (m, m) of a random walk over log n that starts at n_m.

    cov(W_i, W_j) = min(u_i, u_j), with u = log(n_m / n)
    """
    back = np.log(n[-1] / n)
    return np.minimum.outer(back, back)


def _noise(n: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the covariance (m, m) of the means over runs, and its degrees of freedom.

    sd(n) = A n^B, and one correlation r between the budgets of a run: few runs tell no more.
    freedom = (runs - 1) m / (1 + (m - 1) r^2), since correlated variances tell less (Satterthwaite's).
    """
    n_runs, m = scores.shape
    sd = np.maximum(scores.std(axis=0, ddof=1), FLOOR)
    u = np.log(n) - np.log(n).mean()
    slope = n ** (u @ np.log(sd) / (u @ u))
    smooth = slope * np.sqrt(np.mean((sd / slope) ** 2))
    z = (scores - scores.mean(axis=0)) / sd
    r = float(np.clip(((z.sum(axis=1) ** 2).sum() - (z**2).sum()) / (n_runs - 1) / (m * (m - 1)), 0, 0.9))
    return np.outer(smooth, smooth) * ((1 - r) * np.eye(m) + r) / n_runs, (n_runs - 1) * m / (1 + (m - 1) * r**2)


def _posterior(share: np.ndarray, means: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return, for every shape, the log evidence and the normal posterior of level and rise, (shapes,) each.

    log evidence = -(residual' V^-1 residual + log|V| + log|X' V^-1 X|) / 2, with X = [1, h] and flat priors.

    Returns: The evidence; the means of level and rise; the level's standard deviation; the slope of rise on level, and
        rise's standard deviation given level.
    """
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    one, h, y = whiten.sum(axis=1), whiten @ share, whiten @ means
    a, b, d = one @ one, one @ h, (h**2).sum(axis=0)
    det = a * d - b**2
    level, rise = (d * (one @ y) - b * (y @ h)) / det, (a * (y @ h) - b * (one @ y)) / det
    missed = ((y[:, None] - one[:, None] * level - h * rise) ** 2).sum(axis=0)
    evidence = np.log(whiten.diagonal()).sum() - (missed + np.log(det)) / 2
    return evidence, level, rise, np.sqrt(d / det), -b / d, 1 / np.sqrt(d)


@dataclass(frozen=True)
class Plan:
    """The number of labels needed for a target accuracy.

    Attributes:
        target: Accuracy.
        answer: `reached` with the largest budget; `told` if there is a number; `open` if three times the largest budget
            may do or not; `far` if they do not: neither can be told.
        labels, more: Total labels, and labels beyond the largest budget; None if there is no number.
        low, high: Ends of the 95 % interval of `labels`; None beyond three times the largest budget.
    """

    target: float
    answer: Literal["reached", "told", "open", "far"]
    labels: int | None = None
    more: int | None = None
    low: int | None = None
    high: int | None = None


def plan(curve: LearningCurve, target: float) -> Plan:
    """Return the labels with which the curve, and the ends of its band, reach a target accuracy."""
    if curve.means[-1] >= target:
        return Plan(target, "reached")
    largest = int(curve.budgets[-1])
    n = largest * np.geomspace(1, FAR, 101)
    most, labels, fewest = (_first(n, end >= target) for end in curve.band(n))
    if labels is None:
        return Plan(target, "open" if fewest else "far", low=fewest)
    labels = max(labels, largest + 1)
    return Plan(target, "told", labels, labels - largest, fewest, most)


def _first(n: np.ndarray, reached: np.ndarray) -> int | None:
    return math.ceil(n[reached.argmax()]) if reached.any() else None


@dataclass(frozen=True)
class HeldOut:
    """A measured accuracy, and its prediction from smaller budgets.

    Attributes:
        n_fitted: Number of budgets that the curve was fitted to.
        n_labels: The predicted budget.
        predicted, low, high: Predicted accuracy, and the interval for the measured mean, including its noise.
        measured: Mean over runs.
    """

    n_fitted: int
    n_labels: int
    predicted: float
    low: float
    high: float
    measured: float

    @property
    def within(self) -> bool:
        """Return whether the measured accuracy lies in the interval."""
        return self.low <= self.measured <= self.high


def check(curve: LearningCurve, n_labels: int, scores: np.ndarray) -> HeldOut:
    """Compare a prediction with measured accuracies (n_runs,)."""
    value, low, high = curve.predict(n_labels)
    n_runs = len(scores)
    noise = float(stats.t.ppf(LEVELS[-1], n_runs - 1)) * float(scores.std(ddof=1)) / n_runs**0.5
    ends = value - math.hypot(value - low, noise), value + math.hypot(high - value, noise)
    return HeldOut(curve.budgets.size, n_labels, value, *ends, float(scores.mean()))


def held_out(budgets: Sequence[int], scores: np.ndarray, *, seed: int) -> list[HeldOut]:
    """Predict every budget from the smaller ones, three or more of which the largest is at least a third of it.

    Args:
        budgets, scores, seed: As in `fit`.
    """
    found = []
    for m in range(LEAST_BUDGETS, len(budgets)):
        near = [k for k in range(m, len(budgets)) if budgets[k] <= FAR * budgets[m - 1]]
        curve = fit(budgets[:m], scores[:, :m], seed=seed) if near else None
        found += [check(curve, budgets[k], scores[:, k]) for k in near if curve]
    return found
