"""The study's comparisons: every arm against its bases, run by run, with intervals over runs and test rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from autoencoders import label_efficiency
from autoencoders.arms import FINE_TUNED, FROM_SCRATCH, RANDOM_FEATURES
from autoencoders.families import max_t
from autoencoders.statistics import Paired
from autoencoders.study import unpacked
from tasks.frame.sections import Params

Rights = dict[str, np.ndarray]


def name_of(params: Params, cell: dict[str, Any]) -> str:
    """Return the name of a cell's arm.

    It ends with its pretraining, unless that is the main one, without fixed settings in a tuned study.
    """
    main = cell["pretraining"] in ("", params.label_curve.pretrainings[0]) and not cell["fixed"]
    return cell["arm"] if main else f"{cell['arm']} - {cell['pretraining']}"


def reference(params: Params) -> str:
    """Return the arm that other pretrainings, fine-tuned, are compared with: the main one, with fixed settings, too."""
    c = params.label_curve
    return FINE_TUNED if c.tuning.n_configurations == 1 else f"{FINE_TUNED} - {c.pretrainings[0]}"


def rights(params: Params, results: Sequence[dict[str, Any]], n_test: int) -> Rights | None:
    """Return which test rows each arm had right, bool (n_runs, n_budgets, n_test); all False where it did not run.

    None if `split` varies: then every run has test rows of its own, and intervals are over runs.
    """
    c, found = params.label_curve, Rights()
    if "split" in c.vary:
        return None
    for result in results:
        cell, empty = result["cell"], (c.n_runs, len(c.n_labels), n_test)
        arm = found.setdefault(name_of(params, cell), np.zeros(empty, bool))
        arm[cell["run"], c.n_labels.index(cell["n_labels"])] = unpacked(result["right"], n_test)
    return found


def scores(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return an arm's scores, (n_runs, n_budgets), of the budgets at which it ran."""
    return rows.pivot(index="run", columns="n_labels", values=name)


class Compared(NamedTuple):
    """An arm's comparison with a base at one budget, and its family.

    The main question (fine-tuned against from scratch, at every budget) is one family. For each base, all other
    comparisons with it are one family.
    """

    arm: str
    against: str
    n_labels: int
    difference: np.ndarray  # (n_runs,)
    pair: Paired

    @property
    def family(self) -> str:
        """Return the name of the family."""
        return "main" if (self.arm, self.against) == (FINE_TUNED, FROM_SCRATCH) else f"others against {self.against}"


def compared(
    budgets: Sequence[int],
    curves: dict[str, np.ndarray],
    right: Rights | None,
    main: str,
    classes: np.ndarray | None = None,
) -> list[Compared]:
    """Compare every arm with each base at every budget.

    Args:
        budgets: Label budgets, ascending.
        curves: Scores (n_runs, n_budgets) by arm; an arm with fewer budgets has the smallest ones.
        right: As `rights` returns it.
        main: As `reference` returns it.
        classes: Of the test rows, if the scores are balanced accuracies.
    """
    found = []
    for against in (FROM_SCRATCH, RANDOM_FEATURES, main):
        for arm, own in curves.items():
            if is_compared(arm, against, main):
                base = curves[against][:, : own.shape[1]]
                bits = None if right is None else (right[arm], right[against])
                pairs = label_efficiency.compare(own, base, bits, classes)
                found += [Compared(arm, against, n, own[:, k] - base[:, k], pair)
                          for k, (n, pair) in enumerate(zip(budgets, pairs, strict=False))]  # fmt: skip
    return found


def is_compared(arm: str, against: str, main: str) -> bool:
    """Return whether an arm is compared with a base.

    Other pretrainings, fine-tuned, are compared with `main`. In a tuned study, whose `main` has fixed settings, they
    are compared with nothing else, for they are not tuned.
    """
    if against == main:
        return arm != main and arm.startswith(f"{FINE_TUNED} - ")
    return arm != against and (main == FINE_TUNED or " - " not in arm)


def table(found: Sequence[Compared]) -> Iterator[dict[str, Any]]:
    """Yield every comparison as a row, with p values adjusted within its family by Holm's method and by max-t."""
    for family in dict.fromkeys(member.family for member in found):
        members = [member for member in found if member.family == family]
        by_holm = label_efficiency.adjusted([member.pair for member in members])
        by_max_t = max_t(np.stack([member.difference for member in members], axis=1))
        for member, p_holm, p_max_t in zip(members, by_holm, by_max_t, strict=True):
            yield {"arm": member.arm, "against": member.against, "n_labels": member.n_labels, **asdict(member.pair),
                   "family": family, "n_family": len(members), "p_holm": p_holm, "p_max_t": float(p_max_t),
                   "distinguishable": member.pair.distinguishable}  # fmt: skip
