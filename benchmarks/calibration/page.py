"""The page of the intervals' coverage, made from the counts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

NEAR = 0.02  # how far the coverage may lie from the claim; few draws may lie further, by chance
HEAD = """# How often the intervals hold the truth

`python -m benchmarks.calibration` simulates studies whose truth is known and counts how often an interval holds it. A
claim of 95 % is reached from 93 to 97 %. Below, the number is **bold** and its condition is listed under "Not reached";
above, the number is *slanted*: the interval is wider than it had to be.
"""


def page(results: Sequence[dict[str, Any]]) -> str:
    """Return the page: the conditions in which a claim is not reached, then a table per case."""
    lines = [HEAD, "## Not reached"]
    for result in results:
        if conditions := missed(result):
            lines += ["", f"{result['name']}, {_percent(result['claim'])} claimed:", ""]
            lines += [f"- {condition}" for condition in conditions]
    if lines[-1] == "## Not reached":
        lines += ["", "In no condition."]
    for before, result in pairwise([{"told": ""}, *results]):
        told = ["", result["told"]] if result["told"] != before["told"] else []
        drawn = f"Coverage in % of {result['drawn']:,} draws; the claim is {_percent(result['claim'])}."
        lines += ["", f"## {result['name']}", *told, "", drawn, "", *_table(result)]
    return "\n".join(lines) + "\n"


def missed(result: dict[str, Any]) -> list[str]:
    """Return, per row of a case's table with coverage below the claim, the row's name and the columns where it is."""
    found = []
    for row, counts in result["covered"].items():
        shares = {column: count / result["drawn"] for column, count in counts.items()}
        below = [f"{_percent(share, 1)} with {column}" for column, share in shares.items() if _side(result, share) < 0]
        found += [f"{row}: {', '.join(below)}"] if below else []
    return found


def _side(result: dict[str, Any], share: float) -> int:
    """Return -1 where a coverage lies below what is claimed, 1 where it lies above, else 0."""
    claim = result["claim"]
    error = (claim * (1 - claim) / result["drawn"]) ** 0.5
    off = round(share - claim, 9)
    return 0 if abs(off) <= max(NEAR, 3 * error) else 1 if off > 0 else -1


def _table(result: dict[str, Any]) -> list[str]:
    columns = list(dict.fromkeys(column for counts in result["covered"].values() for column in counts))
    lines = [f"| | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for row, counts in result["covered"].items():
        cells = [_cell(result, counts[column] / result["drawn"]) if column in counts else "" for column in columns]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines


def _cell(result: dict[str, Any], share: float) -> str:
    mark = {-1: "**", 0: "", 1: "*"}[_side(result, share)]
    return f"{mark}{100 * share:.1f}{mark}"


def _percent(share: float, places: int = 0) -> str:
    return f"{100 * share:.{places}f} %"
