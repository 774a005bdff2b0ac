"""Which rows to have labelled next, chosen without their labels: at random, central ones, or doubtful ones."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin

N_FITTED = 10_000  # rows that the clusters are fitted on: their centres hardly move with more


def random_rows(n: int, n_labels: int, *, seed: int) -> np.ndarray:
    """Draw row numbers out of 0..n-1, int64 (n_labels,); a smaller draw is the beginning of a larger one.

    A plain draw: classes are not balanced, and one may be missing, since balancing them would take labels.
    """
    return np.random.default_rng(seed).permutation(n)[:n_labels]


def central_rows(codings: np.ndarray, n_labels: int, *, seed: int) -> np.ndarray:
    """Return the rows nearest to the centres of as many clusters: of every kind of row its most typical one.

    Args:
        codings: float32 (n, k), n_labels <= n.
        n_labels: Clusters, and rows to return.
        seed: Of the first centres.

    Returns: Different row numbers, int64 (n_labels,), ascending.

    Reference:
        Hacohen, Dekel & Weinshall, Active Learning on a Budget, ICML 2022 (TypiClust, which takes the densest row of a
        cluster instead of the most central); Géron, Hands-On Machine Learning, 2nd ed., chapter 9.
    """
    some = codings[random_rows(len(codings), max(N_FITTED, n_labels), seed=seed)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer kinds of rows than clusters: see below
        centres = KMeans(n_labels, n_init=1, max_iter=50, random_state=seed).fit(some).cluster_centers_
    chosen = np.unique(pairwise_distances_argmin(centres, codings))
    # Two centres may share their nearest row: others, at random, bring the number up.
    others = np.setdiff1d(random_rows(len(codings), len(codings), seed=seed), chosen, assume_unique=True)
    return np.sort(np.concatenate([chosen, others[: n_labels - len(chosen)]]))


def doubtful_rows(probabilities: np.ndarray, n_labels: int, *, known: np.ndarray) -> np.ndarray:
    """Return the rows whose two likeliest classes are nearest to each other (margin sampling).

    Args:
        probabilities: float (n, classes), of a classifier trained on the known rows.
        n_labels: Rows to return.
        known: Row numbers (m,) that are labelled already.

    Returns: Row numbers, int64 (n_labels,), the most doubtful first, none of them known.

    Reference:
        Scheffer, Decomain & Wrobel, Active Hidden Markov Models for Information Extraction, IDA 2001.
    """
    top = np.partition(probabilities, -2, axis=1)
    margin = (top[:, -1] - top[:, -2]).astype(np.float64)
    margin[known] = np.inf
    return np.argsort(margin, kind="stable")[:n_labels]
