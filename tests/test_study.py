"""What the page says about the study, from its files."""

from __future__ import annotations

import made_up
import pandas as pd
import pytest
import tiny

from autoencoders.arms import COMPARED, ROLES
from tasks.reporting import catalogue, study, study_figure

SPLIT = "the split into training and test {things}"


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
    beforehand = {"with_encoder": "fine-tuned", "without": "from scratch"}
    noisy = tiny.params(
        label_curve={"pretrainings": ["denoising masking"], "choices": [], "vary": ["weights"], "arms": [*COMPARED],
                     "beforehand": beforehand}
    )  # fmt: skip
    told = study.streams(noisy)
    assert told["varies"] == ["the initial weights of encoder and head"]
    assert "the labelled {things}" in told["fixed"] and "the pretraining’s noise" in told["fixed"]
    plain = study.streams(tiny.params(label_curve={"pretrainings": ["untied"], "choices": ["random"]}))
    assert plain["fixed"] == [SPLIT] and len(plain["varies"]) == 5
    assert not any("noise" in it for it in plain["varies"])


def test_what_fitted_classifiers_draw_is_told_where_there_are_any_that_do():
    fitted = ["extra trees", "label spreading"]
    beforehand = {"with_encoder": "fine-tuned", "without": "from scratch"}
    told = study.streams(tiny.params(label_curve={"arms": [*COMPARED, *fitted], "beforehand": beforehand}))
    assert "the initial weights of encoder and head, and the random numbers of fitted classifiers" in told["varies"]
    assert told["fixed"] == ["the drawn unlabelled {things}", SPLIT]
    plain = study.streams(tiny.params(label_curve={"arms": [*COMPARED], "beforehand": beforehand}))
    assert plain["fixed"] == [SPLIT] and "the initial weights of encoder and head" in plain["varies"]


def test_every_stream_of_a_study_has_words():
    assert set(study.STREAMS) == {*ROLES} - {"tuning"}, "configurations are drawn once"


def test_the_page_gets_the_headlines_difference_and_matrices_of_every_base(data):
    found, page = read(data)
    assert (page["main"]["arm"], page["main"]["against"], page["main"]["n_labels"]) == (
        "fine-tuned",
        "from scratch",
        15,
    )
    assert [*page["matrices"]] == list(dict.fromkeys(found.comparisons.against))
    lines = page["matrices"]["from scratch"]
    assert lines[0]["arm"] == "fine-tuned" and "from scratch" not in [line["arm"] for line in lines]
    assert [cell["n_labels"] for cell in lines[0]["cells"]] == [6, 15, 30]
    assert page["families"] == {"others": 3, "main": 3} and page["n_runs"] == 3 and page["budgets"] == [6, 15, 30]
    assert [*page["scores"]] == found.arms
    rows = page["scores"]["from scratch"]
    assert [(row["arm"], row["n_labels"]) for row in rows] == [("from scratch", n) for n in (6, 15, 30)]
    assert [*page["saved"]] == ["fine-tuned", "frozen encoder", "fine-tuned - tied"] and len(
        page["saved"]["fine-tuned"]
    ) == 3
    assert all(len(row["text"]) == 2 for row in page["saved"]["fine-tuned"])
    assert {row["places"] for row in found.rows("fine-tuned", "from scratch")} == {1}


def test_the_printed_picture_is_drawn_from_the_findings_and_names_the_tuning(data, monkeypatch):
    drawn = []
    monkeypatch.setattr(study_figure, "label_curve", lambda *given, **more: drawn.append((given, more)))
    found, _ = read(data)
    catalogue.of_study(found)["label-curve"]("a path")
    (((told, others), more),) = drawn
    assert told is found.verdict and more == {"note": found.tuning, "path": "a path"}
    assert [*others] == found.drawn() and others["from scratch"].tolist() == found.scores("from scratch").mean(
        axis=0
    ).tolist()


def test_a_family_that_can_just_be_confirmed_is_not_hopeless(data, monkeypatch):
    monkeypatch.setattr(study.sentences, "ALPHA", 0.75)  # the family of three at the least p of three runs
    assert read(data)[1]["hopeless"] == []
    monkeypatch.setattr(study.sentences, "ALPHA", 0.74)
    assert read(data)[1]["hopeless"] == ["others", "main"]


def test_what_was_read_is_said_in_one_sentence_with_the_tuning_and_optional_tables_may_be_missing(data):
    found, page = read(data)
    said = "Tuned from 5 labels a class on: 2 configurations for every method, chosen within the labels."
    assert found.tuning == page["tuning"] == found.verdict["tuning"] == said
    assert page["sentence"].endswith(f". {said}") and page["sentence"].startswith("With 15 labels, use fine-tuning")
    assert [row["n_labels"] for row in page["clauses"]] == [6, 15, 30]
    tuning = {**made_up.settings().label_curve.tuning.model_dump(), "n_configurations": 1}
    fixed = made_up.settings(label_curve={"tuning": tuning})
    assert (
        study.read(fixed, data).verdict["sentence"].endswith(". Not tuned: one fixed configuration for every method.")
    )
    assert found.choices and found.spreads
    for name in ("choices", "spreads"):
        (data / f"label_curve/{name}.csv").unlink()
    found, _ = read(data)
    assert (found.choices, found.spreads, found.verdict["choices"]) == ([], [], "")
    assert found.equal
    found.ledger.loc[found.ledger.index[-1], "budgets"] = "UNEQUAL"
    assert not found.equal
