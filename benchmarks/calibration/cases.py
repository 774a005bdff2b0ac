"""The cases: a claim of the project, and the simulation that counts how often it holds.

To add one, write a function of a generator and a number of draws that returns, per row and column of the case's table,
whether the claim held in each draw; and add a line to CASES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.calibration import balanced, differences, planner, saved, two_way

Held = Mapping[tuple[str, str], np.ndarray]  # (row, column) -> bool, (n_draws,)


@dataclass(frozen=True)
class Case:
    """A claim to check.

    Attributes:
        name: Title of its table.
        told: What is simulated, in sentences.
        held: Returns whether the claim held, of a generator and a number of draws.
        n: Draws of the whole run.
        claim: The share of draws in which it should hold.
    """

    name: str
    told: str
    held: Callable[[np.random.Generator, int], Held]
    n: int
    claim: float = 0.95


CASES = (
    Case("Differences of paired runs", differences.TOLD, differences.held, 20_000),
    Case("Differences over runs and test rows", two_way.TOLD, two_way.held, 2000),
    Case("Differences of balanced accuracy", balanced.TOLD, balanced.held, 1000),
    *(
        Case(f"Labels saved, {len(budgets)} budgets, {n_runs} runs", saved.TOLD,
             partial(saved.held, budgets=budgets, n_runs=n_runs), 2000)
        for budgets in (saved.FULL, saved.QUICK)
        for n_runs in (10, 6)
    ),
    *(
        Case(f"The planner, {len(budgets)} budgets, {n_runs} runs", planner.TOLD,
             partial(planner.held, budgets=budgets, n_runs=n_runs), 400)
        for budgets, n_runs in ((saved.FULL, 10), (saved.QUICK, 6))
    ),
)  # fmt: skip


def check(case: Case, n: int) -> dict[str, Any]:
    """Return the number of draws in which a case's claim held, for JSON; the seed depends on the case's name alone."""
    held = case.held(np.random.default_rng([*case.name.encode()]), n)
    rows: dict[str, dict[str, int]] = {}
    for (row, column), draws in held.items():
        rows.setdefault(row, {})[column] = int(np.sum(draws))
    return {"name": case.name, "told": case.told, "claim": case.claim, "drawn": n, "covered": rows}
