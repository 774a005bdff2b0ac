"""Planning from a pilot: mean squares by hand and in simulated studies, and the runs that find an effect."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from autoencoders.power import Parts, least_effect, parts, plan
from autoencoders.statistics import runs_needed, two_way


def test_the_mean_squares_are_those_of_a_two_way_layout_by_hand():
    right_a = np.array([[1, 1, 1], [1, 0, 0]], bool)
    right_b = np.array([[0, 1, 0], [0, 0, 0]], bool)
    # D = [[1, 0, 1], [1, 0, 0]]: means of runs 2/3, 1/3, of rows 1, 0, 1/2, of all 1/2.
    found = parts(right_a, right_b)
    assert (found.n_runs, found.n_rows) == (2, 3)
    assert found.run == pytest.approx(3 * 2 * (1 / 6) ** 2)
    assert found.row == pytest.approx(2 * (0.25 + 0.25) / 2)
    assert found.rest == pytest.approx((1 / 36 * 4 + 1 / 9 * 2) / 2)


def test_the_parts_of_a_pilot_as_large_as_the_study_are_those_of_its_interval():
    rng = np.random.default_rng(0)
    run, row = [[-0.3], [0.0], [0.3]], np.repeat([0.2, 0.9], 25)
    right_a, right_b = rng.random((3, 50)) < run + row, np.zeros((3, 50), bool)
    found, told = parts(right_a, right_b), two_way(right_a.astype(int) - right_b)
    assert found.floor(50) == pytest.approx(told.se_rows) and told.se_rows > 0
    assert math.hypot(found.sd_run(50) / 3**0.5, found.floor(50)) == pytest.approx(told.se)


def test_the_parts_foretell_the_standard_error_of_other_runs_on_other_rows():
    rng = np.random.default_rng(0)

    def study(n_runs, n_rows):
        """Return the answers of two arms: a run's shift and a row's difficulty, of arm a alone, and noise."""
        run, row = rng.normal(0, 0.15, (n_runs, 1)), rng.normal(0, 0.4, n_rows)
        noise = rng.normal(size=(2, n_runs, n_rows))
        return noise[0] + run + row > 0, noise[1] > 0

    found = parts(*study(200, 2000))
    means = [np.subtract(*study(4, 300), dtype=float).mean() for _ in range(1500)]
    told = math.hypot(found.sd_run(300) / 4**0.5, found.floor(300))
    assert np.std(means) == pytest.approx(told, rel=0.1)
    assert found.sd_run(300) / 2 > 0.02 and found.floor(300) > 0.005, "both parts count"


def test_parts_below_the_rest_count_as_none():
    found = Parts(run=0.1, row=0.2, rest=0.4, n_runs=3, n_rows=100)
    assert found.floor(50) == 0.0 and found.sd_run(50) == pytest.approx((0.4 / 50) ** 0.5)


def test_the_interval_of_the_runs_part_is_that_of_a_variance_and_no_less_than_the_rest():
    low, high = Parts(run=2.0, row=1.0, rest=0.5, n_runs=3, n_rows=100).run_interval()
    assert (low.run, high.run) == (pytest.approx(4 / stats.chi2.ppf(0.9, 2)), pytest.approx(4 / stats.chi2.ppf(0.1, 2)))
    assert (low.row, low.rest) == (1.0, 0.5)
    assert Parts(run=0.6, row=1.0, rest=0.5, n_runs=3, n_rows=100).run_interval()[0].run == 0.5


@pytest.mark.parametrize("se_rows", [0.0, 0.003])
def test_the_least_effect_falls_to_the_one_to_find_with_the_runs_that_it_needs(se_rows):
    n = runs_needed(0.02, 0.01, se_rows=se_rows)
    assert least_effect(0.02, n, se_rows=se_rows) <= 0.01 < least_effect(0.02, n - 1, se_rows=se_rows)


def test_the_least_effect_is_found_in_four_of_five_simulated_studies():
    rng = np.random.default_rng(0)
    draws = rng.normal(least_effect(0.01, 6), 0.01, (20_000, 6))
    found = stats.ttest_1samp(draws, 0, axis=1)
    assert np.mean((found.pvalue < 0.05) & (found.statistic > 0)) == pytest.approx(0.8, abs=0.01)


def test_a_plan_scales_to_the_test_sets_size_and_says_what_it_can_never_show():
    found = Parts(run=0.3, row=0.5, rest=0.1, n_runs=3, n_rows=200)
    small, large = (plan(found, effect=0.01, n_rows=n, n_runs=10) for n in (300, 100_000))
    shift = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert small.never == pytest.approx(shift * (0.4 / 3 / 300) ** 0.5)
    assert (small.n_needed, small.low, small.high) == (None, None, None) and small.never > 0.01
    assert large.never < 0.01 and large.low < large.n_needed < large.high
    assert large.n_needed == runs_needed(found.sd_run(100_000), 0.01, se_rows=found.floor(100_000))
    assert large.least == least_effect(found.sd_run(100_000), 10, se_rows=found.floor(100_000))
    assert small.rows_needed == large.rows_needed
    assert found.floor(small.rows_needed) * shift < 0.01 <= found.floor(small.rows_needed - 1) * shift
