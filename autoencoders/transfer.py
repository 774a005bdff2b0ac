"""Proofs that weights were transferred: hashes of every layer before the first step and of the frozen ones at the end.

The textbook's "pretrained" classifier was built with `clone_model`, which makes new random weights, and nobody noticed
(handson-ml2, issue 246). Here a run whose proof fails, fails.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoencoders.errors import TransferError

if TYPE_CHECKING:  # hashes are compared where no Keras is
    import keras


def fingerprint(layer: keras.layers.Layer) -> str:
    """Return the SHA-256 of a layer's weights: shapes, dtypes and bytes, in order."""
    return fingerprint_of(layer.get_weights())


def fingerprint_of(weights: Sequence[np.ndarray]) -> str:
    """Return what `fingerprint` returns of a layer with these weights."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(f"{weight.shape}{weight.dtype}".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def raise_if_untrained(first: Sequence[str], layers: Sequence[keras.layers.Layer]) -> None:
    """Raise TransferError if a layer still has the fingerprint that it had before its training."""
    for layer, before in zip(layers, first, strict=True):
        if fingerprint(layer) == before:
            raise TransferError(f"layer '{layer.name}' is as it was before its pretraining: nothing was learnt")


def transfer(source: Sequence[keras.layers.Layer], target: Sequence[keras.layers.Layer]) -> None:
    """Copy the weights of each source layer into the target layer at its place."""
    for a, b in zip(source, target, strict=True):
        b.set_weights(a.get_weights())


@dataclass(frozen=True)
class TransferProof:
    """The hashes of the transferred layers before the first step, and how many of them, from the lowest, are frozen."""

    before: tuple[str, ...]
    n_frozen: int

    def finish(self, target: Sequence[keras.layers.Layer]) -> None:
        """Check at the end that the frozen layers are as they were, and that the others have learnt.

        Raises:
            TransferError: A frozen layer changed, or a layer that should train did not.
        """
        for k, (layer, before) in enumerate(zip(target, self.before, strict=True)):
            changed = fingerprint(layer) != before
            if changed == (k < self.n_frozen):
                state = "changed though it is frozen" if changed else "did not change though it is trained"
                raise TransferError(f"transfer proof failed: layer '{layer.name}' {state}")


def prove_transfer(
    source: Sequence[keras.layers.Layer], target: Sequence[keras.layers.Layer], *, n_frozen: int
) -> TransferProof:
    """Check before the first step that every target layer holds its source's weights.

    Args:
        source: The autoencoder's encoder layers.
        target: The classifier's layers at the same places.
        n_frozen: How many of them, from the lowest, will stay frozen.

    Raises:
        TransferError: A layer's weights are not its source's.
    """
    for a, b in zip(source, target, strict=True):
        if fingerprint(a) != fingerprint(b):
            raise TransferError(
                f"transfer proof failed: layer '{b.name}' does not hold the weights of '{a.name}' before the first step"
            )
    return TransferProof(tuple(fingerprint(layer) for layer in target), n_frozen)
