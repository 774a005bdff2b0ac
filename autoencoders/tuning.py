"""Fair tuning: the same number of configurations for every arm, chosen by cross-validation within the labels.

Reference:
    Oliver et al., Realistic Evaluation of Deep Semi-Supervised Learning Algorithms, NeurIPS 2018, section 3: equal
    tuning of all algorithms, on validation sets no larger than the labels allow.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from autoencoders.errors import Diverged, InputError

LEAST_PER_CLASS = 5  # labels, to choose a configuration
Settings = Mapping[str, Any]


class Tuned(NamedTuple):
    """The chosen configuration, its score on held-out labels, and the (weighted) number of right answers of each."""

    settings: Settings
    validated: float | None
    right: list[float]


def can_tune(n_labels: int, n_classes: int) -> bool:
    """Return whether there are labels enough to choose a configuration."""
    return n_labels >= LEAST_PER_CLASS * n_classes


def can_fold(labels: np.ndarray, n_folds: int) -> bool:
    """Return whether every class of these labels, (n_labels,), has a row for each fold."""
    return bool(np.unique(labels, return_counts=True)[1].min() >= n_folds)


def configurations(
    given: Settings, space: Mapping[str, Sequence[float]], n: int, *, whole: Collection[str] = (), seed: int
) -> list[Settings]:
    """Return n different configurations: the given one, and others drawn from a space.

    Args:
        given: The fixed settings.
        space: Least and greatest value of each setting to draw.
        n: >= 1; the first of a larger number are the same.
        whole: Settings that are whole numbers.
        seed: Seed of the draws: a scrambled Halton sequence, so that few points lie apart; log-uniform, three digits.

    Raises:
        InputError: The space has fewer than n configurations.
    """
    from scipy.stats.qmc import Halton  # takes half a second, which the parameter check saves

    found: list[Settings] = [dict(given)]
    points = Halton(max(len(space), 1), rng=seed)
    for _ in range(100 * n):
        if len(found) == n:
            return found
        (point,) = points.random(1)
        drawn = {
            name: _at(share, *ends, whole=name in whole)
            for share, (name, ends) in zip(point, space.items(), strict=False)
        }
        if (settings := {**given, **drawn}) not in found:
            found.append(settings)
    raise InputError(f"expected a space of {n} configurations or more, received {dict(space)}")


def n_configurations(space: Mapping[str, Sequence[float]], whole: Collection[str]) -> float:
    """Return the number of configurations in a space; infinite if a setting with two ends is no whole number."""
    return math.prod(high - low + 1 if name in whole else math.inf if high > low else 1
                     for name, (low, high) in space.items())  # fmt: skip


def folds(labels: np.ndarray, n_folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the numbers of the rows to train on and of those held out, for each fold, stratified by class."""
    from sklearn.model_selection import StratifiedKFold  # takes a second, which the parameter check saves

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer rows than folds is missing from some of them
        return [*StratifiedKFold(n_folds).split(np.zeros((len(labels), 1)), labels)]


def tuned(
    candidates: Sequence[Settings],
    labels: np.ndarray,
    n_folds: int,
    right_rows: Callable[[Settings, np.ndarray, np.ndarray], np.ndarray],
    weights: np.ndarray | None = None,
) -> Tuned:
    """Choose the configuration with the most right answers on rows held out; of equal ones the first.

    Args:
        candidates: Configurations.
        labels: Labels of all rows of the budget, (n_labels,).
        n_folds: Number of folds.
        right_rows: Trains a configuration on the rows of the first numbers; returns which of the second it has right.
        weights: What a right answer counts, (n_labels,), for balanced accuracy (`class_weights`); None: one each.

    Raises:
        Diverged, InputError: Every configuration failed; one that fails alone is never chosen.
    """
    right: list[float] = [0] * len(candidates)
    failed: list[Exception] = []
    splits = folds(labels, n_folds)
    for k, settings in enumerate(candidates):
        try:
            right[k] = sum(_count(right_rows(settings, *split), weights, split[1]) for split in splits)
        except (Diverged, InputError) as error:
            right[k] = -1
            failed.append(error)
    if len(failed) == len(right):
        raise failed[0]
    best = int(np.argmax(np.round(right, 9)))  # weighted ties differ in their last bits
    return Tuned(candidates[best], right[best] / len(labels), right)


def _count(right: np.ndarray, weights: np.ndarray | None, rows: np.ndarray) -> float:
    return int(right.sum()) if weights is None else float(weights[rows][right].sum())


def _at(share: float, low: float, high: float, *, whole: bool) -> Any:
    """Return the number at a share of the way from low to high, on a logarithmic scale; rounded, it stays within."""
    value = float(low * (high / low) ** share)
    return round(value) if whole else min(max(float(f"{value:.3g}"), low), high)
