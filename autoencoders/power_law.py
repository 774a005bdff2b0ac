"""Extrapolate learning curves: fit a power law to accuracies, with its uncertainty; plan the labels for a target.

accuracy(n) = a - b * n**-c, with 0 < a <= 1 the limit, b >= 0, c > 0.

Reference:
    Cortes et al., Learning Curves: Asymptotic Values and Rate of Convergence, NIPS 1993; Figueroa et al., Predicting
    Sample Size Required for Classification Performance, BMC Medical Informatics and Decision Making 12 (2012).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

LEAST_BUDGETS = 3  # the number of the law's parameters
EXPONENTS = np.geomspace(0.02, 3.0, 200)
FLOOR = 1e-3  # smallest standard error of a mean accuracy
FAR = 10  # times the largest budget: the planner gives no number beyond
LEVELS = (0.025, 0.975)


@dataclass(frozen=True)
class PowerLaw:
    """A fitted learning curve, and bootstrap draws of its parameters.

    Attributes:
        budgets, means: The fitted points, (m,).
        fitted: The parameters a, b, c.
        draws: Draws of a, b, c, (n_draws, 3).
    """

    budgets: np.ndarray
    means: np.ndarray
    fitted: np.ndarray
    draws: np.ndarray

    def predict(self, n: float) -> tuple[float, float, float]:
        """Return the accuracy with n labels, and the ends of its 95 % interval."""
        low, high = np.quantile(_value(self.draws, n), LEVELS)
        return float(_value(self.fitted, n)), float(low), float(high)

    def limit(self) -> tuple[float, float, float]:
        """Return the limit of the accuracy for ever more labels, and its interval."""
        low, high = np.quantile(self.draws[:, 0], LEVELS)
        return float(self.fitted[0]), float(low), float(high)

    def labels(self, target: float) -> tuple[float, float, float]:
        """Return the labels needed for a target accuracy, and the interval; inf if the limit is not above it."""
        low, high = np.quantile(_inverse(self.draws, target), LEVELS, method="nearest")
        return float(_inverse(self.fitted[None], target)[0]), float(low), float(high)


def fit(budgets: Sequence[int], scores: np.ndarray, *, seed: int, n_draws: int = 1000) -> PowerLaw:
    """Fit the law to the means over runs, weighted by their precision.

    Args:
        budgets: Label budgets, (m,), m >= 3, ascending.
        scores: Accuracies (n_runs, m), n_runs >= 2; a run's scores are correlated, since its draws are nested.
        seed: Seed of the draws.
        n_draws: Number of bootstrap draws.

    Returns: The law. Each draw refits it to means that are perturbed by runs with random weights (a bootstrap, widened
        like Student's t since few runs vary too little) and, if the law misses the means by more than their noise, by
        that misfit too (Birge's ratio).

    Raises:
        ValueError: Fewer than 3 budgets or 2 runs.
    """
    n_runs, m = scores.shape
    if m < LEAST_BUDGETS or n_runs < 2:
        raise ValueError(f"expected {LEAST_BUDGETS} budgets and 2 runs or more, received {m} and {n_runs}")
    n, mean = np.asarray(budgets, float), scores.mean(axis=0)
    deviations = scores - mean
    error = np.hypot(scores.std(axis=0, ddof=1) / n_runs**0.5, FLOOR)
    fitted = _least_squares(n, mean[None], error)[0]
    missed = ((mean - _value(fitted[None], n[:, None])[:, 0]) / error) ** 2
    birge = (missed.sum() / (m - LEAST_BUDGETS)) ** 0.5 if m > LEAST_BUDGETS else 1.0
    rng = np.random.default_rng(seed)
    moved = rng.standard_normal((n_draws, n_runs)) @ deviations / (n_runs * (n_runs - 1)) ** 0.5
    moved *= ((n_runs - 1) / rng.chisquare(n_runs - 1, (n_draws, 1))) ** 0.5
    misfit = max(birge**2 - 1, 0.0) ** 0.5 * error * rng.standard_normal((n_draws, m))
    return PowerLaw(n, mean, fitted, _least_squares(n, mean + moved + misfit, error))


def _value(laws: np.ndarray, n: np.ndarray | float) -> np.ndarray:
    """Return accuracies of laws (..., 3) with n labels."""
    a, b, c = np.moveaxis(laws, -1, 0)
    return np.asarray(a - b * np.power(n, -c))


def _inverse(laws: np.ndarray, target: float) -> np.ndarray:
    a, b, c = laws.T
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        n = (b / (a - target)) ** (1 / c)
    return np.where(a > target, n, np.inf)


def _least_squares(n: np.ndarray, y: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return the best law, (k, 3), for each of the curves y (k, m) at n (m,) with errors (m,).

    With a fixed exponent the problem is linear, so a search over a grid of exponents finds no false minimum.
    """
    w = 1 / error**2
    x = -np.power(n[:, None], -EXPONENTS)  # (m, exponents)
    x_mean, y_mean = w @ x / w.sum(), y @ w / w.sum()
    xc = x - x_mean
    b = np.maximum(((y - y_mean[:, None]) * w) @ xc / (w @ xc**2), 0.0)
    a = y_mean[:, None] - b * x_mean
    over = a > 1.0  # these take the best law with a limit of 1
    b = np.where(over, np.maximum(((y - 1.0) * w) @ x / (w @ x**2), 0.0), b)
    a = np.where(over, 1.0, a)
    residual = y[:, :, None] - a[:, None] - b[:, None] * x
    best = np.einsum("kmc,m->kc", residual**2, w).argmin(axis=1)
    rows = np.arange(len(y))
    return np.stack([a[rows, best], b[rows, best], EXPONENTS[best]], axis=1)


@dataclass(frozen=True)
class Plan:
    """The number of labels needed for a target accuracy.

    Attributes:
        target: Accuracy.
        answer: `reached` with the largest budget; `told` if there is a number; `far`, more than 10 times the largest
            budget; `open`, the limit's interval contains the target; `above`, the target is above that interval.
        labels, more: Total labels, and labels beyond the largest budget; None if there is no number.
        low, high: Interval of `labels`; None for an open end.
    """

    target: float
    answer: Literal["reached", "told", "far", "open", "above"]
    labels: int | None
    more: int | None
    low: int | None
    high: int | None


def plan(law: PowerLaw, target: float) -> Plan:
    """Estimate the number of labels needed for a target accuracy, if the fitted law allows it."""
    largest = int(law.budgets[-1])
    if law.means[-1] >= target:
        return Plan(target, "reached", None, None, None, None)
    labels, low, high = law.labels(target)
    if law.limit()[2] < target or low > FAR * largest:
        answer: Literal["above", "far"] = "above" if law.limit()[2] < target else "far"
        return Plan(target, answer, None, None, _whole(low), None)
    if math.isinf(labels) or labels > FAR * largest:
        return Plan(target, "open", None, None, _whole(low), None)
    needed = max(math.ceil(labels), largest + 1)
    return Plan(target, "told", needed, needed - largest, _whole(low), _whole(high) if high <= FAR * largest else None)


def _whole(n: float) -> int | None:
    return math.ceil(n) if math.isfinite(n) and n < 1e12 else None


@dataclass(frozen=True)
class HeldOut:
    """A measured accuracy, and its prediction from smaller budgets.

    Attributes:
        n_fitted: Number of budgets that the law was fitted to.
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


def held_out(budgets: Sequence[int], scores: np.ndarray, *, seed: int) -> list[HeldOut]:
    """Predict every budget from the smaller ones, if there are four or more of them.

    Args:
        budgets, scores, seed: As in `fit`.
    """
    found = []
    for m in range(LEAST_BUDGETS + 1, len(budgets)):
        law = fit(budgets[:m], scores[:, :m], seed=seed)
        for k in range(m, len(budgets)):
            value, low, high = law.predict(budgets[k])
            noise = 1.96 * float(scores[:, k].std(ddof=1)) / len(scores) ** 0.5
            measured = float(scores[:, k].mean())
            ends = value - math.hypot(value - low, noise), value + math.hypot(high - value, noise)
            found.append(HeldOut(m, budgets[k], value, *ends, measured))
    return found
