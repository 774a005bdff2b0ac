"""The figure docs/performance.png: time per row in one epoch, by rows, by batch and by width."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.cases import BOOK
from benchmarks.page import clock

Points = dict[str, list[tuple[int, float]]]
COLOURS = ("#0072B2", "#D55E00", "#E69F00", "#CC79A7", "#882255", "#009E73", "#999999", "#555555")


def draw(results: dict[str, Any], path: Path) -> None:
    """Write the figure, three panels with a shared axis of microseconds per row."""
    epochs = [r for r in results["records"] if r["kind"] == "epoch" and r["key"] != "tied"]
    which = "cpu" if any(clock(record) == "cpu" for record in epochs) else "seconds"
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3, sharey=True)
    book = [r for r in epochs if tuple(r["units"]) == BOOK]
    by_rows = _points([r for r in book if r["batch_size"] == 32], "n_rows", which)
    by_batch = _points([r for r in book if not r["key"].startswith("rows-")], "batch_size", which)
    same_batch = [{**r, "width": r["units"][0]} for r in epochs if r["batch_size"] == 256 and len(r["units"]) == 2]
    by_width = _points(same_batch, "width", which)
    colours = dict(zip(dict.fromkeys([*by_batch, *by_rows, *by_width]), COLOURS, strict=False))
    for axes, points, title, label in (
        (left, by_batch, "784-100-30-100-784", "batch"),
        (middle, by_rows, "784-100-30-100-784, batch 32", "rows"),
        (right, by_width, "784-w-30-w-784, batch 256", "width w"),
    ):
        for way, values in points.items():
            style = ":" if "products" in way else "-"
            axes.plot(*zip(*sorted(values), strict=True), style, marker="o", ms=4, color=colours[way], label=way)
        axes.set(xscale="log", yscale="log", title=title, xlabel=label)
        ticks = sorted({x for values in points.values() for x, _ in values})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3)
    left.set_ylabel(f"µs a row and epoch ({'processor time' if which == 'cpu' else 'wall time'}, median)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _points(records: list[dict[str, Any]], axis: str, which: str) -> Points:
    points: Points = {}
    for record in records:
        for row in record["rows"]:
            if "skipped" not in row:
                cost = 1e6 * statistics.median(row[which]) / record["n_rows"]
                points.setdefault(row["label"], []).append((record[axis], cost))
    return points
