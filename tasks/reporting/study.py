"""The label-efficiency study as its page, the paper's tables and the figures read it from the stage's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autoencoders import sentences
from autoencoders.arms import CURVE_ARMS, FINE_TUNED, FROM_SCRATCH, slug
from autoencoders.arms import CURVE_PRETRAININGS as PRETRAININGS
from autoencoders.statistics import Paired
from tasks.frame import files
from tasks.frame.experiment import records
from tasks.frame.sections import Params
from tasks.frame.view import Place
from tasks.reporting import wording

# The choice that each random stream makes; `things` are images or rows.
STREAMS = {
    "labels": "the labelled {things}",
    "weights": "the initial weights of encoder and head",
    "order": "the order of {things} in the classifier’s training",
    "pretraining order": "the order of {things} in the pretraining",
    "pretraining noise": "the pretraining’s noise",
    "choice": "the {things} from which the next to label are chosen",
    "unlabelled": "the drawn unlabelled {things}",
    "split": "the split into training and test {things}",
}


@dataclass(frozen=True)
class Study:
    """The output of stage `label_curve`.

    Args:
        budgets: Label budgets, ascending.
        n_runs: Planned runs of every arm and budget.
        cells: A row per (arm, n_labels, run), with its scores and its costs (steps, trials, labels).
        comparisons: A row per (arm, against, n_labels): paired difference, interval, p values.
        saved: A row per (pretrained arm, n_labels): how many times the labels training from scratch needs.
        ledger: A row per arm: its steps, tuning trials and labels.
        history: A row per (arm, n_labels): means over runs.
        verdict: The sentences, and the numbers in them.
        proofs: A record per pretrained cell.
        choices: A row per way to choose rows for labelling; empty if the study compares none.
        predictions: A row per arm: its accuracies beyond the largest budget, and how many held-out budgets were held.
        spreads: A row per budget: standard deviations over runs, with and without pretraining; empty with two runs.
        tuning: The remark for every sentence and table: whether the methods were tuned.
    """

    budgets: list[int]
    n_runs: int
    cells: pd.DataFrame
    comparisons: pd.DataFrame
    saved: pd.DataFrame
    ledger: pd.DataFrame
    history: pd.DataFrame
    verdict: dict[str, Any]
    proofs: list[dict[str, Any]]
    choices: list[dict[str, Any]]
    predictions: list[dict[str, Any]]
    spreads: list[dict[str, Any]]
    tuning: str

    @property
    def metric(self) -> str:
        """Return what the study's scores are: accuracy or balanced accuracy."""
        return str(self.verdict["metric"])

    @property
    def measure(self) -> str:
        """Return the metric in words for captions."""
        return sentences.measure(self.metric)

    @property
    def arms(self) -> list[str]:
        """Return the arms in the study's order; if an arm's pretraining is not the main one, its name says which."""
        return list(self.ledger.arm)

    @property
    def pretrained(self) -> list[str]:
        """Return the arms that use a pretrained encoder, the main one first."""
        return _first(list(dict.fromkeys(self.saved.arm)), (FINE_TUNED,))

    @property
    def equal(self) -> bool:
        """Return whether the arms were equal in configurations, steps and labels."""
        return bool((self.ledger.budgets != "UNEQUAL").all())

    @property
    def on_rows(self) -> bool:
        """Return whether intervals are over runs and test rows, which all runs have in common."""
        return "se_rows" in self.comparisons

    def drawn(self) -> list[str]:
        """Return the arms to draw, fine-tuned and from scratch first; only the main pretraining is drawn."""
        return _first([arm for arm in self.arms if " - " not in arm], (FINE_TUNED, FROM_SCRATCH))

    def compared(self) -> list[str]:
        """Return the pretrained arms whose differences are drawn; with several pretrainings, the fine-tuned ones."""
        several = any(" - " in arm for arm in self.pretrained)
        return _first([a for a in self.pretrained if not several or a.split(" - ")[0] == FINE_TUNED], (FINE_TUNED,))

    def scores(self, arm: str) -> np.ndarray:
        """Return an arm's scores, (n_runs, n_budgets)."""
        rows = self.cells[self.cells.arm == arm]
        return rows.pivot(index="run", columns="n_labels", values=slug(self.metric)).to_numpy()

    def pairs(self, arm: str, against: str = FROM_SCRATCH) -> list[Paired]:
        """Return an arm's paired differences, one per budget."""
        return [Paired(**{name: row[name] for name in Paired.__dataclass_fields__}) for row in self.rows(arm, against)]

    def rows(self, arm: str, against: str) -> list[dict[str, Any]]:
        """Return an arm's rows of `comparisons`, one per budget, with the number of decimals to show."""
        table = self.comparisons
        rows = records(table[(table.arm == arm) & (table.against == against)])
        return [row | {"places": sentences.places(row, 100, 1)} for row in rows]

    def missing(self) -> list[str]:
        """Return the names of the failed cells, which have no score."""
        table = self.cells.dropna(subset="accuracy")
        there = set(zip(table.arm, table.n_labels, table.run, strict=True))
        asked = [(arm, n, run) for arm, rows in self.cells.groupby("arm", sort=False)
                 for n in sorted(set(rows.n_labels)) for run in range(self.n_runs)]  # fmt: skip
        return [f"{arm}, {n:,} labels, run {run}" for arm, n, run in asked if (arm, n, run) not in there]


def read(params: Params, data: Place) -> Study:
    """Read the output of stage `label_curve`."""
    folder, c = data / "label_curve", params.label_curve
    tables = {name: files.read_table(folder / f"{file}.csv")
              for name, file in (("cells", "cells"), ("comparisons", "comparisons"), ("saved", "labels_saved"),
                                 ("ledger", "ledger"), ("history", "history"))}  # fmt: skip
    tables["cells"]["pretraining"] = tables["cells"]["pretraining"].fillna("")
    found, proofs, planner = (files.read_json(folder / f"{name}.json") for name in ("findings", "proofs", "planner"))
    choices, spreads = (_rows(folder / f"{name}.csv") for name in ("choices", "spreads"))
    tuning = wording.tuning(c.tuning.n_configurations)
    verdict = found | {
        "sentence": f"{sentences.verdict(found)} {tuning}",
        "planner": wording.planner(planner, tuned=c.tuning.n_configurations > 1),
        "choices": wording.choices(choices),
        "tuning": tuning,
    }
    return Study(
        c.n_labels, c.n_runs, **tables, verdict=verdict, proofs=proofs, choices=choices,
        predictions=_predictions(planner), spreads=spreads, tuning=tuning,
    )  # fmt: skip


def _predictions(planner: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row per arm; none if no target asks for them."""
    if not any(curve["plans"] for curve in planner["arms"].values()):
        return []
    checks = {arm: [check["within"] for check in planner["held_out"] if check["arm"] == arm] for arm in planner["arms"]}
    return [
        {"arm": arm, **curve, "n_within": sum(checks[arm]), "n_checks": len(checks[arm])}
        for arm, curve in planner["arms"].items()
    ]


def _rows(path: Place) -> list[dict[str, Any]]:
    """Return the rows of an optional table; none if its file does not exist."""
    return records(files.read_table(path)) if Path(path).exists() else []


def page(study: Study, params: Params) -> dict[str, Any]:
    """Return the variables of the page's template."""
    c, table = params.label_curve, study.cells
    at = study.budgets.index(c.headline)
    main = study.rows(FINE_TUNED, FROM_SCRATCH)
    sizes = study.comparisons.groupby("family", sort=False).n_family.max()
    families, least_p = {str(name): int(n) for name, n in sizes.items()}, 2 / 2**study.n_runs
    return {
        "sentence": study.verdict["sentence"],
        "found": study.verdict,
        "clauses": wording.clauses(study.verdict),
        "main": main[at],
        "budgets": study.budgets,
        "n_runs": study.n_runs,
        "n_cells": len(table),
        "missing": study.missing(),
        "matrices": {base: _matrix(study, base) for base in dict.fromkeys(study.comparisons.against)},
        "families": families,
        "least_p": least_p,
        "hopeless": [name for name, n in families.items() if n * least_p > sentences.ALPHA],
        "scores": _scores(study),
        "metric": study.metric,
        "measure": study.measure,
        "column": slug(study.metric),
        "saved": {arm: _saved(study, arm) for arm in study.pretrained},
        "ledger": records(study.ledger),
        "choices": study.choices,
        "predictions": study.predictions,
        "spreads": study.spreads,
        **streams(params),
        "equal": study.equal,
        "on_rows": study.on_rows,
        "tuning": study.tuning,
        "n_pretrained": int((table.pretraining != "").sum()),
        "n_proofs": len(study.proofs),
        "n_encoders": len({tuple(proof["proof"]["before"]) for proof in study.proofs}),
    }


def streams(params: Params) -> dict[str, list[str]]:
    """Describe the random streams in use: those that vary from run to run, and those that are fixed."""
    c = params.label_curve
    noisy = any(PRETRAININGS[name].noise for name in c.pretrainings)
    takes = {what for arm in c.arms for what in getattr(CURVE_ARMS[arm], "takes", ())}
    all_rows = c.n_unlabelled is None and "unlabelled" not in takes
    idle = {"pretraining noise": not noisy, "choice": not c.choices, "unlabelled": all_rows}
    words = {role: told for role, told in STREAMS.items() if not idle.get(role)}
    if "seed" in takes:
        words["weights"] += ", and the random numbers of fitted classifiers"
    fixed = [told for role, told in words.items() if role not in c.vary]
    return {"varies": [told for role, told in words.items() if role in c.vary], "fixed": fixed}


def _first(arms: list[str], leading: tuple[str, ...]) -> list[str]:
    return [*leading, *(arm for arm in arms if arm not in leading)]


def _matrix(study: Study, base: str) -> list[dict[str, Any]]:
    """Return a line per arm, the main arm first, with a cell per budget; None if the arm did not run there."""
    lines = []
    for arm in _first(study.arms, (FINE_TUNED,)):
        rows = {row["n_labels"]: row for row in study.rows(arm, base)}
        if rows:
            lines.append({"arm": arm, "cells": [rows.get(n) for n in study.budgets]})
    return lines


def _scores(study: Study) -> dict[str, list[dict[str, Any] | None]]:
    """Return each arm's mean scores over runs, a row per budget; None if the arm did not run there."""
    by_arm = {str(arm): {row["n_labels"]: row for row in records(rows)} for arm, rows in study.history.groupby("arm")}
    return {arm: [by_arm[arm].get(n) for n in study.budgets] for arm in study.arms}


def _saved(study: Study, arm: str) -> list[dict[str, Any]]:
    """Return, per budget, the factor of labels saved over training from scratch, with its text for the page."""
    rows = records(study.saved[study.saved.arm == arm])
    return [row | {"text": wording.labels_saved(row, study.budgets)} for row in rows]
