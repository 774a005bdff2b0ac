"""Estimate processor seconds of the label-efficiency study from a table in git, costs.csv.

`python -m benchmarks.opponents --write` measures the table on one machine, with one thread. Decisions depend on the
table, never on the clock of the machine, so that they are the same everywhere. This module imports no Keras.

The table has a row per kind of work, number of columns and number of labels: for a fitted classifier the seconds of a
fit, with the answers for 5,000 rows, the mean over its own settings and both ends of its space; for a network those of
1,000 gradient steps, under the arm's name and with 0 labels; for `PRETRAINING` those of an epoch on 10,000 rows. The
networks are those of params.yaml; larger ones take longer.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from autoencoders.arms import CURVE_ARMS, Arm

TABLE = Path(__file__).with_name("costs.csv")
PRETRAINING = "pretraining"
MOST_SECONDS = 60.0  # of a fitted classifier's trials at one budget in one run
STEPS, ROWS = 1000, 10_000  # the units of networks and of pretraining


def seconds(arm: str, n_labels: int, n_columns: int, n_fits: int = 1, n_steps: int = 0) -> float:
    """Return the processor seconds of fits or trainings, on the machine of the table.

    Args:
        arm: Name of an arm.
        n_labels: Labelled rows of each fit.
        n_columns: Columns of the rows that the fit sees: of codings or PCA scores, their number.
        n_fits: Number of fits.
        n_steps: Gradient steps of each, for a network.
    """
    entry = CURVE_ARMS[arm]
    if isinstance(entry, Arm):
        return n_fits * n_steps / STEPS * _of_table(arm, 0, n_columns)
    return n_fits * _of_table(entry.learner, n_labels, n_columns)


def left_out(arm: str, n_labels: int, n_columns: int, n_fits: int) -> bool:
    """Return whether a fitted classifier is left out at a budget, because its fits take over MOST_SECONDS in a run.

    Networks are never left out: the verdict compares them. Fits within a cross-validation count as if they had all
    labels. Arguments as in `seconds`.
    """
    return not isinstance(CURVE_ARMS[arm], Arm) and seconds(arm, n_labels, n_columns, n_fits) > MOST_SECONDS


def pretraining_seconds(n_columns: int, n_encoders: int, n_rows: int, epochs: int) -> float:
    """Return the processor seconds of pretrainings, on the machine of the table."""
    return n_encoders * epochs * n_rows / ROWS * _of_table(PRETRAINING, 0, n_columns)


def machine_factor(measured: Sequence[float], expected: Sequence[float]) -> float:
    """Return how many times longer this machine takes than the table's: sums of seconds over the same cells; 1 if none.

    Args:
        measured: Seconds that kept cells took.
        expected: Seconds of the table for each of them.
    """
    return sum(measured) / sum(expected) if sum(measured) > 0 and sum(expected) > 0 else 1.0


@cache
def table() -> dict[str, dict[int, dict[int, float]]]:
    """Return the table: seconds by kind of work, number of columns and number of labels."""
    found: dict[str, dict[int, dict[int, float]]] = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            of_work = found.setdefault(row["work"], {})
            of_work.setdefault(int(row["n_columns"]), {})[int(row["n_labels"])] = float(row["seconds"])
    return found


def _of_table(work: str, n_labels: int, n_columns: int) -> float:
    of_work = table()[work]
    return _between({columns: _between(points, n_labels) for columns, points in of_work.items()}, n_columns)


def _between(points: dict[int, float], at: int) -> float:
    """Return the value at `at`, log-linear between the neighbouring points, or on the line of the last two beyond.

    Below the first point and for a falling line beyond the last one, the value stays that of the point.
    """
    places = sorted(points)
    if len(places) == 1 or at <= places[0]:
        return points[places[0]]
    k = min(bisect_right(places, at), len(places) - 1)
    low, high = places[k - 1], places[k]
    slope = math.log(points[high] / points[low]) / math.log(high / low)
    if at > high:
        return points[high] * (at / high) ** max(slope, 0.0)
    return points[low] * math.exp(slope * math.log(at / low))
