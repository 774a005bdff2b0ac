"""Self-training with logistic regression."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import SelfTrainingClassifier

from autoencoders.convergence import must_converge
from autoencoders.labels import UNLABELLED
from autoencoders.learners.answers import Answers

MAX_ITERATIONS = 5000
MAX_ROUNDS = 10


def answers(
    x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, c: float, threshold: float, unlabelled: np.ndarray
) -> Answers:
    """Fit logistic regression to x (n_labels, d) and to its own labels of unlabelled rows; predict rows (n, d).

    In each of ten rounds at most, the unlabelled rows predicted with a probability above the threshold keep the
    predicted label, and the regression is fitted again. Wrong labels are never corrected, so the accuracy can fall
    below that of the labelled rows alone.

    Args:
        x, labels, rows: Labelled rows, their classes (n_labels,), rows to predict.
        c: Inverse of the L2 penalty.
        threshold: Of the probability, 0 to 1.
        unlabelled: Rows (m, d), m > 0.

    Raises:
        InputError: A regression did not converge.

    Reference:
        Yarowsky, Unsupervised word sense disambiguation rivaling supervised methods, ACL 1995.
    """
    # A round starts from the last one's coefficients: the same optimum, in a third to a fifth of the time.
    base = LogisticRegression(C=c, max_iter=MAX_ITERATIONS, warm_start=True)
    model = SelfTrainingClassifier(base, threshold=threshold, max_iter=MAX_ROUNDS)
    given = np.concatenate([labels, np.full(len(unlabelled), UNLABELLED)])
    with must_converge("self-training", MAX_ITERATIONS):
        model.fit(np.concatenate([x, unlabelled]), given)
    probabilities = model.predict_proba(rows)
    return Answers(model.classes_[probabilities.argmax(axis=1)], probabilities, model.estimator_.coef_)
