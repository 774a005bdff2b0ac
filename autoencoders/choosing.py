"""Choose rows for labelling without their labels: random rows, cluster centres, or rows the classifier is unsure of."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin

N_FITTED = 10_000  # rows to fit the clusters to; more rows hardly move the centres


def random_rows(n: int, n_labels: int, *, seed: int) -> np.ndarray:
    """Draw row numbers from 0..n-1, int64 (n_labels,); a smaller draw is the beginning of a larger one.

    Classes are not balanced, and one may be missing, since balancing would need labels.
    """
    return np.random.default_rng(seed).permutation(n)[:n_labels]


def central_rows(codings: np.ndarray, n_labels: int, *, seed: int) -> np.ndarray:
    """Return the row nearest to the centre of each of `n_labels` k-means clusters.

    Args:
        codings: float32 (n, k), n_labels <= n.
        n_labels: Number of clusters, and of rows to return.
        seed: Seed of the initial centres.

    Returns: Distinct row numbers, int64 (n_labels,), ascending.

    Reference:
        Hacohen, Dekel & Weinshall, Active Learning on a Budget, ICML 2022 (their TypiClust takes the densest row of a
        cluster instead of the most central one); Géron, Hands-On Machine Learning, 2nd ed., chapter 9.
    """
    some = codings[random_rows(len(codings), max(N_FITTED, n_labels), seed=seed)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters: see below
        centres = KMeans(n_labels, n_init=1, max_iter=50, random_state=seed).fit(some).cluster_centers_
    chosen = np.unique(pairwise_distances_argmin(centres, codings))
    # Two centres may share their nearest row; random rows then fill the gap.
    others = np.setdiff1d(random_rows(len(codings), len(codings), seed=seed), chosen, assume_unique=True)
    return np.sort(np.concatenate([chosen, others[: n_labels - len(chosen)]]))


def doubtful_rows(probabilities: np.ndarray, n_labels: int, *, known: np.ndarray) -> np.ndarray:
    """Return the rows with the smallest difference between the two largest class probabilities (margin sampling).

    Args:
        probabilities: float (n, classes), from a classifier trained on the known rows.
        n_labels: Number of rows to return.
        known: Numbers of the rows that already have labels, (m,).

    Returns: Numbers of rows without labels, int64 (n_labels,), the smallest margin first.

    Reference:
        Scheffer, Decomain & Wrobel, Active Hidden Markov Models for Information Extraction, IDA 2001.
    """
    top = np.partition(probabilities, -2, axis=1)
    margin = (top[:, -1] - top[:, -2]).astype(np.float64)
    margin[known] = np.inf
    return np.argsort(margin, kind="stable")[:n_labels]
