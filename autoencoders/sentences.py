"""Format numbers, and write the result of a comparison as a sentence with its evidence in brackets.

This module changes no result, so only the pages depend on it (tasks/frame/code.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

MAIN, BASE = "fine-tuning a pretrained encoder", "training from scratch"  # the two arms of the main question
MOST_ENUMERATED = 16  # pairs; for more, autoencoders/statistics.py samples the sign flips
ALPHA = 0.05
MINUS = "\N{MINUS SIGN}"
FILLED_IN = re.compile(r"\{([\w.]+):(\.\d[fp])\}")  # a metric in a sentence, and how it is written


class Finding(NamedTuple):
    """A claim, and its numbers in brackets."""

    claim: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.claim} {self.evidence}."


def number(value: float, places: int = 4) -> str:
    """Format a number with a minus sign and thousands separators."""
    text = f"{value:,.{places}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text.lstrip("-")


def signed(value: float, places: int = 4) -> str:
    """Format a number with its sign; a number that rounds to zero has none."""
    text = number(value, places)
    return text if text.startswith(MINUS) or not float(text.replace(",", "")) else f"+{text}"


def p_value(p: float) -> str:
    """Return `p = 0.010`, or `p < 0.001`."""
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def enumeration(items: list[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    return ", ".join(items[:-1]) + " and " + items[-1] if len(items) > 1 else items[0]


def distinguishable(row: Mapping[str, Any]) -> bool:
    """Return whether the interval of a difference excludes zero."""
    return not row["low"] <= 0 <= row["high"]


def places(row: Mapping[str, Any], scale: float, least: int) -> int:
    """Return the decimals, `least` or more, at which an interval that excludes zero has no end rounded to zero."""
    nearest = scale * min(abs(row["low"]), abs(row["high"]))
    while distinguishable(row) and least < 9 and not float(f"{nearest:.{least}f}"):
        least += 1
    return least


def effect(subject: str, row: Mapping[str, Any], *, of: str = "") -> Finding:
    """Return the effect of an arm on the test accuracy, compared with training from scratch.

    Args:
        subject: The arm, as the subject of the sentence.
        row: The comparison: n, mean, low, high, p, and p_holm if it belongs to a family.
        of: Text after "points": ` of test accuracy`.
    """
    digits = places(row, 100, 1)
    found = evidence(row, f"n = {row['n']} runs", places=digits, scale=100)
    mean = number(abs(100 * row["mean"]), digits)
    if not distinguishable(row):
        points = signed(100 * row["mean"], 1)
        return Finding(f"{subject} is not distinguishable from {BASE}: {points} points{of}", found)
    if row["mean"] > 0:
        return Finding(f"{subject} adds {mean} points{of}" + (f" over {BASE}" if of else ""), found)
    return Finding(f"{subject} loses {mean} points{of}" + (f" against {BASE}" if of else ""), found)


def evidence(row: Mapping[str, Any], n: str, *, places: int, scale: float = 1.0) -> str:
    """Return interval, n and p in brackets; the interval of a loss has no signs, since the claim has none."""
    low, high = scale * row["low"], scale * row["high"]
    if distinguishable(row):
        low, high = sorted((abs(low), abs(high)))
        ends = f"{number(low, places)} to {number(high, places)}"
    else:
        ends = f"{signed(low, places)} to {signed(high, places)}"
    p = row.get("p_holm", row["p"])
    holm = " after Holm" if "p_holm" in row else ""
    test = "exact" if row["n"] <= MOST_ENUMERATED else "sampled"
    doubt = f"; the {test} test does not confirm it" if distinguishable(row) and p > ALPHA else ""
    return f"(95 % CI {ends}, {n}, {test} {p_value(p)}{holm}{doubt})"


def verdict(found: Mapping[str, Any]) -> str:
    """Return a study's verdict as one sentence, from the result of `autoencoders.verdict.Verdict.findings`."""
    row, saved = found["difference"], found["labels_saved"]
    main = effect(f"With {found['n_labels']:,} labels, {MAIN}", row, of=" of test accuracy")
    parts = [f"{main.claim} {main.evidence}"]
    if distinguishable(row) and row["mean"] > 0:
        parts[0] += f" and is worth {_times(saved, found['budgets'])}"
    return "; ".join([*parts, *_other_budgets(found)]) + "."


def _times(saved: Mapping[str, Any], budgets: list[int]) -> str:
    """Return the ratio of labels that training from scratch needs; None in `saved` means no limit."""
    if saved["ratio"] is None:
        return f"more than {budgets[-1]:,} labels"
    low = number(saved["low"], 1)
    ends = f"{low} to {number(saved['high'], 1)}" if saved["high"] is not None else f"{low} or more"
    open_end = "" if saved["high"] is not None else f"; {saved['n_never']} of {saved['n']} never reach it"
    return f"{number(saved['ratio'], 1)} times the labels (95 % CI {ends}{open_end})"


def _other_budgets(found: Mapping[str, Any]) -> list[str]:
    """Return clauses on the other budgets: gains, losses, and budgets without a detectable difference."""
    others = [row for row in found["differences"] if row["n_labels"] != found["n_labels"]]
    parts = []
    for verb, sign in (("adds", 1), ("loses", -1)):
        rows = [_point(row) for row in others if distinguishable(row) and sign * row["mean"] > 0]
        parts += [f"it {verb} {enumeration(rows)}"] if rows else []
    end, last = found["no_difference_from"], found["budgets"][-1]
    level = [row["n_labels"] for row in others if not distinguishable(row)]
    if end in level and end != last:  # the last budget alone is no trend
        parts.append(f"no difference is detectable from {end:,} labels on")
        level = [n for n in level if n < end]
    said = enumeration([f"{n:,}" for n in level]) if level else ""
    return parts + ([f"no difference is detectable with {said} labels"] if level else [])


def _point(row: Mapping[str, Any]) -> str:
    digits = places(row, 100, 1)
    low, high = sorted(abs(100 * row[end]) for end in ("low", "high"))
    interval = f"({number(low, digits)} to {number(high, digits)})"
    return f"{number(abs(100 * row['mean']), digits)} {interval} with {row['n_labels']:,} labels"
