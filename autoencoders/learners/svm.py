"""A support vector machine with a Gaussian kernel."""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from autoencoders.learners.answers import Answers


def answers(x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, c: float) -> Answers:
    """Fit a support vector machine with a Gaussian kernel to x (n_labels, d); predict rows (n, d).

    The kernel's gamma is scikit-learn's `scale`, 1 / (d * variance of x). There are no probabilities.
    """
    gamma = 1.0 / (x.shape[1] * max(float(x.var()), 1e-12))
    # Matrix products compute kernels several times faster than libsvm, which goes row by row.
    model = SVC(C=c, kernel="precomputed").fit(rbf_kernel(x, gamma=gamma), labels)
    kernel = np.zeros((2000, len(x)))  # between rows and support vectors; SVC reads no other columns
    guesses = []
    for start in range(0, len(rows), len(kernel)):
        chunk = rows[start : start + len(kernel)]
        kernel[: len(chunk), model.support_] = rbf_kernel(chunk, x[model.support_], gamma=gamma)
        guesses.append(model.predict(kernel[: len(chunk)]))
    return Answers(np.concatenate(guesses), None, model.dual_coef_)
