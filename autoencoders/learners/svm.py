"""A support vector machine with a Gaussian kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from autoencoders.learners.answers import Answers

CHUNK = 2000


class Kernels(NamedTuple):
    """Kernel values among labelled rows, (n_labels, n_labels), and of rows to predict with them, (n, n_labels)."""

    labelled: np.ndarray
    rows: np.ndarray


def shared(x: np.ndarray, rows: np.ndarray) -> Kernels:
    """Return the kernels of labelled rows x (n_labels, d) and rows (n, d), in the type of the rows.

    gamma is scikit-learn's `scale`, 1 / (d * variance of x).
    """
    gamma = 1.0 / (x.shape[1] * max(float(x.var()), 1e-12))
    # Matrix products compute kernels several times faster than libsvm, which goes row by row.
    return Kernels(rbf_kernel(x, gamma=gamma), rbf_kernel(rows, x, gamma=gamma))


_shared = shared  # `answers` has an argument of this name


def answers(x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, c: float, shared: Kernels | None = None) -> Answers:
    """Fit a support vector machine with a Gaussian kernel to x (n_labels, d); predict rows (n, d).

    There are no probabilities.

    Args:
        x, labels, rows: Labelled rows, their classes (n_labels,), rows to predict.
        c: Inverse of the penalty.
        shared: Result of `shared(x, rows)`.

    Reference:
        Cortes & Vapnik, Support-vector networks, Machine Learning 20, 1995.
    """
    kernels = shared or _shared(x, rows)
    model = SVC(C=c, kernel="precomputed").fit(kernels.labelled, labels)
    # SVC copies what it predicts to float64.
    parts = [model.predict(kernels.rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK)]
    return Answers(np.concatenate(parts), None, model.dual_coef_)
