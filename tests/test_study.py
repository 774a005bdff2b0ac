"""What the page says about the study, from its files."""

from __future__ import annotations

import made_up
import pandas as pd
import pytest
import tiny

from autoencoders.arms import COMPARED, ROLES
from tasks.reporting import study


@pytest.fixture
def data(tmp_path):
    made_up.label_curve(tmp_path / "data/label_curve", 0.02)
    return tmp_path / "data"


def read(data):
    params = made_up.settings()
    return study.read(params, data), study.page(study.read(params, data), params)


def test_the_main_arm_leads_and_other_pretrainings_are_compared_but_not_in_the_curve(data):
    found, _ = read(data)
    assert found.drawn()[:2] == ["fine-tuned", "from scratch"] and "fine-tuned - tied" not in found.drawn()
    assert found.compared() == ["fine-tuned", "fine-tuned - tied"]
    assert found.scores("fine-tuned").shape == (3, 3)
    assert [pair.mean for pair in found.pairs("fine-tuned")] == pytest.approx([0.02] * 3, abs=0.005)


def test_a_cell_without_a_score_is_listed_not_dropped(data):
    path = data / "label_curve/cells.csv"
    table = pd.read_csv(path)
    lost = (table.arm == "fine-tuned") & (table.n_labels == 15)
    table.loc[lost & (table.run == 1), "accuracy"] = float("nan")
    table[~(lost & (table.run == 2))].to_csv(path, index=False)
    found, page = read(data)
    assert found.missing() == page["missing"] == ["fine-tuned, 15 labels, run 1", "fine-tuned, 15 labels, run 2"]


def test_all_cells_and_proofs_are_counted(data):
    _, page = read(data)
    assert (page["n_cells"], page["missing"]) == (6 * 3 * 3, [])
    assert (page["n_proofs"], page["n_pretrained"], page["n_encoders"]) == (27, 27, 6)


def test_an_arm_that_did_not_run_on_a_budget_has_an_empty_cell(data):
    for name in ("comparisons", "history", "cells"):
        path = data / f"label_curve/{name}.csv"
        table = pd.read_csv(path)
        table[(table.arm != "logistic regression") | (table.n_labels < 30)].to_csv(path, index=False)
    _, page = read(data)
    line = next(line for line in page["matrices"]["from scratch"] if line["arm"] == "logistic regression")
    assert [cell is None for cell in line["cells"]] == [False, False, True]
    assert page["missing"] == []


def test_families_that_no_exact_test_can_confirm_are_named(data):
    _, page = read(data)
    assert page["least_p"] == 0.25 and page["hopeless"] == ["others", "main"]


def test_only_streams_that_something_draws_from_are_told_and_those_held_fixed_as_such():
    noisy = tiny.params(label_curve={"pretrainings": ["denoising masking"], "choices": [], "vary": ["weights"]})
    told = study.streams(noisy)
    assert told["varies"] == ["the initial weights of encoder and head"]
    assert "the labelled {things}" in told["fixed"] and "the pretraining’s noise" in told["fixed"]
    plain = study.streams(tiny.params(label_curve={"pretrainings": ["untied"], "choices": ["random"]}))
    assert plain["fixed"] == [] and len(plain["varies"]) == 5
    assert not any("noise" in it for it in plain["varies"])


def test_what_fitted_classifiers_draw_is_told_where_there_are_any_that_do():
    fitted = ["extra trees", "label spreading"]
    told = study.streams(tiny.params(label_curve={"arms": [*COMPARED, *fitted]}))
    assert "the initial weights of encoder and head, and the random numbers of fitted classifiers" in told["varies"]
    assert told["fixed"] == ["the unlabelled {things} of fitted classifiers"]
    plain = study.streams(tiny.params())
    assert plain["fixed"] == [] and "the initial weights of encoder and head" in plain["varies"]


def test_every_stream_of_a_study_has_words():
    assert set(study.STREAMS) == set(ROLES)
