"""The k nearest neighbours."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from autoencoders.learners.answers import Answers


def answers(x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, k: int) -> Answers:
    """Answer for rows (n, d) by the majority of their k nearest labelled rows in x (n_labels, d).

    Distances are Euclidean, so columns of large values decide. Of classes with equally many votes the lowest wins. With
    fewer than k labels all of them vote. Votes are no probabilities: with k = 1 all would be 0 or 1.

    Reference:
        Cover & Hart, Nearest neighbor pattern classification, IEEE Transactions on Information Theory 13, 1967.
    """
    model = KNeighborsClassifier(min(k, len(x)), algorithm="brute", n_jobs=1).fit(x, labels)
    return Answers(model.predict(rows), None, x)
