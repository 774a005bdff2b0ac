"""Measure tasks/study/costs.csv, the table from which tasks/study/costs.py estimates; run by benchmarks.opponents.

Processor seconds with one thread, on scaled rows of Fashion-MNIST or random ones; a row of few columns is a part of one
of many, drawn by seed.
"""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from autoencoders.arms import ARMS, LEARNERS
from autoencoders.evaluation import Budget, Classifier
from autoencoders.labels import draw_labelled
from autoencoders.pretraining import Streams, train
from autoencoders.study import Rows
from tasks.frame import recipes
from tasks.frame.sections import Params
from tasks.study import costs

COLUMNS, LABELS = (20, 784), (50, 500, 2000)
TIMES = 3  # measurements of a network, the median of which counts
Row = tuple[str, int, int, float]


def write(params: Params, train_rows: Rows, valid: Rows, unlabelled: dict[str, np.ndarray], path: Path) -> None:
    """Measure every kind of work and write the table.

    Args:
        params: The parameters.
        train_rows, valid: Scaled rows.
        unlabelled: For a learner that takes unlabelled rows, their numbers among the training rows.
        path: Of the table.
    """
    rows: list[Row] = []
    for n_columns in COLUMNS:
        n = min(n_columns, train_rows.x.shape[1])
        columns = np.sort(np.random.default_rng(n_columns).permutation(train_rows.x.shape[1])[:n])
        parts = [Rows(np.ascontiguousarray(part.x[:, columns]), part.labels) for part in (train_rows, valid)]
        for row in (*fitted(params, *parts, unlabelled), *networks(params, parts[0])):
            rows.append(row)
            print(*row, flush=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["work", "n_columns", "n_labels", "seconds"])
        writer.writerows([*row[:3], f"{row[3]:.3g}"] for row in sorted(rows))


def fitted(params: Params, rows: Rows, valid: Rows, unlabelled: dict[str, np.ndarray]) -> Iterator[Row]:
    """Yield the seconds of a fit of every learner with every number of labels, over its `configurations`."""
    for name, known in LEARNERS.items():
        answers = import_module(f"autoencoders.learners.{name}").answers
        further: dict[str, Any] = {"unlabelled": rows.x[unlabelled[name]]} if "n_unlabelled" in known else {}
        further |= {"seed": 0} if name in ("nystroem", "extra_trees") else {}
        for n in LABELS:
            chosen = draw_labelled(rows.labels, n, seed=0)
            given = rows.x[chosen], rows.labels[chosen], valid.x
            fit = partial(answers, *given, **further)
            spent = [_seconds(partial(fit, **own)) for own in configurations(params, name)]
            yield name, rows.x.shape[1], n, statistics.mean(spent)


def configurations(params: Params, learner: str) -> list[dict[str, Any]]:
    """Return a learner's own settings, and both ends of the space from which others are drawn."""
    c = params.label_curve
    own = {name: value for name, value in c.learners[learner].items() if name != "n_unlabelled"}
    return [own, *(own | {name: ends[k] for name, ends in c.tuning.spaces[learner].items()} for k in (0, 1))]


def networks(params: Params, rows: Rows) -> Iterator[Row]:
    """Yield the seconds of STEPS gradient steps of every arm, and of an epoch of pretraining on ROWS rows."""
    c = params.label_curve
    network = recipes.of_network(c.network)
    shape, width = network.shape, rows.x.shape[1]
    chosen = draw_labelled(rows.labels, LABELS[1], seed=0)
    budget = Budget(n_steps=costs.STEPS, batch_size=c.classifier.batch_size, optimizer=c.classifier.optimizer,
                    learning_rate=c.classifier.learning_rate, decays=True)  # fmt: skip
    classifier = Classifier(
        shape.model(width, seed=0), n_classes=int(rows.labels.max()) + 1, kernel_initializer=shape.kernel_initializer,
        budget=budget,
    )  # fmt: skip
    for arm in ARMS:
        fit = partial(classifier.fit, arm, rows.x[chosen], rows.labels[chosen], seed=0)
        yield arm.name, width, 0, _warm(fit)
    x = rows.x[: costs.ROWS] - rows.x.min()
    x /= x.max()
    # Random rows make a training with the book's rate diverge; the time does not depend on the rate.
    network = replace(network, training=replace(network.training, learning_rate=0.001))
    spent = _warm(lambda: train(x, None, network, Streams.of(0), epochs=1)) * costs.ROWS / len(x)
    yield costs.PRETRAINING, width, 0, spent


def _seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _warm(run: Callable[[], object]) -> float:
    """Return the median seconds after a first call, which compiles."""
    run()
    spent: Sequence[float] = [_seconds(run) for _ in range(TIMES)]
    return statistics.median(spent)
