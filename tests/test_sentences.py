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
