"""Geometry of the study page's figures, which the template draws as SVG: paths, ticks, positions of names.

SVG lets the page use its own light or dark colours and two widths; the paper's figures are drawn by matplotlib.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.ticker import MaxNLocator

from autoencoders import sentences
from tasks.reporting.figures import apart

N_COLOURS = 10  # in the page's style sheet
LETTER = 6.5  # width of a letter of a tick's text in pixels
DASHES = ("", "6 3", "2 3")  # for arms beyond the palette


class Point(NamedTuple):
    """A value with its confidence interval at one number of labels."""

    n_labels: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Size:
    """A figure's size and margins in CSS pixels; if the right margin is small, a legend below holds the names."""

    width: int
    height: int
    left: int = 46
    right: int = 16
    top: int = 12
    bottom: int = 44


WIDE = {"curve": Size(900, 470, right=190), "differences": Size(900, 330, right=190)}
NARROW = {"curve": Size(356, 330, left=36, right=10), "differences": Size(356, 270, left=36, right=10)}


def curve(
    lines: dict[str, list[Point]],
    size: Size,
    colours: dict[str, int],
    *,
    zero: bool = False,
    margin: float = 0.0,
    along: str = "labels",
) -> dict[str, Any]:
    """Return the figure of values by number of labels, on a log scale.

    Args:
        lines: Points by arm, the most important arm first; without `zero` in per cent, 0 to 100.
        size: The figure's size.
        colours: Each arm's index in the page's palette.
        zero: Whether to draw a line at zero, and intervals as whiskers side by side instead of bands.
        margin: Half the height of a band around zero; 0 for none.
        along: What is counted, if it is not labels.
    """
    if not zero:  # shares in per cent: an interval of few runs goes beyond what there is
        lines = {
            arm: [p._replace(low=max(p.low, 0), high=min(p.high, 100)) for p in line] for arm, line in lines.items()
        }
    points = [point for line in lines.values() for point in line]
    budgets = sorted({point.n_labels for point in points})
    ends = [*(p.low for p in points), *(p.high for p in points), *([-margin, margin] if zero else [])]
    low, high = min(ends), max(ends)
    marks = MaxNLocator(5 if size.height < 400 else 7).tick_values(low, high)
    ticks = [tick for tick in marks if low <= tick <= high]
    shift = 9.0 if zero else 0.0
    x = _scale(math.log(budgets[0]), math.log(budgets[-1]), size.left + 8 + shift, size.width - size.right - 8 - shift)
    y = _scale(low, high, size.height - size.bottom - 6, size.top)
    at = [x(math.log(n)) for n in budgets]
    gap = min((b - a for a, b in pairwise(at)), default=math.inf)
    step = min(6.0, 0.7 * gap / len(lines))
    drawn = []
    for k, (arm, line) in enumerate(lines.items()):
        aside = step * (k - (len(lines) - 1) / 2) if zero else 0.0
        places = [(x(math.log(p.n_labels)) + aside, p) for p in line]
        drawn.append(_line(arm, places, y, colours[arm], whiskers=zero))
    names = apart([line["end"] for line in drawn], 17, size.top + 6, size.height - size.bottom - 4)
    return {
        "size": size,
        "along": along,
        "lines": [line | {"name_y": _r(name_y)} for line, name_y in zip(drawn, names, strict=True)],
        "x_ticks": _labelled(at, [f"{n:,}" for n in budgets]),
        "y_ticks": [(_r(y(tick)), sentences.number(tick, _places(marks))) for tick in ticks],
        "zero": _r(y(0.0)) if zero else None,
        "margin": (_r(y(margin)), _r(y(-margin) - y(margin))) if margin else None,
    }


def _line(
    arm: str, places: list[tuple[float, Point]], y: Callable[[float], float], colour: int, *, whiskers: bool
) -> dict[str, Any]:
    """Return one arm's paths, and its points with the values that their tooltips show."""
    highs = [(x, y(p.high)) for x, p in places]
    lows = [(x, y(p.low)) for x, p in reversed(places)]
    bars = "".join(f"M{_r(x)} {_r(y(p.low))}V{_r(y(p.high))}" for x, p in places)
    return {
        "arm": arm,
        "colour": colour % N_COLOURS,
        "dash": DASHES[colour // N_COLOURS % len(DASHES)],
        "band": bars if whiskers else _path(highs + lows) + "Z",
        "path": _path([(x, y(p.value)) for x, p in places]),
        "points": [(_r(x), _r(y(p.value)), p) for x, p in places],
        "end": y(places[-1][1].value),
        "end_x": _r(places[-1][0]),
    }


def palette(first: Sequence[str], second: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Return two figures' colours by arm: an arm of both has one colour, arms of the second alone are dashed."""
    colours = {arm: k for k, arm in enumerate(first)}
    taken = {colours[arm] % N_COLOURS for arm in second if arm in colours}
    spare = [k for k in range(N_COLOURS) if k not in taken]
    others = [arm for arm in second if arm not in colours]
    more = {arm: N_COLOURS * (1 + k // len(spare)) + spare[k % len(spare)] for k, arm in enumerate(others)}
    return colours, {arm: (colours | more)[arm] for arm in second}


def _labelled(places: Sequence[float], texts: Sequence[str]) -> list[tuple[float, str]]:
    """Return ticks with their texts; from the right, a text that would touch the next one is left out."""
    ticks: list[tuple[float, str]] = []
    room = math.inf
    for place, text in zip(reversed(places), reversed(texts), strict=True):
        half = LETTER * (len(text) + 1) / 2
        fits = place + half <= room
        ticks.append((_r(place), text if fits else ""))
        room = place - half if fits else room
    return ticks[::-1]


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_r(x)} {_r(y)}" for x, y in points)


def _r(value: float) -> float:
    """Round a coordinate to one decimal; -0.0 becomes 0.0."""
    return round(value, 1) + 0.0


def _places(ticks: Sequence[float]) -> int:
    """Return the number of decimals that the ticks have: steps may be 1.5 or 2.5."""
    step = ticks[1] - ticks[0]
    return next(n for n in range(16) if n == 15 or abs(round(step, n) - step) < 1e-6 * step)
