"""Sentences of the pages; the study's verdict is written in autoencoders/sentences.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from autoencoders import sentences
from autoencoders.arms import FINE_TUNED, FROM_SCRATCH, RANDOM_FEATURES
from autoencoders.learning_curves import FAR
from autoencoders.sentences import Finding, distinguishable, effect, evidence, number, percent, places, signed

# Arm -> its name as the subject of a sentence, and the layers that train.
ARMS = {
    FINE_TUNED: (sentences.MAIN, "all layers"),
    "LP-FT": ("linear probing, then fine-tuning", "head, then all"),
    "top layer fine-tuned": ("fine-tuning its top layer alone", "head and top layer"),
    "frozen encoder": ("keeping it frozen", "head only"),
    FROM_SCRATCH: (sentences.BASE, "all layers"),
    RANDOM_FEATURES: ("a frozen random encoder", "head only"),
}


def tiny(value: float) -> str:
    """Format a number; one below 0.001 as a power of ten."""
    if not value:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent > -4:
        return number(value, max(0, 2 - exponent))
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{number(value / 10**exponent, 1)}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10{digits}"


def few_labels(comparisons: list[dict[str, Any]], n_labels: int) -> tuple[Finding, list[tuple[str, Finding]]]:
    """Return the verdict on pretraining, and (arm, verdict) for every other arm."""
    rows = {row["arm"]: row for row in comparisons if row["against"] == FROM_SCRATCH}
    verdict = effect(f"With {n_labels:,} labels, {ARMS[FINE_TUNED][0]}", rows.pop(FINE_TUNED), of=" of test accuracy")
    return verdict, [(arm, effect(sentences.capital(ARMS.get(arm, (arm,))[0]), row)) for arm, row in rows.items()]


def labels_saved(saved: Mapping[str, Any], budgets: list[int]) -> tuple[str, str]:
    """Return the factor of labels saved over training from scratch, bounded outside the budgets, and its interval."""
    ratio, low, high = (number(saved[name], 2) for name in ("ratio", "low", "high"))
    if math.isinf(saved["ratio"]):
        ratio = f"> {number(budgets[-1] / saved['n_labels'], 2)}"
    elif not saved["ratio"]:
        ratio = f"< {number(budgets[0] / saved['n_labels'], 2)}"
    ends = f"{low} or more" if math.isinf(saved["high"]) else f"{low} to {high}" if saved["low"] else f"up to {high}"
    return ratio, "any" if ends == "0.00 or more" else ends


def tuning(n_configurations: int) -> str:
    """Return the remark for every sentence and table of a study: whether its methods were tuned, and how."""
    if n_configurations == 1:
        return "Not tuned: one fixed configuration for every method."
    return (
        f"Tuned from 5 labels a class on: {n_configurations} configurations for every method, chosen within the labels."
    )


def clauses(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the verdict's table, a row per budget: each clause's outcome and numbers, as the sentence tells them."""
    rows = []
    for at in found["budgets"]:
        row: dict[str, Any] = {
            "n_labels": at["n_labels"],
            "learnt": at["learnt"],
            "with_encoder": _counted(at["with_encoder"], at["chosen"]),
        }
        for name in ("scratch", "without"):
            told = at[f"against_{name}"]
            points, interval = sentences.difference(told | {"outcome": ""})  # signed, since the column says over what
            outcome = f"within {sentences.width(found['margin'])}" if told["outcome"] == "within" else told["outcome"]
            more = sentences.more_runs(told, found["margin"]) if outcome == "undecided" else ""
            row[name] = {"outcome": outcome, "points": points, "interval": interval, "more": more}
        row["without"]["against"] = _counted(at["without"], at["chosen"])
        row["use"] = _counted(at["use"], True) if at["chosen"] else ""
        row["accuracy"] = sentences.level(at["use"]) if at["chosen"] else ""
        rows.append(row)
    return rows


def _counted(choice: Mapping[str, Any], chosen: bool) -> str:
    """Return the arm of all runs, those chosen most often with their share of the runs, or the one named beforehand."""
    (arm, most), *others = choice["counts"]
    if not chosen:
        return f"{arm}, named beforehand"
    first = [arm for arm, n in choice["counts"] if n == most]
    return f"{' or '.join(first)} ({most} of {sum(n for _, n in choice['counts'])})" if others else arm


def planner(found: Mapping[str, Any], *, tuned: bool = False) -> str:
    """Return the main arm's predicted accuracies and the labels that the targets take; empty if no curve was fitted."""
    curve = found["arms"].get(found["main"])
    if curve is None or not curve["plans"]:
        return ""
    at = f"{ARMS[FINE_TUNED][0]} is at {percent(curve['score'])} with {curve['largest']:,} labels"
    parts = [at, *(_predicted(row) for row in curve["predicted"]), *(_plan(plan, curve) for plan in curve["plans"])]
    far = f"Beyond {FAR * curve['largest']:,} labels, three times the largest budget, nothing can be told"
    how = "tuned at every budget as here" if tuned else f"with {found['n_steps']:,} gradient steps at every budget"
    laws = f"This averages {len(curve['laws'])} laws of learning curves, {how}{_checked(found)}"
    return sentences.capital(f"{'; '.join(parts)}. {far}. {laws}.")


def _checked(found: Mapping[str, Any]) -> str:
    """Return how many held-out budgets the predictions from smaller ones hold, and by how much they missed."""
    checks = found["held_out"]
    if not checks:
        return "; no budgets of this study lie close enough together to check it"
    off = [100 * abs(check["predicted"] - check["measured"]) for check in checks]
    mean, most = number(sum(off) / len(off), 1), number(max(off), 1)
    within = sum(check["within"] for check in checks)
    return (
        f"; predicted from smaller budgets, {within} of {len(checks)} measured means of all arms lie in their 95 % "
        f"intervals (off by {mean} points in the mean, {most} at most)"
    )


def _predicted(row: Mapping[str, Any]) -> str:
    """Return the part of the sentence on one predicted accuracy."""
    return f"{sentences.level({**row, 'mean': row['value']})} is predicted with {row['n_labels']:,}"


def _plan(plan: Mapping[str, Any], curve: Mapping[str, Any]) -> str:
    """Return the part of the sentence on one target accuracy."""
    target = percent(plan["target"])
    if plan["answer"] == "reached":
        return f"{target} is reached already"
    if plan["answer"] == "told":
        low, high, labels, more = (_about(plan[name]) for name in ("low", "high", "labels", "more"))
        ends = f"{low} to {high}" if plan["high"] else f"{low} or more"
        return f"{target} takes about {labels} labels (95 % CI {ends}), {more} more"
    least = f"{_about(plan['low'])} or more" if plan["low"] else f"more than {FAR * curve['largest']:,}"
    return f"how many labels {target} takes cannot be told: {least}"


def _about(n: int | None) -> str:
    """Round a number of labels to two digits, since a curve gives no more; empty for None."""
    return "" if n is None else f"{round(n, 2 - len(str(n))):,}"


CHOICES = {
    "class-balanced": "a class-balanced draw",
    "k-means": "labelling rows central to clusters of the codings",
    "uncertainty": "labelling rows in doubt",
}


def choices(rows: list[dict[str, Any]]) -> str:
    """Return the gain of each way to choose the rows to label over a random and over a class-balanced draw.

    Empty without several ways.
    """
    if len(rows) < 2:
        return ""
    random = "; ".join(_gain(row, "") for row in rows[1:])
    told = f"Against a random draw of {rows[0]['n_labels']:,} rows, {random}."
    balanced = [_gain(row, "balanced_") for row in rows if not math.isnan(row.get("balanced_mean", math.nan))]
    if not balanced:
        return told
    return f"{told} Against a class-balanced draw, which needs every row's class, {'; '.join(balanced)}."


def _gain(row: Mapping[str, Any], prefix: str) -> str:
    """Return the gain of a way to choose over a draw, whose numbers begin with a prefix."""
    own = {name: row[f"{prefix}{name}"] for name in ("mean", "low", "high", "n", "p", "p_max_t")}
    digits = places(own, 100, 1)
    told = evidence(own, f"n = {own['n']:.0f} runs", places=digits, scale=100)
    points = number(abs(100 * own["mean"]), digits)
    verb = "gains" if own["mean"] > 0 else "loses"
    claim = f"{verb} {points} points" if distinguishable(own) else "is not distinguishable from it"
    return f"{CHOICES[row['choice']]} {claim} {told}"


def tying(m: Mapping[str, Any]) -> Finding:
    """Return the verdict on tied against untied weights."""
    row = {name: m[f"difference_{name}"] for name in ("mean", "low", "high", "n", "p")}
    n = f"n = {row['n']} paired runs"
    if not distinguishable(row):
        claim = f"Tied and untied weights are not distinguishable: {signed(row['mean'])} in validation loss"
        return Finding(claim, evidence(row, n, places=4))
    direction = "higher" if row["mean"] > 0 else "lower"
    claim = f"Tied weights end at a validation loss {number(abs(row['mean']))} {direction} than untied ones"
    return Finding(claim, evidence(row, n, places=places(row, 1, 4)))


def fidelity(counts: Mapping[str, int]) -> str:
    """Return how many printed numbers agree, as one sentence."""
    n, measured, agree = (counts[f"n_{name}"] for name in ("printed", "measured", "agree"))
    if not measured:
        return f"None of the {n} printed numbers was trained in this run."
    left = f"; {n - measured} of the {n} were not trained in this run" if measured < n else ""
    if agree == measured:
        return f"All {measured} printed numbers agree with ours within their tolerance{left}."
    departs = measured - agree
    depart = f"{departs} {'departs' if departs == 1 else 'depart'}"
    return f"{agree} of {measured} printed numbers agree with ours within their tolerance, {depart}{left}."


def shifts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each metric whose numbers, five or more, all lie on one side of the printed ones."""
    by_metric: dict[str, list[float]] = {}
    for row in rows:
        if row["ours"] is not None:
            name = row["metric"].rpartition(".")[2].partition("@")[0].removeprefix("val_").replace("_", " ")
            by_metric.setdefault(name, []).append(row["difference"])
    return [
        f"All {len(found)} numbers of {name} lie {'above' if found[0] > 0 else 'below'} the printed ones "
        f"({signed(min(found, key=abs))} to {signed(max(found, key=abs))}): a shift, although each is judged alone."
        for name, found in by_metric.items()
        if len(found) >= 5 and (min(found) > 0 or max(found) < 0)
    ]
