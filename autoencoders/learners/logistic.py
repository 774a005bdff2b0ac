"""Multinomial logistic regression."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from autoencoders.errors import InputError
from autoencoders.learners.answers import Answers

MAX_ITERATIONS = 5000  # PCA scores are of unequal scale: 2,000 were almost not enough for c = 10


def answers(x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, c: float) -> Answers:
    """Fit multinomial logistic regression with L2 penalty 1 / c to x (n_labels, d); predict rows (n, d)."""
    model = LogisticRegression(C=c, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(x, labels)
        except ConvergenceWarning:
            raise InputError(
                f"logistic regression: expected convergence within {MAX_ITERATIONS} iterations; try a smaller c"
            ) from None
    probabilities = model.predict_proba(rows)
    return Answers(model.classes_[probabilities.argmax(axis=1)], probabilities, model.coef_)
