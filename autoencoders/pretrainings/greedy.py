"""Greedy layerwise pretraining: each phase's network learns to reproduce the previous codings; all are then stacked.

Reference:
    Bengio et al., Greedy Layer-Wise Training of Deep Networks, NIPS 19 (2006); with noise: Vincent et al., Stacked
    Denoising Autoencoders, JMLR 11 (2010).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from autoencoders.models import Autoencoder, outputs
from autoencoders.pretraining import UNWATCHED, Learnt, Pretrained, Recipe, Streams, Watch, floats, train
from autoencoders.stacking import phase_seed, sandwich
from autoencoders.training import Row


def pretrain(
    x: np.ndarray,
    validation: np.ndarray | None,
    recipe: Recipe,
    streams: Streams,
    *,
    scale: float = 1.0,
    watch: Watch = UNWATCHED,
) -> Pretrained:
    """Train one network per phase, the first on rows x, (n, d); arguments as in `train`.

    Returns: The stack of all phases (or the network of a single phase), and the phases' histories in order.
    """
    phases: list[Autoencoder] = []
    history: list[Row] = []
    learnt: list[Learnt] = []
    for number, network in enumerate(recipe.networks, start=recipe.first):
        if phases:
            x, validation = (_codings(phases[-1], rows, scale) for rows in (x, validation))
        own = replace(streams, weights=phase_seed(streams.weights, number))
        model, rows, proof = train(
            x,
            validation,
            network,
            own,
            epochs=recipe.epochs,
            noise=recipe.noise,
            phase=number,
            scale=scale,
            watch=watch,
        )
        phases.append(model)
        history += rows
        learnt += proof
    return Pretrained(sandwich(phases) if len(phases) > 1 else phases[0], history, (*learnt,))


def _codings(phase: Autoencoder, rows: Any, scale: float) -> Any:
    return None if rows is None else outputs([phase.encoder], floats(rows, scale))
