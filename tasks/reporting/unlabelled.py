"""How many unlabelled rows does pretraining take? The part of the page for a study that pretrains on fewer rows."""

from __future__ import annotations

from typing import Any

from autoencoders import sentences
from autoencoders.arms import CURVE_PRETRAININGS, FINE_TUNED, FROM_SCRATCH
from tasks.reporting.page_figures import Point
from tasks.reporting.study import Study

FEWER, CONTROL = "fewer_rows", "shuffled_columns"  # ways to pretrain: on a part of the rows, on noise


def table(study: Study, main: str) -> list[dict[str, Any]]:
    """Return a line per number of rows, the smallest first, and one for the control; none if there is one number.

    Args:
        study: The study.
        main: Its main pretraining, on all rows.

    Returns: `told`, the rows in words; `n_rows`; `control`; `cells`, by budget fine-tuned minus from scratch; `behind`,
        by budget fine-tuned minus fine-tuned after pretraining on all rows, None for all rows.
    """
    ways = {arm: CURVE_PRETRAININGS[arm.partition(" - ")[2] or main].way for arm in study.compared()}
    if FEWER not in ways.values():
        return []
    rows, lines = dict(zip(study.ledger.arm, study.ledger.unlabelled_rows, strict=True)), []
    for arm, way in ways.items():
        if arm == FINE_TUNED or way in (FEWER, CONTROL):
            n, control = int(rows[arm]), way == CONTROL
            told = f"{n:,} rows with shuffled columns" if control else f"{n:,} rows"
            behind = study.rows(arm, FINE_TUNED) if arm != FINE_TUNED else None
            cells = study.rows(arm, FROM_SCRATCH)
            lines.append({"told": told, "n_rows": n, "control": control, "cells": cells, "behind": behind})
    return sorted(lines, key=lambda line: (line["control"], line["n_rows"]))


def curves(lines: list[dict[str, Any]]) -> dict[str, list[Point]]:
    """Return, for every label budget, the gain over training from scratch by the number of unlabelled rows."""
    real = [line for line in lines if not line["control"]]
    return {
        f"{at['n_labels']:,} labels": [
            Point(line["n_rows"], *(100 * line["cells"][k][end] for end in ("mean", "low", "high"))) for line in real
        ]
        for k, at in enumerate(real[0]["cells"])
    }


def sentence(lines: list[dict[str, Any]], headline: int) -> str:
    """Return what more unlabelled rows and their structure are worth at the headline; empty without lines."""
    if not lines:
        return ""
    most = next(line["told"] for line in lines if line["behind"] is None)
    told = "; ".join(_loss(line, headline) for line in lines if line["behind"])
    return f"With {headline:,} labels and as many pretraining steps as on {most}, fine-tuning {told}."


def _loss(line: dict[str, Any], headline: int) -> str:
    row = next(row for row in line["behind"] if row["n_labels"] == headline)
    digits = sentences.places(row, 100, 1)
    evidence = sentences.evidence(row, f"n = {row['n']} runs", places=digits, scale=100)
    if not sentences.distinguishable(row):
        return f"is not distinguishable if pretrained on {line['told']} {evidence}"
    points = sentences.number(abs(100 * row["mean"]), digits)
    return f"{'gains' if row['mean'] > 0 else 'loses'} {points} points if pretrained on {line['told']} {evidence}"
