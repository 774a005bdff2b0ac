"""The study's verdict from scores alone, as a notebook asks for it."""

from __future__ import annotations

import doctest
import math
from dataclasses import asdict

import numpy as np
import pytest

from autoencoders import label_efficiency, sentences
from autoencoders import verdict as module
from autoencoders.statistics import holm
from autoencoders.verdict import verdict
from tasks.frame.code import ROOT, closure, imports

BUDGETS = [50, 100, 500]
NOISE = np.array([[-3], [-2], [-1], [-1], [1], [1], [2], [3]]) / 100
SCRATCH = np.array([0.60, 0.70, 0.80]) + NOISE


def found(*gains, headline=100):
    """Return the verdict where fine-tuning adds `gains`, one per budget, more in some runs than in others."""
    return verdict(SCRATCH + np.array(gains) + 0.2 * NOISE, SCRATCH, budgets=BUDGETS, headline=headline)


def test_the_example_gives_what_it_says():
    assert doctest.testmod(module).attempted > 3
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(("gain", "outcome"), [(0.05, "pays"), (-0.05, "costs"), (0.001, "undecided")])
def test_the_outcome_is_that_of_the_headline_whatever_the_other_budgets_say(gain, outcome):
    assert found(0.09, gain, -0.09).outcome == found(-0.09, gain, 0.09).outcome == outcome


def test_the_numbers_are_those_of_the_studys_statistics():
    it = found(0.09, 0.05, -0.05)
    means = [pair.mean for pair in it.differences]
    assert it.difference == it.differences[1] and it.difference.mean == pytest.approx(0.05)
    assert list(it.p_holm) == holm([pair.p for pair in it.differences])
    assert it.labels_saved.n_labels == 100 and it.labels_saved.ratio == pytest.approx(math.sqrt(5), rel=0.02)
    assert it.crossover == label_efficiency.crossover(BUDGETS, means) and it.pays_from is None
    assert (it.no_difference_from, it.hurts_from) == (None, 500)


def test_the_page_makes_the_same_sentence_of_the_findings_as_a_notebook_gets():
    it = found(0.09, 0.05, 0.0)
    assert it.sentence == sentences.verdict(it.findings())
    assert it.sentence.startswith("With 100 labels, fine-tuning a pretrained encoder adds 5.0 points of test accuracy")


def test_what_is_not_finite_is_null_in_the_findings():
    never = found(0.15, 0.15, 0.15)
    assert never.labels_saved.ratio == math.inf
    assert never.findings()["labels_saved"]["ratio"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budgets": [50, 100]}, r"expected two arrays of scores of shape \(8, 2\), received \(8, 3\) and \(8, 3\)"),
        ({"from_scratch": SCRATCH[:5]}, r"shape \(8, 3\), received \(8, 3\) and \(5, 3\)"),
        ({"budgets": [50, 500, 100]}, r"budgets: expected ascending numbers, received \[50, 500, 100\]"),
        ({"headline": 70}, r"headline: expected one of the budgets \[50, 100, 500\], received 70"),
    ],
)
def test_scores_that_do_not_fit_are_refused(changes, message):
    given = {"fine_tuned": SCRATCH, "from_scratch": SCRATCH, "budgets": BUDGETS, "headline": 100, **changes}
    with pytest.raises(ValueError, match=message):
        verdict(given.pop("fine_tuned"), given.pop("from_scratch"), **given)


def test_one_run_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3\), received \(1, 3\) and \(1, 3\)"):
        verdict(SCRATCH[:1], SCRATCH[:1], budgets=BUDGETS, headline=100)


def test_it_needs_nothing_but_arrays():
    files = {*closure("autoencoders/verdict.py"), "autoencoders/sentences.py"}
    used = {name.split(".")[0] for file in files for name in imports(ROOT / file)}
    assert used & {"keras", "tensorflow", "pathlib", "os", "tasks"} == set()


def test_findings_hold_the_headlines_difference_in_its_family_and_every_budget():
    it = found(0.09, 0.05, -0.05)
    told = it.findings()
    assert told["difference"] == asdict(it.differences[1]) | {"p_holm": it.p_holm[1], "n_family": 3}
    assert [row["n_labels"] for row in told["differences"]] == told["budgets"] == BUDGETS
    assert told["differences"][2] == {"n_labels": 500, **asdict(it.differences[2])}
    assert told["labels_saved"] == asdict(it.labels_saved)
    ends = ("crossover", "pays_from", "no_difference_from", "hurts_from")
    assert {*told} == {"n_labels", "budgets", "differences", "difference", "labels_saved", *ends}
    assert [told[end] for end in ends] == [it.crossover, None, None, 500] and told["n_labels"] == 100
    other = found(-0.09, 0.05, 0.05)
    assert other.pays_from == label_efficiency.crossover(BUDGETS, [0.09, -0.05, -0.05]) != other.crossover


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.01, 60.0])
def test_scores_that_are_no_accuracies_are_refused(wrong):
    scores = np.array([[0.6, 0.7], [0.61, 0.72], [wrong, 0.71]])
    for pair in ((scores, np.full((3, 2), 0.5)), (np.full((3, 2), 0.5), scores)):
        with pytest.raises(ValueError, match=r"expected scores in \[0, 1\], received"):
            verdict(*pair, budgets=[50, 100], headline=50)
