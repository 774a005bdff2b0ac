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


def study(differences, *, ratio=2.4, low=1.9, high=3.1, n_never=0, no_difference_from=None):
    """Return what the study found, the second budget being the headline; differences are (mean, low, high)."""
    budgets = [20, 100, 5000]
    rows = [{"n_labels": n, **row(*d)} for n, d in zip(budgets, differences, strict=True)]
    saved = {"ratio": ratio, "low": low, "high": high, "n_never": n_never, "n": 10}
    return {"n_labels": 100, "budgets": budgets, "difference": rows[1], "differences": rows, "labels_saved": saved,
            "no_difference_from": no_difference_from}  # fmt: skip


HELPS, LEVEL, HURTS = (0.061, 0.048, 0.074), (0.001, -0.002, 0.004), (-0.02, -0.03, -0.01)


def test_the_studys_verdict_says_points_labels_and_where_it_ends():
    assert sentences.verdict(study([HELPS, HELPS, LEVEL], no_difference_from=5000)) == (
        "With 100 labels, fine-tuning a pretrained encoder adds 6.1 points of test accuracy over training from scratch "
        "(95 % CI 4.8 to 7.4, n = 10 runs, exact p = 0.002 after Holm) and is worth 2.4 times the labels (95 % CI 1.9 "
        "to 3.1); it adds 6.1 (4.8 to 7.4) with 20 labels; no difference is detectable with 5,000 labels."
    )


def test_the_studys_verdict_claims_no_labels_saved_where_it_hurts():
    said = sentences.verdict(study([LEVEL, HURTS, HURTS]))
    assert "loses 2.0 points" in said and "worth" not in said
    assert said.endswith("; it loses 2.0 (1.0 to 3.0) with 5,000 labels; no difference is detectable with 20 labels.")


def test_labels_saved_beyond_the_largest_budget_are_not_made_up():
    some = sentences.verdict(study([HELPS] * 3, high=None, n_never=2))
    assert "worth 2.4 times the labels (95 % CI 1.9 or more; 2 of 10 never reach it)" in some
    most = sentences.verdict(study([HELPS] * 3, ratio=None, high=None, n_never=8))
    assert "is worth more than 5,000 labels" in most


def test_a_study_without_a_difference_says_so():
    said = sentences.verdict(study([LEVEL] * 3, no_difference_from=20))
    assert "is not distinguishable from training from scratch" in said
    assert said.endswith("; no difference is detectable from 20 labels on.")


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


def test_a_trend_begins_before_the_last_budget_and_others_are_told_one_by_one():
    level_first = sentences.verdict(study([LEVEL, HELPS, LEVEL], no_difference_from=5000))
    assert level_first.endswith("; no difference is detectable with 20 and 5,000 labels.")
    both = sentences.verdict(study([HELPS, LEVEL, HURTS]))
    assert both.endswith("; it adds 6.1 (4.8 to 7.4) with 20 labels; it loses 2.0 (1.0 to 3.0) with 5,000 labels.")
    some = study([LEVEL, HELPS, LEVEL]) | {"budgets": [5, 20, 100, 200, 5000], "no_difference_from": 200}
    found = {5: LEVEL, 20: HELPS, 100: HELPS, 200: LEVEL, 5000: LEVEL}
    some["differences"] = [{**row(*d), "n_labels": n} for n, d in found.items()]
    assert sentences.verdict(some).endswith(
        "; it adds 6.1 (4.8 to 7.4) with 20 labels; no difference is detectable from 200 labels on; no difference is "
        "detectable with 5 labels."
    )
    assert str(sentences.Finding("A claim", "(n = 1)")) == "A claim (n = 1)."
