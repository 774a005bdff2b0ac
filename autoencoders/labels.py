"""Find the labelled rows, and draw a class-balanced few of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from autoencoders.errors import InputError

UNLABELLED = -1  # the label of a row without one


class Rows(NamedTuple):
    """Rows x, float32 (n, d), an array or a `Stack`, and their labels, int64 (n,)."""

    x: Any
    labels: np.ndarray


def labelled_rows(labels: np.ndarray) -> np.ndarray:
    """Return the numbers of the labelled rows, int64, ascending, for labels (n,)."""
    return np.flatnonzero(labels != UNLABELLED)


def draw_labelled(labels: np.ndarray, n_labels: int, *, seed: int, draw: int = 0) -> np.ndarray:
    """Draw class-balanced rows; a smaller draw with the same (seed, draw) is contained in a larger one.

    Args:
        labels: int (n,), classes 0..k-1; UNLABELLED rows are never drawn.
        n_labels: Total number of rows, k to the number of labelled rows. Class counts differ if it is no multiple of k,
            or if a class runs out of rows.
        seed, draw: Seeds of the random stream.

    Returns: Row numbers, int64 (n_labels,), in drawing order: classes take turns.

    Raises:
        InputError: n_labels is out of range.
    """
    labelled = labelled_rows(labels)
    classes = np.unique(labels[labelled])
    if not len(classes) <= n_labels <= len(labelled):
        raise InputError(f"n_labels: expected {len(classes)} (one per class) to {len(labelled)}, received {n_labels}")
    rng = np.random.default_rng([seed, draw])
    queues = [rng.permutation(np.flatnonzero(labels == c)) for c in classes]
    # Nested subsets: curves over n_labels differ by the labels added, not by the draw.
    turn = np.concatenate([np.arange(len(queue)) for queue in queues])
    first = np.lexsort((np.concatenate([np.full(len(q), k) for k, q in enumerate(queues)]), turn))
    return np.concatenate(queues)[first][:n_labels]
