"""The published results follow from the published cells and bits: computed again with numpy and scipy alone."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"


@pytest.fixture(scope="module")
def right():
    held = dict(np.load(RESULTS / "label-study-right.npz"))
    n_rows = int(held.pop("n_rows"))
    return {arm: np.unpackbits(bits, axis=-1, count=n_rows) for arm, bits in held.items()}


@pytest.fixture(scope="module")
def cells():
    return pd.read_csv(RESULTS / "label-study-cells.csv", keep_default_na=False)


def test_every_accuracy_is_the_share_of_the_bits(right, cells):
    budgets = sorted(set(cells.n_labels))
    found = [right[row.arm][row.run, budgets.index(row.n_labels)].mean() for row in cells.itertuples()]
    np.testing.assert_allclose(found, cells.accuracy, atol=1e-12)


def test_every_interval_of_the_main_question_is_that_over_runs_and_test_rows(right, cells):
    budgets = sorted(set(cells.n_labels))
    for row in pd.read_csv(RESULTS / "label-study-comparisons.csv").query("family == 'main'").itertuples():
        k = budgets.index(row.n_labels)
        d = right[row.arm][:, k].astype(float) - right[row.against][:, k]
        runs, rows = d.shape
        of_run, of_row = d.mean(axis=1), d.mean(axis=0)
        rest = d - of_run[:, None] - of_row + d.mean()
        squares = np.array([rows * of_run.var(ddof=1), runs * of_row.var(ddof=1), (rest**2).sum()])
        free = np.array([runs - 1, rows - 1, (runs - 1) * (rows - 1)])
        squares[2] /= free[2]
        assert squares[1] > squares[2]
        total = squares[0] + squares[1] - squares[2]
        df = total**2 / (squares**2 / free).sum()
        ends = stats.t.interval(0.95, df, d.mean(), (total / d.size) ** 0.5)
        assert (row.mean, row.low, row.high) == pytest.approx((d.mean(), *ends), abs=1e-12)


def test_the_p_of_a_family_are_max_t_over_all_flips(right, cells):
    budgets = sorted(set(cells.n_labels))
    family = pd.read_csv(RESULTS / "label-study-comparisons.csv").query("family == 'main'")
    means = {arm: bits.mean(axis=2) for arm, bits in right.items()}
    columns = [(row.arm, row.against, budgets.index(row.n_labels)) for row in family.itertuples()]
    d = np.array([means[arm][:, k] - means[against][:, k] for arm, against, k in columns]).T
    flips = np.array(list(product([1, -1], repeat=len(d))))
    t = np.abs(stats.ttest_1samp(d, 0).statistic)
    flipped = np.array([np.abs(stats.ttest_1samp(signs[:, None] * d, 0).statistic) for signs in flips])
    least, expected = 0.0, np.empty(len(t))
    order = np.argsort(-t)
    for place, member in enumerate(order):
        reached = flipped[:, order[place:]].max(axis=1) >= t[member] * (1 - 1e-9)
        least = max(least, reached.mean())
        expected[member] = least
    np.testing.assert_allclose(family.p_max_t, expected, atol=1e-12)
