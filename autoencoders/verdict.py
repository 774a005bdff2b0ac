"""The verdict of a label-efficiency study: does pretraining pay at a label budget, and how many labels does it save?

The input is arrays of scores, without Keras, files or parameters, so that the module works in a notebook.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from autoencoders import label_efficiency, sentences
from autoencoders.label_efficiency import LabelsSaved
from autoencoders.statistics import Paired

Outcome = Literal["pays", "costs", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """The result of a study's main question: fine-tuning compared with training from scratch.

    Attributes:
        outcome: `pays` or `costs` if the interval of the mean difference at the headline lies above or below zero,
            `undecided` if it contains zero.
        headline: The budget of the verdict, in labels.
        budgets: All label budgets, ascending.
        differences: Paired differences of accuracy, one per budget.
        p_holm: Their p values, adjusted for the family of all budgets.
        labels_saved: Labels that training from scratch needs for the fine-tuned accuracy at the headline.
        crossover, pays_from: Labels at which the mean difference first turns negative, and positive; None if never.
        no_difference_from: Smallest budget from which on every interval contains zero, or None.
        hurts_from: Smallest budget from which on every interval lies below zero, or None.
    """

    outcome: Outcome
    headline: int
    budgets: tuple[int, ...]
    differences: tuple[Paired, ...]
    p_holm: tuple[float, ...]
    labels_saved: LabelsSaved
    crossover: float | None
    pays_from: float | None
    no_difference_from: int | None
    hurts_from: int | None

    @property
    def difference(self) -> Paired:
        """Return the paired difference at the headline."""
        return self.differences[self.budgets.index(self.headline)]

    @property
    def sentence(self) -> str:
        """Return the verdict as a sentence with its numbers."""
        return sentences.verdict(self.findings())

    def findings(self) -> dict[str, Any]:
        """Return the numbers for JSON; missing and infinite ones are None."""
        saved = asdict(self.labels_saved).items()
        p_holm = self.p_holm[self.budgets.index(self.headline)]
        rows = zip(self.budgets, self.differences, strict=True)
        return {
            "n_labels": self.headline,
            "budgets": list(self.budgets),
            "differences": [{"n_labels": n, **asdict(pair)} for n, pair in rows],
            "difference": asdict(self.difference) | {"p_holm": p_holm, "n_family": len(self.budgets)},
            "labels_saved": {name: value if math.isfinite(value) else None for name, value in saved},
            "crossover": self.crossover,
            "pays_from": self.pays_from,
            "no_difference_from": self.no_difference_from,
            "hurts_from": self.hurts_from,
        }


def verdict(fine_tuned: np.ndarray, from_scratch: np.ndarray, *, budgets: Sequence[int], headline: int) -> Verdict:
    """Compare fine-tuning with training from scratch, run by run, at every label budget.

    Args:
        fine_tuned, from_scratch: Accuracies in [0, 1], (n_runs, n_budgets), n_runs >= 2; the same row is the same run.
        budgets: Labels, (n_budgets,), ascending.
        headline: The budget of the verdict; choose it before looking at the scores.

    Raises:
        ValueError: Shapes do not match, a score is not in [0, 1], budgets do not ascend, or the headline is not one of
            them.

    Example:
        >>> noise = np.array([[-3], [-2], [-1], [-1], [1], [1], [2], [3]]) / 100
        >>> from_scratch = np.array([0.60, 0.70, 0.80]) + noise
        >>> fine_tuned = np.array([0.69, 0.75, 0.80]) + 0.8 * noise
        >>> found = verdict(fine_tuned, from_scratch, budgets=[50, 100, 500], headline=100)
        >>> found.outcome
        'pays'
        >>> print(found.sentence)  # doctest: +NORMALIZE_WHITESPACE
        With 100 labels, fine-tuning a pretrained encoder adds 5.0 points of test accuracy over training from scratch
        (95 % CI 4.7 to 5.3, n = 8 runs, exact p = 0.023 after Holm) and is worth 2.2 times the labels (95 % CI 2.1 to
        2.4); it adds 9.0 (8.7 to 9.3) with 50 labels; no difference is detectable with
        500 labels.
    """
    a, base = np.asarray(fine_tuned, float), np.asarray(from_scratch, float)
    _check(a, base, budgets, headline)
    pairs = label_efficiency.compare(a, base)
    pair, means = pairs[list(budgets).index(headline)], [pair.mean for pair in pairs]
    return Verdict(
        outcome="undecided" if not pair.distinguishable else "pays" if pair.mean > 0 else "costs",
        headline=headline,
        budgets=tuple(budgets),
        differences=tuple(pairs),
        p_holm=tuple(label_efficiency.adjusted(pairs)),
        labels_saved=label_efficiency.labels_saved(budgets, a, base)[list(budgets).index(headline)],
        crossover=label_efficiency.crossover(budgets, means),
        pays_from=label_efficiency.crossover(budgets, [-mean for mean in means]),
        no_difference_from=label_efficiency.no_difference_from(budgets, pairs),
        hurts_from=label_efficiency.hurts_from(budgets, pairs),
    )


def _check(a: np.ndarray, base: np.ndarray, budgets: Sequence[int], headline: int) -> None:
    shape = (max(len(a), 2), len(budgets))
    if a.shape != shape or base.shape != shape:
        raise ValueError(f"expected two arrays of scores of shape {shape}, received {a.shape} and {base.shape}")
    for scores in (a, base):
        if wrong := scores[~((scores >= 0) & (scores <= 1))].tolist():  # NaN, too
            raise ValueError(f"expected scores in [0, 1], received {wrong[0]}")
    if list(budgets) != sorted(set(budgets)):
        raise ValueError(f"budgets: expected ascending numbers, received {list(budgets)}")
    if headline not in budgets:
        raise ValueError(f"headline: expected one of the budgets {list(budgets)}, received {headline}")
