"""This project's own functions, as its stages call them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from autoencoders.layerwise import train_greedy
from autoencoders.models import Autoencoder
from autoencoders.pretraining import Network, Recipe, Shape, Training
from autoencoders.projection import pca_basis, tsne
from autoencoders.stacking import encode, encoder
from autoencoders.training import Trainer
from benchmarks.serve import Run, by_epoch, serve
from benchmarks.ways.scikit import codings
from tasks.frame import files


def build(case: dict[str, Any]) -> Run:
    """Return the work of a case."""
    if case["kind"] == "stream":
        return _stream(case, Path(case["rows_file"]))
    if case["kind"] == "file":
        rows = np.load(case["rows_file"], mmap_mode=None if case["variant"] == "in memory" else "r")
        return _epoch(case, rows, scale=255)
    kind = {"epoch": _epoch, "training": _training, "encode": _encode, "map": _map, "pca": _pca}[case["kind"]]
    return kind(case, np.load(case["rows_file"]))


def _autoencoder(case: dict[str, Any], n_inputs: int) -> Autoencoder:
    return Autoencoder(n_inputs, case["units"], tied=case["tied"], seed=0)


def _trainer(case: dict[str, Any], model: keras.Model, scale: float = 1) -> Trainer:
    rate = case["learning_rate"]
    return Trainer(model, loss="binary_crossentropy", optimizer="sgd", learning_rate=rate, scale=scale)


def _epoch(case: dict[str, Any], x: np.ndarray, scale: float = 1) -> Run:
    trainer, epochs = _trainer(case, _autoencoder(case, x.shape[1]), scale), case["rounds"] + 1

    def train(report: Any) -> None:
        trainer.fit(
            x, epochs=epochs, batch_size=case["batch_size"], seed=0, on_epoch=lambda _, row: report(row["loss"])
        )

    return by_epoch(train, epochs)


def _training(case: dict[str, Any], x: np.ndarray) -> Run:
    """Train from nothing, compilation included: end to end, or phase by phase in one of three ways."""
    epochs, way = case["epochs"], case["variant"]

    def end_to_end() -> float:
        trainer = _trainer(case, _autoencoder(case, x.shape[1]))
        return trainer.fit(x, epochs=epochs, batch_size=case["batch_size"], seed=0)[-1]["loss"]

    def greedy() -> float:
        model = train_greedy(x, _phases(case, epochs), seed=0, way=way)
        return float(np.abs(model.encoder.layers[-1].get_weights()[0]).mean())

    return end_to_end if way == "end to end" else greedy


def _phases(case: dict[str, Any], epochs: int) -> Recipe:
    """Return the book's phases: images by cross-entropy, codings by squared error."""
    networks = []
    for k, units in enumerate(case["units"]):
        loss, rate = ("mean_squared_error", 0.05) if k else ("binary_crossentropy", case["learning_rate"])
        shape = Shape(units=(units,), activation="selu", output_activation="selu" if k else "sigmoid")
        training = Training(loss=loss, optimizer="sgd", learning_rate=rate, batch_size=case["batch_size"])
        networks.append(Network(shape, training))
    return Recipe(networks=tuple(networks), epochs=epochs)


def _encode(case: dict[str, Any], x: np.ndarray) -> Run:
    model = _autoencoder(case, x.shape[1])
    return lambda: float(encode(model, x)[-1, 0])


def _stream(case: dict[str, Any], path: Path) -> Run:
    """Encode from file to file, as the stage `encode` does."""
    size, out = 5000, path.with_name("ours.npy")
    codings = encoder(_autoencoder(case, 784), batch_size=size, scale=255)

    def run() -> float:
        files.map_rows(path, out, codings, width=case["units"][-1], at_a_time=size)
        return float(np.load(out, mmap_mode="r")[-1, 0])

    return run


def _map(case: dict[str, Any], x: np.ndarray) -> Run:
    z = codings(x)
    return lambda: float(tsne(z, perplexity=30, seed=0)[-1, 0])


def _pca(case: dict[str, Any], x: np.ndarray) -> Run:
    return lambda: pca_basis(x - x.mean(axis=0), case["units"][-1])[1]


if __name__ == "__main__":
    serve(build, {"tensorflow": tf.__version__, "keras": keras.__version__, "numpy": np.__version__})
