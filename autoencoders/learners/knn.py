"""The k nearest neighbours."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from autoencoders.learners.answers import Answers


def answers(x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, k: int) -> Answers:
    """Predict rows (n, d) by the majority among their k nearest labelled rows in x (n_labels, d).

    Distances are Euclidean, so columns with large values dominate them. A tie goes to the lowest class. With fewer than
    k labels, all of them vote. There are no probabilities: with k = 1, the shares of votes are 0 or 1.

    Reference:
        Cover & Hart, Nearest neighbor pattern classification, IEEE Transactions on Information Theory 13, 1967.
    """
    model = KNeighborsClassifier(min(k, len(x)), algorithm="brute", n_jobs=1).fit(x, labels)
    return Answers(model.predict(rows), None, x)
