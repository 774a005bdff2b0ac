"""The figure of the label-efficiency study by matplotlib, in the style of tasks/reporting/figures.py."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from autoencoders.label_efficiency import band
from autoencoders.statistics import Paired
from tasks.reporting.figures import COLOURS, STYLE, apart, new, save

DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))  # for arms beyond the palette


def label_curve(
    budgets: list[int], curves: dict[str, np.ndarray], differences: dict[str, list[Paired]], path: Path, note: str = ""
) -> None:
    """Draw test accuracy by number of labels, with a band per arm, and below it the differences from scratch.

    Args:
        budgets: Label budgets, ascending.
        curves: Accuracies (n_runs, n_budgets) by arm; an arm may have run on the first budgets only.
        differences: Paired differences from training from scratch, by arm, one per budget.
        path: The .png or .pdf to write.
        note: A remark below the title.
    """
    colours, longest = _colours(list(curves), list(differences)), max(map(len, (*curves, *differences)))
    with mpl.rc_context(STYLE):
        figure = new(7.2, 7.0)
        top, bottom = figure.subplots(2, 1, height_ratios=[1.7, 1])
        ends: dict[str, tuple[float, float]] = {}
        for k, (arm, scores) in enumerate(curves.items()):
            x = budgets[: scores.shape[1]]
            mean, low, high = (100 * part for part in band(scores))
            top.fill_between(x, low, high, color=colours[arm], alpha=0.09, lw=0)
            top.plot(x, mean, color=colours[arm], marker="o", ms=3, lw=1.6, ls=DASHES[k // len(COLOURS) % len(DASHES)])
            ends[arm] = (x[-1], float(mean[-1]))
        title = f"Means of {len(next(iter(curves.values())))} runs with 95 % intervals"
        top.set(ylabel="test accuracy, %", title="\n".join([title, *textwrap.wrap(note, 80)]))
        _axis(top, budgets, longest)
        bottom.hlines(0, budgets[0], budgets[-1], color="#999999", lw=0.8)
        last: dict[str, tuple[float, float]] = {}
        for k, (arm, pairs) in enumerate(differences.items()):
            shift = 1.06 ** (k - (len(differences) - 1) / 2)  # side by side, so that no bar hides another
            places = [n * shift for n in budgets[: len(pairs)]]
            means = [100 * pair.mean for pair in pairs]
            error = [[100 * (p.mean - p.low) for p in pairs], [100 * (p.high - p.mean) for p in pairs]]
            bottom.errorbar(
                places, means, yerr=error, color=colours[arm], marker="o", ms=3, lw=1.2, capsize=2, elinewidth=0.9
            )
            last[arm] = (places[-1], means[-1])
        bottom.set(
            xlabel="labels", ylabel="points", title="Above training from scratch, run by run, with 95 % intervals"
        )
        _axis(bottom, budgets, longest)
        figure.draw_without_rendering()  # settles the layout, which the names' positions depend on
        for axis, lines in ((top, ends), (bottom, last)):
            _names(axis, lines, colours)
        save(figure, path)


def _colours(above: list[str], below: list[str]) -> dict[str, str]:
    """Return every arm's colour: the same in both panels, and no colour twice in a panel while the palette lasts."""
    colours = {arm: COLOURS[k % len(COLOURS)] for k, arm in enumerate(above)}
    taken = {colours[arm] for arm in below if arm in colours}
    left = [colour for colour in COLOURS if colour not in taken] or list(COLOURS)
    return colours | {arm: left[k % len(left)] for k, arm in enumerate(a for a in below if a not in colours)}


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
