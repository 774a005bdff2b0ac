"""Classifiers on few labels: the arms of the comparison, each with the same number of gradient steps.

Adding an arm is adding an entry to ARMS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from autoencoders.models import Autoencoder, seeded_initializer
from autoencoders.training import Row, Trainer
from autoencoders.transfer import TransferProof, prove_transfer, transfer

ALL = -1


@dataclass(frozen=True)
class Arm:
    """One way to train the classifier.

    Attributes:
        name: For tables.
        encoder: Where its first weights come from.
        trains: For each of its stages, which share the steps equally, how many encoder layers train with the head,
            counted from the coding downwards; ALL of them, or 0.
    """

    name: str
    encoder: Literal["pretrained", "random"]
    trains: tuple[int, ...]


ARMS = (
    Arm("frozen", "pretrained", (0,)),
    Arm("lower layers frozen", "pretrained", (1,)),
    Arm("unfrozen after frozen", "pretrained", (0, ALL)),
    Arm("free", "pretrained", (ALL,)),
    Arm("from scratch", "random", (ALL,)),
    Arm("random frozen", "random", (0,)),
)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What every arm may spend: gradient steps, and the optimizer that takes them."""

    n_steps: int
    batch_size: int
    optimizer: str
    learning_rate: float

    def steps(self, n_stages: int) -> list[int]:
        """Return the gradient steps of each stage of an arm: n_steps in all, whatever the arm."""
        return [self.n_steps // n_stages + (k < self.n_steps % n_stages) for k in range(n_stages)]


class Classifier:
    """One arm's network, compiled once and trained for any number of seeds.

    Args:
        arm: Which encoder, and what trains.
        pretrained: The autoencoder whose encoder the arm may reuse; it also gives the shape.
        n_classes: Of the softmax head.
        kernel_initializer: Of the head, and of a random encoder.
        budget: Steps and optimizer.
    """

    def __init__(
        self, arm: Arm, pretrained: Autoencoder, *, n_classes: int, kernel_initializer: str, budget: Budget
    ) -> None:
        config = pretrained.get_config()
        self.arm, self.pretrained, self.budget = arm, pretrained, budget
        self.initializer = kernel_initializer
        self.layers = [
            keras.layers.Dense(units, activation=activation, name=f"encoder_{k}")
            for k, (units, activation) in enumerate(zip(config["units"], config["activation"], strict=True), start=1)
        ]
        self.head = keras.layers.Dense(n_classes, activation="softmax", name="head")
        self.model = keras.Sequential([keras.Input((config["n_inputs"],)), *self.layers, self.head])
        self.trainers = [self._trainer(n_trained) for n_trained in arm.trains]

    def fit(self, x: np.ndarray, labels: np.ndarray, *, seed: int) -> tuple[list[Row], TransferProof]:
        """Train from the arm's first weights, with the transfer proved at both ends.

        Args:
            x: float32 (n_labels, d).
            labels: int64 (n_labels,).
            seed: Of the head, of a random encoder and of the order of rows.

        Returns: Rows of step and loss, and the proof.

        Raises:
            TransferError: The proof does not hold.
        """
        source = self._start(seed)
        proof = prove_transfer(source, self.layers, n_frozen=self._n_frozen())
        rows: list[Row] = []
        steps = self.budget.steps(len(self.trainers))
        for stage, (trainer, n_steps) in enumerate(zip(self.trainers, steps, strict=True)):
            trainer.restart()
            trained = trainer.fit_steps(
                x, labels, n_steps=n_steps, batch_size=self.budget.batch_size, seed=seed, phase=stage
            )
            rows += [{**row, "step": row["step"] + sum(steps[:stage])} for row in trained]
        proof.finish(self.layers)
        return rows, proof

    def score(self, x: np.ndarray, labels: np.ndarray) -> float:
        """Return the accuracy on rows (n, d) with labels (n,)."""
        return self.trainers[-1].evaluate(x, labels)["accuracy"]

    def _n_frozen(self) -> int:
        """Return how many encoder layers, from the lowest, no stage of the arm trains."""
        most = max(len(self.layers) if n == ALL else n for n in self.arm.trains)
        return len(self.layers) - most

    def _start(self, seed: int) -> list[keras.layers.Layer]:
        """Set the first weights; return the layers that the encoder's come from."""
        source = self.pretrained
        if self.arm.encoder == "random":
            config = {**self.pretrained.get_config(), "kernel_initializer": self.initializer, "seed": seed}
            source = Autoencoder.from_config(config)
        transfer(source.encoder.layers, self.layers)
        kernel, bias = self.head.get_weights()
        first = seeded_initializer(self.initializer, seed, len(self.layers) + 1)
        self.head.set_weights([np.asarray(first(kernel.shape)), np.zeros_like(bias)])
        return list(source.encoder.layers)

    def _trainer(self, n_trained: int) -> Trainer:
        for k, layer in enumerate(self.layers):
            layer.trainable = n_trained == ALL or k >= len(self.layers) - n_trained
        return Trainer(
            self.model,
            loss="sparse_categorical_crossentropy",
            optimizer=self.budget.optimizer,
            learning_rate=self.budget.learning_rate,
            metrics=["accuracy"],
        )
