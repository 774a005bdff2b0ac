"""Format numbers, and write the result of a comparison as a sentence with its evidence in brackets.

This module changes no result, so only the pages depend on it (tasks/frame/code.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

METHODS = {  # arm -> its name as a noun, where it is none
    "fine-tuned": "fine-tuning",
    "from scratch": "training from scratch",
    "top layer fine-tuned": "fine-tuning its top layer",
    "frozen encoder": "a frozen encoder",
    "linear probe": "a linear probe",
    "random features": "a frozen random encoder",
    "SVM": "an SVM",
}
MAIN, BASE = "fine-tuning a pretrained encoder", "training from scratch"  # the two arms of the main question
MOST_ENUMERATED = 16  # pairs; for more, autoencoders/statistics.py samples the sign flips
ALPHA = 0.05
ADJUSTED = {"p_max_t": " by max-t", "p_holm": " after Holm"}  # of a p in a family, the first that there is
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
        row: The comparison: n, mean, low, high, p, and p_max_t or p_holm if it belongs to a family.
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
    adjusted = next((name for name in ADJUSTED if name in row), "p")
    p, how = row[adjusted], ADJUSTED.get(adjusted, "")
    test = "exact" if row["n"] <= MOST_ENUMERATED else "sampled"
    doubt = f"; the {test} test does not confirm it" if distinguishable(row) and p > ALPHA else ""
    return f"(95 % CI {ends}, {n}, {test} {p_value(p)}{how}{doubt})"


def measure(metric: str) -> str:
    """Return what the scores on the test rows are, in words."""
    return "test accuracy" if metric == "accuracy" else metric


def verdict(found: Mapping[str, Any]) -> str:
    """Return a study's verdict at its headline from `Verdict.findings`: the method to use, and the two comparisons."""
    at = next(row for row in found["budgets"] if row["n_labels"] == found["n_labels"])
    n = f"{at['n_labels']:,} labels"
    if not at["learnt"]:
        best = f"the highest, {mostly(at['highest'])}, has {level(at['highest'])}"
        return (
            f"Nothing was learnt: with {n}, no method is shown to be above chance, a balanced accuracy of "
            f"{percent(found['chance'])}; {best}."
        )
    way, other, margin = mostly(at["with_encoder"]), mostly(at["without"]), found["margin"]
    of = "" if found["metric"] == "accuracy" else f"a {found['metric']} of "
    if at["chosen"]:
        first = f"With {n}, {use(at, of)}."
        subject, other = f"The best use of the autoencoder, {way},", f"the best method without it, {other}"
    else:
        why = (
            "there are too few labels to choose a method"
            if found["tuned"]
            else "nothing was tuned, so no method is chosen"
        )
        reached = " and ".join(
            f"{mostly(at[side])} reaches {of}{level(at[side])}" for side in ("with_encoder", "without")
        )
        first = f"With {n}, {why}: of those named beforehand, {reached}."
        subject = capital(way)
    told = [f"{subject} {clause(at['against_without'], other, margin)}"]
    if at["without"]["counts"] != at["from_scratch"]["counts"]:
        told.append(f"it {clause(at['against_scratch'], 'the same network from scratch', margin)}")
    if at["least"]:
        points, interval = difference(at["least"])
        told.append(
            f"the ways to use the encoder disagree: {method(at['least']['arm'])} is {points} points behind the same "
            f"network from scratch (95 % CI for all ways at once {interval})"
        )
    return f"{first} {'; '.join(told)}."


def clause(row: Mapping[str, Any], against: str, margin: float) -> str:
    """Return what a comparison of the verdict shows, as the end of a sentence, with its interval and runs."""
    points, interval = difference(row)
    told, within = f"95 % CI {interval}, {row['n']} runs", width(margin)
    if row["outcome"] == "undecided":
        return f"is undecided against {against}: {points} points ({told}; {more_runs(row, margin)})"
    place = "above" if row["mean"] > 0 else "behind"
    if row["outcome"] == "within":
        side = f"{place} {against}, but within {within}" if distinguishable(row) else f"within {within} of {against}"
        return f"is {side} ({points}, {told})"
    return f"is {points} points {place} {against} ({told})"


def more_runs(row: Mapping[str, Any], margin: float) -> str:
    """Return how many runs would tell a difference of one margin, or this one, and the missing ones' minutes."""
    what = f" {width(margin)}" if row["tells_margin"] else ""
    if row["n_needed"] is None:
        return f"no number of runs would tell{what}: there are too few test rows"
    if row["minutes"] is None:
        return f"about {row['n_needed']:,} runs would tell{what}"
    minutes = math.ceil(row["minutes"])
    unit = "minute" if minutes == 1 else "minutes"
    return f"about {row['n_needed']:,} runs would tell{what}, {number(minutes, 0)} {unit} of a processor more"


def width(margin: float) -> str:
    """Return a margin of accuracy in points."""
    return f"{100 * margin:g} {'point' if margin == 0.01 else 'points'}"


def difference(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return a difference in points and its interval; without signs where the outcome says which side."""
    digits, ends = places(row, 100, 1), [100 * row["low"], 100 * row["high"]]
    if row.get("outcome") in ("pays", "costs"):
        low, high = (number(end, digits) for end in sorted(map(abs, ends)))
        return number(abs(100 * row["mean"]), digits), f"{low} to {high}"
    low, high = (signed(end, digits) for end in ends)
    return signed(100 * row["mean"], digits), f"{low} to {high}"


def use(at: Mapping[str, Any], of: str = "") -> str:
    """Return the method chosen in most runs, or that there is none, and the score of the runs' choices."""
    counts = at["use"]["counts"]
    (arm, n), *_ = counts
    runs = sum(n for _, n in counts)
    reached = f"reach {of}{level(at['use'])}"
    if 2 * n <= runs:
        shares = enumeration([f"{arm} in {n}" for arm, n in counts])
        return f"no method is chosen in most runs ({shares} of {runs}); cross-validation's choices {reached}"
    against = "costs" if arm in dict(at["with_encoder"]["counts"]) else "pays"
    doubt = "; the test rows speak against it" if at["against_without"]["outcome"] == against else ""
    return f"use {method(arm)}: cross-validation chose it in {n} of {runs} runs, and its choices {reached}{doubt}"


def level(choice: Mapping[str, Any]) -> str:
    """Return an accuracy with its interval, which ends at 0 and 100 %."""
    ends = " to ".join(number(100 * min(max(choice[end], 0.0), 1.0), 1) for end in ("low", "high"))
    return f"{percent(choice['mean'])} (95 % CI {ends})"


def mostly(choice: Mapping[str, Any]) -> str:
    """Return the method of all runs, or the one of most of them, with their number."""
    (arm, n), *others = choice["counts"]
    runs = n + sum(n for _, n in others)
    return f"in {n} of {runs} runs {method(arm)}" if others else method(arm)


def method(arm: str) -> str:
    """Return an arm as a noun."""
    return METHODS.get(arm, arm)


def percent(share: float) -> str:
    """Return a share in per cent, with one decimal."""
    return f"{number(100 * share, 1)} %"


def capital(text: str) -> str:
    """Return a text with its first letter capital."""
    return text[:1].upper() + text[1:]
