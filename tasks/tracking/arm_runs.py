"""The arms of the label-efficiency study as MLflow runs, with curves over the number of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoencoders.arms import FROM_SCRATCH, slug
from tasks.frame import files
from tasks.frame.experiment import Point, records
from tasks.frame.view import Place, is_there

if TYPE_CHECKING:
    import pandas as pd

DIFFERENCE = {"mean": "difference", "low": "difference_low", "high": "difference_high"}


class ArmRun(NamedTuple):
    """An arm's name, the tags that identify it, and its curves, whose step is the number of labels."""

    name: str
    tags: dict[str, str]
    points: list[Point]


def read(data: Place) -> list[ArmRun]:
    """Return every arm of data/label_curve, with its scores and its difference from training from scratch."""
    folder = data / "label_curve"
    if not is_there(folder / "history.csv"):
        return []
    curves, comparisons, cells = (
        files.read_table(folder / f"{name}.csv") for name in ("history", "comparisons", "cells")
    )
    points = _points(curves, [str(name) for name in curves if name not in ("arm", "n_labels")])
    against = comparisons[comparisons.against == FROM_SCRATCH].rename(columns=DIFFERENCE)
    differences = _points(against, [*DIFFERENCE.values()])
    ways = cells.pretraining.fillna("none").groupby(cells.arm).first()
    return [
        ArmRun(name, {"arm": name.split(" - ")[0], "pretraining": ways[name]}, found + differences.get(name, []))
        for name, found in points.items()
    ]


def of_study(arms: list[ArmRun]) -> list[Point]:
    """Return all arms' curves for a single run, each under its arm's name, such as `fine_tuned/accuracy`."""
    return [Point(f"{slug(arm.name)}/{p.name}", p.epoch, p.value) for arm in arms for p in arm.points]


def _points(table: pd.DataFrame, names: list[str]) -> dict[str, list[Point]]:
    """Return every arm's points of the named columns."""
    found: dict[str, list[Point]] = {}
    for row in records(table):
        points = [Point(name, int(row["n_labels"]), float(row[name])) for name in names if row[name] == row[name]]
        found.setdefault(row["arm"], []).extend(points)
    return found
