"""Power laws through learning curves: against scipy's fit, on curves whose truth is known, and what can be told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from autoencoders import power_law
from autoencoders.power_law import fit, held_out, plan

BUDGETS = [20, 100, 500, 2000, 5000]
LIMIT, AMPLITUDE, EXPONENT = 0.9, 1.0, 0.35


def truth(n):
    return LIMIT - AMPLITUDE * np.asarray(n, float) ** -EXPONENT


def curves(rng, n_runs=6, budgets=BUDGETS):
    """Return simulated scores: a run's own level, and noise that falls with the labels."""
    noise = 0.05 * np.asarray(budgets, float) ** -0.25 * rng.standard_normal((n_runs, len(budgets)))
    return truth(budgets) + noise + 0.004 * rng.standard_normal((n_runs, 1))


def test_the_law_is_the_one_that_scipy_finds():
    scores = curves(np.random.default_rng(3))
    law = fit(BUDGETS, scores, seed=0, n_draws=10)
    error = np.hypot(scores.std(axis=0, ddof=1) / 6**0.5, power_law.FLOOR)
    start = (0.9, 1.0, 0.4)
    reference, _ = curve_fit(lambda n, a, b, c: a - b * n**-c, BUDGETS, scores.mean(axis=0), start, sigma=error)
    assert law.fitted == pytest.approx(reference, rel=0.02)


def test_a_curve_without_noise_is_found_and_continued():
    law = fit(BUDGETS, np.stack([truth(BUDGETS)] * 3), seed=0)
    assert law.fitted == pytest.approx([LIMIT, AMPLITUDE, EXPONENT], rel=0.02)
    assert law.predict(50_000)[0] == pytest.approx(truth(50_000), abs=1e-3)
    assert law.labels(0.86)[0] == pytest.approx((AMPLITUDE / (LIMIT - 0.86)) ** (1 / EXPONENT), rel=0.03)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Their claim is 95 %; 60 studies tell 85 % from it."""
    rng = np.random.default_rng(5)
    laws = [fit(BUDGETS, curves(rng), seed=k, n_draws=300) for k in range(60)]
    predicted = [low <= truth(20_000) <= high for _, low, high in (law.predict(20_000) for law in laws)]
    limits = [low <= LIMIT <= high for _, low, high in (law.limit() for law in laws)]
    assert np.mean(predicted) > 0.85 and np.mean(limits) > 0.85
    widths = [np.subtract(*law.predict(20_000)[:0:-1]) for law in laws]
    assert np.median(widths) < 0.05, "or they would hold anything"


def test_held_out_budgets_are_predicted_from_smaller_ones():
    budgets = [20, 50, 100, 200, 500, 1000, 2000, 5000]
    checks = held_out(budgets, curves(np.random.default_rng(6), 10, budgets), seed=0)
    assert [(check.n_fitted, check.n_labels) for check in checks[:4]] == [(4, n) for n in budgets[4:]]
    assert len(checks) == 4 + 3 + 2 + 1
    assert np.mean([check.within for check in checks]) >= 0.8
    assert abs(checks[-1].predicted - checks[-1].measured) < 0.01
    assert held_out(budgets[:4], curves(np.random.default_rng(6), 10, budgets[:4]), seed=0) == []


@pytest.mark.parametrize(
    ("target", "answer"), [(0.7, "reached"), (0.86, "told"), (0.899, "far"), (0.95, "above"), (0.89, "far")]
)
def test_what_a_target_takes_is_told_as_far_as_it_can_be(target, answer):
    law = fit(BUDGETS, truth(BUDGETS) + np.array([[-1e-4], [0], [1e-4]]), seed=0)
    found = plan(law, target)
    assert found.answer == answer
    assert (found.labels is not None) == (found.more is not None) == (answer == "told")
    if found.labels and found.low:
        assert found.low <= found.labels and found.more == found.labels - 5000


def test_a_target_that_the_limits_interval_holds_stays_open():
    scores = curves(np.random.default_rng(1), 3, [20, 100, 500])
    law = fit([20, 100, 500], scores, seed=0)
    value, low, high = law.limit()
    assert low < value < high
    found = plan(law, (value + high) / 2)
    assert found.answer in ("open", "far") and found.labels is None


def test_a_curve_that_does_not_rise_has_reached_its_limit():
    law = fit([10, 100, 1000], np.array([[0.5, 0.4, 0.3], [0.51, 0.41, 0.31]]), seed=0)
    assert law.fitted[1] == 0.0
    assert plan(law, 0.99).answer == "above"


def test_no_limit_is_above_one():
    law = fit(BUDGETS, np.stack([0.2 + 0.09 * np.log(BUDGETS)] * 2), seed=0)
    assert law.draws[:, 0].max() <= 1.0


def test_the_same_seed_gives_the_same_draws():
    scores = curves(np.random.default_rng(2))
    a, b, c = (fit(BUDGETS, scores, seed=seed).draws for seed in (1, 1, 2))
    assert (a == b).all() and (a != c).any()


@pytest.mark.parametrize("shape", [(6, 2), (1, 5)])
def test_too_few_budgets_or_runs_are_refused(shape):
    with pytest.raises(ValueError, match="expected 3 budgets and 2 runs or more, received"):
        fit(BUDGETS[: shape[1]], np.ones(shape), seed=0)
