"""How much of fine-tuning's gain over training from scratch is left with scaled inputs and a rate that decays?

    python -m benchmarks.fairness [--data FOLDER] [--kept FOLDER] [--runs N] [--labels N ...]

The encoders are pretrained by the book's recipe (`network` and `pretrain` of params.yaml: pixels from 0 to 1), with the
default study's streams, and kept in .bench/fairness by the hash of what they depend on. The classifiers are trained as
in `finetune`. Draws, first weights and orders are the default study's.

Standardised inputs are (pixel - mean) / deviation, of all pixels of all training rows. A pretrained encoder's first
layer is rewritten for them, so that its codings stay the same. The "better scaling" is that of the higher mean accuracy
over runs, of each arm at each budget: on the test rows, as in the review that docs/log.md tells of, which favours both
arms, or on the validation rows. The answer stands in docs/log.md.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np

from autoencoders.arms import COMPARED
from autoencoders.label_efficiency import stream
from autoencoders.labels import draw_labelled
from autoencoders.models import Autoencoder, outputs, seeded_initializer
from autoencoders.pretraining import Streams, train
from autoencoders.statistics import paired
from autoencoders.training import Trainer
from tasks.frame import cells, config, determinism, files, recipes
from tasks.frame.sections import Params

KEPT = Path(".bench/fairness")
ARMS = FINE_TUNED, FROM_SCRATCH = COMPARED[:2]
SCALINGS, RATES = ("pixels", "standardised"), ("constant", "cosine")
BUDGETS = [100, 500, 1000, 2000, 5000]
Weights = list[np.ndarray]
Key = tuple[str, str, str]  # arm, scaling, rate


class Networks:
    """The classifier network, compiled once for a scaling of its inputs and a course of its learning rate."""

    def __init__(self, params: Params, width: int, n_classes: int, scaling: str, rate: str) -> None:
        shape, self.training = recipes.of_network(params.network).shape, params.finetune
        self.config = asdict(shape) | {"l2": 0.0, "tied": False}
        self.layers = [keras.layers.Dense(units, activation=shape.activation) for units in shape.units]
        self.head = keras.layers.Dense(n_classes, activation="softmax")
        model = keras.Sequential([keras.Input((width,)), *self.layers, self.head])
        given: Any = self.training.learning_rate
        if rate == "cosine":
            given = keras.optimizers.schedules.CosineDecay(given, self.training.n_steps)
        self.trainer = Trainer(model, loss="sparse_categorical_crossentropy", optimizer=self.training.optimizer,
                               learning_rate=given)  # fmt: skip
        self.width, self.scaling = width, scaling

    def fit(self, x: np.ndarray, labels: np.ndarray, encoder: Weights | None, *, seed: int, order: int) -> None:
        """Train on rows (n, d) from an encoder's weights, or from random ones if it is None."""
        if encoder is None:
            encoder = Autoencoder(self.width, **self.config, seed=seed).encoder.get_weights()
        for k, layer in enumerate(self.layers):
            layer.set_weights(encoder[2 * k : 2 * k + 2])
        kernel, bias = self.head.get_weights()
        first = seeded_initializer(self.config["kernel_initializer"], seed, len(self.layers) + 1)
        self.head.set_weights([np.asarray(first(kernel.shape)), np.zeros_like(bias)])
        self.trainer.restart()
        self.trainer.fit_steps(
            x, labels, n_steps=self.training.n_steps, batch_size=self.training.batch_size, seed=order
        )

    def score(self, x: np.ndarray, labels: np.ndarray) -> float:
        """Return the accuracy on rows (n, d)."""
        return float(np.mean(outputs([*self.layers, self.head], x).argmax(axis=1) == labels))


def rewritten(encoder: Weights, mean: float, deviation: float) -> Weights:
    """Return an encoder of standardised rows with the same codings: W (s z + m) + b = (s W) z + (b + m W 1)."""
    kernel, bias, *rest = encoder
    return [kernel * np.float32(deviation), bias + np.float32(mean) * kernel.sum(axis=0), *rest]


def encoder_of(params: Params, data: Path, x: np.ndarray, run: int, kept: Path) -> Weights:
    """Return a run's pretrained encoder, out of the folder `kept` or pretrained now."""
    roles = {"weights": "weights", "order": "pretraining order", "noise": "pretraining noise"}
    streams = {name: stream(params.seed, run, role) for name, role in roles.items()}
    given = {"network": params.network.model_dump(), "epochs": params.pretrain.epochs, "streams": streams,
             "rows": files.md5(data / "train.npy"), "versions": cells.versions()}  # fmt: skip
    path = kept / f"encoder - run {run} {cells.digest(given)[:16]}.npz"
    if not path.exists():
        model, _, _ = train(
            x, None, recipes.of_network(params.network), Streams(**streams), epochs=params.pretrain.epochs, phase=1
        )
        kept.mkdir(parents=True, exist_ok=True)
        np.savez(path, *model.encoder.get_weights())
    with np.load(path, allow_pickle=False) as found:
        weights = [found[name] for name in found.files]
    digest = hashlib.sha256(b"".join(weight.tobytes() for weight in weights)).hexdigest()
    print(f"encoder of run {run}: {digest[:16]}", flush=True)
    return weights


def measure(params: Params, data: Path, kept: Path, n_runs: int, budgets: Sequence[int]) -> dict[Key, np.ndarray]:
    """Return the accuracies on test and validation rows, (2, n_runs, n_budgets), of every arm, scaling and rate."""
    rows = {split: files.read_rows(data, split) for split in ("train", "test", "valid")}
    labels = {split: files.read_labels(data, split) for split in rows}
    mean, deviation = float(rows["train"].mean(dtype=float)), float(rows["train"].std(dtype=float))
    width, n_classes = rows["train"].shape[1], int(labels["train"].max()) + 1
    scaled = {name: (x - np.float32(mean)) / np.float32(deviation) for name, x in rows.items()}
    seen = dict(zip(SCALINGS, (rows, scaled), strict=True))
    networks = cache(lambda scaling, rate: Networks(params, width, n_classes, scaling, rate))
    found = {
        (arm, scaling, rate): np.zeros((2, n_runs, len(budgets)))
        for arm in ARMS for scaling in SCALINGS for rate in RATES
    }  # fmt: skip
    for run in range(n_runs):
        seeds = {role: stream(params.seed, run, role) for role in ("labels", "weights", "order")}
        encoder = encoder_of(params, data, rows["train"], run, kept)
        encoders = dict(zip(SCALINGS, (encoder, rewritten(encoder, mean, deviation)), strict=True))
        for k, n in enumerate(budgets):
            chosen = draw_labelled(labels["train"], n, seed=seeds["labels"])
            for (arm, scaling, rate), scores in found.items():
                network, x = networks(scaling, rate), seen[scaling]
                start = encoders[scaling] if arm == FINE_TUNED else None
                network.fit(
                    x["train"][chosen], labels["train"][chosen], start, seed=seeds["weights"], order=seeds["order"]
                )
                scores[:, run, k] = [network.score(x[split], labels[split]) for split in ("test", "valid")]
    return found


def differences(found: dict[Key, np.ndarray]) -> dict[str, np.ndarray]:
    """Return rows of paired test scores, (2 arms, n_runs, n_budgets), by the name of the row."""

    def test(scaling: str, rate: str) -> np.ndarray:
        return np.stack([found[arm, scaling, rate][0] for arm in ARMS])

    def better(split: int) -> np.ndarray:
        pairs = [np.stack([found[arm, scaling, "cosine"] for scaling in SCALINGS]) for arm in ARMS]
        best = [pair[:, split].mean(axis=1).argmax(axis=0) for pair in pairs]  # a scaling for each budget
        return np.stack(
            [
                np.stack([pair[k, 0, :, n] for n, k in enumerate(ks)], axis=1)
                for pair, ks in zip(pairs, best, strict=True)
            ]
        )

    return {
        "as it is (pixels 0 to 1, constant rate)": test("pixels", "constant"),
        "inputs standardised, both arms": test("standardised", "constant"),
        "cosine decay of the rate to 0, both arms": test("pixels", "cosine"),
        "cosine decay, inputs standardised, both arms": test("standardised", "cosine"),
        "cosine decay, each arm at its better scaling (test rows)": better(0),
        "cosine decay, each arm at its better scaling (validation rows)": better(1),
    }


def main(data: Path, kept: Path, n_runs: int, budgets: Sequence[int]) -> None:
    """Print the differences in points, with 95 % intervals, and each arm's mean accuracy and its sd over runs."""
    params = config.check(config.read(Path("params.yaml")), Path("params.yaml"))
    found = measure(params, data, kept, n_runs, budgets)
    head = f"{' | '.join(f'{n:,}' for n in budgets)} |\n|---|{'---|' * len(budgets)}"
    print(f"\n| {FINE_TUNED} minus {FROM_SCRATCH}, points | {head}")
    for name, (tuned, scratch) in differences(found).items():
        pairs = [paired(100 * tuned[:, k], 100 * scratch[:, k]) for k in range(len(budgets))]
        print(f"| {name} | {' | '.join(f'{p.mean:+.1f} ({p.low:+.1f}, {p.high:+.1f})' for p in pairs)} |")
    print(f"\n| mean accuracy in % (sd over runs) | {head}")
    for (arm, scaling, rate), scores in found.items():
        mean, sd = 100 * scores[0].mean(axis=0), 100 * scores[0].std(axis=0, ddof=1)
        told = " | ".join(f"{m:.1f} ({s:.2f})" for m, s in zip(mean, sd, strict=True))
        print(f"| {arm}, {scaling}, {rate} | {told} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness")
    parser.add_argument("--data", type=Path, default=Path("data/prepare"))
    parser.add_argument("--kept", type=Path, default=KEPT, help="folder of pretrained encoders")
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--labels", type=int, nargs="+", default=BUDGETS)
    options = parser.parse_args()
    determinism.set_threads(1)
    with determinism.fixed(1):
        main(options.data, options.kept, options.runs, options.labels)
