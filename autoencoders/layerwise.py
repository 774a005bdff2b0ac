"""Greedy layerwise training: one shallow autoencoder per phase, each on the codings of the one before.

Three ways lead to the same weights, to rounding, given the same start and the same batches (tests/test_layerwise.py):
a model per phase, as in the 2nd edition; one deep model whose phase k bypasses or freezes all other layers, as in the
1st; the same with the frozen layers' outputs computed once and kept.

Reference:
    Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, Science 313 (2006);
    Géron, Hands-On Machine Learning, 1st ed., chapter 15, "Training One Autoencoder at a Time".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from autoencoders.models import Autoencoder
from autoencoders.training import Row, Trainer, scaled

Way = Literal["separate", "bypass", "bypass_cached"]


@dataclass(frozen=True, kw_only=True)
class PhaseSpec:
    """One phase: the shape of its autoencoder and how it is trained (meanings as in Autoencoder and Trainer)."""

    units: int
    activation: str
    output_activation: str
    loss: str
    optimizer: str
    learning_rate: float
    epochs: int
    kernel_initializer: str = "glorot_uniform"
    l2: float = 0.0
    batch_size: int = 32


def phase_model(n_inputs: int, spec: PhaseSpec, *, number: int, seed: int) -> Autoencoder:
    """Build the untrained autoencoder n_inputs - units - n_inputs of phase `number`, from 1."""
    return Autoencoder(
        n_inputs,
        [spec.units],
        activation=spec.activation,
        output_activation=spec.output_activation,
        kernel_initializer=spec.kernel_initializer,
        l2=spec.l2,
        seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1),
    )


def train_phase(
    x: np.ndarray,
    spec: PhaseSpec,
    *,
    number: int,
    seed: int,
    validation: np.ndarray | None = None,
    scale: float = 1.0,
    on_epoch: Callable[[int, Row], None] | None = None,
) -> tuple[Autoencoder, list[Row]]:
    """Train phase `number` to reproduce x, float32 or uint8 to be scaled, (n, d); return its model, a row per epoch."""
    model = phase_model(x.shape[1], spec, number=number, seed=seed)
    return model, _fit(model, x, spec, number, seed, validation, scale, on_epoch)


def encode(model: Autoencoder, x: np.ndarray, *, batch_size: int = 5000) -> np.ndarray:
    """Return the codings of x, float32 (n, d) -> (n, units[-1]), some rows at a time."""
    part = encoder(model, batch_size=batch_size)
    return np.concatenate([part(x[i : i + batch_size]) for i in range(0, len(x), batch_size)])


def encoder(model: Autoencoder, *, batch_size: int, scale: float = 1.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that encodes up to `batch_size` rows, compiled once.

    It takes float32 or uint8 (b, d), the latter divided by the scale, and returns float32 (b, units[-1]).
    """
    divisor = tf.constant(scale, tf.float32)
    compiled = tf.function(lambda x, scale: model.encoder(scaled(x, scale)), jit_compile=True)

    def codings(x: np.ndarray) -> np.ndarray:
        missing = batch_size - len(x)  # filled up, since another shape would be compiled anew
        rows = np.pad(x, ((0, missing), (0, 0))) if missing else x
        return np.asarray(compiled(tf.constant(rows), divisor))[: len(x)]

    return codings


def sandwich(phases: Sequence[Autoencoder]) -> Autoencoder:
    """Stack the phases: enc 1, enc 2, ..., dec 2, dec 1, with their weights.

    Its function is the composition of the phases' parts. Further training applies each phase's L2 to its encoder.
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


def train_greedy(x: np.ndarray, specs: Sequence[PhaseSpec], *, seed: int, way: Way = "separate") -> Autoencoder:
    """Train every phase on x, float32 (n, d), one way or another, and return the sandwich."""
    if way == "separate":
        return _train_separately(x, specs, seed)
    widths = [x.shape[1], *(spec.units for spec in specs)]
    whole = sandwich([phase_model(widths[k], s, number=k + 1, seed=seed) for k, s in enumerate(specs)])
    for k, spec in enumerate(specs):
        _train_inside(whole, k, x, spec, seed, cached=way == "bypass_cached")
    return whole


def _train_separately(x: np.ndarray, specs: Sequence[PhaseSpec], seed: int) -> Autoencoder:
    phases = []
    for number, spec in enumerate(specs, start=1):
        model, _ = train_phase(x, spec, number=number, seed=seed)
        x = encode(model, x)
        phases.append(model)
    return sandwich(phases)


def _train_inside(whole: Autoencoder, k: int, x: np.ndarray, spec: PhaseSpec, seed: int, *, cached: bool) -> None:
    """Train encoder layer k (from 0) of the whole and its mirror image to reproduce the output of the layers below."""
    pair = [whole.encoder.layers[k], whole.decoder.layers[-1 - k]]
    if k == 0:
        _fit(keras.Sequential([keras.Input(x.shape[1:]), *pair]), x, spec, 1, seed)
        return
    below = keras.Sequential([keras.Input(x.shape[1:]), *whole.encoder.layers[:k]])
    above = keras.Sequential([keras.Input(below.output_shape[1:]), *pair])
    below.trainable = False
    if cached:
        _fit(above, np.asarray(below(x)), spec, k + 1, seed)
    else:
        _fit_uncached(below, above, x, spec, k + 1, seed)
    below.trainable = True


def _fit_uncached(below: Any, above: Any, x: np.ndarray, spec: PhaseSpec, number: int, seed: int) -> None:
    """Train `above` on the outputs of `below`, computed anew in every step; target and output leave side by side."""
    images = keras.Input(x.shape[1:])
    target = below(images)
    both = keras.Model(images, ops.stack([target, above(target)], axis=-1))
    loss = keras.losses.get(spec.loss)
    trainer = Trainer(
        both,
        loss=lambda _, outputs: loss(outputs[..., 0], outputs[..., 1]),
        optimizer=spec.optimizer,
        learning_rate=spec.learning_rate,
    )
    trainer.fit(x, epochs=spec.epochs, batch_size=spec.batch_size, seed=seed, phase=number)


def _fit(
    model: Any,
    x: np.ndarray,
    spec: PhaseSpec,
    number: int,
    seed: int,
    validation: np.ndarray | None = None,
    scale: float = 1.0,
    on_epoch: Callable[[int, Row], None] | None = None,
) -> list[Row]:
    metrics = ["mse", "rounded_accuracy"] if validation is not None and spec.loss == "binary_crossentropy" else ["mse"]
    trainer = Trainer(
        model, loss=spec.loss, optimizer=spec.optimizer, learning_rate=spec.learning_rate, metrics=metrics, scale=scale
    )
    return trainer.fit(
        x,
        epochs=spec.epochs,
        batch_size=spec.batch_size,
        seed=seed,
        phase=number,
        validation=None if validation is None else (validation, validation),
        on_epoch=on_epoch,
    )
