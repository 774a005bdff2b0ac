"""Stacked autoencoders from trained phases: the codings that the next phase learns from, and the stack of all phases.

Reference:
    Géron, Hands-On Machine Learning, 2nd ed., chapter 17, "Training One Autoencoder at a Time".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from autoencoders.batches import scaled
from autoencoders.models import Autoencoder


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
        standardisation=phases[0].standardisation,
    )
    for k, phase in enumerate(phases):
        whole.encoder.layers[k].set_weights(phase.encoder.layers[0].get_weights())
        whole.decoder.layers[len(phases) - 1 - k].set_weights(phase.decoder.layers[0].get_weights())
    return whole
