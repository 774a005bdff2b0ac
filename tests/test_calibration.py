"""The calibration: its simulations are what they say, and it notices an interval that is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from autoencoders import label_efficiency
from autoencoders.statistics import paired
from benchmarks.calibration import differences, page, saved, two_way
from benchmarks.calibration.cases import CASES, Case, check
from benchmarks.workers import ROOT


def test_an_interval_of_half_the_width_is_noticed_and_its_condition_named():
    def halved(rng, n):
        scores = rng.standard_normal((10, n))
        mean, low, high = label_efficiency.band(scores)
        half = (abs(mean) <= (high - low) / 4, (low <= 0) & (high >= 0))
        return dict(zip([("normal", "half the width"), ("normal", "the whole width")], half, strict=True))

    result = check(Case("Halved", "Half.", halved, 4000), 4000)
    (line,) = page.missed(result)
    share = result["covered"]["normal"]["half the width"] / 4000
    assert share == pytest.approx(1 - 2 * stats.t.sf(stats.t.ppf(0.975, 9) / 2, 9), abs=0.02)
    assert line == f"normal: {100 * share:.1f} % with half the width"
    text = page.page([result])
    assert f"Halved, 95 % claimed:\n\n- {line}\n" in text and "In no condition" not in text
    assert f"| | half the width | the whole width |\n|---|---|---|\n| normal | **{100 * share:.1f}** | 9" in text


@pytest.mark.parametrize(
    ("covered", "cell"),
    [(929, "**92.9**"), (930, "93.0"), (950, "95.0"), (970, "97.0"), (971, "*97.1*")],
)
def test_two_points_beside_the_claim_are_marked(covered, cell):
    counts = {"row": {"column": 10 * covered}}
    result = {"name": "A", "told": "B.", "claim": 0.95, "drawn": 10_000, "covered": counts}
    assert f"| row | {cell} |" in page.page([result])
    assert bool(page.missed(result)) == (cell[:2] == "**") == ("In no condition." not in page.page([result]))


def test_few_draws_are_marked_only_beyond_three_standard_errors():
    few = {"name": "A", "told": "B.", "claim": 0.95, "drawn": 50, "covered": {"row": {"x": 43, "y": 42}}}
    assert page.missed(few) == ["row: 84.0 % with y"]


def test_a_case_gives_the_same_counts_again_and_every_case_has_its_own_seed():
    case = Case("A", "", lambda rng, n: {("row", "column"): rng.random(n) < 0.5}, 100)
    other = Case("B", "", case.held, 100)
    assert check(case, 100) == check(case, 100)
    assert check(case, 100)["covered"] != check(other, 100)["covered"]


@pytest.mark.parametrize("name", differences.DISTRIBUTIONS)
def test_simulated_differences_have_mean_zero(name):
    drawn = differences.DISTRIBUTIONS[name](np.random.default_rng(0), (10, 20_000))
    assert abs(drawn.mean()) < 4 * drawn.std() / drawn.size**0.5


def test_the_interval_of_the_simulated_differences_is_that_of_paired():
    found = differences.held(np.random.default_rng(0), 50)["normal", "6 runs"]
    drawn = differences.DISTRIBUTIONS["normal"](np.random.default_rng(0), (6, 50))
    assert found.tolist() == [not paired(runs.tolist(), [0.0] * 6).distinguishable for runs in drawn.T]


def test_a_simulated_study_varies_and_saves_labels_as_it_says():
    rng = np.random.default_rng(0)
    arm, base = saved.study(rng, ratio=2.0, n_runs=20_000, budgets=saved.FULL)
    curve = saved.CURVES["power law"](np.array(saved.FULL, float))
    assert base.mean(axis=0) == pytest.approx(curve, abs=1e-3)
    assert arm.mean(axis=0)[[0, 3]] == pytest.approx(saved.CURVES["power law"](np.array([40.0, 400.0])), abs=1e-3)
    assert base.std(axis=0)[[0, -1]] == pytest.approx([0.025, 0.004], rel=0.03)
    assert np.corrcoef(arm[:, 2], base[:, 2])[0, 1] == pytest.approx(0.85, abs=0.01)
    assert np.corrcoef(base[:, 2], base[:, 4])[0, 1] == pytest.approx(np.exp(-1), abs=0.02)


@pytest.mark.parametrize("row_sd", two_way.ROW_SD.values())
def test_simulated_answers_are_as_accurate_as_they_say_and_rows_are_difficult_for_both_arms(row_sd):
    rng = np.random.default_rng(0)
    means = np.array([[right.mean() for right in two_way.rights(rng, 2, 1000, row_sd)] for _ in range(200)])
    assert means.mean(axis=0) == pytest.approx(two_way.ACCURACIES, abs=0.01)
    a, b = two_way.rights(rng, 10, 2000, row_sd)
    assert a.dtype == bool and a.shape == b.shape == (10, 2000)
    between, within = np.corrcoef(a.mean(axis=0), b.mean(axis=0))[0, 1], np.corrcoef(a[0], a[1])[0, 1]
    assert between > 0.5 < within and (between > 0.9) == (row_sd == 0)


def test_every_case_draws_what_it_is_asked_for():
    for case in CASES:
        held = case.held(np.random.default_rng(0), 2)
        assert held and {draws.shape for draws in held.values()} == {(2,)}


def test_the_page_is_made_of_the_kept_counts():
    results = json.loads((ROOT / "docs/calibration.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs/calibration.md").read_text(encoding="utf-8")
    assert text == page.page(results), "`python -m benchmarks.calibration`"
    assert [(r["name"], r["told"], r["drawn"]) for r in results] == [(c.name, c.told, c.n) for c in CASES]
