"""Histogram-based gradient boosting of trees."""

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
    """Fit gradient boosting to x (n_labels, d); predict rows (n, d).

    It has no parameter n_jobs; threadpoolctl limits its threads.

    Args:
        x, labels, rows: Labelled rows, their classes (n_labels,), rows to predict.
        min_samples_leaf: Least number of labelled rows in a leaf, or half the labels of a class if that is fewer. With
            scikit-learn's default, 20, no tree has a split at 20 labels, and the accuracy is that of chance.
        max_iter: Rounds, each with one tree per class (with two classes, one tree).
        learning_rate: Factor of each tree's output.

    References:
        Friedman, Greedy function approximation, Annals of Statistics 29, 2001; on binned columns: Ke et al., LightGBM,
        NIPS 2017.
    """
    model = HistGradientBoostingClassifier(
        min_samples_leaf=leaf(min_samples_leaf, labels),
        max_iter=max_iter,
        learning_rate=learning_rate,
        early_stopping=False,  # it would set labelled rows aside, with more than 10,000
        random_state=0,  # of the draw of rows for the bins, with more than 200,000
    )
    probabilities = model.fit(x, labels).predict_proba(rows)
    return Answers(model.classes_[probabilities.argmax(axis=1)], probabilities, model.decision_function(x))


def leaf(min_samples_leaf: int, labels: np.ndarray) -> int:
    """Return the least number of rows in a leaf: the setting, or half the mean number of labels per class if fewer."""
    return max(1, min(min_samples_leaf, len(labels) // (2 * len(np.unique(labels)))))
