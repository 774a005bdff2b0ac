"""Numbers as the report writes them, and verdicts as sentences made of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

# Arm -> what it does, as the subject of a sentence; and which layers train.
ARMS = {
    "free": ("fine-tuning a pretrained encoder", "all layers"),
    "unfrozen after frozen": ("unfreezing it after a frozen start", "head, then all"),
    "lower layers frozen": ("freezing all but its top layer", "head and top layer"),
    "frozen": ("keeping it frozen", "head only"),
    "from scratch": ("training from scratch", "all layers"),
    "random frozen": ("a frozen random encoder", "head only"),
}
MAIN_ARM, BASE = "free", "from scratch"
MOST_ENUMERATED = 16  # pairs; of more, autoencoders/statistics.py samples the sign flips
ALPHA = 0.05
MINUS = "\N{MINUS SIGN}"
FILLED_IN = re.compile(r"\{([\w.]+):(\.\d[fp])\}")  # a metric in a sentence, and how it is written


class Verdict(NamedTuple):
    """A claim, and in brackets the numbers that it rests on."""

    claim: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.claim} {self.evidence}."


def number(value: float, places: int = 4) -> str:
    """Return a number with a real minus sign and thousands apart."""
    text = f"{value:,.{places}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text.lstrip("-")


def signed(value: float, places: int = 4) -> str:
    """Return a number with its sign; what rounds to nothing has none."""
    text = number(value, places)
    return text if text.startswith(MINUS) or not float(text.replace(",", "")) else f"+{text}"


def tiny(value: float) -> str:
    """Return a number that may be far below 1, then in powers of ten."""
    if not value:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent > -4:
        return number(value, max(0, 2 - exponent))
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{number(value / 10**exponent, 1)}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10{digits}"


def p_value(p: float) -> str:
    """Return `p = 0.010`, or `p < 0.001`."""
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def distinguishable(row: Mapping[str, Any]) -> bool:
    """Return whether a difference's interval leaves out zero."""
    return not row["low"] <= 0 <= row["high"]


def places(row: Mapping[str, Any], scale: float, least: int) -> int:
    """Return the decimals, `least` or more, with which an interval that leaves out zero is seen to do so."""
    nearest = scale * min(abs(row["low"]), abs(row["high"]))
    while distinguishable(row) and least < 9 and not float(f"{nearest:.{least}f}"):
        least += 1
    return least


def few_labels(comparisons: list[dict[str, Any]], n_labels: int) -> tuple[Verdict, list[tuple[str, Verdict]]]:
    """Return the verdict on pretraining, and (arm, verdict) for every other way to train."""
    rows = {row["arm"]: row for row in comparisons if row["against"] == BASE}
    verdict = _effect(f"With {n_labels:,} labels, {ARMS[MAIN_ARM][0]}", rows.pop(MAIN_ARM), of=" of test accuracy")
    return verdict, [(arm, _effect(_capital(ARMS.get(arm, (arm,))[0]), row)) for arm, row in rows.items()]


def label_curve(found: Mapping[str, Any]) -> str:
    """Return the verdict of the label-efficiency study, from the numbers that tasks/label_curve.py found."""
    row, saved = found["difference"], found["labels_saved"]
    subject = f"With {found['n_labels']:,} labels, {ARMS[MAIN_ARM][0]}"
    sentence = _effect(subject, row, of=" of test accuracy")
    parts = [f"{sentence.claim} {sentence.evidence}"]
    if distinguishable(row) and row["mean"] > 0:
        parts[0] += f" and is worth {_times(saved, found['budgets'])}"
    return "; ".join([*parts, *_other_budgets(found)]) + "."


def labels_saved(saved: Mapping[str, Any], budgets: list[int]) -> tuple[str, str]:
    """Return how many times the labels training from scratch needs, and the interval; beyond the budgets, in words."""
    low, high = (number(saved[end], 2) for end in ("low", "high"))
    if math.isinf(saved["ratio"]):
        return (
            f"> {number(budgets[-1] / saved['n_labels'], 2)}",
            f"{saved['n_never']} of {saved['n']} runs beyond the last",
        )
    if not saved["ratio"]:
        return (
            f"< {number(budgets[0] / saved['n_labels'], 2)}",
            f"{saved['n_below']} of {saved['n']} runs below the first",
        )
    ends = f"{low} or more" if math.isinf(saved["high"]) else f"{low} to {high}" if saved["low"] else f"up to {high}"
    return number(saved["ratio"], 2), "any" if ends == "0.00 or more" else ends


def _times(saved: Mapping[str, Any], budgets: list[int]) -> str:
    """Return how many times the labels training from scratch needs; None in `saved` stands for no limit."""
    if saved["ratio"] is None:
        return f"more than {budgets[-1]:,} labels"
    low = number(saved["low"], 1)
    ends = f"{low} to {number(saved['high'], 1)}" if saved["high"] is not None else f"{low} or more"
    open_end = "" if saved["high"] is not None else f"; {saved['n_never']} of {saved['n']} never reach it"
    return f"{number(saved['ratio'], 1)} times the labels (95 % CI {ends}{open_end})"


def _other_budgets(found: Mapping[str, Any]) -> list[str]:
    """Return what holds with the other budgets: where it adds, where it loses, where nothing can be told."""
    others = [row for row in found["differences"] if row["n_labels"] != found["n_labels"]]
    parts = []
    for verb, sign in (("adds", 1), ("loses", -1)):
        rows = [_point(row) for row in others if distinguishable(row) and sign * row["mean"] > 0]
        parts += [f"it {verb} {_and(rows)}"] if rows else []
    end, last = found["no_difference_from"], found["budgets"][-1]
    level = [row["n_labels"] for row in others if not distinguishable(row)]
    if end in level and end != last:  # the last budget alone says nothing of more labels
        parts.append(f"from {end:,} labels on no difference can be told")
        level = [n for n in level if n < end]
    return parts + ([f"with {_and([f'{n:,}' for n in level])} labels no difference can be told"] if level else [])


def _point(row: Mapping[str, Any]) -> str:
    digits = places(row, 100, 1)
    low, high = sorted(abs(100 * row[end]) for end in ("low", "high"))
    interval = f"({number(low, digits)} to {number(high, digits)})"
    return f"{number(abs(100 * row['mean']), digits)} {interval} with {row['n_labels']:,} labels"


def protocol(n_beyond: int) -> str:
    """Return what must stand under every table of a study that used labels beyond its budgets; nothing for none."""
    if not n_beyond:
        return ""
    return (
        f"Protocol large_validation: {n_beyond:,} validation labels, beyond every budget, chose the learning rates of "
        "the trained arms; fitted arms used none."
    )


def planner(found: Mapping[str, Any]) -> str:
    """Return what the main arm's curve says of labels still to be bought; nothing where there was no curve to fit."""
    law = found["arms"].get(found["main"])
    if law is None or not law["plans"]:
        return ""
    parts = [_plan(plan, law) for plan in law["plans"]]
    at = f"{ARMS[MAIN_ARM][0]} is at {_percent(law['accuracy'])} with {law['largest']:,} labels"
    return _capital(
        f"{at}; {'; '.join(parts)}. This holds if its curve goes on as a power law, with "
        f"{found['n_steps']:,} gradient steps at every budget{_checked(found)}."
    )


def _checked(found: Mapping[str, Any]) -> str:
    """Return how far off such laws were where it could be seen."""
    off = [100 * abs(check["predicted"] - check["measured"]) for check in found["held_out"]]
    if not off:
        return ""
    where = "budgets held out, over all arms and budgets" if len(off) > 1 else "the budget held out"
    mean, most = number(sum(off) / len(off), 1), number(max(off), 1)
    return f" (at {where}, it was off by {mean} points in the mean, {most} at most)"


def _plan(plan: Mapping[str, Any], law: Mapping[str, Any]) -> str:
    """Return what one target takes."""
    target = _percent(plan["target"])
    low, high = law["limit_interval"]
    limit = f"the curve's limit is {_percent(law['limit'])} (95 % CI {_percent(low)} to {_percent(high)})"
    if plan["answer"] == "reached":
        return f"{target} is reached already"
    if plan["answer"] == "told":
        low, high, labels, more = (_about(plan[name]) for name in ("low", "high", "labels", "more"))
        ends = f"{low} to {high}" if plan["high"] else f"{low} or more"
        return f"{target} takes about {labels} labels (95 % CI {ends}), {more} more"
    if plan["answer"] == "far":
        return f"{target} takes more than ten times as many, and how many cannot be told"
    at_least = f" at least {_about(plan['low'])}," if plan["answer"] == "open" and plan["low"] else ""
    return f"how many labels {target} takes cannot be told:{at_least} {limit}"


def _about(n: int | None) -> str:
    """Return a number of labels to two digits, which is more than a curve can tell; nothing for none."""
    return "" if n is None else f"{round(n, 2 - len(str(n))):,}"


def choices(rows: list[dict[str, Any]]) -> str:
    """Return which rows to have labelled next, by what the ways to choose them gained over a plain random draw."""
    if len(rows) < 2:
        return ""
    names = {"k-means": "rows central to clusters of the codings", "uncertainty": "rows in doubt"}
    parts = []
    for row in rows[1:]:
        digits = places(row, 100, 1)
        evidence = _evidence(row, f"n = {row['n']:.0f} runs", places=digits, scale=100)
        points = number(abs(100 * row["mean"]), digits)
        verb = "gains" if row["mean"] > 0 else "loses"
        claim = f"{verb} {points} points" if distinguishable(row) else "is not distinguishable from it"
        parts.append(f"labelling {names[row['choice']]} {claim} {evidence}")
    return f"Against a random draw of {rows[0]['n_labels']:,} rows, {'; '.join(parts)}."


def _percent(share: float) -> str:
    return f"{number(100 * share, 1)} %"


def _and(items: list[str]) -> str:
    return ", ".join(items[:-1]) + " and " + items[-1] if len(items) > 1 else items[0]


def tying(m: Mapping[str, Any]) -> Verdict:
    """Return the verdict on tied against untied weights."""
    row = {name: m[f"difference_{name}"] for name in ("mean", "low", "high", "n", "p")}
    n = f"n = {row['n']} paired seeds"
    if not distinguishable(row):
        claim = f"Tied and untied weights are not distinguishable: {signed(row['mean'])} in validation loss"
        return Verdict(claim, _evidence(row, n, places=4))
    direction = "higher" if row["mean"] > 0 else "lower"
    claim = f"Tied weights end at a validation loss {number(abs(row['mean']))} {direction} than untied ones"
    return Verdict(claim, _evidence(row, n, places=places(row, 1, 4)))


def fidelity(counts: Mapping[str, int]) -> str:
    """Return how many printed figures agree, as one sentence."""
    n, measured, agree = (counts[f"n_{name}"] for name in ("figures", "measured", "agree"))
    if not measured:
        return f"None of the {n} printed figures was trained in this run."
    left = f"; {n - measured} of the {n} were not trained in this run" if measured < n else ""
    if agree == measured:
        return f"All {measured} printed figures agree with ours within their tolerance{left}."
    departs = measured - agree
    depart = f"{departs} {'departs' if departs == 1 else 'depart'}"
    return f"{agree} of {measured} printed figures agree with ours within their tolerance, {depart}{left}."


def _effect(subject: str, row: Mapping[str, Any], *, of: str = "") -> Verdict:
    """Return what an arm does to the test accuracy, against training from scratch on the same draws."""
    digits = places(row, 100, 1)
    evidence = _evidence(row, f"n = {row['n']} draws", places=digits, scale=100)
    mean = number(abs(100 * row["mean"]), digits)
    if not distinguishable(row):
        base = ARMS[BASE][0]
        return Verdict(
            f"{subject} is not distinguishable from {base}: {signed(100 * row['mean'], 1)} points{of}", evidence
        )
    if row["mean"] > 0:
        return Verdict(f"{subject} adds {mean} points{of}" + (f" over {ARMS[BASE][0]}" if of else ""), evidence)
    return Verdict(f"{subject} loses {mean} points{of}" + (f" against {ARMS[BASE][0]}" if of else ""), evidence)


def _evidence(row: Mapping[str, Any], n: str, *, places: int, scale: float = 1.0) -> str:
    """Return interval, n and p in brackets; the interval of a loss is written without its signs, as the claim is."""
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


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
