"""Laws of learning curves: as the survival functions that scipy knows, by hand, and the grid of their shapes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from autoencoders import laws
from autoencoders.laws import LAWS, shapes, share_left

N, K, C = np.array([20.0, 100.0, 5000.0]), np.array(80.0), np.array(0.6)


@pytest.mark.parametrize(
    ("law", "reference"),
    [
        (laws.power, stats.pareto.sf(N, 0.6)),
        (laws.shifted_power, stats.lomax.sf(N, 0.6, scale=80)),
        (laws.log_logistic, stats.fisk.sf(N, 0.6, scale=80)),
        (laws.weibull, stats.weibull_min.sf(N, 0.6, scale=80)),
    ],
)
def test_a_law_with_a_limit_is_a_survival_function_of_scipy(law, reference):
    assert law(N, K, C) == pytest.approx(reference, rel=1e-12)


def test_a_logarithm_bends_at_its_scale():
    found = laws.bent_logarithm(np.exp([2.0, 3.0, 5.0]), np.exp(np.array(3.0)), np.array(0.25))
    assert found == pytest.approx([-2, -3, -3.5])


@pytest.mark.parametrize("law", [law for law, _ in LAWS])
def test_what_is_left_of_the_rise_falls_from_one_to_zero_and_below_beyond_the_largest_budget(law):
    left = share_left(law, np.array([20, 100, 5000, 15_000.0]), N, K[None], C[None])[:, 0]
    assert left[0] == 1 > left[1] > left[2] == 0 > left[3]


@pytest.mark.parametrize(
    "budgets", [[3, 4, 5], [20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000], [10, 10**6, 10**7]]
)
def test_every_law_has_the_same_weight_and_every_shape_falls(budgets):
    n = np.array(budgets, float)
    number, k, c, prior = shapes(n)
    assert np.bincount(number, weights=prior) == pytest.approx([1] * len(LAWS))
    for i, (law, ends) in enumerate(LAWS):
        at = number == i
        assert (c[at].min(), c[at].max()) == pytest.approx(ends)
        left = share_left(law, n, n, k[at], c[at])
        assert np.isfinite(left).all() and (np.diff(left, axis=0) <= 0).all()
