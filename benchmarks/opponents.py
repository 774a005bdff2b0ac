"""How long does each fitted classifier on the rows themselves take, and what does it reach?

    python -m benchmarks.opponents [--data FOLDER] [--draws N] [--labels N ...] [--write]

Reads data/prepare, or takes random rows of Fashion-MNIST's shape, and the settings of params.yaml. A fit's seconds are
the processor's, of fitting and of answering for all validation rows, with one thread; medians over draws of labels, the
means of validation accuracies beside them. The rows are standardised as the study's are, by one mean and one deviation.
The answer stands in docs/log.md. With `--write` it measures tasks/study/costs.csv instead (benchmarks/costs.py).
"""

from __future__ import annotations

import argparse
import statistics
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from autoencoders.arms import BASELINES, LEARNERS
from autoencoders.labels import draw_labelled
from autoencoders.study import Rows
from benchmarks import costs
from tasks.frame import config, determinism, files
from tasks.frame.sections import Params
from tasks.study import rows as of_run
from tasks.study.costs import TABLE

SHAPES = {"train": (55_000, 784), "valid": (5_000, 784)}
N_CLASSES = 10


def main(data: Path, n_draws: int, n_labels: list[int]) -> None:
    """Print a row per classifier: seconds and accuracy at each number of labels."""
    params = config.check(config.read(Path("params.yaml")), Path("params.yaml"))
    train, valid = scaled(data)
    print(f"| arm | {' | '.join(f'{n:,} labels: s | accuracy, %' for n in n_labels)} |")
    print("|---|" + "---|---|" * len(n_labels))
    for arm in (arm for arm in BASELINES if arm.features == "raw"):
        answers = import_module(f"autoencoders.learners.{arm.learner}").answers
        given = keywords(params, arm.learner, train)
        told = []
        for n in n_labels:
            seconds, right = [], []
            for seed in range(n_draws):
                seeded = {"seed": seed} if "seed" in arm.takes else {}
                chosen = draw_labelled(train.labels, n, seed=seed)
                start = time.process_time()
                found = answers(train.x[chosen], train.labels[chosen], valid.x, **given, **seeded)
                seconds.append(time.process_time() - start)
                right.append(float(np.mean(found.guesses == valid.labels)))
            told.append(f"{statistics.median(seconds):.2f} | {100 * statistics.mean(right):.1f}")
        print(f"| {arm.name} | {' | '.join(told)} |", flush=True)


def write(data: Path, path: Path) -> None:
    """Measure the table of costs."""
    params = config.check(config.read(Path("params.yaml")), Path("params.yaml"))
    train, valid = scaled(data)
    taken = {name: of_run.taken(params, name, len(train.x), 0) for name in LEARNERS if "n_unlabelled" in LEARNERS[name]}
    costs.write(params, train, valid, taken, path)


def scaled(data: Path) -> list[Rows]:
    """Return the training and validation rows minus the mean, divided by the deviation, of all training values."""
    found = [rows(data, split) for split in SHAPES]
    mean, deviation = np.float32(found[0].x.mean(dtype=float)), np.float32(found[0].x.std(dtype=float))
    return [Rows((part.x - mean) / deviation, part.labels) for part in found]


def rows(data: Path, split: str) -> Rows:
    """Return the rows and labels of a split, or random ones where there is no such folder."""
    if data.exists():
        return Rows(files.read_rows(data, split), files.read_labels(data, split))
    x = np.random.default_rng(len(split)).random(SHAPES[split], dtype=np.float32)
    return Rows(x, np.arange(len(x)) % N_CLASSES)


def keywords(params: Params, learner: str, train: Rows) -> dict[str, Any]:
    """Return a learner's settings, with rows in place of their number."""
    given: dict[str, Any] = dict(params.label_curve.learners[learner])
    if given.pop("n_unlabelled", None):
        given["unlabelled"] = train.x[of_run.taken(params, learner, len(train.x), 0)]
    return given


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.opponents")
    parser.add_argument("--data", type=Path, default=Path("data/prepare"))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 2000])
    parser.add_argument("--write", action="store_true", help="measure the table of costs")
    options = parser.parse_args()
    determinism.set_threads(1)
    with determinism.fixed(1):
        if options.write:
            write(options.data, TABLE)
        else:
            main(options.data, options.draws, options.labels)
