"""The answer of a pilot in words: how many runs and minutes the study's question takes, and what it can never show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autoencoders.power import Parts, Plan, plan
from autoencoders.sentences import number, width
from autoencoders.statistics import MOST_RUNS
from tasks.frame.sections import Params
from tasks.study.pilot import RUNS, SCRATCH, WITHOUT

OPPONENTS = {SCRATCH: "the same network from scratch", WITHOUT: "the best method without it"}


def plans(params: Params, compared: Mapping[str, Parts], n_test: int) -> dict[str, Plan]:
    """Return the plan for each opponent: to find a difference of one margin with so many test rows."""
    c = params.label_curve
    return {name: plan(found, effect=c.margin, n_rows=n_test, n_runs=c.n_runs) for name, found in compared.items()}


def lines(params: Params, found: Mapping[str, Plan], *, n_valid: int, n_test: int, seconds: float) -> Iterator[str]:
    """Yield the answer, a line each.

    Args:
        params: The parameters.
        found: The plan for each opponent.
        n_valid, n_test: Numbers of validation and test rows.
        seconds: What a run of the study takes.
    """
    c = params.label_curve
    yield (
        f"Pilot: {len(RUNS)} runs with {c.headline:,} labels, scored on {n_valid:,} validation rows and no test row. A"
        f" difference counts as found with power 80 %, two-sided at 5 %."
    )
    for name, one in found.items():
        yield f"The best use of the autoencoder against {OPPONENTS[name]}:"
        yield f"  {_needed(one, c.margin, n_test, seconds)}"
        yield f"  The planned {c.n_runs} runs find {_points(one.least)} points or more."
        if one.never:
            yield f"  With {n_test:,} test rows, no number of runs ever finds less than {_points(one.never)} points."
    yield (
        f"A run of the study takes about {_minutes(seconds)} of a processor here; set label_curve.n_runs, then"
        f" `make register` before the study runs."
    )


def _needed(found: Plan, margin: float, n_test: int, seconds: float) -> str:
    """Return the runs and minutes that a difference of one margin takes."""
    if found.n_needed is None:
        return (
            f"No number of runs finds {width(margin)}: {n_test:,} test rows are too few, it takes {found.rows_needed:,}"
            f" or more."
        )
    return (
        f"About {found.n_needed:,} runs find {width(margin)}, {_minutes(found.n_needed * seconds)} of a processor. This"
        f" is rough: the scatter of {len(RUNS)} runs gives {_runs(found.low)} to {_runs(found.high)} runs (80 %"
        f" interval)."
    )


def _runs(n: int | None) -> str:
    return f"{MOST_RUNS:,} or more" if n is None else f"{n:,}"


def _points(difference: float) -> str:
    return number(100 * difference, 2 if difference < 0.001 else 1)


def _minutes(seconds: float) -> str:
    n, unit = (round(seconds / 60), "minute") if seconds > 45 else (max(1, round(seconds)), "second")
    return f"{n:,} {unit}" if n == 1 else f"{n:,} {unit}s"
