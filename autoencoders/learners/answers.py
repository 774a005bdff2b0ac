"""The result of a fitted classifier."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Answers(NamedTuple):
    """Predicted classes, int (n,); probabilities, float (n, k), or None; the fitted coefficients."""

    guesses: np.ndarray
    probabilities: np.ndarray | None
    fitted: np.ndarray
