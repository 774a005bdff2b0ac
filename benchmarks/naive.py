"""The book's stages as in its notebook: plain Keras, where each model is built, compiled and fitted anew.

    python benchmarks/naive.py IMAGES.npz PARAMS.yaml

Does the work of the book's stages in one process, on the same rows with the same epochs, seeds and steps (Keras is
imported once), and prints the seconds of each stage as JSON. Nothing is saved.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from ruamel.yaml import YAML

Arrays = dict[str, np.ndarray]
Params = dict[str, Any]
ARMS = {  # layers of the encoder that train, stage after stage; whether they are the pretrained ones
    "frozen encoder": ([0], True), "top layer fine-tuned": ([1], True), "LP-FT": ([0, 2], True),
    "fine-tuned": ([2], True), "from scratch": ([2], False), "random features": ([0], False),
}  # fmt: skip


class DenseTranspose(keras.layers.Layer):
    """The book's tied layer: the transposed kernel of another Dense layer, and its own bias."""

    def __init__(self, dense: keras.layers.Dense, activation: str) -> None:
        super().__init__()
        self.dense, self.activation = dense, keras.activations.get(activation)

    def build(self, _: Any) -> None:
        self.biases = self.add_weight(name="bias", shape=[self.dense.kernel.shape[0]], initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return self.activation(keras.ops.matmul(inputs, keras.ops.transpose(self.dense.kernel)) + self.biases)


def dense(units: int, activation: str = "selu") -> keras.layers.Dense:
    return keras.layers.Dense(units, activation=activation)


def fit(model: keras.Model, x: np.ndarray, y: np.ndarray, spec: Params, valid: np.ndarray | None = None) -> None:
    """Compile and fit by the optimizer, rate, loss, batch and epochs of `spec`."""
    optimizer = keras.optimizers.get(
        {"class_name": spec["optimizer"], "config": {"learning_rate": spec["learning_rate"]}}
    )
    model.compile(loss=spec["loss"], optimizer=optimizer, metrics=["mse"])
    model.fit(
        x, y, epochs=spec["epochs"], batch_size=spec.get("batch_size", 32), verbose=0,
        validation_data=None if valid is None else (valid, valid),
    )  # fmt: skip


def stacked(d: int, widths: list[int], *, tied: bool = False) -> tuple[keras.Model, keras.Model]:
    """Return the autoencoder d-...-d and its encoder."""
    layers = [dense(units) for units in widths]
    encoder = keras.Sequential([keras.Input((d,)), *layers])
    back = [d, *widths[:-1]]
    decoder = [
        DenseTranspose(layer, "selu" if k else "sigmoid") if tied else dense(back[k], "selu" if k else "sigmoid")
        for k, layer in reversed(list(enumerate(layers)))
    ]
    return keras.Sequential([keras.Input((d,)), encoder, *decoder]), encoder


def pca(x: Arrays, p: Params) -> None:
    """Fit the linear autoencoders, on 60 points and on the images, and PCA, which they should approach."""
    s = p["pca"]
    points = np.random.default_rng(4).normal(size=(s["n_rows"], 3)).astype(np.float32)
    recipe = dict(loss="mse", optimizer="sgd", learning_rate=0.1, epochs=s["epochs"] + s["converged_epochs"])
    model = keras.Sequential([keras.Input((3,)), dense(2, "linear"), dense(3, "linear")])
    fit(model, points, points, recipe)
    images = x["train"] - x["train"].mean(axis=0)
    d = images.shape[1]
    model = keras.Sequential([keras.Input((d,)), dense(s["n_components"], "linear"), dense(d, "linear")])
    fit(
        model, images, images, dict(
            loss="mse", optimizer="adam", learning_rate=s["image_learning_rate"], epochs=s["image_epochs"],
            batch_size=s["image_batch_size"],
        ),
    )  # fmt: skip
    from sklearn.decomposition import PCA

    PCA(s["n_components"]).fit(images)


def pretrain(x: Arrays, p: Params) -> tuple[keras.Model, keras.Model]:
    """Train the stacked autoencoder; return it and its encoder."""
    model, encoder = stacked(x["train"].shape[1], p["network"]["shape"]["units"])
    fit(model, x["train"], x["train"], {**p["network"]["training"], **p["pretrain"]}, x["valid"])
    return model, encoder


def tying(x: Arrays, p: Params) -> None:
    """Train tied and untied, for every seed."""
    for tied in (True, False):
        for seed in range(p["tying"]["n_runs"]):
            keras.utils.set_random_seed(seed)
            model, _ = stacked(x["train"].shape[1], p["network"]["shape"]["units"], tied=tied)
            fit(model, x["train"], x["train"], {**p["network"]["training"], **p["tying"]}, x["valid"])


def phases(x: Arrays, p: Params, epochs: int | None = None) -> list[tuple[keras.layers.Layer, keras.layers.Layer]]:
    """Train the greedy phases, each on the previous one's codings; return their layers."""
    rows, valid, pairs = x["train"], x["valid"], []
    for spec in p["phase"].values():
        pair = dense(spec["units"], spec["activation"]), dense(rows.shape[1], spec["output_activation"])
        encoder = keras.Sequential([keras.Input((rows.shape[1],)), pair[0]])
        recipe = {**spec, "epochs": epochs or spec["epochs"]}
        fit(keras.Sequential([keras.Input((rows.shape[1],)), *pair]), rows, rows, recipe, valid)
        rows, valid = encoder.predict(rows, verbose=0), encoder.predict(valid, verbose=0)
        pairs.append(pair)
    return pairs


def stack(x: Arrays, p: Params, pairs: list[tuple[keras.layers.Layer, keras.layers.Layer]]) -> keras.Model:
    """Fine-tune the stack of the phases."""
    layers = [pair[0] for pair in pairs] + [pair[1] for pair in reversed(pairs)]
    model = keras.Sequential([keras.Input((x["train"].shape[1],)), *layers])
    fit(model, x["train"], x["train"], p["stack"], x["valid"])
    return model


def layerwise(x: Arrays, p: Params) -> None:
    """Train the phases three times on few rows: phase by phase, below a frozen layer, and on its outputs."""
    s = p["layerwise"]
    few = {"train": x["train"][: s["n_rows"]], "valid": x["valid"]}
    for way in ("separate", "bypass", "cached"):
        pairs = phases(few, p, s["epochs"])
        if way == "bypass":
            (below, _), (above, back) = pairs[:2]
            below.trainable = False
            both = keras.Sequential([keras.Input((few["train"].shape[1],)), below, above, back])
            codings = np.asarray(below(few["train"]))
            fit(both, few["train"], codings, {**p["phase"]["2"], "epochs": s["epochs"]})


def visualize(x: Arrays, p: Params, model: keras.Model, encoder: keras.Model) -> None:
    """Map the validation codings by scikit-learn's t-SNE, as the book does, and reconstruct some."""
    from sklearn.manifold import TSNE

    s = p["visualize"]
    codings = encoder.predict(x["valid"][: s["n_rows"]], verbose=0)
    TSNE(perplexity=s["perplexity"], random_state=0).fit_transform(codings)
    model.predict(x["valid"][: s["n_images"]], verbose=0)


def finetune(x: Arrays, y: Arrays, p: Params, pretrained: keras.Model) -> None:
    """Build, compile, fit and score a classifier for every arm and seed, with the number of steps of `finetune`."""
    s = p["finetune"]
    rng = np.random.default_rng(0)
    for trains, is_pretrained in ARMS.values():
        for _ in range(s["n_runs"]):
            chosen = rng.choice(len(x["train"]), s["n_labels"], replace=False)
            encoder = keras.models.clone_model(pretrained)
            if is_pretrained:
                encoder.set_weights(pretrained.get_weights())
            model = keras.Sequential([keras.Input((x["train"].shape[1],)), *encoder.layers, dense(10, "softmax")])
            steps = -(-s["n_labels"] // s["batch_size"])
            recipe = {**s, "loss": "sparse_categorical_crossentropy", "epochs": s["n_steps"] // steps // len(trains)}
            for n_free in trains:
                for k, layer in enumerate(encoder.layers):
                    layer.trainable = k >= len(encoder.layers) - n_free
                fit_classifier(model, x["train"][chosen], y["train"][chosen], recipe)
            model.evaluate(x["test"], y["test"], verbose=0)


def fit_classifier(model: keras.Model, x: np.ndarray, y: np.ndarray, spec: Params) -> None:
    model.compile(loss=spec["loss"], optimizer=keras.optimizers.Adam(spec["learning_rate"]), metrics=["accuracy"])
    model.fit(x, y, epochs=spec["epochs"], batch_size=spec["batch_size"], verbose=0)


def main(images: str, params: str) -> dict[str, float]:
    """Run every stage and return the seconds of each."""
    with open(params, encoding="utf-8") as file:
        p = YAML(typ="safe", pure=True).load(file)
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - start
        return result

    x, y = timed("prepare", lambda: split(images, p["prepare"]["n_valid"], p["prepare"]["n_test"]))
    timed("pca", lambda: pca(x, p))
    model, encoder = timed("pretrain", lambda: pretrain(x, p))
    timed("tying", lambda: tying(x, p))
    pairs = timed("phase", lambda: phases(x, p))
    timed("stack", lambda: stack(x, p, pairs))
    timed("layerwise", lambda: layerwise(x, p))
    timed("visualize", lambda: visualize(x, p, model, encoder))
    timed("finetune", lambda: finetune(x, y, p, encoder))
    return seconds


def split(path: str, n_valid: int, n_test: int) -> tuple[Arrays, Arrays]:
    """Return rows scaled to float32 (n, d) in [0, 1], and labels, of train, valid and test."""
    with np.load(path) as file:
        x, y = file["x"].reshape(len(file["x"]), -1).astype(np.float32) / 255, file["y"]
    ends = {"train": (0, len(x) - n_valid - n_test), "valid": (-n_valid - n_test, -n_test), "test": (-n_test, None)}
    return {k: x[a:b] for k, (a, b) in ends.items()}, {k: y[a:b] for k, (a, b) in ends.items()}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:3])))
