"""Transfer weights between layers, and prove it: compare hashes of the layers before the first step and at the end.

The textbook's "pretrained" classifier was built with `clone_model`, which draws new random weights, and nobody noticed
(handson-ml2, issue 246). Here, a failed proof fails the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoencoders.errors import TransferError

if TYPE_CHECKING:  # tasks/study/keys.py compares hashes without Keras
    import keras


def fingerprint(layer: keras.layers.Layer) -> str:
    """Return the SHA-256 of a layer's weights: shapes, dtypes and bytes, in order."""
    return fingerprint_of(layer.get_weights())


def fingerprint_of(weights: Sequence[np.ndarray]) -> str:
    """Return the fingerprint of a layer with these weights."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(f"{weight.shape}{weight.dtype}".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def raise_if_untrained(first: Sequence[str], layers: Sequence[keras.layers.Layer]) -> None:
    """Raise TransferError if a layer still has its fingerprint from before the training."""
    for layer, before in zip(layers, first, strict=True):
        if fingerprint(layer) == before:
            raise TransferError(f"layer '{layer.name}' still has its initial weights after pretraining")


def transfer(source: Sequence[keras.layers.Layer], target: Sequence[keras.layers.Layer]) -> None:
    """Copy the weights of each source layer to the target layer at the same position."""
    for a, b in zip(source, target, strict=True):
        b.set_weights(a.get_weights())


@dataclass(frozen=True)
class TransferProof:
    """The hashes of the transferred layers before the first step, and the number of frozen layers, from the lowest."""

    before: tuple[str, ...]
    n_frozen: int

    def finish(self, target: Sequence[keras.layers.Layer]) -> None:
        """Check at the end that the frozen layers did not change and the others did.

        Raises:
            TransferError: A frozen layer changed, or a trained layer did not.
        """
        for k, (layer, before) in enumerate(zip(target, self.before, strict=True)):
            changed = fingerprint(layer) != before
            if changed == (k < self.n_frozen):
                state = "changed though it is frozen" if changed else "did not change though it is trained"
                raise TransferError(f"transfer proof failed: layer '{layer.name}' {state}")


def prove_transfer(
    source: Sequence[keras.layers.Layer], target: Sequence[keras.layers.Layer], *, n_frozen: int
) -> TransferProof:
    """Check before the first step that every target layer has the weights of its source layer.

    Args:
        source: The autoencoder's encoder layers.
        target: The classifier's layers at the same positions.
        n_frozen: Number of target layers, from the lowest, that will stay frozen.

    Raises:
        TransferError: A layer's weights differ from its source's.
    """
    for a, b in zip(source, target, strict=True):
        if fingerprint(a) != fingerprint(b):
            raise TransferError(
                f"transfer proof failed: layer '{b.name}' does not hold the weights of '{a.name}' before the first step"
            )
    return TransferProof(tuple(fingerprint(layer) for layer in target), n_frozen)
