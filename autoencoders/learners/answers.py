"""What a fitted classifier answers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Answers(NamedTuple):
    """A class for each row, int (n,); probabilities, float (n, k), where the classifier gives any; fitted numbers."""

    guesses: np.ndarray
    probabilities: np.ndarray | None
    fitted: np.ndarray
