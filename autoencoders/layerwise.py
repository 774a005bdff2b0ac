"""Greedy layerwise training: one shallow autoencoder per phase, each trained on the codings of the previous phase.

Three ways give the same weights, up to rounding, from the same initial weights and batches (tests/test_layerwise.py):
a model per phase, as in the book's 2nd edition; one deep model that bypasses or freezes all layers but phase k's, as in
the 1st; the same deep model, with the outputs of the frozen layers computed once.

Reference:
    Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, Science 313 (2006);
    Géron, Hands-On Machine Learning, 1st ed., chapter 15, "Training One Autoencoder at a Time".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from autoencoders.models import Autoencoder
from autoencoders.pretraining import Recipe, Streams, Training, train
from autoencoders.training import Trainer, scaled

Way = Literal["separate", "bypass", "bypass_cached"]
Fit = Callable[..., None]


def phase_seed(seed: int, number: int) -> int:
    """Return the seed of the initial weights of phase `number`, counted from 1."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)


def encode(model: Autoencoder, x: np.ndarray, *, batch_size: int = 5000) -> np.ndarray:
    """Return the codings of x, float32 (n, d) -> (n, units[-1]), computed in batches."""
    part = encoder(model, batch_size=batch_size)
    return np.concatenate([part(x[i : i + batch_size]) for i in range(0, len(x), batch_size)])


def encoder(model: Autoencoder, *, batch_size: int, scale: float = 1.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that encodes up to `batch_size` rows, compiled once.

    The function takes float32, or uint8 to divide by the scale, (b, d), and returns float32 (b, units[-1]).
    """
    divisor = tf.constant(scale, tf.float32)
    compiled = tf.function(lambda x, scale: model.encoder(scaled(x, scale)), jit_compile=True)

    def codings(x: np.ndarray) -> np.ndarray:
        missing = batch_size - len(x)  # padded, since every new shape is compiled
        rows = np.pad(x, ((0, missing), (0, 0))) if missing else x
        return np.asarray(compiled(tf.constant(rows), divisor))[: len(x)]

    return codings


def sandwich(phases: Sequence[Autoencoder]) -> Autoencoder:
    """Stack trained phases with their weights: encoder 1, encoder 2, ..., decoder 2, decoder 1.

    Further training applies each phase's L2 penalty to its encoder.
    """
    configs = [phase.get_config() for phase in phases]
    whole = Autoencoder(
        configs[0]["n_inputs"],
        [c["units"][0] for c in configs],
        activation=[c["activation"][0] for c in configs],
        output_activation=configs[0]["output_activation"],
        decoder_activation=[c["output_activation"] for c in configs[:0:-1]],
        l2=[c["l2"][0] for c in configs],
    )
    for k, phase in enumerate(phases):
        whole.encoder.layers[k].set_weights(phase.encoder.layers[0].get_weights())
        whole.decoder.layers[len(phases) - 1 - k].set_weights(phase.decoder.layers[0].get_weights())
    return whole


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
