"""Stage `label_curve`: its tables, ledger and metrics, by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from studies import MANY, settings

from autoencoders.statistics import paired
from tasks import label_curve
from tasks.study.rows import Size

SIZE = Size(67, 16, 3)


def cell(arm="fine-tuned", pretraining="untied", n_labels=6, run=0, **more):
    """Return a cell's result."""
    result = {
        "cell": {"arm": arm, "pretraining": pretraining, "n_labels": n_labels, "run": run},
        "scores": {"accuracy": 0.5, "balanced_accuracy": 0.25}, "n_steps": 4, "n_trials": 2, "n_labels_used": 6,
        "drawn": "d" * 64, "weights": ["a" * 64, "b" * 64], "proof": {"before": ["c"]},
    }  # fmt: skip
    return result | more


def test_a_row_of_the_table_is_named_by_its_arm_and_by_a_pretraining_that_is_not_the_main_one():
    params = settings(**MANY)
    row = label_curve._row(params, cell())
    assert {name: row.pop(name) for name in ("log_loss", "calibration_error", "validated")} == pytest.approx(
        dict.fromkeys(("log_loss", "calibration_error", "validated"), np.nan), nan_ok=True
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


@pytest.mark.parametrize(
    ("arm", "against", "compared"),
    [("SVM", "from scratch", True), ("from scratch", "from scratch", False), ("fine-tuned", "random features", True),
     ("fine-tuned - tied", "fine-tuned", True), ("SVM", "fine-tuned", False), ("fine-tuned", "fine-tuned", False),
     ("LP-FT - tied", "fine-tuned", False)],
)  # fmt: skip
def test_every_arm_is_compared_with_untrained_encoders_and_its_variants_with_the_fine_tuned_one(arm, against, compared):
    assert label_curve._is_compared(arm, against) is compared


def test_families_are_the_main_question_and_all_others_with_one_base():
    pair = paired([0.1, 0.2, 0.4], [0.0, 0.0, 0.1])
    pairs = {("fine-tuned", "from scratch"): [pair, pair], ("SVM", "from scratch"): [pair],
             ("LP-FT", "from scratch"): [pair, pair], ("SVM", "random features"): [pair]}  # fmt: skip
    rows = list(label_curve._comparisons(pairs, [6, 15]))
    told = [(row["arm"], row["n_labels"], row["family"], row["n_family"], row["p_holm"]) for row in rows]
    assert told == [
        ("fine-tuned", 6, "main", 2, 0.5), ("fine-tuned", 15, "main", 2, 0.5),
        ("SVM", 6, "others against from scratch", 3, 0.75), ("LP-FT", 6, "others against from scratch", 3, 0.75),
        ("LP-FT", 15, "others against from scratch", 3, 0.75), ("SVM", 6, "others against random features", 1, 0.25),
    ]  # fmt: skip
    assert {name: rows[0][name] for name in dataclasses.asdict(pair)} == dataclasses.asdict(pair)
    assert rows[0]["against"] == "from scratch" and rows[0]["distinguishable"] == pair.distinguishable


def table(*cells_):
    return pd.DataFrame([label_curve._row(settings(**MANY), given) for given in cells_])


ENCODERS = {
    "encoder - untied - run 0": {"n_rows": 67, "n_steps": 18, "sha256": "x"},
    "encoder - tied - run 0": {"n_rows": 67, "n_steps": 18},
}


def ledger(given):
    return label_curve._ledger(settings(**MANY), given, ENCODERS, {}, SIZE)


def test_the_ledger_counts_steps_trials_and_labels_of_every_arm():
    given = table(cell(), cell(run=1, n_steps=6, n_trials=3), cell("SVM", "", n_steps=None, n_labels_used=6))
    first, second = ledger(given).to_dict("records")
    assert first.pop("seconds") == second.pop("seconds") == 0.0, "tests/test_effort.py"
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
    assert {*label_curve._ledger(untuned, given[given.n_trials == 1], ENCODERS, {}, SIZE).budgets} == {"equal"}


def test_a_curve_is_the_means_over_runs_with_the_accuracys_interval():
    scores = [cell(n_labels=n, run=run, scores={"accuracy": a, "log_loss": a * 2})
              for n, row in ((6, (0.1, 0.3)), (15, (0.5, 0.5))) for run, a in enumerate(row)]  # fmt: skip
    first, second = label_curve._history(table(*scores))
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
           "high": 3, "p": 4, "p_holm": 5}  # fmt: skip
    rows = [row, row | {"n_labels": 6, "mean": 9}, row | {"against": "from scratch", "mean": 8}]
    names = ("mean", "low", "high", "p", "p_holm")
    expected = {f"pretraining_denoising_masking_{name}": k for k, name in enumerate(names, start=1)}
    assert label_curve._pretraining_metrics(rows, 15) == expected
    spread = {"n_labels": 15, "n": 3, "sd_a": 1, "sd_b": 2, "ratio": 3, "low": 4, "high": 5, "p": 6}
    assert label_curve._spread_metrics([{"n_labels": 6, "sd_a": 0}, spread], 15) == {
        "spread_fine_tuned": 1, "spread_from_scratch": 2, "spread_ratio": 3, "spread_low": 4, "spread_high": 5,
        "spread_p": 6,
    }  # fmt: skip
    assert label_curve._spread_metrics([spread], 6) == {}
