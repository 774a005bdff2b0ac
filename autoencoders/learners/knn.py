"""The k nearest neighbours."""

from __future__ import annotations

import numpy as np

from autoencoders.learners.answers import Answers
from autoencoders.learners.nearest import MOST, nearest


def shared(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the numbers of each row's nearest rows of x, the nearest first: int64 (n, MOST at most)."""
    return nearest(x, rows)


def answers(
    x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, k: int, shared: np.ndarray | None = None
) -> Answers:
    """Predict rows (n, d) by the majority among their k nearest labelled rows in x (n_labels, d).

    Distances are Euclidean, so columns with large values dominate them. A tie goes to the lowest class. With fewer than
    k labels, all of them vote. There are no probabilities: with k = 1, the shares of votes are 0 or 1.

    Args:
        x, labels, rows: Labelled rows, their classes (n_labels,), rows to predict.
        k: Number of neighbours, >= 1.
        shared: Result of `shared(x, rows)`; used if k is MOST at most.

    Reference:
        Cover & Hart, Nearest neighbor pattern classification, IEEE Transactions on Information Theory 13, 1967.
    """
    near = shared if shared is not None and k <= MOST else nearest(x, rows, max(k, MOST))
    classes, numbers = np.unique(labels, return_inverse=True)
    votes = (numbers[near[:, :k], None] == np.arange(len(classes))).sum(axis=1)
    return Answers(classes[votes.argmax(axis=1)], None, x)
