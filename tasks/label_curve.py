"""Stage `label_curve`: does pretraining pay, and up to how many labels?

    python -m tasks.label_curve

The stage trains every arm on every label budget of every run, with equal gradient steps on the same nested, balanced
rows. Each run pretrains its own encoder, without labels. Runs are divided over processes; finished cells are kept in
.cells, so that a killed study continues where it was. Writes data/label_curve: cells.csv, comparisons.csv,
labels_saved.csv, ledger.csv, history.csv (means over runs; its step is n_labels), spreads.csv, choices.csv,
confusions.csv (of the method to use at the headline), schema.json (of a table's columns, as `prepare` wrote it),
proofs.json, metrics.json, planner.json, findings.json, and right.npz: by arm, the bits of the test rows that were
right (np.packbits of runs, budgets, rows), unless each run has test rows of its own; with balanced accuracy also their
classes. All but the first and the last table are about the study's metric (`rows.metric`). Stage `report` writes
sentences and figures from them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autoencoders import label_efficiency
from autoencoders.arms import CURVE_ARMS, CURVE_PRETRAININGS, FINE_TUNED, FROM_SCRATCH, Arm, is_pretrained, slug
from autoencoders.verdict import Verdict, verdict
from tasks.frame import files, sizes, stage
from tasks.frame.sections import Params
from tasks.frame.view import Place, is_there
from tasks.study import comparisons, confusions, effort, planning, runs
from tasks.study import rows as of_run
from tasks.study.comparisons import scores
from tasks.study.keys import ScoreCell
from tasks.study.rows import Size

METRICS = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "calibration_error")


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Compute the missing cells; compare arms run by run."""
    size, test_labels = of_run.size(data / "prepare"), files.read_labels(data / "prepare", "test")
    metric = of_run.metric(params, data / "prepare")
    classes = test_labels if metric == label_efficiency.BALANCED else None
    if CURVE_PRETRAININGS[params.label_curve.pretrainings[0]].noise is None:
        sizes.warn_if_wide(
            "label_curve.network.shape.units", params.label_curve.network.shape.units[-1], size.n_columns
        )
    results, chosen, encoders = runs.compute(params, data)
    table = pd.DataFrame([_row(params, result) for result in results])
    curves = {str(arm): scores(rows, slug(metric)).to_numpy() for arm, rows in table.groupby("arm", sort=False)}
    right = comparisons.rights(params, results, len(test_labels))
    budgets, base = params.label_curve.n_labels, curves[FROM_SCRATCH]
    reference = comparisons.reference(params)
    compared = list(comparisons.table(comparisons.compared(budgets, curves, right, reference, classes)))
    saved = {
        arm: label_efficiency.labels_saved(budgets, curves[arm], base)
        for arm in table[table.pretraining != ""].arm.unique()
        if comparisons.is_compared(arm, FROM_SCRATCH, reference)
    }
    taken = {r["cell"]["arm"]: r["n_unlabelled"] for r in results if "n_unlabelled" in r}
    ledger = _ledger(params, table, encoders, taken, size, compared)
    both = None if right is None else (right[FINE_TUNED], right[FROM_SCRATCH])
    main_arm = label_efficiency.findings(budgets, curves[FINE_TUNED], base, params.label_curve.headline, both, classes)
    judged = judge(params, table, test_labels, metric, seconds_per_run=effort.of_run(params, size), right=right)
    found = judged.findings() | {"fine_tuned": main_arm}
    main = {arm: scores for arm, scores in curves.items() if " - " not in arm}  # with the main pretraining or none
    planner = planning.planner(params, main, FINE_TUNED)
    choices = planning.choices(chosen, None if right is None else len(test_labels), metric, classes)
    spreads = planning.spreads(budgets, curves[FINE_TUNED], base)
    tables = {
        "cells": table,
        "comparisons": pd.DataFrame(compared),
        "labels_saved": pd.DataFrame([{"arm": arm, **asdict(s)} for arm, rows in saved.items() for s in rows]),
        "ledger": ledger,
        "history": pd.DataFrame(_history(table, right, metric, classes)),
        "choices": pd.DataFrame(choices),
        "spreads": pd.DataFrame(spreads),
        "confusions": pd.DataFrame(confusions.table(params, results, judged.clauses)),
    }
    if is_there(schema := data / "prepare" / "schema.json"):  # for the page, which may not depend on all of `prepare`
        files.write_json(out / "schema.json", files.read_json(schema))
    for name, content in tables.items():
        if len(content):
            content.to_csv(out / f"{name}.csv", index=False, lineterminator="\n")
    files.write_json(out / "proofs.json", [_proof(result) for result in results if result["cell"]["pretraining"]])
    files.write_json(out / "planner.json", planner)
    if right is not None:
        bits: dict[str, Any] = {arm: np.packbits(rows, axis=-1) for arm, rows in right.items()}
        bits |= {} if classes is None else {"classes": classes}
        np.savez_compressed(out / "right.npz", n_rows=len(test_labels), **bits)
    metrics = _metrics(table, main_arm, ledger, metric) | planning.planner_metrics(planner)
    metrics |= planning.choice_metrics(choices, metric)
    metrics |= _pretraining_metrics(compared, reference, found["n_labels"]) | _spread_metrics(
        spreads, found["n_labels"]
    )
    metrics |= _verdict_metrics(found["budgets"])
    files.write_json(out / "metrics.json", metrics)
    files.write_json(out / "findings.json", found)


def judge(
    params: Params,
    table: pd.DataFrame,
    labels: np.ndarray,
    metric: str = "accuracy",
    *,
    seconds_per_run: float | None = None,
    right: Mapping[str, np.ndarray] | None = None,
) -> Verdict:
    """Return the study's verdict.

    Args:
        params: The parameters.
        table: A row per cell; the arms with the main pretraining or none are compared.
        labels: Classes of the test set, (n_test,).
        metric: As `rows.metric` returns it.
        seconds_per_run: What one more run takes; None if unknown.
        right: As `comparisons.rights` returns it.
    """
    c, counts = params.label_curve, np.unique(labels, return_counts=True)[1]
    main = table[~table.arm.str.contains(" - ")]
    given, validated, balanced = ({str(arm): scores(rows, name).reindex(columns=c.n_labels).to_numpy(float)
                          for arm, rows in main.groupby("arm", sort=False)}
                         for name in (slug(metric), "validated", "balanced_accuracy"))  # fmt: skip
    return verdict(
        given,
        validated,
        with_encoder=[arm for arm in given if is_pretrained(CURVE_ARMS[arm])],
        from_scratch=FROM_SCRATCH,
        budgets=c.n_labels,
        headline=c.headline,
        margin=c.margin,
        beforehand=(c.beforehand.with_encoder, c.beforehand.without),
        chance=1 / len(counts),
        balanced=balanced,
        chance_sd=float(np.sqrt(((1 - 1 / len(counts)) / len(counts) / counts).sum()) / len(counts)),
        seconds_per_run=seconds_per_run,
        right=None if right is None else {arm: right[arm] for arm in given},
        classes=labels if metric == label_efficiency.BALANCED else None,
        metric=metric,
    )


def _row(params: Params, result: dict[str, Any]) -> dict[str, Any]:
    """Return a cell as a row of the table; the name of an arm ends with its pretraining unless it is the main one."""
    cell, name = result["cell"], comparisons.name_of(params, result["cell"])
    measured = {metric: result["scores"].get(metric, math.nan) for metric in METRICS}
    validated = result.get("validated")  # on the run's labels alone; None where no configuration was chosen
    measured["validated"] = math.nan if validated is None else validated
    spent = {"n_steps": result["n_steps"] or 0, **{k: result[k] for k in ("n_trials", "n_labels_used")}}
    kind = "trained" if isinstance(CURVE_ARMS[cell["arm"]], Arm) else "fitted"
    return {"arm": name, **{k: cell[k] for k in ("pretraining", "n_labels", "run")}, "kind": kind, **measured, **spent,
            "drawn": result["drawn"][:12], "weights": result["weights"][-1][:12]}  # fmt: skip


def _ledger(
    params: Params,
    table: pd.DataFrame,
    encoders: dict[str, dict[str, Any]],
    taken: dict[str, int],
    size: Size,
    compared: list[dict[str, Any]],
) -> pd.DataFrame:
    """Return each arm's steps, trials, seconds and unlabelled rows, and whether the arms are equal.

    They are if at every budget all arms tried as many configurations, all untuned networks took the same steps, and no
    arm used a label beyond the budget. Arms with another than the main pretraining are not tuned. Seconds are those of
    the table in tasks/study/costs.csv, for a run; the clock's are in the cells, for they differ from time to time.

    Args:
        params: The parameters.
        table: A row per cell.
        encoders: What each pretraining spent, by its cell's name.
        taken: Numbers of unlabelled rows by arm, of arms that take some without pretraining.
        size: Size of the data.
        compared: The rows of comparisons.csv: at the headline, the standard error of an arm's difference from scratch
            over runs, and the test rows' part of it.
    """
    c = params.label_curve
    pretraining = {name.split(" - ")[1]: spent for name, spent in encoders.items()}
    main = table[~table.arm.str.contains(" - ")]
    untuned = main[(main.kind == "trained") & (main.n_trials == 1)]  # a tuned arm chooses its steps
    equal = (
        (main.groupby("n_labels").n_trials.nunique() == 1).all()
        and untuned.n_steps.nunique() <= 1
        and (table.n_labels_used == table.n_labels).all()
    )
    errors = {row["arm"]: row for row in compared if (row["against"], row["n_labels"]) == (FROM_SCRATCH, c.headline)}
    found = []
    for arm, group in table.groupby("arm", sort=False):
        own = errors.get(str(arm), {})
        way, name = group.pretraining.iloc[0], str(arm).split(" - ")[0]
        unlabelled = pretraining.get(way, {"n_steps": 0, "n_rows": taken.get(str(arm), 0)})
        fixed = name != arm and way == c.pretrainings[0]
        cells = [ScoreCell(name, way, n, 0, fixed) for n in sorted(set(group.n_labels))]
        is_main = name == arm or c.tuning.n_configurations == 1
        out = [n for n in c.n_labels if n not in set(group.n_labels)]
        found.append(
            {
                "arm": arm,
                "kind": group.kind.iloc[0],
                "n_cells": len(group),
                "n_steps_least": group.n_steps.min(),
                "n_steps_most": group.n_steps.max(),
                "n_trials_least": group.n_trials.min(),
                "n_trials_most": group.n_trials.max(),
                "seconds": round(sum(effort.seconds(params, cell, size) for cell in cells), 1),
                "left_out_from": out[0] if out else 0,
                "unlabelled_rows": unlabelled["n_rows"],
                "unlabelled_steps": unlabelled["n_steps"],
                "budgets": ("equal" if equal else "UNEQUAL") if is_main else "untuned",
                "se_runs": own["sd"] / own["n"] ** 0.5 if own else math.nan,
                "se_rows": own.get("se_rows", math.nan),
            }
        )
    return pd.DataFrame(found)


def _history(
    table: pd.DataFrame,
    right: Mapping[str, np.ndarray] | None,
    metric: str = "accuracy",
    classes: np.ndarray | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield each arm's curve: the means over runs at every budget, and the metric's 95 % interval."""
    name = slug(metric)
    for arm, rows in table.groupby("arm", sort=False):
        means = rows.groupby("n_labels")[list(METRICS)].mean()
        bits = None if right is None else right[str(arm)]
        _, low, high = label_efficiency.band(scores(rows, name).to_numpy(), bits, classes)
        for k, (n, values) in enumerate(means.iterrows()):
            yield {"arm": arm, "n_labels": n, **values, f"{name}_low": low[k], f"{name}_high": high[k]}


def _metrics(
    table: pd.DataFrame, found: dict[str, Any], ledger: pd.DataFrame, metric: str = "accuracy"
) -> dict[str, float]:
    """Return the metrics for DVC and MLflow."""
    metrics = {
        f"{slug(str(arm))}_{slug(metric)}_{n}": float(mean)
        for arm, rows in table.groupby("arm", sort=False)
        for n, mean in rows.groupby("n_labels")[slug(metric)].mean().items()
    }
    numbers = {f"difference_{name}": found["difference"][name] for name in ("mean", "low", "high", "p", "p_holm", "n")}
    numbers |= {f"labels_saved_{name}": found["labels_saved"][name] for name in ("ratio", "low", "high", "n_never")}
    numbers |= {name: found[name] for name in ("crossover", "pays_from", "no_difference_from", "hurts_from")}
    for row in found["differences"]:
        numbers |= {f"difference_{row['n_labels']}_{name}": row[name] for name in ("mean", "low", "high")}
    metrics |= {name: value for name, value in numbers.items() if value is not None}
    n_proofs = int((table.pretraining != "").sum())
    return metrics | {
        "n_cells": len(table),
        "n_proofs": n_proofs,
        "equal_budgets": int((ledger.budgets != "UNEQUAL").all()),
    }


def _verdict_metrics(budgets: list[dict[str, Any]]) -> dict[str, float]:
    """Return, per budget, how far the best use of the encoder lies from scratch and from the best without it."""
    against = {"against_scratch": "encoder_minus_scratch", "against_without": "encoder_minus_best"}
    return {
        f"{said}_{row['n_labels']}_{end}": row[name][end]
        for row in budgets for name, said in against.items() for end in ("mean", "low", "high")
    }  # fmt: skip


def _pretraining_metrics(compared: list[dict[str, Any]], main: str, n_labels: int) -> dict[str, float]:
    """Return the gain of every other pretraining over the main one, both with the same settings, at one budget."""
    rows = [row for row in compared if row["against"] == main and row["n_labels"] == n_labels]
    names = ("mean", "low", "high", "p", "p_holm", "p_max_t")
    return {f"pretraining_{slug(row['arm'].split(' - ')[1])}_{name}": row[name] for row in rows for name in names}


def _spread_metrics(spreads: list[dict[str, Any]], n_labels: int) -> dict[str, float]:
    """Return the standard deviations over runs at one budget, fine-tuned and from scratch, and their ratio."""
    row = next((row for row in spreads if row["n_labels"] == n_labels), {})
    names = {"sd_a": slug(FINE_TUNED), "sd_b": slug(FROM_SCRATCH)}
    return {f"spread_{names.get(k, k)}": row[k] for k in ("sd_a", "sd_b", "ratio", "low", "high", "p") if k in row}


def _proof(result: dict[str, Any]) -> dict[str, Any]:
    """Return a pretrained cell's proof: the hashes of its encoder's layers, and of its own layers at the end."""
    return {**result["cell"], "proof": result["proof"], "weights": result["weights"]}


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
