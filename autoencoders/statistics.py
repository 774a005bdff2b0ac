"""Paired comparisons over runs: intervals and tests of mean differences and of standard deviations.

An interval is over runs alone, or over runs and test rows, if the comparison knows which rows were right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

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
        return _ends(self.mean, self.sd / self.n**0.5, self.n - 1, confidence)


@dataclass(frozen=True)
class PairedOnRows(Paired):
    """A paired comparison whose interval is over runs and test rows; `sd` and `p` are over runs alone.

    Attributes:
        se: Standard error of the mean.
        df: Satterthwaite's degrees of freedom of its square.
        se_rows: The test rows' part of `se`, which no number of runs makes smaller.
    """

    se: float
    df: float
    se_rows: float

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the ends of the mean's interval over runs and test rows."""
        return _ends(self.mean, self.se, self.df, confidence)


class TwoWay(NamedTuple):
    """The mean of values of runs and test rows, its standard error, degrees of freedom, and the rows' part of it."""

    mean: float
    se: float
    df: float
    se_rows: float

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the ends of the mean's interval over runs and test rows."""
        return _ends(self.mean, self.se, self.df, confidence)


class MeanSquares(NamedTuple):
    """The mean of values of runs and rows; MS_run, MS_row, MS_rest, and MS^2 / df of each, (3,)."""

    mean: float
    squares: np.ndarray
    doubts: np.ndarray


def two_way(values: np.ndarray, classes: np.ndarray | None = None) -> TwoWay:
    """Return the mean over runs r and test rows i, both drawn at random, with its standard error.

    x_ri = mean + run_r + row_i + rest_ri;  SE^2 = (MS_run + MS_row - MS_rest) / (runs * rows)
    df = (MS_run + MS_row - MS_rest)^2 / (MS_run^2 / df_run + MS_row^2 / df_row + MS_rest^2 / df_rest)

    Args:
        values: (runs, rows), both >= 2, for example 1 for a right answer and 0 for a wrong one. A row is the same test
            row in all runs.
        classes: Of the rows, (rows,), 2 rows of each or more: the mean is that of the classes' means, as in balanced
            accuracy, and rows are drawn within classes. None: all rows count alike.

    Returns: The two-way interval's parts. If rows scatter less than the rest (MS_row < MS_rest), those over runs.

    Raises:
        ValueError: There are fewer than 2 runs or rows, or rows of a class.

    Reference:
        Searle, Casella & McCulloch, Variance Components (1992), section 4.3; Satterthwaite, An Approximate Distribution
        of Estimates of Variance Components, Biometrics Bulletin 2 (1946).
    """
    found = mean_squares(values, classes)
    runs, mean, (ms_run, ms_row, ms_rest) = len(values), found.mean, found.squares.tolist()
    total = ms_run + ms_row - ms_rest
    if ms_row <= ms_rest:
        return TwoWay(mean, (ms_run / values.size) ** 0.5, float(runs - 1), 0.0)
    df = total**2 / found.doubts.sum()
    se, se_rows = ((part / values.size) ** 0.5 for part in (total, ms_row - ms_rest))
    return TwoWay(mean, se, float(df), se_rows)


def mean_squares(values: np.ndarray, classes: np.ndarray | None = None) -> MeanSquares:
    """Return the mean and the mean squares of values (runs, rows); arguments and errors as in `two_way`.

    mean_r = sum_c mean_rc / k;  MS_run = N var(mean_r);  MS_row = sum_c (N / (k^2 N_c)) MS_row,c, and so MS_rest

    of k classes c, with N_c of the N rows each. What lies between classes is no error, since their shares are given
    (Cochran, Sampling Techniques, 3rd edition, 1977, section 5.4: the variance of a stratified mean).
    """
    if classes is None:
        _, squares, free = _layout(values)
        return MeanSquares(float(values.mean(dtype=np.float64)), squares, squares**2 / free)
    rows, (names, sizes) = values.shape[1], np.unique(classes, return_counts=True)
    means, squares, free = (
        np.array(part) for part in zip(*(_layout(values[:, classes == c]) for c in names), strict=True)
    )
    mean_r, parts = means.mean(axis=0), (rows / (len(names) ** 2 * sizes))[:, None] * squares
    total, doubts = parts.sum(axis=0), (parts**2 / free).sum(axis=0)
    total[0], doubts[0] = (run := rows * mean_r.var(ddof=1)), run**2 / (len(values) - 1)
    return MeanSquares(float(mean_r.mean()), total, doubts)


def _layout(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the runs' means, MS_run, MS_row and MS_rest, and their degrees of freedom, of a two-way layout."""
    runs, rows = values.shape
    if min(values.shape) < 2:
        raise ValueError(f"expected 2 runs and 2 rows or more, received {runs} and {rows}")
    x = values.astype(np.float64)
    mean, of_run, of_row = x.mean(), x.mean(axis=1), x.mean(axis=0)
    run, row = rows * float(((of_run - mean) ** 2).sum()), runs * float(((of_row - mean) ** 2).sum())
    rest = max(float(((x - mean) ** 2).sum()) - (run + row), 0.0)
    free = np.array([runs - 1, rows - 1, (runs - 1) * (rows - 1)])
    return of_run, np.array([run, row, rest]) / free, free


def _ends(mean: float, se: float, df: float, confidence: float) -> tuple[float, float]:
    half = float(stats.t.ppf((1 + confidence) / 2, df)) * se
    return mean - half, mean + half


def paired(
    a: Sequence[float],
    b: Sequence[float],
    *,
    confidence: float = 0.95,
    rights: tuple[np.ndarray, np.ndarray] | None = None,
    classes: np.ndarray | None = None,
) -> Paired:
    """Compare a with b, pair by pair (the same seed, the same labelled rows).

    Args:
        a, b: Scores of equal length n >= 2; the differences are a - b.
        confidence: Confidence level of the mean difference's interval, Student's t with n - 1 degrees of freedom.
        rights: Which test rows a and b had right, bool (n, n_rows) each, their means over rows the scores: then the
            interval is over runs and test rows (`two_way`), and the result is a `PairedOnRows`. None where the runs
            have no test rows in common.
        classes: As in `two_way`, where the scores are balanced accuracies.

    Returns: The comparison. `p` is two-sided and exact for n <= 16: the share of the 2^n sign flips of the differences
        whose mean is at least as far from zero. With n = 5 it cannot be below 0.0625. It supposes that differences
        scatter symmetrically about their mean, and is about these test rows.

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
    found = Paired(n=n, mean=mean, sd=sd, low=math.nan, high=math.nan, p=_sign_flip(difference))
    if rights is not None:
        right_a, right_b = (right.astype(np.int8) for right in rights)
        parts = two_way(right_a - right_b, classes)
        found = PairedOnRows(**asdict(found), se=parts.se, df=parts.df, se_rows=parts.se_rows)
    low, high = found.interval(confidence)
    return replace(found, low=low, high=high)


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


MOST_RUNS = 10_000  # more are as good as none


def runs_needed(
    sd: float, effect: float, *, se_rows: float = 0.0, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Return the least number of runs with which a paired, two-sided t test finds an effect; None if none will do.

    SE(n)^2 = sd^2 / n + se_rows^2;  power = P(|T| > t_{1 - alpha / 2, n - 1}), T noncentral with shift effect / SE(n)

    Args:
        sd: Standard deviation of the differences over runs, >= 0.
        effect: Their true mean, > 0.
        se_rows: The test rows' part of the standard error, >= 0; with it, no number of runs finds a small effect.
        power: Probability of finding it, in (0, 1).
        alpha: Probability of finding one where there is none.

    Returns: The number; None above 10,000.

    Reference:
        Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd edition (1988): by the noncentral t.
    """
    wanted = effect / float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power))  # the standard error; t needs less
    if wanted <= se_rows:
        return None
    n = max(2, math.ceil(sd**2 / (wanted**2 - se_rows**2)))
    while n <= MOST_RUNS and _power(n, effect / (sd**2 / n + se_rows**2) ** 0.5 if sd else math.inf, alpha) < power:
        n += 1
    return n if n <= MOST_RUNS else None


def _power(n: int, shift: float, alpha: float) -> float:
    limit, shift = stats.t.ppf(1 - alpha / 2, n - 1), min(shift, 30.0)  # beyond 30 the power is 1, scipy's NaN
    return float(stats.nct.sf(limit, n - 1, shift) + stats.nct.cdf(-limit, n - 1, shift))
