"""Paired comparisons over seeds: intervals and tests of mean differences and of standard deviations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Paired:
    """A paired comparison: n pairs, mean and sd of the differences, their t interval, the exact sign-flip p."""

    n: int
    mean: float
    sd: float
    low: float
    high: float
    p: float

    @property
    def distinguishable(self) -> bool:
        """Return whether the interval excludes zero."""
        return not self.low <= 0.0 <= self.high

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the ends of the mean's interval, Student's t with n - 1 degrees of freedom."""
        half = float(stats.t.ppf((1 + confidence) / 2, self.n - 1)) * self.sd / self.n**0.5
        return self.mean - half, self.mean + half


def paired(a: Sequence[float], b: Sequence[float], *, confidence: float = 0.95) -> Paired:
    """Compare a with b, pair by pair (the same seed, the same labelled rows).

    Args:
        a, b: Scores of equal length n >= 2; the differences are a - b.
        confidence: Confidence level of the mean difference's interval, Student's t with n - 1 degrees of freedom.

    Returns: The comparison. `p` is two-sided and exact for n <= 16: the share of the 2^n sign flips of the differences
        whose mean is at least as far from zero. With n = 5 it cannot be below 0.0625.

    Raises:
        ValueError: Lengths differ, or n < 2.

    Example:
        >>> found = paired([0.80, 0.82, 0.79, 0.81, 0.83, 0.80], [0.78, 0.79, 0.78, 0.80, 0.80, 0.78])
        >>> f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f}), p = {found.p:.3f}"
        '0.020 (0.011 to 0.029), p = 0.031'
        >>> found.distinguishable
        True

    Reference:
        Fisher, The Design of Experiments (1935), section 21.
    """
    n = len(a)
    if n != len(b) or n < 2:
        raise ValueError(f"expected two equally long lists of 2 scores or more, received {n} and {len(b)}")
    difference = np.subtract(np.asarray(a, float), np.asarray(b, float))
    mean, sd = float(difference.mean()), float(difference.std(ddof=1))
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * sd / n**0.5
    return Paired(n=n, mean=mean, sd=sd, low=mean - half, high=mean + half, p=_sign_flip(difference))


def _sign_flip(difference: np.ndarray) -> float:
    """Return p of n paired differences d: #{s in {-1, 1}^n: |mean(s d)| >= |mean(d)|} / 2^n, sampled for n > 16."""
    n_resamples = 2**16 if difference.size <= 16 else 99_999
    test = stats.permutation_test(
        (difference,), _mean, permutation_type="samples", vectorized=True, n_resamples=n_resamples, rng=0
    )
    return float(test.pvalue)


def _mean(difference: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean, rounded to 12 decimals: tied flips of accuracy differences differ in their last bits."""
    return np.round(difference.mean(axis=axis), 12)


@dataclass(frozen=True)
class SpreadRatio:
    """The standard deviations of two arms' scores over n pairs, and their ratio sd_a / sd_b with its interval and p."""

    n: int
    sd_a: float
    sd_b: float
    ratio: float
    low: float
    high: float
    p: float


def spread_ratio(a: Sequence[float], b: Sequence[float], *, confidence: float = 0.95) -> SpreadRatio | None:
    """Compare the standard deviations of paired scores; None if the scores, their sums or differences are constant.

    Args:
        a, b: Scores of equal length n >= 3, pair by pair.
        confidence: Confidence level of the ratio's interval.

    Returns: The ratio. Its interval and two-sided p follow from the correlation of sums and differences, which is zero
        if the deviations are equal (exact for normal scores).

    Raises:
        ValueError: Lengths differ, or n < 3.

    Reference:
        Pitman, A Note on Normal Correlation, and Morgan, A Test for the Significance of the Difference Between the Two
        Variances in a Sample from a Normal Bivariate Population, Biometrika 31 (1939).
    """
    x, y, n = np.asarray(a, float), np.asarray(b, float), len(a)
    if n != len(b) or n < 3:
        raise ValueError(f"expected two equally long lists of 3 scores or more, received {n} and {len(b)}")
    sd_a, sd_b = float(x.std(ddof=1)), float(y.std(ddof=1))
    if min(sd_a, sd_b, (x + y).std(), (x - y).std()) < 1e-12:
        return None
    r = float(stats.pearsonr(x, y).statistic)
    k = 1 + 2 * (1 - r**2) * float(stats.t.ppf((1 + confidence) / 2, n - 2)) ** 2 / (n - 2)
    ratio, wide = sd_a / sd_b, (k + (k**2 - 1) ** 0.5) ** 0.5
    return SpreadRatio(n, sd_a, sd_b, ratio, ratio / wide, ratio * wide, float(stats.pearsonr(x + y, x - y).pvalue))


def holm(p: Sequence[float]) -> list[float]:
    """Return p values adjusted for a family of comparisons, each in [0, 1], in the given order.

    Reference:
        Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    rank = np.argsort(p)
    adjusted = np.maximum.accumulate([min(1.0, (len(p) - i) * p[k]) for i, k in enumerate(rank)])
    result = np.empty(len(p))
    result[rank] = adjusted
    return [float(value) for value in result]


def runs_needed(sd: float, effect: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Return the least number of pairs with which a paired, two-sided t test finds an effect.

    Args:
        sd: Standard deviation of the differences, >= 0.
        effect: Their true mean, > 0.
        power: Probability of finding it, in (0, 1).
        alpha: Probability of finding one where there is none.

    Reference:
        Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd edition (1988): by the noncentral t.
    """
    normal = (float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)) * sd / effect) ** 2  # t needs more
    n = max(2, math.ceil(normal))
    while _power(n, effect / sd if sd else math.inf, alpha) < power:
        n += 1
    return n


def _power(n: int, ratio: float, alpha: float) -> float:
    limit, shift = stats.t.ppf(1 - alpha / 2, n - 1), min(ratio * n**0.5, 30.0)  # beyond 30 the power is 1, scipy's NaN
    return float(stats.nct.sf(limit, n - 1, shift) + stats.nct.cdf(-limit, n - 1, shift))
