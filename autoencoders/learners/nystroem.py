"""Multinomial logistic regression on the features of a Gaussian kernel."""

from __future__ import annotations

import numpy as np
from sklearn.kernel_approximation import Nystroem

from autoencoders.learners import logistic
from autoencoders.learners.answers import Answers


def answers(x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, n_components: int, c: float, seed: int) -> Answers:
    """Fit logistic regression on kernel features of x (n_labels, d), and answer for rows (n, d).

    A row's features are its kernel values with a few labelled rows, made independent of each other. The kernel's width
    is the support vector machine's, 1 / (d * variance of x).

    Args:
        x, labels, rows: As of every learner.
        n_components: Labelled rows to take kernel values with; all of them where there are fewer.
        c: The inverse of the L2 penalty. Features lie between -1 and 1, so it is larger than for rows themselves.
        seed: Of the draw of these rows.

    Raises:
        InputError: The regression did not come to an end.

    Reference:
        Williams & Seeger, Using the Nyström method to speed up kernel machines, NIPS 2000.
    """
    gamma = 1.0 / (x.shape[1] * max(float(x.var()), 1e-12))
    features = Nystroem(gamma=gamma, n_components=min(n_components, len(x)), random_state=seed, n_jobs=1)
    # In float64: equal or near rows make eigenvalues of about 0, whose roots features are divided by.
    fitted = features.fit_transform(x.astype(np.float64))
    return logistic.answers(fitted, labels, features.transform(rows.astype(np.float64)), c=c)
