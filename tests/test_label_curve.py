"""Stage `label_curve`: its tables, ledger and metrics, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from studies import MANY, settings

from tasks import label_curve
from tasks.study.rows import Size

SIZE = Size(67, 16, 3)


def cell(arm="fine-tuned", pretraining="untied", n_labels=6, run=0, **more):
    """Return a cell's result."""
    result = {
        "cell": {"arm": arm, "pretraining": pretraining, "n_labels": n_labels, "run": run, "fixed": False},
        "scores": {"accuracy": 0.5, "balanced_accuracy": 0.25}, "n_steps": 4, "n_trials": 2, "n_labels_used": 6,
        "drawn": "d" * 64, "weights": ["a" * 64, "b" * 64], "proof": {"before": ["c"]},
    }  # fmt: skip
    return result | more


def test_a_row_of_the_table_is_named_by_its_arm_and_by_a_pretraining_that_is_not_the_main_one():
    params = settings(**MANY)
    row = label_curve._row(params, cell())
    assert {name: row.pop(name) for name in ("roc_auc", "log_loss", "calibration_error", "validated")} == pytest.approx(
        dict.fromkeys(("roc_auc", "log_loss", "calibration_error", "validated"), np.nan), nan_ok=True
    )
    assert row == {
        "arm": "fine-tuned", "pretraining": "untied", "n_labels": 6, "run": 0, "kind": "trained", "accuracy": 0.5,
        "balanced_accuracy": 0.25, "n_steps": 4, "n_trials": 2, "n_labels_used": 6, "drawn": "d" * 12,
        "weights": "b" * 12,
    }  # fmt: skip
    fitted = label_curve._row(params, cell("SVM", "", n_steps=None))
    assert (fitted["arm"], fitted["kind"], fitted["n_steps"]) == ("SVM", "fitted", 0)
    assert label_curve._row(params, cell(validated=0.75))["validated"] == 0.75
    assert np.isnan(label_curve._row(params, cell(validated=None))["validated"])
    assert label_curve._row(params, cell(pretraining="tied"))["arm"] == "fine-tuned - tied"
    assert label_curve._proof(cell()) == {**cell()["cell"], "proof": {"before": ["c"]}, "weights": cell()["weights"]}


def table(*cells_):
    return pd.DataFrame([label_curve._row(settings(**MANY), given) for given in cells_])


ENCODERS = {
    "encoder - untied - run 0": {"n_rows": 67, "n_steps": 18, "sha256": "x"},
    "encoder - tied - run 0": {"n_rows": 67, "n_steps": 18},
}


COMPARED = [
    {"arm": "fine-tuned", "against": "from scratch", "n_labels": 15, "sd": 0.04, "n": 4, "se_rows": 0.01},
    {"arm": "fine-tuned", "against": "from scratch", "n_labels": 6, "sd": 1.0, "n": 4, "se_rows": 1.0},
    {"arm": "SVM", "against": "random features", "n_labels": 15, "sd": 1.0, "n": 4, "se_rows": 1.0},
]


def ledger(given):
    return label_curve._ledger(settings(**MANY), given, ENCODERS, {}, SIZE, COMPARED)


def test_the_ledger_counts_steps_trials_and_labels_of_every_arm():
    given = table(cell(), cell(run=1, n_steps=6, n_trials=3), cell("SVM", "", n_steps=None, n_labels_used=6))
    first, second = ledger(given).to_dict("records")
    assert first.pop("seconds") == second.pop("seconds") == 0.0, "tests/test_effort.py"
    assert (first.pop("se_runs"), first.pop("se_rows")) == (0.02, 0.01)
    assert np.isnan([second["se_runs"], second["se_rows"]]).all()
    assert first == {
        "arm": "fine-tuned", "kind": "trained", "n_cells": 2, "n_steps_least": 4, "n_steps_most": 6,
        "n_trials_least": 2, "n_trials_most": 3, "left_out_from": 15, "unlabelled_rows": 67,
        "unlabelled_steps": 18, "budgets": "UNEQUAL",
    }  # fmt: skip
    assert second["n_cells"] == 1
    assert (second["unlabelled_rows"], second["unlabelled_steps"]) == (0, 0)


@pytest.mark.parametrize(
    ("first", "second", "budgets"),
    [({}, {}, "equal"), ({}, {"n_trials": 1}, "UNEQUAL"), ({}, {"n_labels_used": 7}, "UNEQUAL"),
     ({"n_steps": 5}, {}, "equal"), ({"n_steps": 5, "n_trials": 1}, {"n_trials": 1}, "UNEQUAL"),
     ({"n_steps": 4, "n_trials": 1}, {"n_trials": 1}, "equal"), ({}, {"n_labels": 15, "n_trials": 1,
                                                                      "n_labels_used": 15}, "equal")],
)  # fmt: skip
def test_arms_are_equal_in_configurations_labels_and_untuned_steps(first, second, budgets):
    given = table(cell(**first), cell("from scratch", "", **second))
    assert {*ledger(given).budgets} == {budgets}


def test_arms_of_other_pretrainings_are_untuned_unless_the_study_is():
    given = table(cell(), cell(pretraining="tied", n_trials=1), cell("from scratch", ""))
    assert [*ledger(given).budgets] == ["equal", "untuned", "equal"]
    untuned = settings(**MANY, tuning={"n_configurations": 1})
    assert {*label_curve._ledger(untuned, given[given.n_trials == 1], ENCODERS, {}, SIZE, []).budgets} == {"equal"}


def test_a_curve_is_the_means_over_runs_with_the_accuracys_interval():
    scores = [cell(n_labels=n, run=run, scores={"accuracy": a, "log_loss": a * 2})
              for n, row in ((6, (0.1, 0.3)), (15, (0.5, 0.5))) for run, a in enumerate(row)]  # fmt: skip
    first, second = label_curve._history(table(*scores), None)
    assert (first["arm"], first["n_labels"], second["n_labels"]) == ("fine-tuned", 6, 15)
    half = 12.706204736 * np.std([0.1, 0.3], ddof=1) / 2**0.5
    ends = [first[name] for name in ("accuracy", "log_loss", "accuracy_low", "accuracy_high")]
    assert ends == pytest.approx([0.2, 0.4, 0.2 - half, 0.2 + half])
    assert (second["accuracy_low"], second["accuracy_high"]) == (0.5, 0.5)


def test_metrics_hold_means_the_headlines_numbers_and_no_missing_one():
    ends = {"crossover": None, "pays_from": 9.0, "no_difference_from": None, "hurts_from": 15}
    found = {
        "difference": {"mean": 1, "sd": 8, "low": 2, "high": 3, "p": 4, "p_holm": 5, "n": 6, "n_family": 7},
        "labels_saved": {"ratio": 0.5, "low": None, "high": 2.5, "n_never": 1, "needed": 9}, **ends,
        "differences": [{"n_labels": 6, "mean": 7, "low": 8, "high": 9, "p": 0}],
    }  # fmt: skip
    given = table(cell(), cell(run=1, scores={"accuracy": 0.7}), cell("SVM", ""))
    equal = pd.DataFrame({"budgets": ["equal", "equal", "untuned"]})
    assert label_curve._metrics(given, found, equal) == {
        "fine_tuned_accuracy_6": 0.6, "svm_accuracy_6": 0.5, "difference_mean": 1, "difference_low": 2,
        "difference_high": 3, "difference_p": 4, "difference_p_holm": 5, "difference_n": 6, "labels_saved_ratio": 0.5,
        "labels_saved_high": 2.5, "labels_saved_n_never": 1, "pays_from": 9.0, "hurts_from": 15,
        "difference_6_mean": 7, "difference_6_low": 8, "difference_6_high": 9, "n_cells": 3, "n_proofs": 2,
        "equal_budgets": 1,
    }  # fmt: skip
    assert label_curve._metrics(given, found, equal.replace("equal", "UNEQUAL"))["equal_budgets"] == 0


def test_the_verdict_is_judged_from_the_cells_of_the_main_pretraining():
    """Few labels at the first budget, no score of the SVM at the last one."""
    arms = {"fine-tuned": 0.8, "from scratch": 0.7, "SVM": 0.75, "frozen encoder": 0.6}
    pretrained = ("fine-tuned", "frozen encoder")
    given = [
        cell(arm, "untied" if arm in pretrained else "", n, run, validated=None if n == 6 else level,
             scores={"accuracy": level + run / 100, "balanced_accuracy": level})
        for arm, level in arms.items() for n in (6, 15, 30) for run in (0, 1, 2) if arm != "SVM" or n < 30
    ]  # fmt: skip
    other = cell("LP-FT", "denoising masking", 15, scores={"accuracy": 1.0}, validated=1.0)
    found = label_curve.judge(settings(**MANY, margin=0.02), table(*given, other), np.array([0, 0, 0, 1]))
    assert (found.chance, found.headline, found.margin, found.tuned) == (0.5, 15, 0.02, True)
    assert [at.chosen for at in found.budgets] == [False, True, True]
    assert [[*at.without.counts] for at in found.budgets] == [["from scratch"], ["SVM"], ["from scratch"]]
    assert [at.against_without.pair.mean for at in found.budgets] == pytest.approx([0.1, 0.05, 0.1])
    assert found.clauses.use.counts == {"fine-tuned": 3} and found.clauses.against_scratch.minutes is None
    metrics = label_curve._verdict_metrics(found.findings()["budgets"])
    assert metrics["encoder_minus_best_15_mean"] == pytest.approx(0.05) and len(metrics) == 3 * 2 * 3
    assert metrics["encoder_minus_scratch_15_low"] == found.clauses.against_scratch.pair.low
    timed = label_curve.judge(settings(**MANY), table(*given), np.array([0, 0, 1]), seconds_per_run=60)
    assert timed.clauses.against_scratch.minutes == 0


def test_metrics_of_pretrainings_and_spreads_are_those_of_one_budget():
    row = {"arm": "fine-tuned - denoising masking", "against": "fine-tuned", "n_labels": 15, "mean": 1, "low": 2,
           "high": 3, "p": 4, "p_holm": 5, "p_max_t": 6}  # fmt: skip
    rows = [row, row | {"n_labels": 6, "mean": 9}, row | {"against": "from scratch", "mean": 8}]
    names = ("mean", "low", "high", "p", "p_holm", "p_max_t")
    expected = {f"pretraining_denoising_masking_{name}": k for k, name in enumerate(names, start=1)}
    assert label_curve._pretraining_metrics(rows, "fine-tuned", 15) == expected
    assert label_curve._pretraining_metrics(rows, "fine-tuned - untied", 15) == {}
    spread = {"n_labels": 15, "n": 3, "sd_a": 1, "sd_b": 2, "ratio": 3, "low": 4, "high": 5, "p": 6}
    assert label_curve._spread_metrics([{"n_labels": 6, "sd_a": 0}, spread], 15) == {
        "spread_fine_tuned": 1, "spread_from_scratch": 2, "spread_ratio": 3, "spread_low": 4, "spread_high": 5,
        "spread_p": 6,
    }  # fmt: skip
    assert label_curve._spread_metrics([spread], 6) == {}
