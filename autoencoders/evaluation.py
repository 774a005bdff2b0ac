"""Train classifiers on few labels: every arm of the comparison takes the same number of gradient steps.

The outputs of frozen layers are computed once, not in every step: only the layers above them train, on these outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from autoencoders.arms import ALL, Arm
from autoencoders.errors import Diverged
from autoencoders.models import Autoencoder, outputs, seeded_initializer
from autoencoders.pieces import Stack
from autoencoders.stopping import is_constant
from autoencoders.training import Row, Trainer
from autoencoders.transfer import TransferProof, fingerprint, prove_transfer, transfer


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The training of every arm.

    Attributes:
        n_steps, batch_size, optimizer, learning_rate: Of the gradient steps.
        weight_decay: Of the kernels, decoupled, as in `Trainer.fit_steps`; only of a rate that decays.
        decays: Whether the learning rate falls to zero in each stage, as a cosine.
    """

    n_steps: int
    batch_size: int
    optimizer: str
    learning_rate: float
    weight_decay: float = 0.0
    decays: bool = False

    def rates(self, n_steps: int) -> np.ndarray | None:
        """Return the learning rate of each of a stage's steps, float32 (n_steps,); None for a constant one.

        Reference:
            Loshchilov & Hutter, SGDR, ICLR 2017, equation 5, without restarts.
        """
        if not self.decays:
            return None
        return (self.learning_rate * (1 + np.cos(np.pi * np.arange(n_steps) / n_steps)) / 2).astype(np.float32)

    def steps(self, n_stages: int) -> list[int]:
        """Divide n_steps among the stages of an arm, as equally as possible."""
        return [self.n_steps // n_stages + (k < self.n_steps % n_stages) for k in range(n_stages)]


class Classifier:
    """An encoder's layers with a softmax head, compiled once for all arms and seeds.

    Args:
        pretrained: The autoencoder that gives the encoder's shape and, for some arms, its weights, which are read when
            a training starts and may be replaced between trainings.
        n_classes: Number of outputs of the softmax head.
        kernel_initializer: Name of Keras' initializer for the head and for a random encoder.
        budget: Steps and optimizer.

    Attributes:
        stages: The stages of the last training: number of frozen layers, fingerprints of the layers at its end.
    """

    def __init__(self, pretrained: Autoencoder, *, n_classes: int, kernel_initializer: str, budget: Budget) -> None:
        config = pretrained.get_config()
        self.pretrained, self.budget = pretrained, budget
        self.initializer = kernel_initializer
        self.layers = [
            keras.layers.Dense(units, activation=activation, name=f"encoder_{k}")
            for k, (units, activation) in enumerate(zip(config["units"], config["activation"], strict=True), start=1)
        ]
        self.head = keras.layers.Dense(n_classes, activation="softmax", name="head")
        self.model = keras.Sequential([keras.Input((config["n_inputs"],)), *self.layers, self.head])
        self.trainers: dict[int, Trainer] = {}
        self.stages: list[tuple[int, list[str]]] = []

    def fit(
        self,
        arm: Arm,
        x: np.ndarray,
        labels: np.ndarray,
        *,
        seed: int,
        order_seed: int | None = None,
        budget: Budget | None = None,
    ) -> tuple[list[Row], TransferProof]:
        """Train from the arm's initial weights; prove the transfer before the first step and after the last.

        Args:
            arm: Source of the encoder's weights, and the layers to train.
            x: float32 (n_labels, d).
            labels: int64 (n_labels,).
            seed: Seed of the head and of a random encoder.
            order_seed: Seed of the order of rows; default: `seed`.
            budget: Another budget with the same batch size and optimizer; nothing is compiled again.

        Returns: Rows of step and loss, and the proof.

        Raises:
            TransferError: The proof does not hold.
            Diverged: A loss diverged, or the final predictions are worse than both the initial ones and the class
                frequencies, or all the same. The rows of `fit_steps` cannot show this: their first is a mean over 250.
        """
        budget = budget or self.budget
        source = self._start(arm, seed)
        before = self.probabilities(x)
        frozen = [0 if n == ALL else len(self.layers) - n for n in arm.trains]
        proof = prove_transfer(source, self.layers, n_frozen=min(frozen))
        rows: list[Row] = []
        self.stages = []
        for stage, (n_frozen, n_steps) in enumerate(zip(frozen, budget.steps(len(frozen)), strict=True)):
            done = rows[-1]["step"] if rows else 0
            own = prove_transfer(self.layers, self.layers, n_frozen=n_frozen)
            try:
                trained = self._trainer(n_frozen).fit_steps(
                    outputs(self.layers[:n_frozen], x),
                    labels,
                    n_steps=n_steps,
                    batch_size=budget.batch_size,
                    seed=seed if order_seed is None else order_seed,
                    phase=stage,
                    rates=budget.rates(n_steps),
                    weight_decay=budget.weight_decay,
                )
            except Diverged as error:
                raise Diverged(f"{arm.name}, seed {seed}: {error}") from None
            own.finish(self.layers)
            self.stages.append((n_frozen, [fingerprint(layer) for layer in self.layers]))
            rows += [{**row, "step": row["step"] + done} for row in trained]
        proof.finish(self.layers)
        self._raise_if_useless(f"{arm.name}, seed {seed}", before, self.probabilities(x), labels, budget)
        return rows, proof

    def _raise_if_useless(
        self, who: str, before: np.ndarray, after: np.ndarray, labels: np.ndarray, budget: Budget | None = None
    ) -> None:
        """Raise Diverged if the training made the probabilities (n, k) of its labelled rows worse.

        The loss may rise by a tenth, as it can by chance in few steps with a small learning rate.
        """
        share = np.bincount(labels, minlength=after.shape[1])[labels] / len(labels)
        first, last, guessed = (_log_loss(p) for p in (_of(before, labels), _of(after, labels), share))
        collapsed = is_constant(after) and not is_constant(before)
        if collapsed or last > 1.1 * max(first, guessed):
            raise Diverged(
                f"{who}: training diverged: loss {last:g} on its {len(labels):,} labelled rows in the end, {first:g}"
                f" before the first step, {guessed:g} for guessing by class frequency"
                f"{', and every row has the same answer' if collapsed else ''}; the learning rate is"
                f" {(budget or self.budget).learning_rate:g}, try a smaller one"
            )

    def probabilities(self, x: np.ndarray | Stack) -> np.ndarray:
        """Return the class probabilities of rows x, float32 (n, d) -> (n, n_classes)."""
        return outputs([*self.layers, self.head], x)

    def score(self, x: np.ndarray, labels: np.ndarray) -> float:
        """Return the accuracy on rows (n, d) with labels (n,)."""
        return float(np.mean(self.probabilities(x).argmax(axis=1) == labels))

    def _start(self, arm: Arm, seed: int) -> list[keras.layers.Layer]:
        """Set the initial weights; return the layers that the encoder's weights come from."""
        source = self.pretrained
        if arm.encoder == "random":
            config = {**self.pretrained.get_config(), "kernel_initializer": self.initializer, "seed": seed}
            source = Autoencoder.from_config(config)
        transfer(source.encoder.layers, self.layers)
        kernel, bias = self.head.get_weights()
        first = seeded_initializer(self.initializer, seed, len(self.layers) + 1)
        self.head.set_weights([np.asarray(first(kernel.shape)), np.zeros_like(bias)])
        return list(source.encoder.layers)

    def _trainer(self, n_frozen: int) -> Trainer:
        """Return the restarted trainer of all layers above the lowest `n_frozen`."""
        if n_frozen not in self.trainers:
            above = self.layers[n_frozen:]
            n_inputs = self.layers[n_frozen - 1].units if n_frozen else self.model.input_shape[-1]
            self.trainers[n_frozen] = Trainer(
                keras.Sequential([keras.Input((n_inputs,)), *above, self.head]),
                loss="sparse_categorical_crossentropy",
                optimizer=self.budget.optimizer,
                learning_rate=self.budget.learning_rate,
            )
        self.trainers[n_frozen].restart()
        return self.trainers[n_frozen]


def _of(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return probabilities[np.arange(len(labels)), labels]


def _log_loss(p: np.ndarray) -> float:
    """Return the mean loss of rows whose true class has probability p (n,), clipped at 1e-7 as in Keras."""
    return float(-np.log(np.clip(p, 1e-7, 1)).mean())
