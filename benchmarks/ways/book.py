"""Keras as the book uses it, and with Keras' own options for speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from autoencoders.models import Autoencoder
from benchmarks.serve import Run, by_epoch, serve

FAST = dict(jit_compile=True, steps_per_execution=50)


def build(case: dict[str, Any]) -> Run:
    """Return an epoch of `fit` on arrays, or `predict`."""
    if case["kind"] == "stream":
        return _from_file(case)
    x = np.load(case["rows_file"])
    if case["kind"] == "file":
        x = x / np.float32(255)
    if case["kind"] == "encode":
        encoder = keras.Sequential(model(case, x.shape[1]).layers[: len(case["units"])])
        return lambda: float(encoder.predict(x, batch_size=case["batch_size"], verbose=0)[-1, 0])
    network = model(case, x.shape[1])
    options = FAST if case["variant"] == "fast" else {}
    network.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(case["learning_rate"]), **options)
    epochs = case["rounds"] + 1

    def train(report: Any) -> None:
        told = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: report(logs["loss"]))
        network.fit(x, x, batch_size=case["batch_size"], epochs=epochs, verbose=0, callbacks=[told])

    return by_epoch(train, epochs)


def _from_file(case: dict[str, Any]) -> Run:
    """Encode a memory-mapped file of bytes, scaled inside the model, into a file."""
    path = Path(case["rows_file"])
    layers = model(case, 784).layers[: len(case["units"])]
    encoder = keras.Sequential([keras.Input((784,)), keras.layers.Rescaling(1 / 255), *layers])

    def run() -> float:
        codings = encoder.predict(np.load(path, mmap_mode="r"), batch_size=case["batch_size"], verbose=0)
        np.save(path.with_name("keras.npy"), codings)
        return float(codings[-1, 0])

    return run


def model(case: dict[str, Any], n_inputs: int) -> keras.Model:
    """Return the stacked autoencoder as a plain Sequential; a tied one as this project builds it."""
    if case["tied"]:
        return Autoencoder(n_inputs, case["units"], tied=True, seed=0)
    hidden = [*case["units"], *case["units"][-2::-1]]
    layers = [keras.layers.Dense(width, activation="selu") for width in hidden]
    return keras.Sequential([keras.Input((n_inputs,)), *layers, keras.layers.Dense(n_inputs, activation="sigmoid")])


if __name__ == "__main__":
    serve(build, {"keras": keras.__version__})
