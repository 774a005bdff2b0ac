"""End-to-end pretraining on a random part of the rows, with the gradient steps of all rows.

A study compares it with pretraining on all rows, to show what more unlabelled rows are worth. The part is repeated to
the number of all rows, so that both take the same steps.
"""

from __future__ import annotations

import numpy as np

from autoencoders.choosing import random_rows
from autoencoders.pretraining import UNWATCHED, Pretrained, Recipe, Streams, Watch
from autoencoders.pretrainings import end_to_end


def pretrain(
    x: np.ndarray,
    validation: np.ndarray | None,
    recipe: Recipe,
    streams: Streams,
    *,
    n_rows: int,
    scale: float = 1.0,
    watch: Watch = UNWATCHED,
) -> Pretrained:
    """Train the recipe's network on `n_rows` of the rows x, (n, d), drawn by the stream `order`.

    A smaller part is the beginning of a larger one. The other arguments are those of `train`.

    Raises:
        ValueError: There are fewer than `n_rows` rows.
    """
    if n_rows > len(x):
        raise ValueError(f"n_rows: expected {len(x)} at most, the number of rows, received {n_rows}")
    part = random_rows(len(x), n_rows, seed=streams.order)
    return end_to_end.pretrain(x[np.resize(part, len(x))], validation, recipe, streams, scale=scale, watch=watch)
