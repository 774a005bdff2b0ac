"""The arms of the label-efficiency study as MLflow shows them: curves over the number of labels, one run per arm."""

from __future__ import annotations

import csv
from typing import NamedTuple

from tasks.frame.experiment import Point
from tasks.frame.view import Place, is_there

BASE = "from scratch"
DIFFERENCE = {"mean": "difference", "low": "difference_low", "high": "difference_high"}


class ArmRun(NamedTuple):
    """An arm's name, tags that tell it from the other arms, and its curves, whose step is the number of labels."""

    name: str
    tags: dict[str, str]
    points: list[Point]


def read(data: Place) -> list[ArmRun]:
    """Return every arm of data/label_curve: its scores, and its difference from training from scratch."""
    folder = data / "label_curve"
    if not is_there(folder / "history.csv"):
        return []
    curves = _points(_rows(folder / "history.csv"), {})
    against = [row for row in _rows(folder / "comparisons.csv") if row["against"] == BASE]
    differences = _points(against, DIFFERENCE)
    ways = {row["arm"]: row["pretraining"] or "none" for row in _rows(folder / "cells.csv")}
    return [
        ArmRun(name, {"arm": name.split(" - ")[0], "pretraining": ways[name]}, points + differences.get(name, []))
        for name, points in curves.items()
    ]


def of_study(arms: list[ArmRun]) -> list[Point]:
    """Return all arms' curves for one run, each under its arm's name: `free/accuracy`."""
    return [Point(f"{arm.name}/{p.name}", p.epoch, p.value) for arm in arms for p in arm.points]


def _points(rows: list[dict[str, str]], names: dict[str, str]) -> dict[str, list[Point]]:
    """Return the points of every arm; of the columns named, or of all but the arm's name."""
    found: dict[str, list[Point]] = {}
    for row in rows:
        columns = names or {name: name for name in row if name not in ("arm", "n_labels")}
        values = {shown: row[column] for column, shown in columns.items() if row[column]}
        points = [Point(name, int(row["n_labels"]), float(value)) for name, value in values.items()]
        found.setdefault(row["arm"], []).extend(points)
    return found


def _rows(path: Place) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
