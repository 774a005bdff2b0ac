"""How good a classifier's answers are."""

from __future__ import annotations

import numpy as np

N_BINS = 15


def scores(labels: np.ndarray, guesses: np.ndarray, probabilities: np.ndarray | None = None) -> dict[str, float]:
    """Return accuracy and balanced accuracy; with probabilities also log loss and expected calibration error.

    Args:
        labels: int (n,), classes 0..k-1.
        guesses: int (n,).
        probabilities: float (n, k), rows sum to 1.

    Returns: accuracy; balanced_accuracy, the mean over the classes that occur of the share of each that is recognised;
        log_loss in nats, no probability counted below 1e-7; calibration_error, see below.
    """
    right = guesses == labels
    values = {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean([right[labels == c].mean() for c in np.unique(labels)])),
    }
    if probabilities is not None:
        given = np.asarray(probabilities, np.float64)[np.arange(len(labels)), labels]
        values["log_loss"] = float(-np.log(np.maximum(given, 1e-7)).mean())
        values["calibration_error"] = calibration_error(right, probabilities.max(axis=1))
    return values


def calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    """Return the expected calibration error over 15 bins of equal width: sum of share * |accuracy - mean confidence|.

    Args:
        right: bool (n,), whether each answer is right.
        confidence: float (n,), the probability that the classifier gave it.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    bins = np.minimum((np.asarray(confidence, np.float64) * N_BINS).astype(int), N_BINS - 1)
    gaps = np.bincount(bins, weights=right - np.asarray(confidence, np.float64), minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(right))
