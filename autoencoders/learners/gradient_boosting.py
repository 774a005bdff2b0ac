"""Gradient boosting of trees on binned columns."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from autoencoders.learners.answers import Answers


def answers(
    x: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    *,
    min_samples_leaf: int,
    max_iter: int,
    learning_rate: float,
) -> Answers:
    """Fit gradient boosting on x (n_labels, d), and answer for rows (n, d).

    It has no number of jobs: its threads are OpenMP's, which threadpoolctl holds.

    Args:
        x, labels, rows: As of every learner.
        min_samples_leaf: Labelled rows in a leaf, at least; half a class's labels where that is fewer, since no tree
            could tell classes apart otherwise: scikit-learn's 20 is chance at 20 labels.
        max_iter: Rounds, each with a tree for every class.
        learning_rate: What every tree counts.

    References:
        Friedman, Greedy function approximation, Annals of Statistics 29, 2001; on binned columns: Ke et al., LightGBM,
        NIPS 2017.
    """
    model = HistGradientBoostingClassifier(
        min_samples_leaf=leaf(min_samples_leaf, labels),
        max_iter=max_iter,
        learning_rate=learning_rate,
        early_stopping=False,  # which would hold labelled rows out, from 10,000 on
        random_state=0,  # of the rows that bins are made of, from 200,000 on
    )
    probabilities = model.fit(x, labels).predict_proba(rows)
    return Answers(model.classes_[probabilities.argmax(axis=1)], probabilities, model.decision_function(x))


def leaf(min_samples_leaf: int, labels: np.ndarray) -> int:
    """Return the least rows in a leaf with these labels (n_labels,): the setting, or half the mean class if fewer."""
    return max(1, min(min_samples_leaf, len(labels) // (2 * len(np.unique(labels)))))
