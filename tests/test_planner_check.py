"""The check of the planner's predictions, on a made-up study."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks import planner_check
from benchmarks.planner_coverage import BUDGETS, FAMILIES, study


def cells(path, arms):
    """Write a study's cells: accuracies (n_runs, n_budgets) by arm, with the budgets before it."""
    rows = [
        {"arm": arm, "pretraining": "", "n_labels": n, "run": run, "accuracy": accuracy}
        for arm, (budgets, scores) in arms.items()
        for run, line in enumerate(scores)
        for n, accuracy in zip(budgets, line, strict=True)
    ]
    pd.DataFrame(rows).sample(frac=1, random_state=0).sort_values("arm").to_csv(path, index=False)


def test_every_arm_has_its_larger_budgets_inside_or_not(tmp_path):
    budgets = [*BUDGETS, 10_000, 15_000, 20_000]  # 20,000 cannot be told
    rng = np.random.default_rng(0)
    goes_on = study(rng, FAMILIES["power, c = 0.35"], budgets, 6)
    falls = goes_on - 0.1 * (np.array(budgets) > 5000)
    cells(tmp_path / "cells.csv", {"a": (budgets, goes_on), "b": (budgets, falls), "c": (BUDGETS, goes_on[:, :8])})
    head, *lines, last = planner_check.table(tmp_path / "cells.csv").splitlines()
    assert head.split() == ["arm", "labels", "predicted", "interval", "measured", "inside"]
    rows = [line.split() for line in lines]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("a", "10,000", "yes"), ("a", "15,000", "yes"), ("b", "10,000", "no"), ("b", "15,000", "no"),
    ]  # fmt: skip
    assert last == "2 of 4 measured means lie inside"
    assert rows[0][2] == rows[2][2] and rows[0][3:6] == rows[2][3:6], "the larger budgets are not fitted"
    assert rows[1][6] == f"{100 * goes_on[:, -2].mean():.1f}"
