"""Label spreading over a graph of nearest neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from sklearn.semi_supervised import LabelSpreading

from autoencoders.convergence import must_converge
from autoencoders.labels import UNLABELLED
from autoencoders.learners import knn
from autoencoders.learners.answers import Answers
from autoencoders.learners.nearest import MOST, nearest

MAX_ITERATIONS = 100


class Neighbours(NamedTuple):
    """Numbers of the nearest of all labelled and unlabelled rows: of each of them, and of each row to predict."""

    joined: np.ndarray
    rows: np.ndarray


def shared(x: np.ndarray, rows: np.ndarray, *, unlabelled: np.ndarray) -> Neighbours:
    """Return the neighbours, MOST at most, of labelled and unlabelled rows (n_labels + m, d) and of rows (n, d)."""
    return _neighbours(x, rows, unlabelled, MOST)


def answers(
    x: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    *,
    n_neighbors: int,
    unlabelled: np.ndarray,
    shared: Neighbours | None = None,
) -> Answers:
    """Spread the labels of x (n_labels, d) over unlabelled rows; predict rows (n, d) from their neighbours.

    The graph connects each row with its nearest neighbours; scikit-learn's default, a Gaussian kernel, needs memory for
    all pairs of rows. A row that no label reaches gets the class of its nearest labelled row and equal probabilities.

    Args:
        x, labels, rows: Labelled rows, their classes (n_labels,), rows to predict.
        n_neighbors: Neighbours of a row in the graph, itself included; all rows if there are fewer.
        unlabelled: Rows (m, d).
        shared: Result of `shared(x, rows, unlabelled=unlabelled)`; used if n_neighbors is MOST at most.

    Raises:
        InputError: The spreading did not converge.

    Reference:
        Zhou, Bousquet, Lal, Weston & Schölkopf, Learning with local and global consistency, NIPS 2003.
    """
    if shared is None or n_neighbors > MOST:
        shared = _neighbours(x, rows, unlabelled, max(n_neighbors, MOST))
    joined, near = (numbers[:, :n_neighbors] for numbers in shared)
    n, k = joined.shape
    graph = csr_array((np.ones(n * k), joined.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    # scikit-learn's own graph of neighbours would compute the distances anew for each n_neighbors.
    model = LabelSpreading(lambda *_: graph, max_iter=MAX_ITERATIONS)
    with must_converge("label spreading", MAX_ITERATIONS):
        model.fit(np.arange(n)[:, None], np.concatenate([labels, np.full(len(unlabelled), UNLABELLED)]))
    reached = model.label_distributions_[near].sum(axis=1)
    lost = ~reached.any(axis=1)
    reached[lost] = 1.0
    probabilities = reached / reached.sum(axis=1, keepdims=True)
    guesses = model.classes_[probabilities.argmax(axis=1)]
    if lost.any():
        guesses[lost] = knn.answers(x, labels, rows[lost], k=1).guesses
    return Answers(guesses, probabilities, model.label_distributions_)


def _neighbours(x: np.ndarray, rows: np.ndarray, unlabelled: np.ndarray, most: int) -> Neighbours:
    joined = np.concatenate([x, unlabelled])
    return Neighbours(nearest(joined, joined, most), nearest(joined, rows, most))
