"""Learning curves: posteriors against scipy, predictions on curves whose truth is known, and what can be told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.optimize import curve_fit
from scipy.stats import multivariate_normal, t

from autoencoders import learning_curves
from autoencoders.laws import LAWS, bent_logarithm
from autoencoders.learning_curves import FAR, HeldOut, LearningCurve, Plan, check, fit, held_out, plan
from benchmarks.planner_coverage import BUDGETS, FAMILIES, coverage, study

POWER = FAMILIES["power, c = 0.35"]


def curves(truth=POWER, *, seed=0, budgets=BUDGETS, n_runs=10):
    return study(np.random.default_rng(seed), truth, budgets, n_runs)


SHARE = np.array([1.0, 0.6, 0.25, 0.0])
MEANS = np.array([0.31, 0.52, 0.66, 0.74])
COVARIANCE = 1e-4 * (np.diag([4.0, 3.0, 2.0, 1.0]) + 0.5)


def test_level_and_rise_are_those_of_scipys_generalised_least_squares():
    found = learning_curves._posterior(SHARE[:, None], MEANS, COVARIANCE)
    _, level, rise, level_sd, slope, rise_sd = (np.ravel(part)[0] for part in found)
    best, covariance = curve_fit(lambda h, a, b: a + b * h, SHARE, MEANS, sigma=COVARIANCE, absolute_sigma=True)
    assert (level, rise) == pytest.approx(best, rel=1e-6)
    assert level_sd**2 == pytest.approx(covariance[0, 0], rel=1e-6)
    assert slope * level_sd**2 == pytest.approx(covariance[0, 1], rel=1e-6)
    assert rise_sd**2 + slope**2 * level_sd**2 == pytest.approx(covariance[1, 1], rel=1e-6)


@pytest.mark.slow
def test_the_evidence_is_the_likelihood_integrated_over_level_and_rise():
    shares = np.stack([SHARE, SHARE**2], axis=1)
    evidence = learning_curves._posterior(shares, MEANS, COVARIANCE)[0]
    whole = [
        dblquad(lambda b, a, h=h: multivariate_normal.pdf(MEANS, a + b * h, COVARIANCE), 0.6, 0.9, -0.7, -0.1)[0]
        for h in shares.T
    ]
    assert evidence[1] - evidence[0] == pytest.approx(np.log(whole[1] / whole[0]), rel=1e-5)


def test_the_noise_is_a_power_of_the_labels_with_one_correlation():
    scores = curves(n_runs=4000)
    covariance, freedom = learning_curves._noise(np.array(BUDGETS, float), scores)
    sd = 0.025 * (np.array(BUDGETS) / 20) ** -0.332
    assert np.sqrt(4000 * covariance.diagonal()) == pytest.approx(sd, rel=0.03)
    assert 4000 * covariance[0, 5] / sd[0] / sd[5] == pytest.approx(0.5, abs=0.05)
    assert freedom == pytest.approx(3999 * 8 / (1 + 7 * 0.25), rel=0.05)


def test_the_laws_error_is_a_walk_back_from_the_largest_budget():
    walk = learning_curves._walk(np.exp([1.0, 3.0, 4.0]))
    assert walk == pytest.approx(np.array([[3, 1, 0], [1, 1, 0], [0, 0, 0.0]]))


@pytest.mark.parametrize("name", ["power, c = 0.35", "log-logistic", "Weibull", "logarithm", "flat", "falling"])
def test_a_curve_without_noise_is_continued(name):
    truth = FAMILIES[name]
    curve = fit(BUDGETS, np.stack([truth(np.array(BUDGETS, float))] * 3), seed=0)
    value, low, high = curve.predict(15_000)
    assert value == pytest.approx(float(truth(np.float64(15_000))), abs=0.003)
    assert low < value < high and high - low < 0.03


def test_a_logarithm_is_told_from_laws_with_a_limit():
    weights = fit(BUDGETS, curves(FAMILIES["logarithm"], n_runs=100), seed=0).weights()
    assert sum(weights.values()) == pytest.approx(1) and [*weights] == [law.__name__ for law, _ in LAWS]
    assert weights["bent_logarithm"] > 0.5 > 0.1 > weights["weibull"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "bent down at 5,000"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(name):
    """Their claim is 95 %; 30 studies tell 80 % from it."""
    for held, _, width in coverage(FAMILIES[name], BUDGETS, 10, 30):
        assert held > 0.8 and width < 4, "or they would hold anything"


def test_a_bend_beyond_the_largest_budget_is_not_foreseen():
    (held, above, _), _ = coverage(FAMILIES["bent down at 5,000"], BUDGETS, 10, 5)
    assert (held, above) == (0, 1)


@pytest.mark.parametrize(
    "scores",
    [
        np.ones((3, 4)),
        np.zeros((2, 4)),
        [[0.5, 0.4, 0.3, 0.2]] * 3,
        [[0.1, 0.1, 0.1, 0.9]] * 2,
        [[0.9, 0.1, 0.9, 0.1], [0, 1, 0, 1]],
    ],
)
def test_no_curve_breaks_it(scores):
    value, low, high = fit([20, 100, 500, 2000], np.array(scores, float), seed=0).predict(6000)
    assert 0 <= low <= value <= high <= 1


@pytest.mark.parametrize("n", [4999, 15_001, 20_000])
def test_beyond_three_times_the_largest_budget_nothing_is_told(n):
    curve = fit(BUDGETS, curves(), seed=0)
    assert curve.predict(5000)[0] == pytest.approx(curve.means[-1], abs=0.005)
    with pytest.raises(
        ValueError, match=f"expected 5,000 to 15,000 labels, received {n:,}: beyond, nothing can be told"
    ):
        curve.predict(n)


def test_the_same_seed_gives_the_same_draws():
    a, b, c = (fit(BUDGETS, curves(), seed=seed).predict(15_000) for seed in (1, 1, 2))
    assert a == b != c and a == pytest.approx(c, abs=0.002)


@pytest.mark.parametrize("shape", [(6, 2), (1, 5)])
def test_too_few_budgets_or_runs_are_refused(shape):
    with pytest.raises(ValueError, match="expected 3 budgets and 2 runs or more, received"):
        fit(BUDGETS[: shape[1]], np.ones(shape), seed=0)


def known(levels, *, mean=0.5, slope=0.1):
    """Return a curve of the draws level + slope log(n / 100), with 100 labels at most."""
    n = len(levels)
    law = [law for law, _ in LAWS].index(bent_logarithm)
    return LearningCurve(
        np.array([1.0, 10, 100]), np.array([0.1, 0.2, mean]), np.full(n, law), np.ones(n), np.ones(n),
        level=np.array(levels, float), rise=np.full(n, -slope * np.log(100)), wander=np.zeros(n), z=np.zeros(n),
    )  # fmt: skip


def test_a_prediction_by_hand():
    assert known([0.5]).predict(200) == pytest.approx([0.5 + 0.1 * np.log(2)] * 3)
    assert known([0.99, 0.99]).predict(200) == (1, 1, 1)
    assert known(np.linspace(0, 0.4, 41), slope=0).predict(300) == pytest.approx((0.2, 0.01, 0.39))


LOW, HIGH = [0.46] * 10, [0.54] * 10
NEXT = {n: int(np.ceil(100 * 3 ** (np.ceil(100 * np.log(n / 100) / np.log(3)) / 100))) for n in (150, 200, 250)}


@pytest.mark.parametrize(
    ("curve", "target", "expected"),
    [
        (known([0.5]), 0.5, ("reached",)),
        (known([0.5], mean=0.499), 0.5, ("told", 101, 1, 100, 100)),  # one more than what did not do
        (known([0.5]), 0.5 + 0.1 * np.log(2), ("told", NEXT[200], NEXT[200] - 100, NEXT[200], NEXT[200])),
        (known([0.5, *LOW, *HIGH]), 0.5 + 0.1 * np.log(2.5), ("told", NEXT[250], NEXT[250] - 100, 168, None)),
        (known([0.5, *LOW, *HIGH]), 0.54 + 0.1 * np.log(2.5), ("open", None, None, NEXT[250], None)),
        (known([0.5]), 0.62, ("far",)),
    ],
)
def test_a_plan_by_hand(curve, target, expected):
    assert plan(curve, target) == Plan(target, *expected)


def test_held_out_budgets_are_predicted_from_smaller_ones_up_to_three_times():
    checks = held_out(BUDGETS, curves(), seed=0)
    assert [(found.n_fitted, found.n_labels) for found in checks] == [*zip(range(3, 8), BUDGETS[3:], strict=True)]
    assert sum(found.within for found in checks) >= 4 and abs(checks[-1].predicted - checks[-1].measured) < 0.01
    near = held_out([20, 30, 40, 60, 120], curves(budgets=[20, 30, 40, 60, 120]), seed=0)
    assert [(found.n_fitted, found.n_labels) for found in near] == [(3, 60), (3, 120), (4, 120)]
    assert held_out([20, 100, 500, 2000], curves(budgets=[20, 100, 500, 2000]), seed=0) == []


def test_a_prediction_of_a_measured_mean_has_its_noise_in_the_interval():
    scores = curves()
    curve = fit(BUDGETS[:7], scores[:, :7], seed=3)
    found, (value, low, high) = check(curve, 5000, scores[:, 7]), curve.predict(5000)
    noise = t.ppf(0.975, 9) * scores[:, 7].std(ddof=1) / 10**0.5
    expected = (value, value - np.hypot(value - low, noise), value + np.hypot(high - value, noise))
    assert (found.predicted, found.low, found.high) == pytest.approx(expected)
    assert (found.n_fitted, found.n_labels, found.measured) == (7, 5000, pytest.approx(scores[:, 7].mean()))


@pytest.mark.parametrize(("measured", "within"), [(0.39, False), (0.4, True), (0.5, True), (0.6, True), (0.61, False)])
def test_an_interval_holds_its_ends(measured, within):
    assert HeldOut(4, 50, 0.5, 0.4, 0.6, measured).within is within


def test_a_seeds_prediction_is_that_of_every_run_before():
    scores = np.array([[0.31, 0.52, 0.66, 0.71], [0.35, 0.50, 0.69, 0.70], [0.33, 0.55, 0.67, 0.74]])
    curve = fit([10, 30, 100, 300], scores, seed=1)
    assert curve.z.shape == (4000,) and FAR == 3
    assert curve.predict(900) == pytest.approx((0.7444930379606933, 0.7050948614034577, 0.7932113046318439), rel=1e-6)
