"""The one training loop: one compiled function per epoch, rows in an order set by (seed, phase, epoch).

Keras' own `fit(shuffle=True)` repeats one permutation in every epoch once `set_random_seed` has been called, so that
seeded and unseeded runs are different algorithms; here every epoch has an order of its own, the same in every run.
The model, optimizer and loss stay Keras objects. The shuffled copy of the rows is gathered once per epoch outside XLA
and sliced inside the loop. Given the same order, the weights equal those of Keras' `fit` to rounding
(tests/test_training.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Row = dict[str, float]
Metric = Callable[[Any, Any], Any]


class Diverged(ValueError):
    """A training whose loss left the finite numbers or grew past three times its first epoch's."""

    exit_code = 4


def rounded_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return the share of values whose rounded target equals the rounded prediction (book, S3): a scalar in [0, 1]."""
    return tf.reduce_mean(tf.cast(tf.equal(tf.round(y_true), tf.round(y_pred)), tf.float32))


def accuracy(labels: Any, probabilities: Any) -> Any:
    """Return the share of rows (n, classes) whose largest probability is at the label (n,): a scalar in [0, 1]."""
    guess = tf.argmax(probabilities, axis=-1, output_type=labels.dtype)
    return tf.reduce_mean(tf.cast(tf.equal(guess, labels), tf.float32))


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Return the mean squared difference: a scalar >= 0."""
    return tf.reduce_mean(tf.square(y_true - y_pred))


METRICS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "mse": mean_squared_error,
    "rounded_accuracy": rounded_accuracy,
}


def order(n: int, seed: int, phase: int, epoch: int) -> np.ndarray:
    """Return the order of rows in one epoch: a permutation of 0..n-1, int64 (n,)."""
    return np.random.default_rng([seed, phase, epoch]).permutation(n)


def scaled(x: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Return rows of uint8 as float32, divided by the scale; others as they are."""
    return tf.cast(x, tf.float32) / scale if x.dtype == tf.uint8 else x


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when `monitor` has not become better for `patience` epochs; the best epoch's weights come back at the end.

    Attributes:
        patience: >= 1.
        monitor: A name in the rows of `Trainer.fit`; an accuracy is better when larger, all else when smaller.
    """

    patience: int
    monitor: str = "val_loss"

    def best(self, rows: Sequence[Row]) -> int:
        """Return the place of the best row, the first of equals; ValueError if rows do not have what is monitored."""
        if self.monitor not in rows[0]:
            known = ", ".join(name for name in rows[0] if name != "epoch")
            raise ValueError(f"early stopping: expected to monitor one of {known}, received {self.monitor}")
        sign = -1 if self.monitor.endswith("accuracy") else 1
        return min(range(len(rows)), key=lambda k: sign * rows[k][self.monitor])


class Trainer:
    """Train one model, any number of times, compiled once per shape.

    Args:
        model: Built Keras model; its trainable variables are fixed here (freeze layers first).
        loss: Keras' name of it, or a function of (targets, outputs) that returns a loss per row.
        optimizer: Keras' name of it.
        learning_rate: > 0, or a schedule of Keras', counted in steps.
        metrics: Names out of METRICS, reported for validation rows.
        scale: What rows of uint8 are divided by, on the way into the network; they stay uint8 in memory.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        loss: str | Callable[[Any, Any], Any],
        optimizer: str,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        metrics: Sequence[str] = (),
        scale: float = 1.0,
    ) -> None:
        self.model = model
        self.loss = keras.losses.get(loss)
        self.optimizer = keras.optimizers.get({"class_name": optimizer, "config": {"learning_rate": learning_rate}})
        self.metrics = {name: METRICS[name] for name in metrics}
        # No constant in the compiled function: XLA would multiply by its reciprocal, which rounds otherwise.
        self._scale = tf.constant(scale, tf.float32)
        self._variables = model.trainable_variables
        self.optimizer.build(self._variables)
        self._streams = [v for v in model.variables if v.name == "seed_generator_state"]  # of dropout and noise
        self._fresh = [np.asarray(v) for v in self.optimizer.variables]
        # One compiled function per trainer: tf.function caches on `self` would outlive the model.
        self._steps = tf.function(self._run_steps, jit_compile=True)
        self._evaluate = tf.function(self._run_evaluation, jit_compile=True)

    def restart(self) -> None:
        """Put the optimizer back to its first step; the model's weights stay."""
        for variable, value in zip(self.optimizer.variables, self._fresh, strict=True):
            variable.assign(value)

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray | None = None,
        *,
        epochs: int,
        batch_size: int,
        seed: int,
        phase: int = 0,
        sample_weight: np.ndarray | None = None,
        validation: tuple[np.ndarray, np.ndarray] | None = None,
        early_stopping: EarlyStopping | None = None,
        on_epoch: Callable[[int, Row], None] | None = None,
        corrupt: Callable[[int], np.ndarray] | None = None,
    ) -> list[Row]:
        """Train for a number of epochs; the last, smaller batch of each is trained too.

        Args:
            x: float32 or uint8 (n, d).
            y: Targets, (n, ...), uint8 ones scaled as x; default: x itself.
            epochs: >= 0.
            batch_size: Rows a step, >= 1.
            seed, phase: Of the order of rows, and of dropout and noise, with the epoch.
            sample_weight: float32 (n,), factors of the rows' losses; a batch's loss is their sum over its rows' number.
            validation: (x, y) to evaluate after each epoch.
            early_stopping: When to stop, if before the last epoch.
            on_epoch: Called after each epoch with its number, from 1, and its row.
            corrupt: Called before each epoch with its number; returns what stands in for x, (n, d), as input only.

        Returns: A row per epoch: epoch, loss (the mean over the epoch, penalties included), val_loss and val_METRIC.

        Raises:
            Diverged: A number of the row is not finite, or the loss is above three times the first epoch's.
            ValueError: `early_stopping` monitors what is not measured.
        """
        rows: list[Row] = []
        best: list[np.ndarray] = []
        inputs = tf.constant(x)
        targets = tf.constant(y) if y is not None else inputs if corrupt else None
        held_out = None if validation is None else (tf.constant(validation[0]), tf.constant(validation[1]))
        for epoch in range(1, epochs + 1):
            index, present = _batches(order(len(x), seed, phase, epoch), batch_size)
            self._seed_noise(seed, phase, epoch)
            if corrupt:
                inputs = tf.constant(corrupt(epoch))
            row = {"epoch": epoch, "loss": self._train(inputs, targets, index, present, sample_weight)}
            if held_out is not None:
                row |= {f"val_{name}": value for name, value in self._measure(*held_out).items()}
            rows.append(row)
            self._stop_if_diverged(rows, phase)
            if on_epoch is not None:
                on_epoch(epoch, row)
            if early_stopping is not None:
                since = len(rows) - 1 - early_stopping.best(rows)
                if since == 0:
                    best = self.model.get_weights()
                elif since >= early_stopping.patience:
                    break
        if best:
            self.model.set_weights(best)
        return rows

    def fit_steps(
        self,
        x: np.ndarray,
        y: np.ndarray | None = None,
        *,
        n_steps: int,
        batch_size: int,
        seed: int,
        phase: int = 0,
        at_a_time: int = 250,
    ) -> list[Row]:
        """Train for a number of gradient steps, through as many epochs as that takes, the last one cut off.

        Compiled once for any number of rows, so fits on 20 and on 5,000 labels share one function.

        Args:
            x, y, batch_size, seed, phase: As in `fit`; the rows and batches of every epoch are those of `fit`.
            n_steps: >= 1.
            at_a_time: Steps in one call of the compiled function; a rest of n_steps compiles once more.

        Returns: A row per `at_a_time` steps: step, loss (the mean over the steps since the last row, weighted by rows).

        Raises:
            Diverged: As in `fit`.
        """
        inputs, targets = tf.constant(x), None if y is None else tf.constant(y)
        per_epoch = -(-len(x) // batch_size)
        n_epochs = -(-n_steps // per_epoch)
        epochs = [_batches(order(len(x), seed, phase, epoch), batch_size) for epoch in range(1, n_epochs + 1)]
        index, present = (np.concatenate(parts)[:n_steps] for parts in zip(*epochs, strict=True))
        rows: list[Row] = []
        for start in range(0, n_steps, at_a_time):
            part = slice(start, min(start + at_a_time, n_steps))
            self._seed_noise(seed, phase, start)
            rows.append({"step": part.stop, "loss": self._train(inputs, targets, index[part], present[part])})
            self._stop_if_diverged(rows, phase)
        return rows

    def evaluate(self, x: np.ndarray, y: np.ndarray | None = None) -> Row:
        """Return the loss (penalties included) and every metric on rows (n, d) with targets (n, ...), default x."""
        inputs = tf.constant(x)
        return self._measure(inputs, inputs if y is None else tf.constant(y))

    def _seed_noise(self, seed: int, phase: int, place: int) -> None:
        """Set the random streams of dropout and noise by (seed, phase, epoch or step), each layer's own."""
        for k, stream in enumerate(self._streams, start=1):
            state = np.random.SeedSequence([seed, phase, place, k]).generate_state(1)[0] >> 1
            stream.assign([int(state), 0])

    def _stop_if_diverged(self, rows: list[Row], phase: int) -> None:
        first, last = rows[0]["loss"], rows[-1]["loss"]
        finite = all(np.isfinite(value) for value in rows[-1].values())
        if not finite or last - first > 2 * max(abs(first), 1e-6):  # three times the first; poisson goes below zero
            unit, place = next((unit, rows[-1][unit]) for unit in ("epoch", "step") if unit in rows[-1])
            where = f"phase {phase}, {unit} {place}" if phase else f"{unit} {place}"
            rate = float(self.optimizer.learning_rate)
            numbers = ", ".join(f"{name} {value:g}" for name, value in rows[-1].items() if name != unit)
            before = f", after loss {first:g} in {unit} {rows[0][unit]}" if len(rows) > 1 else ""
            raise Diverged(
                f"training diverged in {where}: {numbers}{before}; the learning rate is {rate:g}, try a smaller one"
            )

    def _measure(self, x: tf.Tensor, y: tf.Tensor, chunk: int = 5000) -> Row:
        sums: Row = {}
        for start in range(0, len(x), chunk):
            part = self._evaluate(x[start : start + chunk], y[start : start + chunk], self._scale)
            share = len(x[start : start + chunk]) / len(x)
            for name, value in part.items():
                sums[name] = sums.get(name, 0.0) + float(value) * share
        return sums

    def _run_evaluation(self, x: tf.Tensor, y: tf.Tensor, scale: tf.Tensor) -> dict[str, tf.Tensor]:
        x, y = scaled(x, scale), scaled(y, scale)
        outputs = self.model(x, training=False)
        penalties = tf.add_n(self.model.losses) if self.model.losses else 0.0
        loss = tf.reduce_mean(self.loss(y, outputs)) + penalties
        return {"loss": loss} | {name: metric(y, outputs) for name, metric in self.metrics.items()}

    def _train(
        self,
        x: tf.Tensor,
        y: tf.Tensor | None,
        index: np.ndarray,
        present: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> float:
        """Take a step on each batch (row numbers; 1, or 0 for filling; both (steps, b)); return the loss, a mean."""
        inputs = tf.gather(x, index.ravel())
        targets = None if y is None else tf.gather(y, index.ravel())
        weights = present if sample_weight is None else present * np.asarray(sample_weight, np.float32)[index]
        total = self._steps(inputs, targets, tf.constant(weights), tf.constant(present.sum(axis=1)), self._scale)
        return float(total) / float(present.sum())

    def _run_steps(
        self, x: tf.Tensor, y: tf.Tensor | None, weights: tf.Tensor, counts: tf.Tensor, scale: tf.Tensor
    ) -> tf.Tensor:
        """Train on consecutive batches of the rows; return the sum over rows of their batch's loss."""
        n_steps, size = weights.shape
        total = tf.constant(0.0)
        for i in tf.range(n_steps):
            inputs = scaled(_rows(x, i * size, size), scale)
            targets = inputs if y is None else scaled(_rows(y, i * size, size), scale)
            total += counts[i] * self._step(inputs, targets, weights[i], counts[i])
        return total

    def _step(self, x: tf.Tensor, y: tf.Tensor, weights: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """Take one gradient step on the weighted sum of the losses of rows (b, ...) over their number, plus penalties.

        Returns: What it stepped on.
        """
        with tf.GradientTape() as tape:
            losses = tf.reshape(self.loss(y, self.model(x, training=True)), [weights.shape[0], -1])
            loss = tf.reduce_sum(weights * tf.reduce_mean(losses, axis=1)) / count
            if self.model.losses:
                loss += tf.add_n(self.model.losses)
        self.optimizer.apply(tape.gradient(loss, self._variables), self._variables)
        return loss


def _batches(rows: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut an order of rows, int64 (n,), into batches; return row numbers and who is present, both (steps, batch_size).

    The last batch is filled up with row 0, present 0 times: one loop body to compile instead of two.
    """
    missing = -len(rows) % batch_size
    present = np.pad(np.ones(len(rows), np.float32), (0, missing))
    return np.pad(rows, (0, missing)).reshape(-1, batch_size), present.reshape(-1, batch_size)


def _rows(x: tf.Tensor, start: tf.Tensor, count: int) -> tf.Tensor:
    """Slice rows at a place known only while running; XLA refuses x[a:b] there."""
    sliced = tf.slice(x, [start] + [0] * (len(x.shape) - 1), [count, *x.shape[1:]])
    return tf.ensure_shape(sliced, [count, *x.shape[1:]])
