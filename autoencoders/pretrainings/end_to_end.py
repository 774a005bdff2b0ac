"""End-to-end pretraining: train the whole network at once.

Reference:
    Géron, Hands-On Machine Learning, 2nd ed., chapter 17, "Stacked Autoencoders".
"""

from __future__ import annotations

import numpy as np

from autoencoders.pretraining import UNWATCHED, Pretrained, Recipe, Streams, Watch, train


def pretrain(
    x: np.ndarray,
    validation: np.ndarray | None,
    recipe: Recipe,
    streams: Streams,
    *,
    scale: float = 1.0,
    watch: Watch = UNWATCHED,
) -> Pretrained:
    """Train the recipe's network on rows x, (n, d); arguments as in `train`."""
    (network,) = recipe.networks
    return train(
        x,
        validation,
        network,
        streams,
        epochs=recipe.epochs,
        noise=recipe.noise,
        phase=recipe.first,
        scale=scale,
        watch=watch,
    )
