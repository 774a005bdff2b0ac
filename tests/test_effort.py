"""The estimate of a study's time: each cell by the table, what is left on this machine, and arms that are too dear."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tiny

from autoencoders.arms import ARMS, LEARNERS
from tasks import label_curve
from tasks.frame.errors import DataError
from tasks.study import costs, effort, keys, rows, runs
from tasks.study.keys import ChoiceCell, EncoderCell, ScoreCell
from tasks.study.rows import Size

SIZE = Size(67, 16, 3)
WIDTH = (16 * 8 + 8 * 4) / (16 * 100 + 100 * 30)  # of the tiny network, beside the table's
FIT, STEPS, EPOCH = 3.0, 7.0, 11.0  # seconds of a fit, of 1,000 steps, of an epoch on 10,000 rows
PAIR = {"pretrainings": ["untied", "denoising masking"]}
DEAR = {"svm": {16: {6: 13.0}}}  # once 13 s, and with 2 folds of 2 configurations 65 s: over the limit of 60 s


@pytest.fixture(autouse=True)
def table(monkeypatch):
    """Make all work of a kind cost the same."""
    given = {name: {16: {6: FIT}} for name in LEARNERS} | {arm.name: {16: {0: STEPS}} for arm in ARMS}
    given[costs.PRETRAINING] = {16: {0: EPOCH}}
    monkeypatch.setattr(costs, "table", lambda: given)
    return given


def settings(**changes):
    return tiny.params(label_curve=changes)


@pytest.mark.parametrize(
    ("cell", "n_labels", "fits"),
    [("SVM", 6, 1), ("SVM", 14, 1), ("SVM", 15, 5), ("SVM", 30, 5), ("PCA + logistic regression", 30, 5)],
)
def test_a_fitted_cell_costs_its_fits_and_those_of_its_trials_where_there_are_labels_enough(cell, n_labels, fits):
    assert effort.seconds(settings(), ScoreCell(cell, "", n_labels, 0), SIZE) == pytest.approx(fits * FIT)


def test_an_arm_with_another_than_the_main_pretraining_is_fitted_once():
    main, other = (
        effort.seconds(settings(**PAIR), ScoreCell("linear probe", way, 30, 0), SIZE) for way in PAIR["pretrainings"]
    )
    assert (main, other) == pytest.approx((5 * FIT, FIT))


def test_a_networks_cell_costs_the_steps_of_its_training_and_of_its_trials():
    params, cell = settings(), ScoreCell("fine-tuned", "untied", 15, 0)
    tried = [settings["n_steps"] for settings in keys.configurations(params, cell)]
    few, enough = (effort.seconds(params, ScoreCell("fine-tuned", "untied", n, 0), SIZE) for n in (6, 15))
    assert few == pytest.approx(WIDTH * STEPS * 4 / 1000) and len(tried) == 2
    assert enough == pytest.approx(WIDTH * STEPS * (4 + 2 * sum(tried)) / 1000)


def test_a_pretraining_costs_its_epochs_rows_and_phases():
    untied, greedy = (effort.seconds(settings(**PAIR), EncoderCell(way, 0), SIZE) for way in PAIR["pretrainings"])
    assert untied == pytest.approx(WIDTH * EPOCH * 2 * 67 / 10_000) and greedy == pytest.approx(2 * untied)
    some = effort.seconds(settings(n_unlabelled=20), EncoderCell("untied", 0), SIZE)
    assert some == pytest.approx(untied * 20 / 67)


def test_rows_chosen_by_doubt_cost_two_trainings_and_others_one():
    random, doubtful = (effort.seconds(settings(), ChoiceCell(way, 12, 0), SIZE) for way in ("random", "uncertainty"))
    assert random == pytest.approx(WIDTH * STEPS * 4 / 1000) and doubtful == pytest.approx(2 * random)


def test_a_network_with_twice_the_weights_takes_twice_as_long():
    wide = settings(network={"shape": {"units": [16, 4]}})  # 16 * 16 + 16 * 4 = 2 * (16 * 8 + 8 * 4)
    for cell in (EncoderCell("untied", 0), ScoreCell("from scratch", "", 15, 0), ChoiceCell("random", 12, 0)):
        assert effort.seconds(wide, cell, SIZE) == pytest.approx(2 * effort.seconds(settings(), cell, SIZE))


def test_a_run_costs_its_cells():
    params = settings()
    every = [effort.seconds(params, cell, SIZE) for cell in keys.every(params, SIZE)]
    assert effort.of_run(params, SIZE) == pytest.approx(sum(every) / params.label_curve.n_runs)


def test_what_is_left_is_the_missing_cells_times_the_factor_of_this_machine(tmp_path):
    params, data = settings(), tiny.prepare(tmp_path / "data")
    store, cells = keys.store(params, data), keys.every(params, SIZE)
    total = sum(effort.seconds(params, cell, SIZE) for cell in cells)
    assert effort.left(params, cells, SIZE, store) == pytest.approx(total)
    done = [ScoreCell("SVM", "", n, 0) for n in (6, 15)]  # 6 fits
    for cell in done:
        store.write(cell.name, {}, seconds=15 * FIT)
    assert effort.left(params, cells, SIZE, store) == pytest.approx((total - 6 * FIT) * 5)
    for cell in cells:
        store.write(cell.name, {}, seconds=1.0)
    assert effort.left(params, cells, SIZE, store) == 0


def test_an_arm_too_dear_at_a_budget_is_left_out_there_and_at_larger_ones(table):
    table |= DEAR
    params = settings()
    assert keys.budgets(params, "SVM", SIZE) == [6] and keys.budgets(params, "logistic regression", SIZE) == [6, 15, 30]
    assert {cell.n_labels for cell in keys.score_cells(params, SIZE) if cell.arm == "SVM"} == {6}
    assert keys.budgets(settings(tuning={"n_configurations": 1}), "SVM", SIZE) == [6, 15, 30], "untuned"


def test_an_arm_runs_on_the_smallest_budgets_though_the_tables_line_falls(table):
    table["svm"] = {16: {6: 100.0, 30: 1.0}}
    assert keys.budgets(settings(), "SVM", SIZE) == [6, 15, 30]


def test_the_ledger_says_where_an_arm_is_left_out_and_the_verdict_goes_on_without_it(table):
    table |= DEAR
    params = settings(beforehand={"with_encoder": "fine-tuned", "without": "SVM"})
    results = [
        {"arm": cell.arm, "pretraining": cell.pretraining, "n_labels": cell.n_labels, "run": cell.run, "kind": "fitted",
         "balanced_accuracy": 0.7,
         "accuracy": (0.9 if cell.arm == "SVM" else 0.7) + cell.run / 100, "n_steps": 0, "n_labels_used": cell.n_labels,
         "validated": np.nan if cell.n_labels == 6 else 0.5, "n_trials": 1 if cell.n_labels == 6 else 2}
        for cell in keys.score_cells(params, SIZE)
    ]  # fmt: skip
    given = pd.DataFrame(results)
    ledger = label_curve._ledger(params, given, {}, {}, SIZE, []).set_index("arm")
    assert ledger.left_out_from["SVM"] == 15 and (ledger.left_out_from.drop("SVM") == 0).all()
    assert ledger.seconds["SVM"] == 13.0 and ledger.seconds["logistic regression"] == FIT * (1 + 5 + 5)
    assert {*ledger.budgets} == {"equal"}
    found = label_curve.judge(params, given, np.array([0, 1, 2]))
    assert [at.chosen for at in found.budgets] == [False, True, True]
    assert [*found.budgets[0].without.counts] == ["SVM"]
    assert all("SVM" not in at.without.counts for at in found.budgets[1:])


def test_an_arm_too_dear_at_every_budget_is_refused_before_the_study_starts(tmp_path, table, monkeypatch):
    table["svm"] = {16: {6: 61.0}}
    monkeypatch.setattr(runs.parallel, "fill", None)
    with pytest.raises(DataError, match=r"^label_curve.arms: expected arms that .* within 60 s .* received 'SVM'"):
        runs.compute(settings(), tiny.prepare(tmp_path / "data"))


@pytest.mark.parametrize(("workers", "told"), [("1", "{:.0f} min with 1 worker"), ("2", "{:.0f} min with 2 workers")])
def test_the_minutes_are_said_before_the_study_starts(tmp_path, monkeypatch, workers, told):
    monkeypatch.setenv("PIPELINE_WORKERS", workers)
    params, data, said = settings(), tiny.prepare(tmp_path / "data"), []
    assert rows.size(data / "prepare") == SIZE
    monkeypatch.setattr(runs.progress, "say", said.append)

    class Started(Exception):
        pass

    def fill(*_, work, **__):
        assert len(said) == 1
        assert work == pytest.approx(effort.of_run(params, SIZE) * effort.PER_SECOND), "that of one run"
        raise Started

    monkeypatch.setattr(runs.parallel, "fill", fill)
    with pytest.raises(Started):
        runs.compute(params, data)
    n, minutes = len(keys.every(params, SIZE)), effort.of_run(params, SIZE) * 3 / int(workers) / 60
    assert said == [f"{n} of {n} cells to compute: about {told.format(minutes)}"] and minutes > 1
