"""The figure of the label-efficiency study by matplotlib, in the style of tasks/reporting/figures.py."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from autoencoders import sentences
from tasks.reporting.figures import COLOURS, STYLE, apart, new, save

# Parts of the findings at a budget -> their names in the figure. A difference has the colour of what it is taken from.
LEVELS = {"with_encoder": "best with the encoder", "from_scratch": "from scratch", "without": "best without it"}
GAPS = {"against_scratch": "over from scratch", "against_without": "over the best without"}
COLOUR = dict(zip((*LEVELS.values(), *GAPS.values()), (*COLOURS[:3], *COLOURS[1:3]), strict=True))


def label_curve(found: Mapping[str, Any], others: Mapping[str, np.ndarray], path: Path, note: str = "") -> None:
    """Draw the verdict by number of labels: accuracies with their bands, and below them the two differences.

    Args:
        found: The findings of `autoencoders.verdict`.
        others: Mean accuracies (n_budgets,) of every arm, in grey; an arm may have run on the first budgets only.
        path: The .png or .pdf to write.
        note: A remark below the title.
    """
    budgets, margin = [at["n_labels"] for at in found["budgets"]], 100 * found["margin"]
    n_runs = found["budgets"][0]["against_scratch"]["n"]
    with mpl.rc_context(STYLE):
        figure = new(7.2, 7.0)
        top, bottom = figure.subplots(2, 1, height_ratios=[1.7, 1])
        for means in others.values():
            top.plot(budgets[: len(means)], 100 * means, color="#999999", lw=0.6, alpha=0.6)
        ends: dict[str, tuple[float, float]] = {}
        for part, name in LEVELS.items():
            mean, low, high = _numbers(found, part)
            top.fill_between(budgets, *np.clip([low, high], 0, 100), color=COLOUR[name], alpha=0.12, lw=0)
            top.plot(budgets, mean, color=COLOUR[name], marker="o", ms=3, lw=1.6)
            ends[name] = (budgets[-1], mean[-1])
        title = f"Means of {n_runs} runs with 95 % intervals; every arm in grey"
        top.set(ylabel=f"{sentences.measure(found['metric'])}, %", title="\n".join([title, *textwrap.wrap(note, 80)]))
        bottom.fill_between([budgets[0], budgets[-1]], -margin, margin, color="#999999", alpha=0.2, lw=0)
        bottom.hlines(0, budgets[0], budgets[-1], color="#999999", lw=0.8)
        last: dict[str, tuple[float, float]] = {}
        for (part, name), shift in zip(GAPS.items(), (0.97, 1.03), strict=True):  # so that no bar hides another
            mean, low, high = _numbers(found, part)
            places, error = [n * shift for n in budgets], [np.subtract(mean, low), np.subtract(high, mean)]
            bottom.errorbar(
                places, mean, yerr=error, color=COLOUR[name], marker="o", ms=3, lw=1.2, capsize=2, elinewidth=0.9
            )
            last[name] = (places[-1], mean[-1])
        bottom.set(
            xlabel="labels", ylabel="points",
            title=f"Best with the encoder, run by run, with 95 % intervals; grey: {sentences.width(found['margin'])}",
        )  # fmt: skip
        for axis in (top, bottom):
            _axis(axis, budgets, max(map(len, COLOUR)))
        figure.draw_without_rendering()  # settles the layout, which the names' positions depend on
        for axis, lines in ((top, ends), (bottom, last)):
            _names(axis, lines, COLOUR)
        save(figure, path)


def _numbers(found: Mapping[str, Any], part: str) -> list[list[float]]:
    """Return the means and the ends of the intervals of a part of the findings, in per cent, each (n_budgets,)."""
    return [[100 * at[part][end] for at in found["budgets"]] for end in ("mean", "low", "high")]


def _axis(axis: Any, budgets: list[int], longest: int) -> None:
    """Make the axis of labels logarithmic, with ticks at the budgets and room for the longest name on the right."""
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(budgets))
    axis.xaxis.set_major_formatter(FixedFormatter([f"{n:,}" for n in budgets]))
    axis.xaxis.set_minor_locator(NullLocator())
    span = budgets[-1] / budgets[0]
    axis.set_xlim(budgets[0] / span**0.03, budgets[-1] * span ** (0.05 + 0.0145 * longest))
    axis.spines["bottom"].set_bounds(budgets[0], budgets[-1])


def _names(axis: Any, ends: dict[str, tuple[float, float]], colours: dict[str, str]) -> None:
    """Write each line's name next to its end, moved up or down until no names touch and all are in the panel."""
    names = sorted(ends, key=lambda name: ends[name][1])
    pixels = axis.transData.transform([ends[name] for name in names])
    line = 8 * 1.3 * axis.figure.dpi / 72
    bottom, top = axis.bbox.ymin + line / 2, axis.bbox.ymax - line / 2
    place = apart(pixels[:, 1].tolist(), line, bottom, top)
    right = pixels[:, 0].max() + 1.6 * line
    back = axis.transData.inverted()
    for name, y in zip(names, place, strict=True):
        text = axis.annotate(
            name, ends[name], xytext=back.transform((right, y)), color=colours[name], va="center", fontsize=8,
            arrowprops={"arrowstyle": "-", "color": colours[name], "lw": 0.6, "alpha": 0.6, "relpos": (0, 0.5),
                        "shrinkA": 1, "shrinkB": 3},
        )  # fmt: skip
        text.set_in_layout(False)
