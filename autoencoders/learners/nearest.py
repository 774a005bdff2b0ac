"""The nearest neighbours of rows, the same for any number of them that is asked for."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

MOST = 32  # neighbours that are looked for, if no more are asked for: equal distances then always stand in one order


def nearest(x: np.ndarray, rows: np.ndarray, most: int = MOST) -> np.ndarray:
    """Return the numbers of each row's nearest rows of x (n, d), the nearest first.

    Args:
        x: Rows among which the neighbours are.
        rows: Rows (m, d).
        most: Number of neighbours; all of x if it has fewer.

    Returns: int64 (m, min(most, n)), by Euclidean distance.
    """
    found = NearestNeighbors(n_neighbors=min(most, len(x)), algorithm="brute", n_jobs=1).fit(x)
    numbers: np.ndarray = found.kneighbors(rows, return_distance=False)
    return numbers
