"""A study of ten data sets, twenty seeds and eight configurations on 200 machines, on paper.

The planner's cells (tasks/study/keys.py), their seconds by the table of costs (effort.py), the deal of shards
(shards.py), and what was measured beside them (measure.py) go into the simulation.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.scaling.simulation import Costs, Lives, Outcome, Task, chain, run
from benchmarks.workers import ROOT
from tasks.frame import config
from tasks.frame.sections import Params
from tasks.study import effort, keys, shards
from tasks.study.keys import Cell
from tasks.study.rows import Size

N_SEEDS, N_MACHINES = 20, 200
EXPERIMENT = "label-study"  # eight configurations of sixteen arms
SHARE = 1e9 / 8  # bytes a second of a shared folder behind a network of 1 Gbit/s
HOURS_A_LIFE = 10.0  # mean, of machines that are taken away at times


class DataSet(NamedTuple):
    """A data set: training rows, columns, classes, and the bytes of a value; a quarter as many rows are held out."""

    name: str
    n_rows: int
    n_columns: int
    n_classes: int
    value_bytes: int = 4

    @property
    def size(self) -> Size:
        return Size(self.n_rows, self.n_columns, self.n_classes)

    @property
    def n_bytes(self) -> int:
        """Return the bytes of data/prepare: rows and a label of eight bytes each."""
        return self.n_rows * 5 // 4 * (self.n_columns * self.value_bytes + 8)


DATA_SETS = (
    DataSet("Fashion-MNIST", 55_000, 784, 10, 1), DataSet("MNIST", 55_000, 784, 10, 1),
    DataSet("KMNIST", 55_000, 784, 10, 1), DataSet("digits", 1_297, 64, 10, 1), DataSet("letter", 16_000, 16, 26),
    DataSet("shuttle", 43_500, 9, 7), DataSet("magic", 15_000, 10, 2), DataSet("spambase", 3_700, 57, 2),
    DataSet("churn", 5_600, 45, 2), DataSet("breast cancer", 456, 30, 2),
)  # fmt: skip


def params_of(data: DataSet, n_seeds: int, changes: Mapping[str, Any] | None = None) -> Params:
    """Return the study's parameters for a data set: label-study's, with the budgets that the rows hold."""
    values = config.read(ROOT / config.PARAMS)
    own = config.read(ROOT / f"experiments/{EXPERIMENT}.yaml")["label_curve"] | {"n_runs": n_seeds} | (changes or {})
    budgets = [n for n in own["n_labels"] if data.n_classes <= n <= data.n_rows]
    own |= {"n_labels": budgets, "headline": max(n for n in budgets if n <= max(500, budgets[0]))}
    section = values["label_curve"]
    tuning = {**section["tuning"], **own.pop("tuning", {})}
    return config.check(values | {"label_curve": {**section, **own, "tuning": tuning}}, Path(EXPERIMENT))


def tasks_of(params: Params, data: DataSet, cells: Sequence[Cell]) -> list[Task]:
    """Return the tasks of cells, which hold the encoders that they need, in the same order."""
    place = {cell: k for k, cell in enumerate(cells)}
    found = []
    for cell in cells:
        encoder = keys.encoder_of(params, cell)
        seconds = effort.seconds(params, cell, data.size)
        found.append(Task(seconds, data.name, place[encoder] if encoder else None))
    return found


def encoder_bytes(params: Params, data: DataSet) -> int:
    """Return the bytes of an encoder's weights."""
    widths = (data.n_columns, *params.label_curve.network.shape.units)
    return 4 * sum((a + 1) * b for a, b in pairwise(widths))


def joined(studies: Sequence[Sequence[Task]]) -> list[Task]:
    """Return the tasks of several studies as one list: of all studies, those that wait for none come first."""
    found: list[Task] = []
    for tasks in studies:
        start = len(found)
        found += [task._replace(after=None if task.after is None else task.after + start) for task in tasks]
    return found


def lives(seed: int, mean_seconds: float) -> Lives:
    """Return lives of exponential length, drawn by seed and machine."""

    def of(machine: int) -> Iterator[float]:
        rng = random.Random(f"{seed} {machine}")
        while True:
            yield rng.expovariate(1 / mean_seconds)

    return of


def in_shards(studies: Sequence[tuple[Params, DataSet]], n: int, costs: Costs) -> list[Outcome]:
    """Return what comes of each of n machines that computes its shard of every study, one after another."""
    own: list[list[list[Task]]] = [[] for _ in range(n)]
    for params, data in studies:
        for k, cells in enumerate(shards.deal(params, data.size, n)):
            own[k].append(tasks_of(params, data, cells))
    return [run(joined(parts), 1, costs) for parts in own]


def study(
    measured: Mapping[str, float],
    *,
    n: int = N_MACHINES,
    n_seeds: int = N_SEEDS,
    data_sets: Sequence[DataSet] = DATA_SETS,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the study's numbers: its cells and their seconds, what each way takes, bytes, and each part's limit.

    Args:
        measured: Seconds: `start` of a process, `first` of a study on it (compilation), `driver` of a cell, `count` of
            a cell for each name in its store, `deal` of a cell for each shard, `key` of a cell; bytes of a `result`.
        n, n_seeds, data_sets: The machines, the runs, the data.
        changes: Values of label_curve that differ from the experiment's.
    """
    studies = [(params_of(data, n_seeds, changes), data) for data in data_sets]
    of_study = [tasks_of(params, data, keys.every(params, data.size)) for params, data in studies]
    tasks, most = joined(of_study), max(map(len, of_study))
    moved = _moved(studies, of_study, measured["result"], n)
    read = moved["data, read by every machine"] / SHARE
    sending = Costs(measured["start"] + read, measured["first"], _driver(measured, most))
    planning = (measured["key"] + measured["deal"] * n) * len(tasks)
    shards_of = in_shards(studies, n, sending._replace(start=sending.start + planning, driver=0.0))
    ways = {"Dask": run(tasks, n, sending),
            "Dask, machines taken away": run(tasks, n, sending, lives(0, HOURS_A_LIFE * 3600))}  # fmt: skip
    total = sum(task.seconds for task in tasks)
    sets = [
        {**data._asdict(), "n_cells": len(own), "seconds": sum(task.seconds for task in own), "n_bytes": data.n_bytes}
        for data, own in zip(data_sets, of_study, strict=True)
    ]
    return {
        "n_cells": len(tasks), "n_encoders": sum(len(keys.encoders(params)) for params, _ in studies),
        "n_machines": n, "n_seeds": n_seeds, "total": total, "chain": chain(tasks), "sets": sets, "moved": moved,
        "read": read, "planning": planning,
        "ways": {name: _told(own, n, len(tasks)) for name, own in ways.items()} | {"shards": _shards(shards_of, tasks)},
        "limits": limits(tasks, measured, len(studies), sum(data.n_bytes for data in data_sets), most),
    }  # fmt: skip


def _driver(measured: Mapping[str, float], most: int) -> float:
    """Return the driver's seconds for a cell, if it lists a store of `most` names once a second."""
    return measured["driver"] * (1 + measured["count"] * most)


def _moved(
    studies: Sequence[tuple[Params, DataSet]], of_study: Sequence[Sequence[Task]], result: float, n: int
) -> dict[str, float]:
    """Return the bytes that pass the shared folder."""
    both = [(encoder_bytes(params, data), params, own) for (params, data), own in zip(studies, of_study, strict=True)]
    return {
        "data, read by every machine": n * sum(data.n_bytes for _, data in studies),
        "encoders, written": sum(size * len(keys.encoders(params)) for size, params, _ in both),
        "encoders, read by every cell that uses one": sum(
            size * sum(task.after is not None for task in own) for size, _, own in both
        ),
        "results": result * sum(map(len, of_study)),
    }


def limits(
    tasks: Sequence[Task], measured: Mapping[str, float], n_studies: int, data: float, most: int
) -> dict[str, float]:
    """Return for each part the number of machines at which it alone takes as long as the cells do on so many."""
    total, n = sum(task.seconds for task in tasks), len(tasks)
    key, deal = measured["key"] * n, measured["deal"] * n
    return {
        "the driver of Dask": total / (n * _driver(measured, most)),
        "the shared folder, from which every machine reads all data": (total * SHARE / data) ** 0.5,
        "keys and deal, which every shard computes": ((key**2 + 4 * deal * total) ** 0.5 - key) / (2 * deal),
        "the start of a process, and its compilations": total / (measured["start"] + n_studies * measured["first"]),
        "the longest chain: an encoder and its dearest score": total / chain(tasks),
    }


def _shards(found: Sequence[Outcome], tasks: Sequence[Task]) -> dict[str, float]:
    seconds, busy = max(one.seconds for one in found), sum(one.busy for one in found)
    again = sum(len(one.order) for one in found) - len(tasks)
    return {"seconds": seconds, "use": busy / (len(found) * seconds), "n_died": 0, "lost": 0.0, "again": again}


def _told(found: Outcome, n: int, n_tasks: int) -> dict[str, float]:
    again = sum(found.starts) - n_tasks
    return {"seconds": found.seconds, "use": found.busy / (n * found.seconds), "n_died": found.n_died,
            "lost": found.lost, "again": again}  # fmt: skip
