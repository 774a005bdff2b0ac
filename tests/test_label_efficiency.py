"""The statistics of the label-efficiency study: by hand, and calibrated by simulation."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest

from autoencoders import label_efficiency
from autoencoders.label_efficiency import LabelsSaved
from autoencoders.statistics import Paired, paired
from benchmarks.calibration import BUDGETS, study

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
    families = [[paired(rng.normal(size=10).tolist(), [0.0] * 10) for _ in BUDGETS] for _ in range(300)]
    rejected = np.mean([min(label_efficiency.adjusted(family)) <= 0.05 for family in families])
    assert 0 < rejected <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


@pytest.mark.slow
def test_a_known_effect_is_found_and_its_interval_holds_it():
    rng = np.random.default_rng(3)
    pairs = [label_efficiency.compare(*study(rng, worth=2.0))[2] for _ in range(N_STUDIES)]
    assert np.mean([pair.distinguishable for pair in pairs]) > 0.95
    truth = 0.05 * math.log(2)
    held = np.mean([pair.low <= truth <= pair.high for pair in pairs])
    assert held == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / N_STUDIES))


@pytest.mark.parametrize(
    ("target", "labels"),
    [(0.5, 10), (0.6, math.sqrt(1000)), (0.7, 100), (0.75, 10 ** (2 + 0.5)), (0.8, 1000), (0.81, math.inf), (0.4, 0)],
)
def test_labels_are_interpolated_on_their_logarithm(target, labels):
    assert label_efficiency.labels_needed([10, 100, 1000], np.array([0.5, 0.7, 0.8]), target) == pytest.approx(labels)


def test_a_curve_that_falls_has_reached_what_it_reached_before():
    assert label_efficiency.labels_needed([10, 100, 1000], np.array([0.5, 0.7, 0.6]), 0.7) == pytest.approx(100)


def test_labels_saved_by_hand_and_open_where_the_base_never_reaches_the_score():
    base = np.array([[0.5, 0.7, 0.8], [0.5, 0.7, 0.8], [0.5, 0.7, 0.8]])
    arm = np.array([[0.7, 0.8, 0.9], [0.7, 0.8, 0.9], [0.7, 0.8, 0.7]])
    saved = label_efficiency.labels_saved([10, 100, 1000], arm, base)
    assert [s.ratio for s in saved] == pytest.approx([10, 10, math.inf])
    assert (saved[0].low, saved[0].high) == pytest.approx((10, 10))
    assert [s.n_never for s in saved] == [0, 0, 2]
    assert saved[2].high == math.inf


def test_labels_saved_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(4)
    saved = [label_efficiency.labels_saved(BUDGETS, *study(rng, worth=2.5))[2] for _ in range(N_STUDIES)]
    held = np.mean([s.low <= 2.5 <= s.high for s in saved])
    assert held > 0.93
    assert np.median([s.ratio for s in saved]) == pytest.approx(2.5, rel=0.1)


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


def test_labels_saved_are_means_of_logarithms_with_students_interval():
    saved = label_efficiency._saved(100, [10.0, 1000.0], [10, 100, 1000], 0.95)
    half = 12.706204736 * math.log(10)  # Student's t with 1 degree of freedom; sd log(10) * 2**0.5, of 2 runs
    expected = LabelsSaved(100, 2, 100.0, 1.0, math.exp(-half), math.exp(half), 0, 0)
    assert asdict(saved) == pytest.approx(asdict(expected))


@pytest.mark.parametrize(
    ("needed", "ratio", "low", "high", "n_never", "n_below"),
    [
        ([math.inf, 100.0], 10**0.5, None, math.inf, 1, 0),  # half of the runs are not most
        ([math.inf, math.inf, 100.0], math.inf, None, math.inf, 2, 0),
        ([0.0, 100.0], 10**-0.5, 0.0, None, 0, 1),
        ([0.0, 0.0, 100.0], 0.0, 0.0, None, 0, 2),
    ],
)
def test_runs_outside_the_budgets_open_the_interval_and_most_of_them_decide(needed, ratio, low, high, n_never, n_below):
    saved = label_efficiency._saved(100, needed, [10, 100, 1000], 0.95)
    assert saved.ratio == pytest.approx(ratio) and saved.needed == pytest.approx(100 * ratio)
    assert (saved.n_never, saved.n_below, saved.n) == (n_never, n_below, len(needed))
    assert low is None or saved.low == low
    assert high is None or saved.high == high
    assert 0 < saved.low < math.inf if low is None else 0 < saved.high < math.inf


def test_a_wider_confidence_is_a_wider_band_and_interval():
    scores = np.array([[0.1], [0.3], [0.2]])
    _, low, high = label_efficiency.band(scores, confidence=0.5)
    assert (low[0], high[0]) == pytest.approx((0.2 - 0.0471405, 0.2 + 0.0471405), abs=1e-6)
    needed = [10.0, 100.0, 30.0]
    half, whole = (label_efficiency._saved(30, needed, [10, 100], confidence) for confidence in (0.5, 0.95))
    assert whole.low < half.low < half.ratio < half.high < whole.high
    arm, base = np.array([[0.15, 0.3], [0.2, 0.3], [0.25, 0.3]]), np.tile([0.1, 0.3], (3, 1))
    assert label_efficiency.labels_saved([10, 100], arm, base, confidence=0.5)[0].low > (
        label_efficiency.labels_saved([10, 100], arm, base)[0].low
    )
