"""Sentences made of numbers."""

from __future__ import annotations

import math

import pytest

from tasks.reporting import wording


def row(mean, low, high, *, arm="fine-tuned", p=0.002, n=10):
    return {"arm": arm, "against": "from scratch", "n": n, "mean": mean, "low": low, "high": high, "p": p, "p_holm": p}


def tying(mean, low, high, p=0.03125):
    values = {"mean": mean, "low": low, "high": high, "n": 6, "p": p}
    counts = {"tied_n_parameters": 82414, "untied_n_parameters": 163814}
    return str(wording.tying({f"difference_{name}": value for name, value in values.items()} | counts))


def test_pretraining_that_helps_adds_points():
    verdict, others = wording.few_labels([row(0.061, 0.048, 0.074)], 500)
    assert str(verdict) == (
        "With 500 labels, fine-tuning a pretrained encoder adds 6.1 points of test accuracy over training from scratch "
        "(95 % CI 4.8 to 7.4, n = 10 runs, exact p = 0.002 after Holm)."
    )
    assert others == []


def test_pretraining_that_hurts_loses_points_and_its_interval_has_the_same_sign():
    verdict, _ = wording.few_labels([row(-0.02, -0.025, -0.015)], 5000)
    assert str(verdict) == (
        "With 5,000 labels, fine-tuning a pretrained encoder loses 2.0 points of test accuracy against training from "
        "scratch (95 % CI 1.5 to 2.5, n = 10 runs, exact p = 0.002 after Holm)."
    )


@pytest.mark.parametrize(("low", "high"), [(-0.003, 0.007), (0.0, 0.004), (-0.004, 0.0)])
def test_an_interval_that_holds_zero_is_not_distinguishable(low, high):
    verdict, _ = wording.few_labels([row(0.002, low, high, p=0.4)], 500)
    assert "is not distinguishable from training from scratch: +0.2 points" in verdict.claim
    assert "adds" not in str(verdict) and "loses" not in str(verdict)


def test_an_interval_that_holds_zero_shows_its_signs():
    verdict, _ = wording.few_labels([row(0.002, -0.003, 0.007, p=0.4)], 500)
    assert "95 % CI −0.3 to +0.7" in verdict.evidence


def test_few_pairs_cannot_convince_the_exact_test_and_the_sentence_says_so():
    verdict, _ = wording.few_labels([row(0.05, 0.01, 0.09, p=0.25, n=3)], 50)
    assert verdict.evidence.endswith("exact p = 0.250 after Holm; the exact test does not confirm it)")


def test_every_other_arm_has_its_own_sentence():
    rows = [
        row(0.01, 0.005, 0.015),
        row(-0.02, -0.03, -0.01, arm="frozen encoder"),
        row(0.1, 0.09, 0.11, arm="brand new"),
    ]
    _, others = wording.few_labels(rows, 500)
    assert [(arm, it.claim) for arm, it in others] == [
        ("frozen encoder", "Keeping it frozen loses 2.0 points"),
        ("brand new", "Brand new adds 10.0 points"),
    ]


def test_an_end_of_the_interval_near_zero_is_written_so_that_it_is_seen_to_leave_zero_out():
    verdict, _ = wording.few_labels([row(-0.0068, -0.0132, -0.00036)], 500)
    assert "loses 0.68 points" in verdict.claim and "0.04 to 1.32" in verdict.evidence


def test_tying_is_better_worse_or_not_distinguishable():
    assert tying(-0.0032, -0.0043, -0.0021) == (
        "Tied weights end at a validation loss 0.0032 lower than untied ones "
        "(95 % CI 0.0021 to 0.0043, n = 6 paired runs, exact p = 0.031)."
    )
    assert "0.0032 higher" in tying(0.0032, 0.0021, 0.0043)
    assert "not distinguishable: +0.0004" in tying(0.0004, -0.001, 0.0018, p=0.5)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ((3, 3, 3), "All 3 printed numbers agree with ours within their tolerance."),
        ((3, 3, 2), "2 of 3 printed numbers agree with ours within their tolerance, 1 departs."),
        ((4, 3, 1), "1 of 3 printed numbers agree with ours within their tolerance, 2 depart; "
                    "1 of the 4 were not trained in this run."),
        ((2, 0, 0), "None of the 2 printed numbers was trained in this run."),
    ],
)  # fmt: skip
def test_the_summary_counts_figures(counts, sentence):
    assert wording.fidelity(dict(zip(("n_printed", "n_measured", "n_agree"), counts, strict=True))) == sentence


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1.49e-7, "1.5\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁻⁷"), (0.25, "0.250")]
)
def test_what_is_far_below_one_is_written_in_powers_of_ten(value, text):
    assert wording.tiny(value) == text


def curve(*plans, held_out=()):
    """Return what the planner found of the main arm."""
    predicted = [{"n_labels": 10_000, "value": 0.843, "low": 0.838, "high": 0.848}]
    arm = {"score": 0.836, "largest": 5000, "laws": {"power": 0.7, "weibull": 0.3}, "predicted": predicted}
    return {"main": "fine-tuned", "n_steps": 2000, "arms": {"fine-tuned": arm | {"plans": plans}}, "held_out": held_out}


def target(value, answer, labels=None, more=None, low=None, high=None):
    return {"target": value, "answer": answer, "labels": labels, "more": more, "low": low, "high": high}


def test_the_planner_says_how_many_labels_targets_take_and_how_far_off_it_was_where_it_could_be_seen():
    plans = [target(0.8, "reached"), target(0.85, "told", 13989, 8989, 8633, 14300)]
    checks = [{"predicted": 0.83, "measured": 0.82, "within": True}, {"predicted": 0.7, "measured": 0.73, "within": 0}]
    assert wording.planner(curve(*plans, held_out=checks)) == (
        "Fine-tuning a pretrained encoder is at 83.6 % with 5,000 labels; 84.3 % (95 % CI 83.8 to 84.8) is "
        "predicted with 10,000; 80.0 % is reached already; 85.0 % takes about 14,000 labels (95 % CI 8,600 to 14,000), "
        "9,000 more. Beyond 15,000 labels, three times the largest budget, nothing can be told. This averages 2 laws "
        "of learning curves, with 2,000 gradient steps at every budget; predicted from smaller budgets, 1 of 2 "
        "measured means of all arms lie in their 95 % intervals (off by 2.0 points in the mean, 3.0 at most)."
    )


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (target(0.85, "told", 13989, 8989, 8633), "(95 % CI 8,600 or more)"),
        (target(0.87, "far"), "; how many labels 87.0 % takes cannot be told: more than 15,000. Beyond 15,000 labels"),
        (target(0.86, "open", low=12_384), "; how many labels 86.0 % takes cannot be told: 12,000 or more. Beyond"),
    ],
)
def test_the_planner_says_what_cannot_be_told(plan, words):
    assert words in wording.planner(curve(plan))


def test_without_targets_or_curve_the_planner_says_nothing():
    tuned = wording.planner(curve({"target": 0.7, "answer": "reached", "labels": 60}), tuned=True)
    assert tuned.endswith(
        "This averages 2 laws of learning curves, tuned at every budget as here; no budgets of this study lie close "
        "enough together to check it."
    )
    assert wording.planner(curve()) == wording.planner({"main": "fine-tuned", "arms": {}, "held_out": []}) == ""


def choice(name, *numbers, balanced=None, **more):
    """Return a row of choices.csv; one without a comparison has NaN."""
    own = {("p_max_t" if key == "p_holm" else key): value for key, value in row(*numbers, **more).items()}
    names = ("mean", "low", "high", "n", "p", "p_max_t")
    against = own if balanced else dict.fromkeys(names, float("nan"))
    return {"choice": name, **own, **{f"balanced_{key}": against[key] for key in names}}


def test_ways_to_choose_rows_are_held_against_a_random_and_a_class_balanced_draw():
    rows = [{"choice": "random", "n_labels": 100}, choice("k-means", 0.057, 0.032, 0.082),
            choice("uncertainty", 0.014, -0.001, 0.03, p=0.06)]  # fmt: skip
    told = (
        "Against a random draw of 100 rows, labelling rows central to clusters of the codings gains 5.7 points (95 % "
        "CI 3.2 to 8.2, n = 10 runs, exact p = 0.002 by max-t); labelling rows in doubt is not distinguishable from "
        "it (95 % CI −0.1 to +3.0, n = 10 runs, exact p = 0.060 by max-t)."
    )
    assert wording.choices(rows) == told
    assert wording.choices(rows[:1]) == wording.choices([]) == ""
    with_balance = [
        rows[0],
        choice("class-balanced", 0.02, 0.01, 0.03),
        choice("k-means", 0.03, 0.02, 0.04, balanced=True),
    ]
    assert wording.choices(with_balance) == (
        "Against a random draw of 100 rows, a class-balanced draw gains 2.0 points (95 % CI 1.0 to 3.0, n = 10 runs, "
        "exact p = 0.002 by max-t); labelling rows central to clusters of the codings gains 3.0 points (95 % CI 2.0 to "
        "4.0, n = 10 runs, exact p = 0.002 by max-t). Against a class-balanced draw, which needs every row's class, "
        "labelling rows central to clusters of the codings gains 3.0 points (95 % CI 2.0 to 4.0, n = 10 runs, exact p "
        "= 0.002 by max-t)."
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("2.40", "1.90 to 3.10")),
        ({"high": math.inf}, ("2.40", "1.90 or more")),
        ({"low": 0.0}, ("2.40", "up to 3.10")),
        ({"low": 0.0, "high": math.inf}, ("2.40", "any")),
        ({"ratio": math.inf, "high": math.inf, "n_never": 8}, ("> 50.00", "1.90 or more")),
        ({"ratio": 0.0, "low": 0.0, "n_below": 9}, ("< 0.20", "up to 3.10")),
    ],
)
def test_labels_saved_are_bounded_outside_the_budgets_and_have_an_open_end_there(changes, expected):
    row = {"n_labels": 100, "n": 10, "ratio": 2.4, "low": 1.9, "high": 3.1, "n_never": 0, "n_below": 0, **changes}
    assert wording.labels_saved(row, [20, 100, 5000]) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.001, "0.00100"),
        (0.00099, "9.9 × 10⁻⁴"),
        (0.0001, "1.0 × 10⁻⁴"),
        (12.34, "12.3"),
        (1234.0, "1,234"),
        (-0.25, "−0.250"),
        (3e-12, "3.0 × 10⁻¹²"),
    ],
)
def test_a_small_number_keeps_three_digits_and_one_far_below_one_is_a_power(value, text):
    assert wording.tiny(value).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("n", "text"), [(None, ""), (7, "7"), (99, "99"), (104, "100"), (105_500, "110,000"), (8633, "8,600")]
)
def test_a_number_of_labels_is_told_to_two_digits(n, text):
    assert wording._about(n) == text


def test_a_way_that_loses_is_said_to_and_one_row_has_no_digits_of_runs():
    rows = [{"choice": "random", "n_labels": 1000}, choice("uncertainty", -0.057, -0.082, -0.032, n=9.0)]
    assert wording.choices(rows).startswith(
        "Against a random draw of 1,000 rows, labelling rows in doubt loses 5.7 points"
    )
    assert "n = 9 runs" in wording.choices(rows)


@pytest.mark.parametrize(
    ("n", "said"),
    [(1, "Not tuned: one fixed configuration for every method."),
     (8, "Tuned from 5 labels a class on: 8 configurations for every method, chosen within the labels.")],
)  # fmt: skip
def test_a_study_says_whether_it_was_tuned(n, said):
    assert wording.tuning(n) == said


def test_the_verdicts_table_has_the_outcomes_numbers_and_methods_of_every_budget():
    pair = {"n": 10, "mean": 0.003, "low": -0.001, "high": 0.007, "p": 0.2, "outcome": "within", "n_needed": 4,
            "minutes": None, "tells_margin": True}  # fmt: skip
    open_ = pair | {"high": 0.02, "outcome": "undecided", "n_needed": 34}
    some, one = [["fine-tuned", 7], ["LP-FT", 3]], [["SVM", 10]]
    level = {"mean": 0.787, "low": 0.78, "high": 0.794}
    at = {"n_labels": 50, "learnt": True, "chosen": True, "against_scratch": pair, "against_without": open_,
          "with_encoder": {"counts": some}, "without": {"counts": one}, "use": {"counts": one, **level}}  # fmt: skip
    first, second = wording.clauses({"margin": 0.01, "budgets": [at, at | {"chosen": False, "use": None}]})
    assert first == {
        "n_labels": 50, "learnt": True, "with_encoder": "fine-tuned (7 of 10)", "use": "SVM",
        "accuracy": "78.7 % (95 % CI 78.0 to 79.4)",
        "scratch": {"outcome": "within 1 point", "points": "+0.3", "interval": "−0.1 to +0.7", "more": ""},
        "without": {"outcome": "undecided", "points": "+0.3", "interval": "−0.1 to +2.0", "against": "SVM",
                    "more": "about 34 runs would tell 1 point"},
    }  # fmt: skip
    assert (second["use"], second["accuracy"]) == ("", "")


def test_numbers_that_all_lie_on_one_side_of_the_printed_ones_are_a_shift():
    rows = [{"metric": f"stack.val_rounded_accuracy@{k}", "ours": 0.9, "difference": k / 1000} for k in range(1, 6)]
    (said,) = wording.shifts(rows)
    assert said.startswith("All 5 numbers of rounded accuracy lie above the printed ones (+0.0010 to +0.0050)")
    assert wording.shifts(rows[1:]) == wording.shifts([*rows, rows[0] | {"difference": -0.1}]) == []
    assert wording.shifts([*rows[1:], rows[0] | {"ours": None}]) == []
    assert "lie below" in wording.shifts([row | {"difference": -row["difference"]} for row in rows])[0]
