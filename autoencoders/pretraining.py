"""Pretraining: recipes, random streams, and the training of one network that every way to pretrain shares.

A way to pretrain is a module of autoencoders/pretrainings with one function, `pretrain(x, validation, recipe, streams,
*, scale, watch)`, which returns the trained autoencoder and its history; settings of its own follow as keywords.
Trainings of one network share a compiled function: the runs of a study compile once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from autoencoders.models import Autoencoder
from autoencoders.training import Row, Trainer
from autoencoders.transfer import fingerprint, raise_if_untrained


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The shape of an autoencoder, as in `Autoencoder`."""

    units: tuple[int, ...]
    activation: str
    output_activation: str
    kernel_initializer: str = "glorot_uniform"
    l2: float = 0.0
    tied: bool = False

    def model(self, n_inputs: int, *, seed: int) -> Autoencoder:
        """Build an untrained autoencoder."""
        return Autoencoder(n_inputs, **asdict(self), seed=seed)


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is trained: a `Trainer`'s loss, optimizer and learning rate, and the rows of a step."""

    loss: str
    optimizer: str
    learning_rate: float
    batch_size: int

    def trainer(self, model: Autoencoder, *, metrics: Sequence[str] = (), scale: float = 1.0) -> Trainer:
        """Return the trainer of a model."""
        recipe = {name: value for name, value in asdict(self).items() if name != "batch_size"}
        return Trainer(model, **recipe, metrics=metrics, scale=scale)


@dataclass(frozen=True)
class Network:
    """An autoencoder to train: its shape, and how."""

    shape: Shape
    training: Training


@dataclass(frozen=True)
class Noise:
    """What corrupts the inputs of a denoising autoencoder, whose targets stay clean.

    Args:
        kind: Gaussian noise is added; masking noise sets inputs to zero.
        amount: Gaussian: the noise's standard deviation, in those of all inputs, >= 0; masking: the share of inputs, in
            [0, 1).

    Reference:
        Vincent et al., Stacked Denoising Autoencoders, JMLR 11 (2010), section 3.3.
    """

    kind: Literal["gaussian", "masking"]
    amount: float

    def corrupted(self, x: np.ndarray, stream: Sequence[int]) -> np.ndarray:
        """Return x, float32 (n, d), with the noise of a random stream."""
        rng = np.random.default_rng([*stream])
        if self.kind == "gaussian":
            return x + np.float32(self.amount) * x.std() * rng.standard_normal(x.shape, dtype=np.float32)
        return np.where(rng.random(x.shape, dtype=np.float32) < self.amount, np.float32(0), x)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a way to pretrain is given.

    Args:
        networks: One, trained end to end; or one for each phase of greedy training, the first on the rows.
        epochs: Of every network.
        noise: On the inputs of every network; None for none.
        first: Number of the first network in random streams and messages; 0 where there are no phases.
    """

    networks: tuple[Network, ...]
    epochs: int
    noise: Noise | None = None
    first: int = 1

    def n_steps(self, n: int) -> int:
        """Return the gradient steps that training on n rows takes."""
        return sum(self.epochs * -(-n // network.training.batch_size) for network in self.networks)


@dataclass(frozen=True, kw_only=True)
class Streams:
    """The seeds of a pretraining: its first weights, the order of rows, the noise."""

    weights: int
    order: int
    noise: int

    @classmethod
    def of(cls, seed: int) -> Streams:
        """Return streams that one seed sets."""
        return cls(weights=seed, order=seed, noise=seed)


class Pretrained(NamedTuple):
    """The trained autoencoder, and a row for each epoch as `Trainer.fit` returns it."""

    model: Autoencoder
    history: list[Row]


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is measured of a training: metrics of validation rows as in `Trainer`, and who hears of each epoch."""

    metrics: tuple[str, ...] = ()
    on_epoch: Callable[[int, Row], None] | None = None


UNWATCHED = Watch()


def train(
    x: np.ndarray,
    validation: np.ndarray | None,
    network: Network,
    streams: Streams,
    *,
    epochs: int,
    noise: Noise | None = None,
    phase: int = 0,
    scale: float = 1.0,
    watch: Watch = UNWATCHED,
) -> Pretrained:
    """Train one network from first weights to reproduce its rows.

    Args:
        x, validation: float32, or uint8 to be divided by the scale, (n, d); validation rows stay without noise.
        network: Shape and training.
        streams: Seeds.
        epochs: >= 0.
        noise: On the inputs, other in every epoch; rows of uint8 are then held in memory as float32.
        phase: Number in the streams of order and noise, and in messages.
        scale: As in `Trainer`.
        watch: What is measured.

    Raises:
        Diverged: The training did.
        TransferError: A layer of the encoder is as it was before: it has learnt nothing.
    """
    trainer = _trainer(x.shape[1], network, watch.metrics, scale)
    model = network.shape.model(x.shape[1], seed=streams.weights)
    first = [fingerprint(layer) for layer in model.encoder.layers]
    trainer.model.set_weights(model.get_weights())
    trainer.restart()
    history = trainer.fit(
        x, epochs=epochs, batch_size=network.training.batch_size, seed=streams.order, phase=phase,
        validation=None if validation is None else (validation, validation), on_epoch=watch.on_epoch,
        corrupt=_corruption(floats(x, scale), noise, [streams.noise, phase]) if noise else None,
    )  # fmt: skip
    model.set_weights(trainer.model.get_weights())
    if epochs:
        raise_if_untrained(first, model.encoder.layers)
    return Pretrained(model, history)


def floats(x: np.ndarray, scale: float) -> np.ndarray:
    """Return rows of uint8 as float32, divided by the scale; others as they are."""
    return x.astype(np.float32) / np.float32(scale) if x.dtype == np.uint8 else x


@lru_cache(maxsize=8)
def _trainer(n_inputs: int, network: Network, metrics: tuple[str, ...], scale: float) -> Trainer:
    """Return the trainer of a network, whose weights every training sets anew: it is compiled once for all."""
    return network.training.trainer(network.shape.model(n_inputs, seed=0), metrics=metrics, scale=scale)


def _corruption(clean: np.ndarray, noise: Noise, stream: list[int]) -> Callable[[int], np.ndarray]:
    """Return the function from an epoch's number to its noisy inputs."""
    return lambda epoch: noise.corrupted(clean, [*stream, epoch])
