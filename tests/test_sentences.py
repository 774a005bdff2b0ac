"""Numbers and verdicts in words."""

from __future__ import annotations

import pytest

from autoencoders import sentences


def row(mean, low, high, *, p=0.002, n=10):
    return {"n": n, "mean": mean, "low": low, "high": high, "p": p, "p_holm": p}


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (sentences.signed, 0.00412, "+0.0041"),
        (sentences.signed, -0.00412, "−0.0041"),
        (sentences.signed, -0.00001, "0.0000"),
        (sentences.signed, 0.0, "0.0000"),
        (sentences.number, 163814.0, "163,814.0000"),
        (sentences.p_value, 0.00195, "p = 0.002"),
        (sentences.p_value, 0.0000153, "p < 0.001"),
    ],
)
def test_numbers_are_written_for_people(function, value, text):
    assert function(value) == text


def clause(mean, low, high, outcome, *, n_needed=34, minutes=None):
    return row(mean, low, high) | {
        "outcome": outcome,
        "n_needed": n_needed,
        "minutes": minutes,
        "tells_margin": n_needed > 10,
    }


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (clause(0.032, 0.021, 0.043, "pays"), "is 3.2 points above X (95 % CI 2.1 to 4.3, 10 runs)"),
        (clause(-0.006, -0.01, -0.002, "costs"), "is 0.6 points behind X (95 % CI 0.2 to 1.0, 10 runs)"),
        (clause(0.003, -0.001, 0.007, "within"), "is within 1 point of X (+0.3, 95 % CI −0.1 to +0.7, 10 runs)"),
        (clause(0.003, 0.001, 0.005, "within"), "is above X, but within 1 point (+0.3, 95 % CI +0.1 to +0.5, 10 runs)"),
        (clause(-0.003, -0.005, -0.001, "within"),
         "is behind X, but within 1 point (−0.3, 95 % CI −0.5 to −0.1, 10 runs)"),
        (clause(0.008, -0.009, 0.025, "undecided", minutes=21.2),
         "is undecided against X: +0.8 points (95 % CI −0.9 to +2.5, 10 runs; about 34 runs would tell 1 point, 22 "
         "minutes of a processor more)"),
        (clause(0.008, -0.009, 0.025, "undecided"),
         "is undecided against X: +0.8 points (95 % CI −0.9 to +2.5, 10 runs; about 34 runs would tell 1 point)"),
        (clause(0.006, -0.001, 0.013, "undecided", n_needed=25) | {"tells_margin": False, "minutes": 0.4},
         "is undecided against X: +0.6 points (95 % CI −0.1 to +1.3, 10 runs; about 25 runs would tell, 1 minute of a "
         "processor more)"),
        (clause(0.0068, 0.00036, 0.0132, "pays"), "is 0.68 points above X (95 % CI 0.04 to 1.32, 10 runs)"),
    ],
)  # fmt: skip
def test_a_clause_says_what_its_outcome_is_with_its_interval(found, said):
    assert sentences.clause(found, "X", 0.01) == said


@pytest.mark.parametrize(("margin", "text"), [(0.01, "1 point"), (0.005, "0.5 points"), (0.02, "2 points")])
def test_a_margin_is_told_in_points(margin, text):
    assert sentences.width(margin) == text


def test_a_choice_names_the_arm_chosen_most_often_and_gives_the_accuracy_of_all_choices():
    chosen = {"counts": [["fine-tuned", 8], ["SVM", 2]], "mean": 0.787, "low": 0.78, "high": 0.794}
    at = {"use": chosen, "with_encoder": chosen, "against_without": {"outcome": "within"}}
    assert sentences.use(at) == (
        "use fine-tuning: cross-validation chose it in 8 of 10 runs, and its choices reach 78.7 % (95 % CI 78.0 to "
        "79.4)"
    )
    assert sentences.mostly(chosen) == "in 8 of 10 runs fine-tuning"
    assert sentences.mostly({"counts": [["extra trees", 10]]}) == "extra trees"


@pytest.mark.parametrize(("items", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_an_enumeration_has_one_and(items, text):
    assert sentences.enumeration(items) == text


@pytest.mark.parametrize(("p", "text"), [(0.001, "p = 0.001"), (0.00099, "p < 0.001"), (0.5, "p = 0.500")])
def test_a_small_p_is_bounded(p, text):
    assert sentences.p_value(p) == text


@pytest.mark.parametrize(
    ("low", "high", "places"),
    [(0.02, 0.03, 1), (0.0004, 0.03, 2), (-0.03, -0.00004, 3), (0.00051, 0.03, 1), (-0.01, 0.00001, 1), (0.0, 0.01, 1),
     (1e-30, 1.0, 9)],
)  # fmt: skip
def test_an_interval_beside_zero_is_told_so_finely_that_it_is(low, high, places):
    assert sentences.places(row(0.0, low, high), 100, 1) == places


@pytest.mark.parametrize(
    ("found", "of", "said"),
    [
        (row(0.05, 0.02, 0.08), " of x", "A adds 5.0 points of x over training from scratch"),
        (row(0.05, 0.02, 0.08), "", "A adds 5.0 points"),
        (row(-0.05, -0.08, -0.02), " of x", "A loses 5.0 points of x against training from scratch"),
        (row(-0.05, -0.08, -0.02), "", "A loses 5.0 points"),
        (row(0.01, 0.0, 0.02), "", "A is not distinguishable from training from scratch: +1.0 points"),
        (row(-0.01, -0.02, 0.0), " of x", "A is not distinguishable from training from scratch: −1.0 points of x"),
    ],
)
def test_an_effect_is_a_gain_a_loss_or_none(found, of, said):
    assert sentences.effect("A", found, of=of).claim == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (row(0.05, 0.02, 0.08, p=0.05), "(95 % CI 0.02 to 0.08, N, exact p = 0.050 after Holm)"),
        (row(0.05, 0.02, 0.08, p=0.051, n=16),
         "(95 % CI 0.02 to 0.08, N, exact p = 0.051 after Holm; the exact test does not confirm it)"),
        (row(-0.05, -0.08, -0.02, p=0.2, n=17),
         "(95 % CI 0.02 to 0.08, N, sampled p = 0.200 after Holm; the sampled test does not confirm it)"),
        (row(0.01, -0.02, 0.04, p=0.2), "(95 % CI −0.02 to +0.04, N, exact p = 0.200 after Holm)"),
        ({"n": 5, "low": 0.02, "high": 0.08, "p": 0.01}, "(95 % CI 0.02 to 0.08, N, exact p = 0.010)"),
    ],
)  # fmt: skip
def test_the_evidence_of_a_claim_is_its_interval_its_runs_and_its_test(found, said):
    assert sentences.evidence(found, "N", places=2) == said


def test_a_finding_is_a_claim_with_its_evidence():
    assert str(sentences.Finding("A claim", "(n = 1)")) == "A claim (n = 1)."
