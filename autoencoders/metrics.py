"""Metrics of a classifier: accuracy, balanced accuracy, ROC AUC, log loss, calibration error and confusions."""

from __future__ import annotations

import numpy as np
from scipy import stats
from sklearn.metrics import recall_score

N_BINS = 15


def scores(labels: np.ndarray, guesses: np.ndarray, probabilities: np.ndarray | None = None) -> dict[str, float]:
    """Return accuracy and balanced accuracy; with probabilities also ROC AUC, log loss, expected calibration error.

    Args:
        labels: True classes, int (n,), 0..k-1.
        guesses: Predicted classes, int (n,).
        probabilities: float (n, k), rows sum to 1.

    Returns: accuracy; balanced_accuracy, the mean recall over the classes in `labels`; log_loss in nats, probabilities
        clipped at 1e-7; calibration_error and roc_auc, as below; no roc_auc if all labels are of one class.
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
        if len(np.unique(labels)) > 1:
            values["roc_auc"] = roc_auc(labels, probabilities)
    return values


def roc_auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the area under the ROC curve, each class in `labels` against all others, as their mean; of two, one area.

    AUC_c = (sum of the ranks of class c by its probability - n_c (n_c + 1) / 2) / (n_c (n - n_c)), tied ranks shared

    Args:
        labels: True classes, int (n,), two or more of 0..k-1.
        probabilities: float (n, k).

    Reference:
        Hanley and McNeil, The Meaning and Use of the Area under a ROC Curve, Radiology 143 (1982).
    """
    classes, counts = np.unique(labels, return_counts=True)
    if probabilities.shape[1] == 2:
        classes, counts = classes[1:], counts[1:]
    own = labels[:, None] == classes
    ranks = (stats.rankdata(probabilities[:, classes], axis=0) * own).sum(axis=0)
    return float(np.mean((ranks - counts * (counts + 1) / 2) / (counts * (len(labels) - counts))))


def confusion(labels: np.ndarray, guesses: np.ndarray) -> list[list[int]]:
    """Return [true class, predicted class, rows] of every pair that occurs, ascending: few, even of many classes."""
    pairs, rows = np.unique(np.stack([labels, guesses]), axis=1, return_counts=True)
    return [[int(true), int(guess), int(n)] for (true, guess), n in zip(pairs.T, rows, strict=True)]


def class_weights(labels: np.ndarray) -> np.ndarray:
    """Return a weight per row, (n,), n / (k n_c) for its class c of k: the weighted mean is that of the class means."""
    classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights: np.ndarray = (len(labels) / (len(classes) * counts))[place]
    return weights


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
