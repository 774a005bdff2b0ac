"""Planning, by hand: curves, held-out budgets, ways to choose rows and the spread of runs, as metrics and tables."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import tiny

from autoencoders import learning_curves
from autoencoders.families import max_t
from autoencoders.statistics import holm, paired, spread_ratio
from autoencoders.study import packed
from tasks.study import planning

BUDGETS = [10, 30, 100, 300, 800]
NOISE = np.array([[-0.01], [0.0], [0.01]])
CURVE = np.array([0.3, 0.5, 0.65, 0.72, 0.76]) + NOISE
STUDY = tiny.params(label_curve={"n_labels": BUDGETS, "headline": 100, "targets": [0.5, 0.77]})


def test_every_arm_with_three_budgets_has_a_curve_and_held_out_budgets_are_told_by_arm():
    curves = {"a": CURVE, "b": CURVE[:, :3], "c": CURVE[:, :2]}
    found = planning.planner(STUDY, curves, "a")
    assert (found["main"], found["n_steps"]) == ("a", STUDY.label_curve.classifier.n_steps)
    assert [*found["arms"]] == ["a", "b"]
    (check, last) = learning_curves.held_out(BUDGETS, CURVE, seed=STUDY.seed)
    assert found["held_out"] == [{"arm": "a", **asdict(c), "within": c.within} for c in (check, last)]
    curve = learning_curves.fit(BUDGETS[:3], CURVE[:, :3], seed=STUDY.seed)
    told = found["arms"]["b"]
    assert (told["largest"], told["score"], told["laws"]) == (100, pytest.approx(0.65), curve.weights())
    ends = [dict(zip(("value", "low", "high"), curve.predict(n), strict=True)) for n in (200, 300)]
    assert told["predicted"] == [{"n_labels": n, **at} for n, at in zip((200, 300), ends, strict=True)]
    assert told["plans"] == [asdict(learning_curves.plan(curve, target)) for target in (0.5, 0.77)]


def test_the_planners_metrics_are_the_main_arms_and_the_errors_of_all():
    curve = {"predicted": [{"n_labels": 200, "value": 0.7, "low": 0.6, "high": 0.75}],
             "plans": [{"target": 0.75, "labels": 40}, {"target": 0.9, "labels": None}]}  # fmt: skip
    checks = [
        {"predicted": 0.5, "measured": 0.75, "within": True},
        {"predicted": 1.0, "measured": 0.5, "within": False},
    ]
    of_curve = {
        "planner_200_value": 0.7, "planner_200_low": 0.6, "planner_200_high": 0.75, "planner_labels_0.75": 40,
    }  # fmt: skip
    of_checks = {
        "planner_held_out_n": 2, "planner_held_out_error_mean": 0.375, "planner_held_out_error_most": 0.5,
        "planner_held_out_within": 0.5,
    }  # fmt: skip
    arms = {"a": curve, "b": {}}
    assert planning.planner_metrics({"main": "a", "arms": arms, "held_out": checks}) == of_curve | of_checks
    assert planning.planner_metrics({"main": "c", "arms": arms, "held_out": checks}) == of_checks
    assert planning.planner_metrics({"main": "a", "arms": arms, "held_out": []}) == of_curve


WAYS = {"uncertainty": [0.6, 0.7, 0.9], "random": [0.5, 0.55, 0.7], "k-means": [0.5, 0.6, 0.65],
        "class-balanced": [0.55, 0.55, 0.75]}  # fmt: skip


def results(*ways):
    return [
        {"cell": {"choice": way, "n_labels": 12, "run": run}, "scores": {"accuracy": accuracy},
         "right": packed(np.arange(20) < round(20 * accuracy)), "n_classes": 3 - (run == 1), "n_steps": 4 + run}
        for way in ways for run, accuracy in enumerate(WAYS[way])
    ]  # fmt: skip


def test_ways_to_choose_are_rows_with_their_difference_from_random_and_class_balanced_ones():
    rows = planning.choices(results(*WAYS), None)
    compared = [("class-balanced", "random"), ("k-means", "random"), ("uncertainty", "random"),
                ("k-means", "class-balanced"), ("uncertainty", "class-balanced")]  # fmt: skip
    pairs = [paired(WAYS[a], WAYS[b]) for a, b in compared]
    p_max_t = max_t(np.array([np.subtract(WAYS[a], WAYS[b]) for a, b in compared]).T)
    p_holm = holm([pair.p for pair in pairs])
    tests = [asdict(pair) | {"p_holm": h, "p_max_t": m} for pair, h, m in zip(pairs, p_holm, p_max_t, strict=True)]
    spent = {"n_labels": 12, "n_steps": 6, "n_classes_least": 2}
    of_balanced = [{f"balanced_{name}": value for name, value in test.items()} for test in tests[3:]]
    expected = [
        {"choice": "random", **spent, "accuracy": pytest.approx(1.75 / 3)},
        {"choice": "class-balanced", **spent, "accuracy": pytest.approx(1.85 / 3), **tests[0]},
        {"choice": "k-means", **spent, "accuracy": pytest.approx(1.75 / 3), **tests[1], **of_balanced[0]},
        {"choice": "uncertainty", **spent, "accuracy": pytest.approx(2.2 / 3), **tests[2], **of_balanced[1]},
    ]
    assert rows == expected and planning.choices([], None) == []
    names = ("mean", "low", "high", "p", "p_holm", "p_max_t", "n")
    assert planning.choice_metrics(rows[2:3]) == {
        "choice_k_means_accuracy": rows[2]["accuracy"],
        **{f"choice_k_means_minus_random_{name}": rows[2][name] for name in names},
        **{f"choice_k_means_minus_class_balanced_{name}": rows[2][f"balanced_{name}"] for name in names},
    }
    assert [*planning.choice_metrics(rows[:1])] == ["choice_random_accuracy"]


def test_without_a_class_balanced_draw_or_other_ways_there_is_less_to_compare():
    rows = planning.choices(results("uncertainty", "random"), None)
    assert [row["choice"] for row in rows] == ["random", "uncertainty"] and "balanced_mean" not in rows[1]
    assert planning.choices(results("random"), None) == [{"choice": "random", "n_labels": 12, "n_steps": 6,
        "n_classes_least": 2, "accuracy": pytest.approx(1.75 / 3)}]  # fmt: skip


def test_intervals_of_choices_are_over_runs_and_rows_in_the_order_of_runs():
    given = results("random", "k-means")
    row = planning.choices(given[::-1], 20)[1]
    bits = {way: np.array([np.arange(20) < round(20 * a) for a in WAYS[way]]) for way in ("k-means", "random")}
    expected = paired(WAYS["k-means"], WAYS["random"], rights=(bits["k-means"], bits["random"]))
    assert {name: row[name] for name in asdict(expected)} == asdict(expected)


def test_spreads_need_three_runs_that_differ():
    base = CURVE + np.array([[0.02], [-0.01], [0.03]])
    (row, _) = planning.spreads([10, 30], CURVE[:, :2], base[:, :2])
    assert row == {"n_labels": 10, **asdict(spread_ratio(CURVE[:, 0].tolist(), base[:, 0].tolist()))}
    assert planning.spreads([10, 30], CURVE[:2, :2], base[:2, :2]) == []
    flat = np.column_stack([CURVE[:, 0], np.ones(3)])
    assert [row["n_labels"] for row in planning.spreads([10, 30], flat, base[:, :2])] == [10]
