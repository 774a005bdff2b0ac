"""The statistics of the label-efficiency study: by hand, and calibrated by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from autoencoders import label_efficiency
from autoencoders.statistics import Paired, paired
from benchmarks.calibration.saved import CURVES, QUICK, study

N_STUDIES = 1000


@pytest.mark.slow
def test_without_an_effect_five_per_cent_of_the_intervals_leave_out_zero():
    rng = np.random.default_rng(1)
    found = [label_efficiency.compare(*study(rng))[2].distinguishable for _ in range(N_STUDIES)]
    error = math.sqrt(0.05 * 0.95 / N_STUDIES)
    assert np.mean(found) == pytest.approx(0.05, abs=3 * error)


@pytest.mark.slow
def test_without_an_effect_a_family_of_ten_runs_rejects_no_more_often_than_one_test_may():
    rng = np.random.default_rng(2)
    families = [[paired(rng.normal(size=10).tolist(), [0.0] * 10) for _ in QUICK] for _ in range(300)]
    rejected = np.mean([min(label_efficiency.adjusted(family)) <= 0.05 for family in families])
    assert 0 < rejected <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


@pytest.mark.slow
def test_a_known_effect_is_found_and_its_interval_holds_it():
    rng = np.random.default_rng(3)
    pairs = [label_efficiency.compare(*study(rng, ratio=2.0))[2] for _ in range(N_STUDIES)]
    assert np.mean([pair.distinguishable for pair in pairs]) > 0.95
    truth = CURVES["power law"](2 * 500.0) - CURVES["power law"](500.0)
    held = np.mean([pair.low <= truth <= pair.high for pair in pairs])
    assert held == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / N_STUDIES))


def needed(budgets, scores, target):
    """Return the labels needed of two runs of the same scores."""
    a, base = np.full((2, len(budgets)), target), np.tile(scores, (2, 1))
    return label_efficiency.labels_saved(budgets, a, base)[0].needed


@pytest.mark.parametrize(("target", "labels"), [(0.5, 10), (0.7, 100), (0.8, 1000), (0.81, math.inf), (0.4, 0)])
def test_labels_needed_at_and_beyond_the_budgets(target, labels):
    assert needed([10, 100, 1000], [0.5, 0.7, 0.8], target) == pytest.approx(labels)


@pytest.mark.parametrize("labels", [13, 40, 99, 300, 900])
def test_between_budgets_the_curve_is_scipys_monotone_cubic_over_the_logarithm(labels):
    reference = PchipInterpolator(np.log([10, 100, 1000]), [0.5, 0.7, 0.8])(math.log(labels))
    assert needed([10, 100, 1000], [0.5, 0.7, 0.8], float(reference)) == pytest.approx(labels, rel=1e-3)


def test_of_a_power_law_the_labels_are_right_to_three_per_cent_and_by_straight_lines_they_are_not():
    base = CURVES["power law"](np.array(QUICK, float))
    for n, worth in ((20, 1.5), (20, 2), (100, 1.5), (100, 2), (500, 1.5), (500, 2)):
        target = CURVES["power law"](worth * n)
        assert needed(QUICK, base, target) == pytest.approx(worth * n, rel=0.03)
        assert math.exp(np.interp(target, base, np.log(QUICK))) > 1.05 * worth * n


def test_scores_that_fall_are_replaced_by_their_mean():
    grid, curve = label_efficiency.curve([10, 100, 1000], np.array([[0.5, 0.7, 0.6], [0.1, 0.2, 0.3]]))
    assert curve.shape == (2, len(grid)) and (np.diff(curve) >= 0).all()
    assert np.interp(np.log([10, 100, 1000]), grid, curve[0]) == pytest.approx([0.5, 0.65, 0.65])
    assert needed([10, 100, 1000], [0.5, 0.7, 0.6], 0.66) == math.inf


def test_labels_saved_by_hand_and_open_where_the_base_never_reaches_the_score():
    base = np.array([[0.5, 0.7, 0.8], [0.5, 0.7, 0.8], [0.5, 0.7, 0.8]])
    arm = np.array([[0.7, 0.8, 0.9], [0.7, 0.8, 0.9], [0.7, 0.8, 0.7]])
    saved = label_efficiency.labels_saved([10, 100, 1000], arm, base)
    assert [s.ratio for s in saved] == pytest.approx([10, 10, math.inf])
    assert [s.needed for s in saved] == pytest.approx([100, 1000, math.inf])
    assert (saved[0].low, saved[0].high) == pytest.approx((10, 10))
    assert [s.n_never for s in saved] == [0, 0, 2] and [s.n for s in saved] == [3, 3, 3]
    assert [s.high for s in saved[1:]] == [math.inf, math.inf]
    assert [s.n_below for s in label_efficiency.labels_saved([10, 100, 1000], arm - 0.3, base)] == [3, 0, 1]


def test_labels_saved_over_a_straight_base_are_means_of_logarithms_with_students_interval():
    base, arm = np.tile([0.0, 1.0], (3, 1)), np.array([[0.4, 2], [0.5, 2], [0.6, 2]])
    saved = label_efficiency.labels_saved([10, 1000], arm, base)[0]
    half = 4.30265273 * 0.1 * math.log(100) / 3**0.5  # Student's t with 2 degrees of freedom; sd 0.1 of the whole
    expected = (100.0, 10.0, 10 * math.exp(-half), 10 * math.exp(half))
    assert (saved.needed, saved.ratio, saved.low, saved.high) == pytest.approx(expected, rel=1e-6)


def test_a_run_is_left_out_of_both_arms():
    shared = np.array([[-0.05], [0.0], [0.05]])
    base, arm = np.array([0.0, 0.5, 1.0]) + shared, np.array([0.25, 0.75, 1.5]) + shared
    saved = label_efficiency.labels_saved([10, 100, 1000], arm, base)
    assert (saved[0].low, saved[0].high) == pytest.approx((10**0.5, 10**0.5)), "the draw that both share says nothing"
    assert (saved[1].low, saved[1].high) == pytest.approx((10**0.5, 10**0.5))


@pytest.mark.parametrize(
    ("offsets", "low", "high"),
    [
        ([0.01, 0.0, -0.01], None, None),
        ([0.3, 0.0, -0.3], 0.0, math.inf),  # the score is not distinguishable from either end's
    ],
)
def test_an_interval_is_open_where_the_score_is_not_distinguishable_from_an_ends(offsets, low, high):
    base, arm = np.tile([0.0, 1.0], (3, 1)), np.array([[0.5 + offset, 2.0] for offset in offsets])
    saved = label_efficiency.labels_saved([10, 1000], arm, base)[0]
    assert saved.ratio == pytest.approx(10)
    assert saved.low == low if low is not None else 0 < saved.low < 10
    assert saved.high == high if high is not None else 10 < saved.high < 100


def test_where_the_base_is_flat_every_number_of_labels_may_be_needed():
    rng = np.random.default_rng(5)
    base, arm = (0.8 + 0.01 * rng.standard_normal((6, 4)) for _ in range(2))
    assert [(s.low, s.high) for s in label_efficiency.labels_saved(QUICK, arm, base)] == [(0.0, math.inf)] * 4


@pytest.mark.slow
def test_labels_saved_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(4)
    for n_runs in (6, 10):
        saved = [
            label_efficiency.labels_saved(QUICK, *study(rng, ratio=1.5, n_runs=n_runs))[1] for _ in range(N_STUDIES)
        ]
        held = np.mean([s.low <= 1.5 <= s.high for s in saved])
        assert held == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / N_STUDIES))
        assert np.median([s.ratio for s in saved]) == pytest.approx(1.5, rel=0.03)


def test_the_crossover_is_where_means_change_their_sign():
    assert label_efficiency.crossover([10, 100, 1000], [0.1, 0.05, -0.05]) == pytest.approx(10**2.5)
    assert label_efficiency.crossover([10, 100], [0.1, 0.05]) is None
    assert label_efficiency.crossover([10, 100], [-0.1, -0.05]) is None


def test_ends_of_the_curve_are_told_from_the_last_budget_backwards():
    helps, level, hurts = paired([2, 3, 2.5], [0, 0, 0]), paired([1, -1, 0], [0, 0, 0]), paired([0, 0, 0], [2, 3, 2.5])
    assert label_efficiency.no_difference_from([1, 2, 3], [helps, level, level]) == 2
    assert label_efficiency.no_difference_from([1, 2, 3], [level, level, helps]) is None
    assert label_efficiency.hurts_from([1, 2, 3], [helps, level, hurts]) == 3
    assert label_efficiency.hurts_from([1, 2, 3], [hurts, level, level]) is None


def test_the_ends_are_told_on_the_scale_of_accuracies_too():
    def pair(low, high):
        return Paired(n=5, mean=(low + high) / 2, sd=0.01, low=low, high=high, p=0.1)

    better, touching, worse = pair(0.01, 0.05), pair(-0.02, 0.0), pair(-0.05, -0.01)
    assert label_efficiency.hurts_from([1, 2, 3], [better, worse, worse]) == 2
    assert (
        label_efficiency.hurts_from([1, 2], [worse, touching])
        is None
        is label_efficiency.hurts_from([1, 2], [worse, better])
    )
    assert label_efficiency.no_difference_from([1, 2, 3], [better, touching, touching]) == 2
    assert label_efficiency.no_difference_from([1, 2], [touching, worse]) is None
    assert label_efficiency.crossover([10, 100], [0.1, 0.0]) == pytest.approx(100)


def test_a_seeds_streams_are_those_of_every_run_before():
    found = [label_efficiency.stream(42, run, role) for run, role in ((0, "labels"), (1, "labels"), (0, "order"))]
    assert found == [1722418523, 1664526938, 348539640], "else no result of before can be had again"


def test_every_role_of_every_run_has_a_stream_of_its_own():
    streams = {(seed, run, role): label_efficiency.stream(seed, run, role)
               for seed in (0, 42) for run in range(10) for role in label_efficiency.ROLES}  # fmt: skip
    assert len(set(streams.values())) == len(streams)
    assert label_efficiency.stream(42, 3, "labels") == streams[42, 3, "labels"]
    assert max(streams.values()) < 2**31


def test_the_band_is_students():
    mean, low, high = label_efficiency.band(np.array([[0.1], [0.3], [0.2]]))
    pair = paired([0.1, 0.3, 0.2], [0, 0, 0])
    assert (mean[0], low[0], high[0]) == pytest.approx((pair.mean, pair.low, pair.high))


def test_a_wider_confidence_is_a_wider_band_and_interval():
    scores = np.array([[0.1], [0.3], [0.2]])
    _, low, high = label_efficiency.band(scores, confidence=0.5)
    assert (low[0], high[0]) == pytest.approx((0.2 - 0.0471405, 0.2 + 0.0471405), abs=1e-6)
    arm, base = np.array([[0.15, 0.3], [0.2, 0.3], [0.25, 0.3]]), np.tile([0.1, 0.3], (3, 1))
    assert label_efficiency.labels_saved([10, 100], arm, base, confidence=0.5)[0].low > (
        label_efficiency.labels_saved([10, 100], arm, base)[0].low
    )
