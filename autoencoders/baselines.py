"""Classifiers out of scikit-learn with fixed settings: logistic regression, and a support vector machine."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

MAX_ITERATIONS = 2000
MAX_SVM_LABELS = 5000  # its kernel has n_labels * n_test entries, and time grows faster than n_labels^2


class Answers(NamedTuple):
    """A class for each row, int (n,); probabilities, float (n, k), where the classifier gives any; fitted numbers."""

    guesses: np.ndarray
    probabilities: np.ndarray | None
    fitted: np.ndarray


def logistic(x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, c: float) -> Answers:
    """Fit multinomial logistic regression, its L2 penalty 1 / c, on x (n_labels, d); answer for rows (n, d)."""
    model = LogisticRegression(C=c, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(x, labels)
        except ConvergenceWarning:
            raise ValueError(f"logistic regression: expected an end within {MAX_ITERATIONS} iterations") from None
    probabilities = model.predict_proba(rows)
    return Answers(model.classes_[probabilities.argmax(axis=1)], probabilities, model.coef_)


def svm(x: np.ndarray, labels: np.ndarray, rows: np.ndarray, *, c: float) -> Answers:
    """Fit a support vector machine with a Gaussian kernel on x (n_labels, d), and answer for rows (n, d).

    The kernel's width is scikit-learn's `scale`, 1 / (d * variance of x). It gives no probabilities.
    """
    if len(x) > MAX_SVM_LABELS:
        raise ValueError(f"raw SVM: expected up to {MAX_SVM_LABELS:,} labels, received {len(x):,}")
    gamma = 1.0 / (x.shape[1] * max(float(x.var()), 1e-12))
    # Kernels by matrix products: several times faster than libsvm's own, row by row.
    model = SVC(C=c, kernel="precomputed").fit(rbf_kernel(x, gamma=gamma), labels)
    kernel = np.zeros((2000, len(x)))  # of rows and support vectors; other columns are never read
    guesses = []
    for start in range(0, len(rows), len(kernel)):
        chunk = rows[start : start + len(kernel)]
        kernel[: len(chunk), model.support_] = rbf_kernel(chunk, x[model.support_], gamma=gamma)
        guesses.append(model.predict(kernel[: len(chunk)]))
    return Answers(np.concatenate(guesses), None, model.dual_coef_)


LEARNERS = {"logistic": logistic, "svm": svm}


def principal_components(x: np.ndarray, n_components: int) -> PCA:
    """Fit PCA on all rows x, float32 (n, d), without labels."""
    return PCA(n_components, svd_solver="covariance_eigh").fit(x)
