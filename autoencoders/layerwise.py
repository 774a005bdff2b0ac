"""Greedy layerwise training: one shallow autoencoder per phase, each trained on the codings of the previous phase.

Three ways give the same weights, up to rounding, from the same initial weights and batches (tests/test_layerwise.py):
a model per phase, as in the book's 2nd edition; one deep model that bypasses or freezes all layers but phase k's, as in
the 1st; the same deep model, with the outputs of the frozen layers computed once.

Reference:
    Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, Science 313 (2006);
    Géron, Hands-On Machine Learning, 1st ed., chapter 15, "Training One Autoencoder at a Time".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from autoencoders.models import Autoencoder
from autoencoders.pretraining import Recipe, Streams, Training, train
from autoencoders.stacking import encode, phase_seed, sandwich
from autoencoders.training import Trainer

Way = Literal["separate", "bypass", "bypass_cached"]
Fit = Callable[..., None]


def train_greedy(x: np.ndarray, recipe: Recipe, *, seed: int, way: Way = "separate") -> Autoencoder:
    """Train the recipe's phases on x, float32 (n, d), in one of the three ways, and return their stack."""
    if way == "separate":
        return _train_separately(x, recipe, seed)
    widths = [x.shape[1], *(network.shape.units[0] for network in recipe.networks)]
    numbered = [*enumerate(recipe.networks, start=1)]
    whole = sandwich([network.shape.model(widths[k - 1], seed=phase_seed(seed, k)) for k, network in numbered])
    for number, network in numbered:
        fit = partial(_fit, training=network.training, epochs=recipe.epochs, seed=seed, number=number)
        _train_inside(whole, number, x, fit, cached=way == "bypass_cached")
    return whole


def _train_separately(x: np.ndarray, recipe: Recipe, seed: int) -> Autoencoder:
    phases: list[Autoencoder] = []
    for number, network in enumerate(recipe.networks, start=1):
        streams = Streams(weights=phase_seed(seed, number), order=seed, noise=seed)
        phases.append(train(x, None, network, streams, epochs=recipe.epochs, phase=number).model)
        x = encode(phases[-1], x)
    return sandwich(phases)


def _train_inside(whole: Autoencoder, number: int, x: np.ndarray, fit: Fit, *, cached: bool) -> None:
    """Train one encoder layer of the deep model and its decoder layer to reproduce the output of the layers below."""
    pair = [whole.encoder.layers[number - 1], whole.decoder.layers[-number]]
    if number == 1:
        fit(keras.Sequential([keras.Input(x.shape[1:]), *pair]), x)
        return
    below = keras.Sequential([keras.Input(x.shape[1:]), *whole.encoder.layers[: number - 1]])
    above = keras.Sequential([keras.Input(below.output_shape[1:]), *pair])
    below.trainable = False
    if cached:
        fit(above, np.asarray(below(x)))
    else:
        _fit_uncached(below, above, x, fit)
    below.trainable = True


def _fit_uncached(below: Any, above: Any, x: np.ndarray, fit: Fit) -> None:
    """Train `above` on the outputs of `below`, computed in every step; the model returns pairs of target and output."""
    images = keras.Input(x.shape[1:])
    target = below(images)
    both = keras.Model(images, ops.stack([target, above(target)], axis=-1))
    fit(both, x, is_pair=True)


def _fit(
    model: Any, x: np.ndarray, *, training: Training, epochs: int, seed: int, number: int, is_pair: bool = False
) -> None:
    """Train a model to reproduce x, or to make the second output of each pair (..., 2) equal to the first."""
    loss = keras.losses.get(training.loss)
    trainer = Trainer(
        model,
        loss=(lambda _, outputs: loss(outputs[..., 0], outputs[..., 1])) if is_pair else loss,
        optimizer=training.optimizer,
        learning_rate=training.learning_rate,
    )
    trainer.fit(x, epochs=epochs, batch_size=training.batch_size, seed=seed, phase=number)
