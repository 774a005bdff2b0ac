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


def known(limits, amplitude=5.0, *, budgets=(1, 2), means=(0.1, 0.2)):
    """Return a law of exponent 1, its first limit the fitted one; it takes amplitude / (limit - target) labels."""
    draws = np.array([[limit, amplitude, 1.0] for limit in limits])
    return power_law.PowerLaw(np.array(budgets, float), np.array(means), draws[0], draws)


@pytest.mark.parametrize(
    ("law", "target", "answer", "numbers"),
    [
        (known([0.75]), 0.2, "reached", (None, None, None, None)),
        (known([0.75]), 0.5, "told", (20, 18, 20, 20)),  # ten times the largest budget, and no more
        (known([0.75], 5.25), 0.5, "far", (None, None, 21, None)),
        (known([0.75], 0.25), 0.5, "told", (3, 1, 1, 1)),  # one more than what did not do
        (known([0.75], 3.75), 0.5, "told", (15, 13, 15, 15)),
        (known([0.75]), 0.75, "far", (None, None, None, None)),
        (known([0.75]), 0.76, "above", (None, None, None, None)),
        (known([0.5, *[0.5] * 9, *[0.75] * 10]), 0.5, "open", (None, None, 20, None)),
        (known([0.625, *[0.625] * 9, *[0.75] * 10]), 0.5, "open", (None, None, 20, None)),
        (known([0.75, *[0.75] * 9, *[0.625] * 10]), 0.5, "told", (20, 18, 20, None)),
    ],
)
def test_a_plan_by_hand(law, target, answer, numbers):
    assert plan(law, target) == power_law.Plan(target, answer, *numbers)


@pytest.mark.parametrize(("n", "whole"), [(1.2, 2), (3.0, 3), (9e11, 900_000_000_000), (1e12, None), (np.inf, None)])
def test_numbers_of_labels_are_whole_and_finite(n, whole):
    assert power_law._whole(n) == whole


@pytest.mark.parametrize(("measured", "within"), [(0.39, False), (0.4, True), (0.5, True), (0.6, True), (0.61, False)])
def test_an_interval_holds_its_ends(measured, within):
    assert power_law.HeldOut(4, 50, 0.5, 0.4, 0.6, measured).within is within


def test_the_interval_of_a_held_out_budget_holds_the_noise_of_its_measured_mean():
    budgets = [20, 50, 100, 200, 500]
    scores = curves(np.random.default_rng(6), 10, budgets)
    (check,) = held_out(budgets, scores, seed=3)
    value, low, high = fit(budgets[:4], scores[:, :4], seed=3).predict(500)
    noise = 1.96 * scores[:, 4].std(ddof=1) / 10**0.5
    expected = (value, value - np.hypot(value - low, noise), value + np.hypot(high - value, noise))
    assert (check.predicted, check.low, check.high) == pytest.approx(expected)
    assert check.measured == pytest.approx(scores[:, 4].mean())


SCORES = np.array([[0.31, 0.52, 0.66, 0.71], [0.35, 0.50, 0.69, 0.70], [0.33, 0.55, 0.67, 0.74]])


@pytest.mark.parametrize(
    ("m", "fitted", "limit", "predicted"),
    [
        (3, (1, 1.3712995, 0.31114253), (1, 0.6554532, 1), (0.84015291, 0.65457582, 0.85341878)),
        (
            4,
            (0.79998372, 1.6431738, 0.54141749),
            (0.79998372, 0.72114596, 0.98682867),
            (0.7609508, 0.70721013, 0.82946286),
        ),
    ],
)
def test_a_seeds_law_is_that_of_every_run_before(m, fitted, limit, predicted):
    """With 3 budgets the law meets the means; with 4 it misses them, and its draws are wider for it."""
    law = fit([10, 30, 100, 300][:m], SCORES[:, :m], seed=1)
    assert law.draws.shape == (1000, 3)
    assert law.fitted == pytest.approx(fitted, rel=1e-6)
    assert law.limit() == pytest.approx(limit, rel=1e-6)
    assert law.predict(1000) == pytest.approx(predicted, rel=1e-6)
