"""One training whose gradients are summed over processes, and its parts: the worker's side of benchmarks/replicas.py.

A case's `variant` says what an epoch is: `trainer`, this project's loop, in which XLA compiles the whole epoch;
`steps`, the same steps with the gradients alone compiled, and summed over the processes outside XLA, as all-reduce
requires; `half`, these steps on one process's share of each batch; `sum`, the all-reduce alone. With TF_CONFIG in its
environment a process is one of several (MultiWorkerMirroredStrategy), and opens a port without a password to the whole
network. Keras' `fit` fails under this strategy (keras #20585). All ways take the rows in the same order, and return the
epoch's loss.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.serve import Run, by_epoch, serve

RATE, WIDTH = 0.05, 784


@cache
def strategy() -> Any:
    """Return the strategy of this process, which must exist before its first operation."""
    return tf.distribute.MultiWorkerMirroredStrategy() if "TF_CONFIG" in os.environ else tf.distribute.get_strategy()


def build(case: dict[str, Any]) -> Run:
    """Return the function that does a case's next epoch."""
    strategy()
    import keras  # after the strategy: collective operations are set up first

    from autoencoders.models import Autoencoder

    x = np.random.default_rng(0).random((case["n_steps"] * case["batch_size"], WIDTH), dtype=np.float32)
    with strategy().scope():
        model = Autoencoder(WIDTH, case["units"], tied=False, seed=0)
    if case["variant"] == "trainer":
        return _trainer(model, x, case)
    loss = keras.losses.get("mean_squared_error")
    if case["variant"] == "sum":
        epoch = _summed([tf.zeros_like(v.value) for v in model.trainable_variables], case["n_steps"])
        return lambda: float(epoch())
    return _epochs(_stepped(model, loss, case["batch_size"]), x, case)


def _trainer(model: Any, x: np.ndarray, case: dict[str, Any]) -> Run:
    from autoencoders.training import Trainer

    loop, epochs = Trainer(model, loss="mean_squared_error", optimizer="sgd", learning_rate=RATE), case["rounds"] + 1

    def train(report: Callable[[float], None]) -> None:
        loop.fit(x, epochs=epochs, batch_size=case["batch_size"], seed=0, on_epoch=lambda _, row: report(row["loss"]))

    return by_epoch(train, epochs)


def _epochs(epoch: Callable[[tf.Tensor], tf.Tensor], x: np.ndarray, case: dict[str, Any]) -> Run:
    """Return a function that trains for an epoch on this process's rows of each batch, drawn as the Trainer draws."""
    from autoencoders.batches import batches, blocks

    k, n = (task()[0], task()[1]) if case["variant"] == "steps" else (0, 2)
    share, rows, done = case["batch_size"] // n, tf.constant(x), iter(range(1, case["rounds"] + 2))

    def run() -> float:
        ((_, order),) = blocks(len(x), len(x), 0, 0, next(done))
        mine = batches(order, case["batch_size"])[0][:, k * share : (k + 1) * share]
        return float(epoch(tf.reshape(tf.gather(rows, mine.ravel()), (-1, share, WIDTH)))) / case["n_steps"]

    return run


def _stepped(model: Any, loss: Callable[[Any, Any], tf.Tensor], batch_size: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function that takes a step on each batch, (steps, share, d), and returns the sum of their losses."""
    variables = model.trainable_variables

    @tf.function(jit_compile=True)
    def gradients(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(loss(x, model(x, training=True))) / batch_size  # of all processes' rows
        return value, *tape.gradient(value, [v.value for v in variables])

    def one(x: tf.Tensor) -> tf.Tensor:
        value, *found = gradients(x)
        for variable, gradient in zip(variables, _all_reduced(found), strict=True):
            variable.value.assign_sub(RATE * gradient)
        return value

    @tf.function
    def epoch(x: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0.0)
        for k in tf.range(tf.shape(x)[0]):
            total += strategy().run(one, args=(x[k],))
        return strategy().reduce("SUM", total, axis=None)

    return epoch


def _summed(tensors: list[tf.Tensor], n_steps: int) -> Callable[[], tf.Tensor]:
    """Return a function that sums tensors over the processes `n_steps` times; each sum needs the one before."""

    def one(given: list[tf.Tensor]) -> list[tf.Tensor]:
        return _all_reduced([tf.identity(tensor) for tensor in given])  # on this replica's device, which it asks for

    @tf.function
    def epoch() -> tf.Tensor:
        found = tensors
        for _ in tf.range(n_steps):
            found = strategy().run(one, args=(found,))
        return tf.reduce_sum(found[0])

    return epoch


def _all_reduced(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    return tensors if task()[1] == 1 else tf.distribute.get_replica_context().all_reduce("SUM", tensors)


def task() -> tuple[int, int]:
    """Return the number of this process, from 0, and the number of processes."""
    config = json.loads(os.environ.get("TF_CONFIG", "{}"))
    return (config["task"]["index"], len(config["cluster"]["worker"])) if config else (0, 1)


if __name__ == "__main__":
    serve(build, {"tensorflow": tf.__version__})
