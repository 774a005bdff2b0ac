"""Metrics of a classifier: accuracy, balanced accuracy, log loss and calibration error."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import recall_score

N_BINS = 15


def scores(labels: np.ndarray, guesses: np.ndarray, probabilities: np.ndarray | None = None) -> dict[str, float]:
    """Return accuracy and balanced accuracy, and with probabilities also log loss and expected calibration error.

    Args:
        labels: True classes, int (n,), 0..k-1.
        guesses: Predicted classes, int (n,).
        probabilities: float (n, k), rows sum to 1.

    Returns: accuracy; balanced_accuracy, the mean recall over the classes in `labels`; log_loss in nats, probabilities
        clipped at 1e-7; calibration_error, as below.
    """
    right = guesses == labels
    # Not balanced_accuracy_score, which warns about predicted classes that are not in `labels`.
    recall = recall_score(labels, guesses, labels=np.unique(labels), average="macro", zero_division=0)
    values = {"accuracy": float(right.mean()), "balanced_accuracy": float(recall)}
    if probabilities is not None:
        # Not scikit-learn's log_loss, which clips at 2e-16 for float64 and at 1e-7 for float32.
        given = np.asarray(probabilities, np.float64)[np.arange(len(labels)), labels]
        values["log_loss"] = float(-np.log(np.maximum(given, 1e-7)).mean())
        values["calibration_error"] = calibration_error(right, probabilities.max(axis=1))
    return values


def calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    """Return the expected calibration error over 15 bins of equal width: sum of share * |accuracy - mean confidence|.

    Args:
        right: Whether each prediction is correct, bool (n,).
        confidence: Probability of each predicted class, float (n,).

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    bins = np.minimum((np.asarray(confidence, np.float64) * N_BINS).astype(int), N_BINS - 1)
    gaps = np.bincount(bins, weights=right - np.asarray(confidence, np.float64), minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(right))
