"""Compare a paper's claims (params.yaml, `report.claims`) with the stages' metrics."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from autoencoders.sentences import FILLED_IN, number, signed
from tasks.frame.sections import Claim

SIGNS = {"<": operator.lt, ">": operator.gt}
STUDY = ("prepare", "label_curve")  # the stages whose metrics the study's page may show


class Unmeasured(LookupError):
    """A claim names a metric that no stage of this run wrote; the message is the metric's name."""


def of_stage(claims: Sequence[Claim], stage: str) -> list[Claim]:
    """Return the claims for a stage's page: `report` shows those on the study's metrics alone, `book` all others."""
    return [
        claim for claim in claims if (stage == "report") == all(name.split(".")[0] in STUDY for name in _names(claim))
    ]


def table(claims: Sequence[Claim], metrics: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return a row for every claim: question, paper, ours (our sentence with its numbers), holds, missing, note.

    Args:
        claims: Entries of `report.claims`.
        metrics: Every final metric under its dotted name, as `experiment.metrics` returns them.

    Returns: If this run did not measure a metric, `missing` names it, and `ours` and `holds` are None.
    """
    return [_row(claim, metrics) for claim in claims]


def _names(claim: Claim) -> list[str]:
    """Return the metrics that a claim names."""
    words = [word for word in claim.holds.split() if "." in word and word[0].isalpha()]
    return [*words, *(found[0] for found in FILLED_IN.findall(claim.ours))]


def _row(claim: Claim, metrics: Mapping[str, float]) -> dict[str, Any]:
    row = {"question": claim.question, "paper": claim.paper, "note": claim.note}
    try:
        found = {"ours": filled(claim.ours, metrics), "holds": holds(claim.holds, metrics), "missing": None}
    except Unmeasured as error:
        found = {"ours": None, "holds": None, "missing": str(error)}
    return row | found


def filled(text: str, metrics: Mapping[str, float]) -> str:
    """Fill in a sentence: {stage.metric:.2f} as a number, {stage.metric:.2p} as signed percentage points."""
    return FILLED_IN.sub(lambda found: _written(_value(found[1], metrics), found[2]), text)


def holds(statement: str, metrics: Mapping[str, float]) -> bool:
    """Return whether a statement about metrics and numbers, such as `a < b and b > 0.5`, is true."""
    return all(_is_true(*part.split(), metrics=metrics) for part in statement.split(" and "))


def _written(value: float, form: str) -> str:
    places = int(form[1])
    return signed(100 * value, places) if form.endswith("p") else number(value, places)


def _is_true(a: str, sign: str, b: str, *, metrics: Mapping[str, float]) -> bool:
    return bool(SIGNS[sign](_value(a, metrics), _value(b, metrics)))


def _value(text: str, metrics: Mapping[str, float]) -> float:
    try:
        return metrics[text] if text in metrics else float(text)
    except ValueError:
        raise Unmeasured(text) from None
