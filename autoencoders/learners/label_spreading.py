"""Label spreading over a graph of nearest neighbours."""

from __future__ import annotations

import numpy as np
from sklearn.semi_supervised import LabelSpreading

from autoencoders.convergence import must_converge
from autoencoders.labels import UNLABELLED
from autoencoders.learners import knn
from autoencoders.learners.answers import Answers

MAX_ITERATIONS = 100


def answers(
    x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, n_neighbors: int, unlabelled: np.ndarray
) -> Answers:
    """Spread the labels of x (n_labels, d) over unlabelled rows; predict rows (n, d) from their neighbours.

    The graph connects each row with its nearest neighbours; scikit-learn's default, a Gaussian kernel, needs memory for
    all pairs of rows. A row that no label reaches gets the class of its nearest labelled row and equal probabilities.

    Args:
        x, labels, rows: Labelled rows, their classes (n_labels,), rows to predict.
        n_neighbors: Neighbours of a row in the graph, itself included; all rows if there are fewer.
        unlabelled: Rows (m, d).

    Raises:
        InputError: The spreading did not converge.

    Reference:
        Zhou, Bousquet, Lal, Weston & Schölkopf, Learning with local and global consistency, NIPS 2003.
    """
    joined = np.concatenate([x, unlabelled])
    k = min(n_neighbors, len(joined))
    model = LabelSpreading("knn", n_neighbors=k, max_iter=MAX_ITERATIONS, n_jobs=1)
    with must_converge("label spreading", MAX_ITERATIONS):
        model.fit(joined, np.concatenate([labels, np.full(len(unlabelled), UNLABELLED)]))
    with np.errstate(invalid="ignore"):  # 0 / 0 where no label arrives
        probabilities = model.predict_proba(rows)
    lost = np.isnan(probabilities[:, 0])
    probabilities[lost] = 1 / probabilities.shape[1]
    guesses = model.classes_[probabilities.argmax(axis=1)]
    if lost.any():
        guesses[lost] = knn.answers(x, labels, rows[lost], k=1).guesses
    return Answers(guesses, probabilities, model.label_distributions_)
