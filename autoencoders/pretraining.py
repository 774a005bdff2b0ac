"""Pretraining an encoder, one of several ways, anew for every run of a study; compiled once for all runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoencoders.arms import Pretraining
from autoencoders.evaluation import outputs
from autoencoders.layerwise import PhaseSpec, phase_model
from autoencoders.models import Autoencoder
from autoencoders.training import Trainer
from autoencoders.transfer import fingerprint, raise_if_untrained


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The network that is trained end to end (meanings as in Autoencoder and Trainer)."""

    units: Sequence[int]
    activation: str
    output_activation: str
    kernel_initializer: str
    l2: float
    loss: str
    optimizer: str
    learning_rate: float
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class Streams:
    """The seeds of a pretraining: its first weights, the order of rows, the noise."""

    weights: int
    order: int
    noise: int


@dataclass(frozen=True)
class Block:
    """What is trained at a time: the whole network, or one phase; `first(seed)` builds it with its first weights."""

    first: Callable[[int], Autoencoder]
    model: Autoencoder
    trainer: Trainer
    batch_size: int


class Pretrainer:
    """One way to pretrain, for any number of runs.

    Args:
        kind: Which way.
        n_inputs: Width of a row.
        network: Shape and recipe end to end.
        phases: Shapes and recipes of the greedy phases; their epochs are not used.
        epochs: Of the whole network, or of each phase.
        noise: For Gaussian noise its standard deviation, in those of the phase's inputs; for masking noise the share of
            inputs set to zero.
    """

    def __init__(
        self,
        kind: Pretraining,
        n_inputs: int,
        *,
        network: Recipe,
        phases: Sequence[PhaseSpec],
        epochs: int,
        noise: float = 0.0,
    ) -> None:
        self.kind, self.epochs, self.noise = kind, epochs, noise
        if kind.greedy:
            widths = [n_inputs, *(spec.units for spec in phases)]
            self.blocks = [_phase(widths[k], spec, k + 1) for k, spec in enumerate(phases)]
        else:
            self.blocks = [_end_to_end(n_inputs, network, tied=kind.tied)]

    def n_steps(self, n: int) -> int:
        """Return the gradient steps that training on n rows takes."""
        return sum(self.epochs * -(-n // block.batch_size) for block in self.blocks)

    def fit(self, x: np.ndarray, streams: Streams) -> tuple[list[Any], float]:
        """Train on rows x, float32 (n, d), from first weights.

        Returns: The encoder's layers, which the next run trains anew, and the last epoch's loss (of the last phase).

        Raises:
            Diverged: A training did.
            TransferError: A layer was left as it was.
        """
        layers: list[Any] = []
        loss = 0.0
        for phase, block in enumerate(self.blocks, start=1):
            start = block.first(streams.weights)
            first = [fingerprint(layer) for layer in start.encoder.layers]
            block.model.set_weights(start.get_weights())
            block.trainer.restart()
            rows = block.trainer.fit(
                x, epochs=self.epochs, batch_size=block.batch_size, seed=streams.order, phase=phase,
                corrupt=self._corrupt(x, [streams.noise, phase]),
            )  # fmt: skip
            loss = rows[-1]["loss"]
            raise_if_untrained(first, block.model.encoder.layers)
            layers += block.model.encoder.layers
            x = outputs(block.model.encoder.layers, x)
        return layers, loss

    def _corrupt(self, x: np.ndarray, stream: list[int]) -> Callable[[int], np.ndarray] | None:
        """Return what makes an epoch's noisy inputs of x, other noise in every epoch; None without noise."""
        if self.kind.noise is None:
            return None

        def gaussian(epoch: int) -> np.ndarray:
            rng = np.random.default_rng([*stream, epoch])
            noise = rng.standard_normal(x.shape, dtype=np.float32)
            return x + np.float32(self.noise) * x.std() * noise

        def masking(epoch: int) -> np.ndarray:
            rng = np.random.default_rng([*stream, epoch])
            return np.where(rng.random(x.shape, dtype=np.float32) < self.noise, np.float32(0), x)

        return gaussian if self.kind.noise == "gaussian" else masking


def _end_to_end(n_inputs: int, r: Recipe, *, tied: bool) -> Block:
    def first(seed: int) -> Autoencoder:
        return Autoencoder(
            n_inputs, r.units, activation=r.activation, output_activation=r.output_activation,
            kernel_initializer=r.kernel_initializer, l2=r.l2, tied=tied, seed=seed,
        )  # fmt: skip

    model = first(0)
    trainer = Trainer(model, loss=r.loss, optimizer=r.optimizer, learning_rate=r.learning_rate)
    return Block(first, model, trainer, r.batch_size)


def _phase(n_inputs: int, spec: PhaseSpec, number: int) -> Block:
    def first(seed: int) -> Autoencoder:
        return phase_model(n_inputs, spec, number=number, seed=seed)

    model = first(0)
    trainer = Trainer(model, loss=spec.loss, optimizer=spec.optimizer, learning_rate=spec.learning_rate)
    return Block(first, model, trainer, spec.batch_size)
