"""The training loop: one compiled function per epoch; (seed, phase, epoch) set the order of the rows.

After `set_random_seed`, Keras' `fit(shuffle=True)` repeats one permutation in every epoch, so that seeded and unseeded
runs are different algorithms. Here every epoch has its own order, which is the same in every run. The model, optimizer
and loss are Keras objects. The rows are shuffled once per epoch outside XLA and sliced inside the loop; a large
memory-mapped file is shuffled block by block (autoencoders/batches.py). With the same order, the weights equal those of
Keras' `fit` up to rounding (tests/test_training.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from autoencoders.batches import BLOCK_BYTES, Rows, batches, block_size, blocks, order, scaled
from autoencoders.stopping import EarlyStopping, Row, is_constant, raise_if_diverged, raise_if_useless
from autoencoders.validation import METRICS


class Trainer:
    """Train one model, any number of times, compiled once per shape.

    Args:
        model: Built Keras model; freeze layers before, since its trainable variables are read here.
        loss: Keras' name, or a function of (targets, outputs) that returns a loss per row.
        optimizer: Keras' name.
        learning_rate: > 0, or a Keras schedule over steps.
        metrics: Names from autoencoders/validation.py, reported for validation rows.
        scale: Divisor of uint8 rows at the network's input; they stay uint8 in memory.

    Example:
        >>> from autoencoders.models import Autoencoder
        >>> model = Autoencoder(4, [2], seed=0)
        >>> trainer = Trainer(model, loss="mean_squared_error", optimizer="adam", learning_rate=0.01)
        >>> history = trainer.fit(np.eye(4, dtype="float32"), epochs=50, batch_size=2, seed=0)
        >>> len(history), history[-1]["loss"] < history[0]["loss"]
        (50, True)
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
        # An argument of the compiled function: XLA would multiply by a constant's reciprocal, which rounds differently.
        self._scale = tf.constant(scale, tf.float32)
        self._variables = model.trainable_variables
        self.optimizer.build(self._variables)
        self._streams = [v for v in model.variables if v.name == "seed_generator_state"]  # of dropout and noise
        self._fresh = [np.asarray(v) for v in self.optimizer.variables]
        # One compiled function per trainer: a tf.function cache on the class would outlive the model.
        self._steps = tf.function(self._run_steps, jit_compile=True)
        self._evaluate = tf.function(self._run_evaluation, jit_compile=True)

    def restart(self) -> None:
        """Reset the optimizer to its first step; keep the model's weights."""
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
        block_bytes: int = BLOCK_BYTES,
    ) -> list[Row]:
        """Train for a number of epochs, including the last, smaller batch of each.

        Args:
            x: float32 or uint8 (n, d), in memory or a memory-mapped file.
            y: Targets, (n, ...), uint8 targets scaled like x; default: x itself.
            epochs: >= 0.
            batch_size: Rows per step, >= 1.
            seed, phase: Seeds, with the epoch, of the order of rows and of dropout and noise.
            sample_weight: Factors of the rows' losses, float32 (n,); a batch's loss is their sum / its rows.
            validation: (x, y) to evaluate after each epoch.
            early_stopping: Criterion to stop before the last epoch.
            on_epoch: Function to call after each epoch with its number, from 1, and its row.
            corrupt: Function to call before each epoch with its number; returns the inputs to use instead of x, (n, d).
            block_bytes: Block size for a larger memory-mapped x; the order of rows then depends on it.

        Returns: A row per epoch: epoch, loss (mean over the epoch, with penalties), val_loss and val_METRIC.

        Raises:
            Diverged: A number of the row is not finite, or the loss is above three times the first epoch's. If the
                targets are x: the final outputs are the same for every row, or have a larger loss than in the first
                epoch and than the best constant output.
            ValueError: `early_stopping` monitors a column that the history lacks.
        """
        rows: list[Row] = []
        best: list[np.ndarray] = []
        size = block_size(x, batch_size, block_bytes)
        was_constant = y is not None or is_constant(self._reconstructed(x)[1])
        inputs = Rows(x, size)
        targets = Rows(y, size) if y is not None else inputs if corrupt else None
        for epoch in range(1, epochs + 1):
            self._seed_noise(seed, phase, epoch)
            if corrupt:
                inputs = Rows(corrupt(epoch), size)
            total = 0.0
            for start, within in blocks(len(x), size, seed, phase, epoch):
                part = None if targets is None else targets.block(start)
                weights = None if sample_weight is None else sample_weight[start : start + size]
                total += self._train(inputs.block(start), part, *batches(within, batch_size), weights)
            row = {"epoch": epoch, "loss": total / len(x)}
            if validation is not None:
                row |= {f"val_{name}": value for name, value in self._measure(*validation).items()}
            rows.append(row)
            raise_if_diverged(rows, phase=phase, learning_rate=float(self.optimizer.learning_rate))
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
        if y is None and rows:
            raise_if_useless(
                *self._reconstructed(x), self.loss, first=None if corrupt or self._streams else rows[0]["loss"],
                was_constant=was_constant, phase=phase, learning_rate=float(self.optimizer.learning_rate),
            )  # fmt: skip
        return rows

    def sample_loss(self, x: np.ndarray) -> float:
        """Return the mean loss of about 1,000 rows of x, their own targets, without penalties."""
        return float(tf.reduce_mean(self.loss(*self._reconstructed(x))))

    def _reconstructed(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return about 1,000 of the rows, scaled, and the network's outputs for them."""
        sample = scaled(tf.constant(x[:: max(1, len(x) // 1000)]), self._scale)
        return np.asarray(sample), np.asarray(self.model(sample, training=False))

    def fit_steps(
        self,
        x: np.ndarray,
        y: np.ndarray | None = None,
        *,
        n_steps: int,
        batch_size: int,
        seed: int,
        phase: int = 0,
        rates: np.ndarray | None = None,
        weight_decay: float = 0.0,
        at_a_time: int = 250,
    ) -> list[Row]:
        """Train for a number of gradient steps, with the batches of `fit`; the last epoch may be incomplete.

        The compiled function serves any number of rows and steps, so trainings on 20 and on 5,000 labels share it.

        Args:
            x, y, batch_size, seed, phase: As in `fit`, but a memory-mapped x is read as a whole.
            n_steps: >= 1.
            rates: Learning rate of every step, float32 (n_steps,), instead of the optimizer's; not compiled in.
            weight_decay: >= 0, with `rates`: kernels shrink by rate * decay of themselves before each step (decoupled:
                Loshchilov & Hutter, ICLR 2019).
            at_a_time: Steps per call of the compiled function; shorter calls are padded.

        Returns: A row per `at_a_time` steps: step, loss (mean over the steps since the last row, weighted by rows).

        Raises:
            Diverged: As in `fit`.
        """
        inputs, targets = tf.constant(x), None if y is None else tf.constant(y)
        per_epoch = -(-len(x) // batch_size)
        n_epochs = -(-n_steps // per_epoch)
        epochs = [batches(order(len(x), seed, phase, epoch), batch_size) for epoch in range(1, n_epochs + 1)]
        index, present = (np.concatenate(parts)[:n_steps] for parts in zip(*epochs, strict=True))
        rows: list[Row] = []
        for start in range(0, n_steps, at_a_time):
            part = slice(start, min(start + at_a_time, n_steps))
            self._seed_noise(seed, phase, start)
            own = rates if rates is None else (np.pad(rates[part], (0, at_a_time - len(rates[part]))), weight_decay)
            total = self._train(inputs, targets, index[part], present[part], None, at_a_time, own)
            rows.append({"step": part.stop, "loss": total / float(present[part].sum())})
            highest = self.optimizer.learning_rate if rates is None else rates.max()
            raise_if_diverged(rows, phase=phase, learning_rate=float(highest))
        return rows

    def evaluate(self, x: np.ndarray, y: np.ndarray | None = None) -> Row:
        """Return the loss, with penalties, and every metric on rows (n, d) with targets (n, ...), default x."""
        return self._measure(x, x if y is None else y)

    def _seed_noise(self, *place: int) -> None:
        """Set each layer's random stream of dropout or noise by its place: (seed, phase, epoch or step)."""
        for k, stream in enumerate(self._streams, start=1):
            stream.assign([int(np.random.SeedSequence([*place, k]).generate_state(1)[0] >> 1), 0])

    def _measure(self, x: np.ndarray, y: np.ndarray, chunk: int = 5000) -> Row:
        """Return the means over rows; read `chunk` rows at a time, since x may be larger than the memory."""
        sums: Row = {}
        for start in range(0, len(x), chunk):
            part = self._evaluate(*(tf.constant(a[start : start + chunk]) for a in (x, y)), self._scale)
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
        room: int = 0,
        rates: tuple[np.ndarray, float] | None = None,
    ) -> float:
        """Take a step on each batch; return the loss summed over rows.

        Args:
            x, y: Rows and targets.
            index, present: Row numbers, and 1 for a row or 0 for padding, both (steps, b).
            sample_weight: As in `fit`.
            room: Number of steps to compile for, if there are not more.
            rates: Learning rates, (room,), and the weight decay; None for the optimizer's.
        """
        n_steps = tf.constant(len(index))
        index, present = (np.pad(a, ((0, max(room - len(a), 0)), (0, 0))) for a in (index, present))
        inputs = tf.gather(x, index.ravel())
        targets = None if y is None else tf.gather(y, index.ravel())
        weights = present if sample_weight is None else present * np.asarray(sample_weight, np.float32)[index]
        counts = present.sum(axis=1)
        own = rates and (*(tf.constant(part, tf.float32) for part in rates),)
        return float(self._steps(inputs, targets, tf.constant(weights), tf.constant(counts), n_steps, self._scale, own))

    def _run_steps(
        self,
        x: tf.Tensor,
        y: tf.Tensor | None,
        weights: tf.Tensor,
        counts: tf.Tensor,
        n_steps: tf.Tensor,
        scale: tf.Tensor,
        rates: Any,
    ) -> tf.Tensor:
        """Train on the first `n_steps` batches; return the loss summed over rows."""
        size = weights.shape[1]
        total, i = tf.constant(0.0), tf.constant(0)
        while i < n_steps:  # with `for i in tf.range(n_steps)` XLA compiles anew for each number of steps
            inputs = scaled(_rows(x, i * size, size), scale)
            targets = inputs if y is None else scaled(_rows(y, i * size, size), scale)
            own = None if rates is None else (rates[0][i], rates[1])
            total += counts[i] * self._step(inputs, targets, weights[i], counts[i], own)
            i += 1
        return total

    def _step(self, x: tf.Tensor, y: tf.Tensor, weights: tf.Tensor, count: tf.Tensor, rate: Any) -> tf.Tensor:
        """Take one gradient step on rows (b, ...); return the loss: weighted sum over rows / count + penalties."""
        with tf.GradientTape() as tape:
            losses = tf.reshape(self.loss(y, self.model(x, training=True)), [weights.shape[0], -1])
            loss = tf.reduce_sum(weights * tf.reduce_mean(losses, axis=1)) / count
            if self.model.losses:
                loss += tf.add_n(self.model.losses)
        gradients = tape.gradient(loss, self._variables)
        if rate is not None:
            self.optimizer.learning_rate.assign(rate[0])
            for kernel in (v for v in self._variables if len(v.shape) > 1):  # not biases
                kernel.assign(kernel * (1.0 - rate[0] * rate[1]))
        self.optimizer.apply(gradients, self._variables)
        return loss


def _rows(x: tf.Tensor, start: tf.Tensor, count: int) -> tf.Tensor:
    """Return `count` rows from `start` on, which is known only at run time; XLA refuses x[a:b] then."""
    sliced = tf.slice(x, [start] + [0] * (len(x.shape) - 1), [count, *x.shape[1:]])
    return tf.ensure_shape(sliced, [count, *x.shape[1:]])
