"""Extremely randomised trees."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from autoencoders.learners.answers import Answers


def answers(
    x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, n_trees: int, min_samples_leaf: int, seed: int
) -> Answers:
    """Fit extremely randomised trees on x (n_labels, d); answer for rows (n, d) by the mean of the trees' shares.

    Args:
        x, labels, rows: As of every learner.
        n_trees: More of them cost time and make two seeds more alike.
        min_samples_leaf: Labelled rows in a leaf, at least. With as many as a class has labels, all answers are alike.
        seed: Of the trees' random columns and cuts.

    Reference:
        Geurts, Ernst & Wehenkel, Extremely randomized trees, Machine Learning 63, 2006.
    """
    model = ExtraTreesClassifier(n_trees, min_samples_leaf=min_samples_leaf, random_state=seed, n_jobs=1)
    model.fit(x, labels)
    probabilities = model.predict_proba(rows)
    cuts = np.concatenate([tree.tree_.threshold for tree in model.estimators_])
    return Answers(model.classes_[probabilities.argmax(axis=1)], probabilities, cuts)
