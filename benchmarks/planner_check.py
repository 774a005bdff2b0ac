"""Did the planner's predictions hold? Fit on budgets up to 5,000 and compare with the larger ones that were measured.

    python -m benchmarks.planner_check [CELLS.csv]

Reads data/label_curve/cells.csv, as `make experiment NAME=planner-check` leaves it, and prints for every arm the 95 %
intervals of the mean accuracy with 10,000 and 15,000 labels, in per cent, and what was measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from autoencoders.learning_curves import FAR, HeldOut, check, fit

CELLS = Path("data/label_curve/cells.csv")
LARGEST, SEED = 5000, 42


def checks(scores: pd.DataFrame) -> list[HeldOut]:
    """Return the predictions of an arm's scores, (n_runs, n_budgets), beyond 5,000 labels, where it has some."""
    known = [int(n) for n in scores.columns if n <= LARGEST]
    larger = [int(n) for n in scores.columns if LARGEST < n <= FAR * known[-1]]
    curve = fit(known, scores[known].to_numpy(), seed=SEED)
    return [check(curve, n, scores[n].to_numpy()) for n in larger]


def table(path: str | Path = CELLS) -> str:
    """Return a row per arm and larger budget, and how many measured means lie inside."""
    lines, inside = [f"{'arm':32}{'labels':>8}{'predicted':>11}{'interval':>16}{'measured':>10}  inside"], []
    for arm, rows in pd.read_csv(path).groupby("arm", sort=False):
        for at in checks(rows.pivot(index="run", columns="n_labels", values="accuracy")):
            predicted, low, high, measured = (f"{100 * x:.1f}" for x in (at.predicted, at.low, at.high, at.measured))
            ends, said = f"{low} to {high}", "yes" if at.within else "no"
            lines.append(f"{arm:32}{at.n_labels:>8,}{predicted:>11}{ends:>16}{measured:>10}  {said}")
            inside.append(at.within)
    return "\n".join([*lines, f"{sum(inside)} of {len(inside)} measured means lie inside"])


if __name__ == "__main__":
    print(table(*sys.argv[1:]))
