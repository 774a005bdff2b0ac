"""Paired comparisons, by hand, against scipy, and on simulated studies."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from autoencoders import statistics
from autoencoders.statistics import Paired, PairedOnRows, holm, paired, runs_needed, spread_ratio, two_way


def test_the_interval_is_scipys():
    a, b = [0.31, 0.30, 0.33, 0.29], [0.28, 0.29, 0.30, 0.28]
    expected = stats.ttest_rel(a, b).confidence_interval()
    result = paired(a, b)
    assert (result.low, result.high) == pytest.approx((expected.low, expected.high))
    assert result.mean == pytest.approx(0.02)


def test_the_exact_p_counts_sign_flips_by_hand():
    # Differences 1, 2, 3: of 8 flips only +++ and --- have a mean as far from zero.
    assert paired([1, 2, 3], [0, 0, 0]).p == 2 / 8
    assert paired([1, 1, -2], [0, 0, 0]).p == 1.0


@pytest.mark.parametrize("n", [5, 6, 10])
def test_the_smallest_p_is_two_in_two_to_the_n(n):
    assert paired(np.arange(1, n + 1), np.zeros(n)).p == 2 / 2**n


@pytest.mark.parametrize("n", [2, 5, 9])
def test_the_exact_p_counts_every_flip_and_ties_among_them_whatever_their_last_bits(n):
    rng = np.random.default_rng(0)
    signs = np.array(list(product((1, -1), repeat=n)))
    for _ in range(100):
        a, b = rng.integers(9000, 9010, (2, n))  # of 10,000 rows right
        share = np.mean(abs(signs @ (a - b)) >= abs((a - b).sum()))
        assert paired(a / 10_000, b / 10_000).p == share


def test_sixteen_pairs_are_enumerated_and_seventeen_drawn():
    assert paired(np.ones(16), np.zeros(16)).p == 2 / 2**16
    assert paired(np.ones(17), np.zeros(17)).p == 6 / 100_000, "of 99,999 drawn by a fixed seed, and the one seen"


def test_no_effect_is_found_in_one_study_of_twenty_and_a_large_one_always():
    rng = np.random.default_rng(1)
    null = [paired(rng.normal(size=8), rng.normal(size=8)) for _ in range(400)]
    assert 0.02 < np.mean([r.p <= 0.05 for r in null]) < 0.08
    assert 0.02 < np.mean([r.distinguishable for r in null]) < 0.08
    assert all(paired(rng.normal(5, 1, 8), rng.normal(0, 1, 8)).distinguishable for _ in range(20))


def test_an_interval_that_holds_zero_is_not_distinguishable():
    assert not paired([1, -1, 2, -2], [0, 0, 0, 0]).distinguishable


def test_many_pairs_are_sampled_instead_of_enumerated():
    a = np.random.default_rng(2).normal(0.2, 1, 40)
    assert paired(a, np.zeros(40)).p == pytest.approx(stats.ttest_1samp(a, 0).pvalue, abs=0.02)


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0]), ([1, 2], [1, 2, 3])])
def test_lists_that_cannot_be_paired_are_refused(a, b):
    with pytest.raises(ValueError, match="expected two equally long lists"):
        paired(a, b)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def test_the_ratio_of_paired_deviations_is_pitmans_and_morgans():
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, 20)
    a, b = 2 * (shared + rng.normal(0, 0.5, 20)), shared + rng.normal(0, 0.5, 20)
    found = spread_ratio(a.tolist(), b.tolist())
    assert found.ratio == pytest.approx(a.std(ddof=1) / b.std(ddof=1))
    assert found.low < found.ratio < found.high and found.low * found.high == pytest.approx(found.ratio**2)
    # The t test of the correlation of sums and differences, by hand.
    r = np.corrcoef(a + b, a - b)[0, 1]
    assert found.p == pytest.approx(2 * stats.t.sf(abs(r) * (18 / (1 - r**2)) ** 0.5, 18))
    assert found.p < 0.01


def test_the_ratios_interval_and_its_test_agree_and_are_right_as_often_as_they_say():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(600):
        shared = rng.normal(0, 1, 12)
        found.append(spread_ratio((shared + rng.normal(0, 1, 12)).tolist(), (shared + rng.normal(0, 1, 12)).tolist()))
    assert all((s.p < 0.05) == (not s.low <= 1 <= s.high) for s in found)
    assert np.mean([s.p < 0.05 for s in found]) == pytest.approx(0.05, abs=0.03)


def test_scores_that_do_not_scatter_have_no_ratio_and_two_pairs_are_too_few():
    assert spread_ratio([1, 1, 1], [1, 2, 3]) is None
    assert spread_ratio([1, 2, 3], [2, 3, 4]) is None, "they move as one"
    with pytest.raises(ValueError, match="expected two equally long lists of 3 scores or more, received 2 and 2"):
        spread_ratio([1, 2], [2, 1])


def test_a_comparison_holds_its_numbers_at_its_confidence():
    found = paired([1, 2, 3], [0, 0, 0], confidence=0.9)
    expected = stats.ttest_rel([1, 2, 3], [0, 0, 0]).confidence_interval(0.9)
    assert (found.n, found.mean, found.sd) == (3, 2.0, 1.0)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("low", "high", "differs"), [(-1, 1, False), (0, 1, False), (-1, 0, False), (0.1, 1, True)])
def test_an_interval_that_ends_at_zero_holds_it(low, high, differs):
    assert Paired(n=3, mean=0, sd=1, low=low, high=high, p=1).distinguishable is differs


def test_the_ratio_of_deviations_holds_its_numbers_and_widens_with_its_confidence():
    a, b = [1.0, 2.0, 4.0, 3.0, 5.5], [1.0, 3.0, 2.0, 2.5, 2.0]
    found, half = spread_ratio(a, b), spread_ratio(a, b, confidence=0.5)
    assert (found.n, found.sd_a, found.sd_b) == (5, pytest.approx(np.std(a, ddof=1)), pytest.approx(np.std(b, ddof=1)))
    assert found.low < half.low < half.ratio < half.high < found.high
    r = np.corrcoef(a, b)[0, 1]
    k = 1 + 2 * (1 - r**2) * stats.t.ppf(0.75, 3) ** 2 / 3
    assert half.high == pytest.approx(found.ratio * (k + (k**2 - 1) ** 0.5) ** 0.5)
    assert spread_ratio([1, 2, 4], [1, 3, 2]).n == 3


@pytest.mark.parametrize(("sd", "effect"), [(0.0093, 0.01), (0.02, 0.01), (0.05, 0.01), (1e-9, 0.01), (0.0, 0.01)])
def test_the_runs_needed_are_the_fewest_with_the_power(sd, effect):
    n = runs_needed(sd, effect)
    assert n >= 2 and statistics._power(n, effect / (sd or 1e-9) * n**0.5, 0.05) >= 0.8
    assert n == 2 or statistics._power(n - 1, effect / sd * (n - 1) ** 0.5, 0.05) < 0.8


def test_the_power_is_that_of_a_simulation_and_that_of_cohens_table():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.01, 0.01, (20_000, runs_needed(0.01, 0.01)))
    t = draws.mean(axis=1) / draws.std(axis=1, ddof=1) * draws.shape[1] ** 0.5
    found = np.mean(np.abs(t) > stats.t.ppf(0.975, draws.shape[1] - 1))
    assert found == pytest.approx(statistics._power(draws.shape[1], draws.shape[1] ** 0.5, 0.05), abs=0.01)
    assert runs_needed(2.0, 1.0) == 34, "Cohen's d = .5, paired: 34 pairs"


def test_an_interval_of_another_confidence_lies_around_the_same_mean():
    pair = paired([0.80, 0.82, 0.79, 0.81, 0.83, 0.80], [0.78, 0.79, 0.78, 0.80, 0.80, 0.78])
    assert pair.interval(0.95) == (pair.low, pair.high)
    low, high = pair.interval(0.90)
    assert pair.low < low < high < pair.high and (low + high) / 2 == pytest.approx(pair.mean)


def sums_of_squares(x):
    """Return the mean squares of runs, rows and the rest, term by term."""
    runs, rows = x.shape
    run = sum(rows * (x[r].mean() - x.mean()) ** 2 for r in range(runs)) / (runs - 1)
    row = sum(runs * (x[:, i].mean() - x.mean()) ** 2 for i in range(rows)) / (rows - 1)
    rest = sum(
        (x[r, i] - x[r].mean() - x[:, i].mean() + x.mean()) ** 2 for r in range(runs) for i in range(rows)
    ) / ((runs - 1) * (rows - 1))  # fmt: skip
    return run, row, rest


def answers(rng, runs=5, rows=30, sd=0.6, n=2):
    """Return which rows `n` classifiers had right in each run: rows differ in how hard they are, for all alike."""
    hard = rng.normal(size=rows)
    return [hard + rng.normal(0, 0.3, (runs, 1)) + rng.normal(0, sd, (runs, rows)) > 0 for _ in range(n)]


def test_the_two_way_interval_is_that_of_the_mean_squares_written_out():
    right, other = answers(np.random.default_rng(0))
    x = right.astype(float) - other
    run, row, rest = sums_of_squares(x)
    found = two_way(right.astype(int) - other)
    assert row > rest and found.mean == pytest.approx(x.mean(), abs=1e-15)
    total = run + row - rest
    assert found.se == pytest.approx((total / 150) ** 0.5, rel=1e-12)
    df = total**2 / (run**2 / 4 + row**2 / 29 + rest**2 / 116)
    assert found.df == pytest.approx(df, rel=1e-12)
    assert found.se_rows == pytest.approx(((row - rest) / 150) ** 0.5, rel=1e-12)
    assert found.interval(0.9) == pytest.approx(stats.t.interval(0.9, df, x.mean(), found.se))


def test_rows_that_scatter_less_than_the_rest_leave_the_interval_over_runs():
    x = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0.0]])
    _, row, rest = sums_of_squares(x)
    assert row < rest
    found = two_way(x)
    means = x.mean(axis=1)
    assert (found.se, found.df, found.se_rows) == (pytest.approx(means.std(ddof=1) / 3**0.5), 2.0, 0.0)
    assert two_way(np.ones((3, 4))) == (1.0, 0.0, 2.0, 0.0)
    for shape in ((1, 4), (3, 1)):
        with pytest.raises(ValueError, match="expected 2 runs and 2 rows or more, received"):
            two_way(np.ones(shape))


def test_a_comparison_on_rows_has_the_wider_interval_and_the_same_mean_sd_and_p():
    right, other = answers(np.random.default_rng(1))
    means = [bits.mean(axis=1).tolist() for bits in (right, other)]
    over_runs, over_both = paired(*means), paired(*means, rights=(right, other))
    assert isinstance(over_both, PairedOnRows)
    same = ("n", "mean", "sd", "p")
    assert [getattr(over_both, name) for name in same] == [getattr(over_runs, name) for name in same]
    parts = two_way(right.astype(int) - other)
    assert (over_both.se, over_both.df, over_both.se_rows) == parts[1:]
    assert (over_both.low, over_both.high) == pytest.approx(parts.interval())
    assert over_both.se > over_runs.sd / 5**0.5 and over_both.df > 4
    assert over_both.interval(0.95) == (over_both.low, over_both.high)
    narrow = paired(*means, rights=(right, other), confidence=0.5)
    assert (narrow.low, narrow.high) == over_both.interval(0.5)


@pytest.mark.slow
def test_the_two_way_interval_covers_the_truth_on_new_rows_and_the_one_over_runs_does_not():
    rng, runs, rows = np.random.default_rng(2), 8, 400
    covered = {"both": [], "runs": []}
    for _ in range(400):
        hard, gain = rng.normal(size=rows), rng.normal(0.0, 0.5, rows)  # a gain that differs from row to row: mean 0
        noise = rng.normal(0, 0.05, (2, runs, 1)) + rng.normal(0, 0.3, (2, runs, rows))
        right, other = hard + gain + noise[0] > 0, hard - gain + noise[1] > 0
        means = [bits.mean(axis=1).tolist() for bits in (right, other)]
        for name, found in (("both", paired(*means, rights=(right, other))), ("runs", paired(*means))):
            covered[name].append(found.low <= 0 <= found.high)
    assert 0.93 <= np.mean(covered["both"]) <= 0.97
    assert np.mean(covered["runs"]) < 0.7


@pytest.mark.parametrize(("sd", "se_rows"), [(0.02, 0.002), (0.01, 0.003), (0.0, 0.003), (0.005, 0.0035)])
def test_with_the_rows_part_of_the_error_the_runs_needed_have_the_power(sd, se_rows):
    n = runs_needed(sd, 0.01, se_rows=se_rows)

    def power(k):
        return statistics._power(k, 0.01 / (sd**2 / k + se_rows**2) ** 0.5, 0.05)

    assert n >= runs_needed(sd, 0.01) and (n == 2 or power(n) >= 0.8 > power(n - 1))


def test_below_what_the_test_rows_can_show_no_number_of_runs_will_do():
    least = 0.01 / float(stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    assert runs_needed(0.02, 0.01, se_rows=least) is runs_needed(0.0, 0.01, se_rows=0.02) is None
    assert runs_needed(0.02, 0.01, se_rows=0.999 * least) is None, "above 10,000 runs"
    assert runs_needed(1.0, 0.01) is None


def test_with_one_class_the_interval_is_that_of_plain_accuracy_to_the_last_bits():
    right, other = answers(np.random.default_rng(3))
    x = right.astype(int) - other
    assert two_way(x, np.zeros(30)) == pytest.approx(two_way(x), rel=1e-12)


def test_the_interval_of_class_means_is_that_of_the_classes_mean_squares_written_out():
    (right,) = answers(np.random.default_rng(0), rows=150, n=1)
    x, classes = right.astype(float) - np.repeat([0, 1, 0], 50), np.repeat([0, 1, 2], [20, 40, 90])
    parts = [x[:, classes == c] for c in range(3)]
    of_run = np.mean([part.mean(axis=1) for part in parts], axis=0)
    own = [sums_of_squares(part) for part in parts]
    # var(mean) = var over runs / R + sum_c var_row,c / (k^2 N_c), and var_row,c = (MS_row,c - MS_rest,c) / R
    se_rows_2 = sum((row - rest) / 5 / part.shape[1] for (_, row, rest), part in zip(own, parts, strict=True)) / 9
    found = two_way(x, classes)
    assert found.mean == pytest.approx(of_run.mean(), abs=1e-15) and se_rows_2 > 0
    assert found.se == pytest.approx((of_run.var(ddof=1) / 5 + se_rows_2) ** 0.5, rel=1e-12)
    assert found.se_rows == pytest.approx(se_rows_2**0.5, rel=1e-12)
    doubts = [(of_run.var(ddof=1) / 5) ** 2 / 4]
    for (_, row, rest), part in zip(own, parts, strict=True):
        n = part.shape[1]
        doubts += [(row / (9 * 5 * n)) ** 2 / (n - 1), (rest / (9 * 5 * n)) ** 2 / (4 * (n - 1))]
    assert found.df == pytest.approx(found.se**4 / sum(doubts), rel=1e-12)


def test_equal_classes_with_equal_means_have_the_interval_of_plain_accuracy():
    """What lies between classes is no error of their mean: only where nothing does, the two are the same."""
    x = np.tile(answers(np.random.default_rng(4), rows=400, n=1)[0].astype(float), 2)
    plain, balanced = two_way(x), two_way(x, np.repeat([0, 1], 400))
    assert balanced[:2] == pytest.approx(plain[:2], rel=0.01) and balanced.mean == pytest.approx(plain.mean, abs=1e-15)
    apart = x * np.repeat([1, 0], 400)
    assert two_way(apart, np.repeat([0, 1], 400)).se < two_way(apart).se


def test_a_comparison_of_balanced_accuracies_has_the_class_means_difference_and_each_class_needs_two_rows():
    right, other = answers(np.random.default_rng(5))
    classes = np.repeat([0, 1], [5, 25])
    weights = 30 / (2 * np.repeat([5, 25], [5, 25]))
    a, b = ((bits * weights).mean(axis=1).tolist() for bits in (right, other))
    found = paired(a, b, rights=(right, other), classes=classes)
    assert found.mean == pytest.approx(two_way(right.astype(int) - other, classes).mean, abs=1e-12)
    assert found.se == two_way(right.astype(int) - other, classes).se
    with pytest.raises(ValueError, match="expected 2 runs and 2 rows or more, received 5 and 1"):
        paired(a, b, rights=(right, other), classes=np.repeat([0, 1], [1, 29]))
