"""End-to-end pretraining on noise: each column's values are shuffled over the rows.

A control for a study: the columns keep their distributions and lose what they have to do with each other. A gain from
such rows is no gain from structure that an autoencoder has found.
"""

from __future__ import annotations

import numpy as np

from autoencoders.blocks import ByColumn
from autoencoders.pretraining import UNWATCHED, Pretrained, Recipe, Streams, Watch
from autoencoders.pretrainings import end_to_end

STREAM = 1  # beside the noise of the inputs, which has three numbers


def pretrain(
    x: np.ndarray,
    validation: np.ndarray | None,
    recipe: Recipe,
    streams: Streams,
    *,
    scale: float = 1.0,
    watch: Watch = UNWATCHED,
) -> Pretrained:
    """Train the recipe's network on rows x, (n, d), with shuffled columns; arguments as in `train`.

    A loss by column knows the columns of the table: those of one category are shuffled as one.
    """
    rng, loss = np.random.default_rng([streams.noise, STREAM]), recipe.networks[0].training.loss
    if isinstance(loss, ByColumn):
        shuffled = np.concatenate([rng.permutation(x[:, column]) for column in loss.columns], axis=1)
    else:
        shuffled = rng.permuted(x, axis=0)
    return end_to_end.pretrain(shuffled, validation, recipe, streams, scale=scale, watch=watch)
