"""A paired difference of scores beside a margin of no practical interest: what it shows, and how many runs tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from autoencoders.statistics import Paired, PairedOnRows, paired, runs_needed

Outcome = Literal["within", "pays", "costs", "undecided"]
ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """A clause of the verdict: a paired difference of test scores, and what it shows.

    Attributes:
        pair: The difference, with its 95 % interval: over runs and test rows, if the rows are given.
        low_90, high_90: Its 90 % interval: inside the margin, two one-sided tests at 5 % show equivalence.
        outcome: `within` if the 90 % interval lies inside the margin; else `pays` or `costs` if the 95 % one lies above
            or below zero; else `undecided`.
        n_needed: Runs that find a difference of one margin with power 0.8, two-sided at 5 %. If it is undecided with as
            many: runs that find this difference, or its distance from the margin. None if no number of runs does, since
            there are too few test rows.
        tells_margin: Whether `n_needed` is of the first kind.
        minutes: Time of the runs that are missing for that; None if the time of a run is unknown.

    Reference:
        Schuirmann, A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the
        Equivalence of Average Bioavailability, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987).
    """

    pair: Paired
    low_90: float
    high_90: float
    outcome: Outcome
    n_needed: int | None
    tells_margin: bool
    minutes: float | None


def compare(
    a: np.ndarray,
    b: np.ndarray,
    margin: float,
    seconds: float | None = None,
    rights: tuple[np.ndarray, np.ndarray] | None = None,
    classes: np.ndarray | None = None,
) -> Comparison:
    """Compare scores a with b, both (n_runs,), run by run.

    Args:
        a, b: Scores in [0, 1].
        margin: Difference of no practical interest.
        seconds: What one more run takes; None if unknown.
        rights, classes: As in `paired`.
    """
    pair = paired(a.tolist(), b.tolist(), rights=rights, classes=classes)
    se_rows = pair.se_rows if isinstance(pair, PairedOnRows) else 0.0
    shown, needed = outcome(pair, margin), runs_needed(pair.sd, margin, se_rows=se_rows)
    tells = needed is None or needed > pair.n or shown != "undecided"
    if not tells:  # it would have seen one margin: how many runs see this difference, or that it is within the margin?
        away = max(abs(pair.mean), margin - abs(pair.mean), pair.sd / 20)
        needed = runs_needed(pair.sd, away, se_rows=se_rows)
        needed = needed and max(needed, pair.n + 1)
    minutes = None if seconds is None or needed is None else max(0, needed - pair.n) * seconds / 60
    return Comparison(pair, *pair.interval(1 - 2 * ALPHA), shown, needed, tells, minutes)


def outcome(pair: Paired, margin: float, alpha: float = ALPHA) -> Outcome:
    """Return what a paired difference shows at a level alpha, beside a margin of no practical interest."""
    (low, high), (least, most) = pair.interval(1 - alpha), pair.interval(1 - 2 * alpha)
    if -margin < least and most < margin:
        return "within"
    return "pays" if low > 0 else "costs" if high < 0 else "undecided"
