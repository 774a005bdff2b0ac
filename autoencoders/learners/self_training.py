"""Self-training: logistic regression that labels unlabelled rows by itself."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import SelfTrainingClassifier

from autoencoders.convergence import must_converge
from autoencoders.labels import UNLABELLED
from autoencoders.learners.answers import Answers

MAX_ITERATIONS = 2000
MAX_ROUNDS = 10


def answers(
    x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, c: float, threshold: float, unlabelled: np.ndarray
) -> Answers:
    """Fit logistic regression on x (n_labels, d) and on unlabelled rows as it labels them; answer for rows (n, d).

    In each of at most ten rounds it is fitted anew, and unlabelled rows of which it is sure get the label that it gives
    them, for good: where it is sure and wrong, it becomes worse than without them.

    Args:
        x, labels, rows: As of every learner.
        c: The inverse of the L2 penalty.
        threshold: The probability above which it is sure.
        unlabelled: Rows (m, d), m > 0.

    Raises:
        InputError: A regression did not come to an end.

    Reference:
        Yarowsky, Unsupervised word sense disambiguation rivaling supervised methods, ACL 1995.
    """
    base = LogisticRegression(C=c, max_iter=MAX_ITERATIONS)
    model = SelfTrainingClassifier(base, threshold=threshold, max_iter=MAX_ROUNDS)
    given = np.concatenate([labels, np.full(len(unlabelled), UNLABELLED)])
    with must_converge("self-training", MAX_ITERATIONS):
        model.fit(np.concatenate([x, unlabelled]), given)
    probabilities = model.predict_proba(rows)
    return Answers(model.classes_[probabilities.argmax(axis=1)], probabilities, model.estimator_.coef_)
