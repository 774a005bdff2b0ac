"""Extremely randomised trees."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from autoencoders.learners.answers import Answers


def answers(
    x: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    *,
    n_trees: int,
    min_samples_leaf: int,
    max_features: float,
    seed: int,
) -> Answers:
    """Fit extremely randomised trees to x (n_labels, d); predict rows (n, d) by the trees' mean probabilities.

    Args:
        x, labels, rows: Labelled rows, their classes (n_labels,), rows to predict.
        n_trees: More trees take more time and reduce the effect of the seed.
        min_samples_leaf: Least number of labelled rows in a leaf; it should be well below the labels of a class.
        max_features: Share of the columns among which each split chooses, in (0, 1); one column at least.
        seed: Of the random columns and thresholds.

    Reference:
        Geurts, Ernst & Wehenkel, Extremely randomized trees, Machine Learning 63, 2006.
    """
    model = ExtraTreesClassifier(
        n_trees, min_samples_leaf=min_samples_leaf, max_features=max_features, random_state=seed, n_jobs=1
    )
    model.fit(x, labels)
    probabilities = model.predict_proba(rows)
    thresholds = np.concatenate([tree.tree_.threshold for tree in model.estimators_])
    return Answers(model.classes_[probabilities.argmax(axis=1)], probabilities, thresholds)
