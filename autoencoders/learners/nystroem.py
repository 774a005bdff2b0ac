"""Multinomial logistic regression on the features of a Gaussian kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.kernel_approximation import Nystroem

from autoencoders.learners import logistic
from autoencoders.learners.answers import Answers


class Features(NamedTuple):
    """Kernel features of labelled rows, (n_labels, f), and of rows to predict, (n, f)."""

    labelled: np.ndarray
    rows: np.ndarray


def shared(x: np.ndarray, rows: np.ndarray, *, n_components: int, seed: int) -> Features:
    """Return the kernel features of labelled rows x (n_labels, d) and rows (n, d), float64; arguments as in `answers`.

    The features of a row approximate the Gaussian kernel; they are computed from its kernel values with some labelled
    rows, drawn at random. The kernel's gamma is that of the support vector machine, 1 / (d * variance of x).
    """
    gamma = 1.0 / (x.shape[1] * max(float(x.var()), 1e-12))
    features = Nystroem(gamma=gamma, n_components=min(n_components, len(x)), random_state=seed, n_jobs=1)
    # In float64: features are divided by square roots of eigenvalues, which equal rows make almost 0.
    labelled = features.fit_transform(x.astype(np.float64))
    return Features(labelled, features.transform(rows.astype(np.float64)))


_shared = shared  # `answers` has an argument of this name


def answers(
    x: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    *,
    n_components: int,
    c: float,
    seed: int,
    shared: Features | None = None,
) -> Answers:
    """Fit logistic regression to kernel features of x (n_labels, d); predict rows (n, d).

    Args:
        x, labels, rows: Labelled rows, their classes (n_labels,), rows to predict.
        n_components: Labelled rows to draw; all of them if there are fewer.
        c: Inverse of the L2 penalty. The features of a row have norm 1 at most, so c is larger than for raw rows.
        seed: Of the draw.
        shared: Result of `shared`, with the same n_components and seed.

    Raises:
        InputError: The regression did not converge.

    Reference:
        Williams & Seeger, Using the Nyström method to speed up kernel machines, NIPS 2000.
    """
    features = shared or _shared(x, rows, n_components=n_components, seed=seed)
    return logistic.answers(features.labelled, labels, features.rows, c=c)
