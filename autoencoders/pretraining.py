"""Pretraining: recipes, random streams, and the training of one network.

Each module of autoencoders/pretrainings is one way to pretrain. Its function `pretrain(x, validation, recipe, streams,
*, scale, watch)` returns the trained autoencoder and its history, and takes its own settings as further keywords.
Trainings of the same network share a compiled function, so that the runs of a study compile once.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from autoencoders.blocks import ByColumn
from autoencoders.errors import TransferError
from autoencoders.models import Autoencoder
from autoencoders.standardisation import Standardisation
from autoencoders.training import Row, Trainer
from autoencoders.transfer import fingerprint, raise_if_untrained

MOST_KEPT = 8  # compiled trainers
_idle: OrderedDict[Any, Trainer] = OrderedDict()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The shape of an autoencoder: arguments of `Autoencoder`."""

    units: tuple[int, ...]
    activation: str
    output_activation: str
    kernel_initializer: str = "glorot_uniform"
    l2: float = 0.0
    tied: bool = False
    standardisation: Standardisation | None = None

    def model(self, n_inputs: int, *, seed: int) -> Autoencoder:
        """Build an untrained autoencoder."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return Autoencoder(n_inputs, **given, seed=seed)


@dataclass(frozen=True, kw_only=True)
class Training:
    """The training of a network: arguments of `Trainer`, and the batch size."""

    loss: str | ByColumn
    optimizer: str
    learning_rate: float
    batch_size: int

    def trainer(self, model: Autoencoder, *, metrics: Sequence[str] = (), scale: float = 1.0) -> Trainer:
        """Return the trainer of a model."""
        recipe = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "batch_size"}
        return Trainer(model, **recipe, metrics=metrics, scale=scale)


@dataclass(frozen=True)
class Network:
    """An autoencoder to train: its shape and its training."""

    shape: Shape
    training: Training


@dataclass(frozen=True)
class Noise:
    """The noise on the inputs of a denoising autoencoder; its targets stay clean.

    Args:
        kind: Gaussian noise is added to the inputs; masking noise sets inputs to zero.
        amount: Gaussian: standard deviation of the noise divided by that of all inputs, >= 0; masking: share of inputs
            that are set to zero, in [0, 1).

    Reference:
        Vincent et al., Stacked Denoising Autoencoders, JMLR 11 (2010), section 3.3.
    """

    kind: Literal["gaussian", "masking"]
    amount: float

    def corrupted(self, x: np.ndarray, stream: Sequence[int]) -> np.ndarray:
        """Return x, float32 (n, d), with noise; `stream` seeds it."""
        rng = np.random.default_rng([*stream])
        if self.kind == "gaussian":
            sd = np.float32(self.amount) * x.std()
            noise = rng.standard_normal(x.shape, dtype=np.float32)
            noise *= sd  # in place, for a copy of the rows may take a third of a gigabyte
            noise += x
            return noise
        return np.where(rng.random(x.shape, dtype=np.float32) < self.amount, np.float32(0), x)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The networks of a pretraining, and their training.

    Args:
        networks: One network, trained end to end; or one per phase of greedy training, in order.
        epochs: Epochs of every network.
        noise: Noise on the inputs of every network, or None.
        first: Number of the first network in random streams and messages; 0 without phases.
    """

    networks: tuple[Network, ...]
    epochs: int
    noise: Noise | None = None
    first: int = 1

    def n_steps(self, n: int) -> int:
        """Return the number of gradient steps on n rows."""
        return sum(self.epochs * -(-n // network.training.batch_size) for network in self.networks)


@dataclass(frozen=True, kw_only=True)
class Streams:
    """The seeds of a pretraining: its initial weights, the order of rows, the noise."""

    weights: int
    order: int
    noise: int

    @classmethod
    def of(cls, seed: int) -> Streams:
        """Return streams that share one seed."""
        return cls(weights=seed, order=seed, noise=seed)


class Learnt(NamedTuple):
    """The proof that a network learnt: fingerprints of its encoder's layers, and the loss, before and after.

    The loss is the mean over about 1,000 of its rows, without noise or penalties.
    """

    before: list[str]
    after: list[str]
    loss_before: float
    loss_after: float

    def check(self) -> None:
        """Raise TransferError if the loss did not fall."""
        if not self.loss_after < self.loss_before:
            told = f"{self.loss_before:g} before it, {self.loss_after:g} after it"
            raise TransferError(f"expected the loss to fall in the pretraining, received {told}")


class Pretrained(NamedTuple):
    """The trained autoencoder, its history as `Trainer.fit` returns it, and the proof of each network."""

    model: Autoencoder
    history: list[Row]
    learnt: tuple[Learnt, ...]


@dataclass(frozen=True, kw_only=True)
class Watch:
    """The metrics of validation rows, as in `Trainer`, and the function to call after each epoch."""

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
    """Train one network from its initial weights to reproduce its rows.

    Args:
        x, validation: float32, or uint8 to divide by the scale, (n, d); validation rows get no noise.
        network: Shape and training.
        streams: Seeds.
        epochs: >= 0.
        noise: Noise on the inputs, new in every epoch; uint8 rows are then held in memory as float32.
        phase: Number of the phase, for the streams of order and noise, and for messages.
        scale: As in `Trainer`.
        watch: Metrics, and the function to call after each epoch.

    Raises:
        Diverged: The training diverged.
        TransferError: A layer of the encoder still has its initial weights.
    """
    model = network.shape.model(x.shape[1], seed=streams.weights)
    first = [fingerprint(layer) for layer in model.encoder.layers]
    clean = floats(x, scale) if noise else x
    with _trainer(x.shape[1], network, watch.metrics, scale) as trainer:
        trainer.model.set_weights(model.get_weights())
        trainer.restart()
        loss = trainer.sample_loss(x) if epochs else math.nan
        history = trainer.fit(
            x, epochs=epochs, batch_size=network.training.batch_size, seed=streams.order, phase=phase,
            validation=None if validation is None else (validation, validation), on_epoch=watch.on_epoch,
            corrupt=(lambda epoch: noise.corrupted(clean, [streams.noise, phase, epoch])) if noise else None,
        )  # fmt: skip
        model.set_weights(trainer.model.get_weights())
        last = trainer.sample_loss(x) if epochs else math.nan
    if epochs:
        raise_if_untrained(first, model.encoder.layers)
    learnt = Learnt(first, [fingerprint(layer) for layer in model.encoder.layers], loss, last)
    return Pretrained(model, history, (learnt,) if epochs else ())


def floats(x: np.ndarray, scale: float) -> np.ndarray:
    """Return uint8 rows as float32, divided by the scale; return other rows unchanged."""
    return x.astype(np.float32) / np.float32(scale) if x.dtype == np.uint8 else x


@contextmanager
def _trainer(n_inputs: int, network: Network, metrics: tuple[str, ...], scale: float) -> Iterator[Trainer]:
    """Lend the trainer of a network, compiled once; a training at the same time, or within this one, gets another.

    Every training sets the weights. A trainer whose training has failed is not used again.
    """
    key = (n_inputs, network, metrics, scale, keras.config.dtype_policy().name)
    trainer = _idle.pop(key, None)
    if trainer is None:
        trainer = network.training.trainer(network.shape.model(n_inputs, seed=0), metrics=metrics, scale=scale)
    yield trainer
    _idle[key] = trainer
    while len(_idle) > MOST_KEPT:
        _idle.popitem(last=False)
