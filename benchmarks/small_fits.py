"""Many small fits in a separate process: `python -m benchmarks.small_fits ours|keras DATA FIRST SEEDS CELLS`.

DATA is an .npz of rows x, labels y, test_x, test_y. Every cell (arm, number of labels, seed) trains a classifier for
20 epochs at batch 32 and scores it on the test rows; imports, building and compilation are included. Prints the
seconds and processor time of every cell of Keras' loop as JSON, or [] for ours, where cells share what is compiled.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

N_LABELS = (50, 100, 500, 1000, 5000)
ARMS = ("frozen encoder", "fine-tuned", "from scratch")
EPOCHS, BATCH = 20, 32


def cells(n: int) -> list[tuple[str, int]]:
    """Return all 15 cells (arm, number of labels), or 5 with each number of labels once and the arms in turn."""
    every = [(arm, n_labels) for n_labels in N_LABELS for arm in ARMS]
    return every if n >= len(every) else [(ARMS[k % 3], n_labels) for k, n_labels in enumerate(N_LABELS)]


def ours(data: dict[str, np.ndarray], first: int, n_runs: int) -> None:
    """Train every cell, with one classifier per arm, compiled once."""
    from autoencoders.arms import ARMS as KNOWN
    from autoencoders.evaluation import Budget, Classifier
    from autoencoders.labels import draw_labelled
    from autoencoders.models import Autoencoder

    pretrained = Autoencoder(data["x"].shape[1], [100, 30], seed=0)
    budgets = {
        n: Budget(n_steps=EPOCHS * -(-n // BATCH), batch_size=BATCH, optimizer="adam", learning_rate=0.001)
        for n in N_LABELS
    }
    first_budget = budgets[N_LABELS[0]]
    classifier = Classifier(pretrained, n_classes=10, kernel_initializer="glorot_uniform", budget=first_budget)
    for arm in (arm for arm in KNOWN if arm.name in ARMS):
        for n_labels, budget in budgets.items():
            classifier.budget = budget
            for seed in range(first, first + n_runs):
                chosen = draw_labelled(data["y"], n_labels, seed=0, draw=seed)
                classifier.fit(arm, data["x"][chosen], data["y"][chosen], seed=seed)
                classifier.score(data["test_x"], data["test_y"])


def keras_loop(data: dict[str, np.ndarray], n_cells: int) -> list[tuple[float, float]]:
    """Build, compile and fit a model per cell, as scripts do; return the seconds and processor time of each."""
    import keras

    spent = []
    for arm, n_labels in cells(n_cells):
        start, cpu = time.perf_counter(), time.process_time()
        layers = [
            keras.layers.Dense(width, activation="selu", trainable=arm != "frozen encoder") for width in (100, 30)
        ]
        head = keras.layers.Dense(10, activation="softmax")
        model = keras.Sequential([keras.Input(data["x"].shape[1:]), *layers, head])
        model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
        model.fit(data["x"][:n_labels], data["y"][:n_labels], epochs=EPOCHS, batch_size=BATCH, verbose=0)
        model.evaluate(data["test_x"], data["test_y"], verbose=0)
        spent.append((time.perf_counter() - start, time.process_time() - cpu))
    return spent


def main(way: str, path: str, first: int, n_runs: int, n_cells: int) -> None:
    """Run one way's cells."""
    with np.load(path) as file:
        data = {name: file[name] for name in file.files}
    spent: list[tuple[float, float]] = []
    if way == "ours":
        ours(data, first, n_runs)
    else:
        spent = keras_loop(data, n_cells)
    print(json.dumps(spent))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(value) for value in sys.argv[3:6]))
