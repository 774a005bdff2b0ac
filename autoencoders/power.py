"""Plan a paired study from a pilot: the two parts of a difference's error, and the runs that find an effect.

Runs share their test rows, so the error of a mean difference has a part that falls with the runs and one that does not:
SE^2 = sd_run^2 / runs + floor^2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, stats

from autoencoders.statistics import mean_squares, runs_needed

POWER, ALPHA = 0.8, 0.05  # as in `runs_needed`
CONFIDENCE = 0.8  # of the interval of a number of runs: a pilot's few runs know their own scatter badly


@dataclass(frozen=True)
class Parts:
    """The mean squares of D[r, i] = right_a - right_b over runs r and rows i, in a two-way layout.

    Attributes:
        run, row, rest: Mean squares of the runs, of the rows, and of what both leave.
        n_runs, n_rows: The pilot's size.
    """

    run: float
    row: float
    rest: float
    n_runs: int
    n_rows: int

    def sd_run(self, n_rows: int) -> float:
        """Return the standard deviation over runs of the mean difference on so many test rows."""
        # sd_run^2 = (MS_run - MS_rest) / rows of the pilot + MS_rest / rows
        return math.sqrt(max(self.run - self.rest, 0.0) / self.n_rows + self.rest / n_rows)

    def floor(self, n_rows: int) -> float:
        """Return the test rows' part of the standard error on so many of them, which no number of runs reduces."""
        # floor^2 = (MS_row - MS_rest) / runs of the pilot / rows
        return math.sqrt(max(self.row - self.rest, 0.0) / self.n_runs / n_rows)

    def run_interval(self) -> tuple[Parts, Parts]:
        """Return the parts with both ends of the interval of MS_run, by chi-squared; it is no less than MS_rest."""
        df, tail = self.n_runs - 1, (1 - CONFIDENCE) / 2
        low, high = (max(df * self.run / float(stats.chi2.ppf(p, df)), self.rest) for p in (1 - tail, tail))
        return replace(self, run=low), replace(self, run=high)


def parts(right_a: np.ndarray, right_b: np.ndarray, classes: np.ndarray | None = None) -> Parts:
    """Return the mean squares of right_a - right_b, both bool (n_runs, n_rows), with two or more of each.

    With the rows' `classes`, (n_rows,), they are those of balanced accuracy, for test rows with the same shares.
    """
    found = mean_squares(right_a.astype(np.int8) - right_b.astype(np.int8), classes)
    return Parts(*found.squares.tolist(), *right_a.shape)


@dataclass(frozen=True)
class Plan:
    """The number of runs that a question takes, and what a planned study and its test set can show.

    Attributes:
        n_needed: Runs that find the effect; None if no number does, as in `runs_needed`.
        low, high: The interval of that number; None as above.
        least: The least effect that the planned runs find.
        never: The effect below which the test rows let no number of runs find it.
        rows_needed: Test rows with which some number of runs finds the effect.
    """

    n_needed: int | None
    low: int | None
    high: int | None
    least: float
    never: float
    rows_needed: int


def plan(found: Parts, *, effect: float, n_rows: int, n_runs: int) -> Plan:
    """Return the plan of a study with n_rows test rows; "finds" is with power 0.8, two-sided at 5 %.

    Args:
        found: The parts of the pilot's difference.
        effect: The true difference to find, > 0.
        n_rows: Test rows of the study.
        n_runs: Runs of the study, 2 or more.
    """
    floor, shift = found.floor(n_rows), float(stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER))
    needed, low, high = (runs_needed(p.sd_run(n_rows), effect, se_rows=floor) for p in (found, *found.run_interval()))
    return Plan(
        n_needed=needed,
        low=low,
        high=high,
        least=least_effect(found.sd_run(n_rows), n_runs, se_rows=floor),
        never=floor * shift,
        rows_needed=math.floor((found.floor(1) * shift / effect) ** 2) + 1,
    )


def least_effect(sd: float, n_runs: int, *, se_rows: float = 0.0) -> float:
    """Return the least effect that a number of runs, 2 or more, finds; arguments as in `runs_needed`."""
    # effect = shift * SE(n): the shift with which Student's t, noncentral, has the power
    df = n_runs - 1
    limit = float(stats.t.ppf(1 - ALPHA / 2, df))
    shift = optimize.brentq(lambda shift: stats.nct.sf(limit, df, shift) - POWER, 0.0, 2 * limit + 2)
    return float(shift) * math.hypot(sd / n_runs**0.5, se_rows)
