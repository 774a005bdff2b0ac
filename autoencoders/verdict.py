"""The verdict of a label-efficiency study: does the autoencoder pay, against what, and which method to use?

The input is arrays of scores, without Keras, files or parameters, so that the module works in a notebook.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from autoencoders import sentences
from autoencoders.clauses import Clauses, OnRows, Scores, clauses


@dataclass(frozen=True)
class Verdict:
    """The clauses at every label budget, and the sentence on one of them.

    Attributes:
        headline: The budget of the sentence, in labels.
        metric: What the scores are.
        margin: Difference of scores that is of no practical interest.
        chance: Accuracy of always naming the largest class.
        tuned: Whether any cross-validation took place.
        budgets: The clauses by budget, ascending.
    """

    headline: int
    metric: str
    margin: float
    chance: float
    tuned: bool
    budgets: tuple[Clauses, ...]

    @property
    def clauses(self) -> Clauses:
        """Return the clauses at the headline."""
        return next(found for found in self.budgets if found.n_labels == self.headline)

    @property
    def sentence(self) -> str:
        """Return the verdict in words, with its numbers."""
        return sentences.verdict(self.findings())

    def findings(self) -> dict[str, Any]:
        """Return the numbers for JSON: no NaN, and nothing infinite."""
        own = {name: getattr(self, name) for name in ("metric", "margin", "chance", "tuned")}
        return {"n_labels": self.headline, **own, "budgets": [_plain(found) for found in self.budgets]}


def verdict(
    scores: Scores,
    validated: Scores,
    *,
    with_encoder: Collection[str],
    from_scratch: str,
    budgets: Sequence[int],
    headline: int,
    margin: float,
    beforehand: tuple[str, str],
    chance: float,
    balanced: Scores | None = None,
    chance_sd: float = 0.0,
    seconds_per_run: float | None = None,
    right: Scores | None = None,
    classes: np.ndarray | None = None,
    metric: str = "accuracy",
) -> Verdict:
    """Compare the best use of a pretrained encoder with the same network from scratch and with the best other method.

    "Best" is chosen in every run by that run's validated accuracy: what is picked by its test scores looks better than
    it is (benchmarks/opponent_choice.py).

    Args:
        scores: Test scores by arm, (n_runs, n_budgets), in [0, 1], n_runs >= 2; a row is the same run in all arms.
            A column of NaN: the arm did not run there.
        validated: Cross-validated scores on the run's labels alone, in the same shape; NaN, or no arm, where there
            are none. An arm is a candidate at a budget if it has one in every run.
        with_encoder: The arms that use the pretrained encoder.
        from_scratch: The same network with random weights.
        budgets: Labels, (n_budgets,), ascending.
        headline: The budget of the sentence; choose it before looking at the scores.
        margin: Difference of scores of no practical interest, in (0, 1).
        beforehand: The arms, with the encoder and without, that are compared where either side has no candidate; if the
            second did not run at a budget, the network from scratch takes its place.
        chance: Accuracy of guessing, in [0, 1]; with `balanced`, 1 / classes.
        balanced: Balanced accuracies in the form of `scores`, to compare with chance; default: `scores`.
        chance_sd: Standard deviation of a guesser's accuracy on the test rows; 0 if unknown: then over runs.
        seconds_per_run: What one more run takes; None if unknown.
        right: Which test rows every arm had right, bool (n_runs, n_budgets, n_rows), the same rows in all runs: then
            intervals of differences and scores are over runs and test rows. None: over runs.
        classes: Classes of these rows, (n_rows,), if the scores are balanced accuracies.
        metric: The scores' name, for the sentence.

    Raises:
        ValueError: Shapes do not match, a score is not in [0, 1], an arm is unknown, on the wrong side or ran in some
            runs only, or the budgets do not ascend or hold the headline.

    Example:
        >>> run = np.array([-3, -2, -1, -1, 1, 1, 2, 3])[:, None] / 100
        >>> scores = {"fine-tuned": 0.75 + run, "from scratch": 0.70 + 1.2 * run, "SVM": 0.80 + 1.4 * run}
        >>> found = verdict(
        ...     scores, {arm: accuracy - 0.02 for arm, accuracy in scores.items()}, with_encoder=["fine-tuned"],
        ...     from_scratch="from scratch", budgets=[100], headline=100, margin=0.01, beforehand=("fine-tuned", "SVM"),
        ...     chance=0.1)
        >>> found.clauses.against_scratch.outcome, found.clauses.against_without.outcome
        ('pays', 'costs')
        >>> print(found.sentence)  # doctest: +NORMALIZE_WHITESPACE
        With 100 labels, use an SVM: cross-validation chose it in 8 of 8 runs, and its choices reach 80.0 % (95 % CI
        77.6 to 82.4). The best use of the autoencoder, fine-tuning, is 5.0 points behind the best method without it, an
        SVM (95 % CI 4.3 to 5.7, 8 runs); it is 5.0 points above the same network from scratch (95 % CI 4.7 to 5.3, 8
        runs).
    """
    given = {arm: np.asarray(values, float) for arm, values in scores.items()}
    known = {arm: np.asarray(validated.get(arm, values * np.nan), float) for arm, values in given.items()}
    _check(given, known, {*with_encoder, *beforehand, from_scratch}, {from_scratch, beforehand[0]}, budgets)
    if headline not in budgets:
        raise ValueError(f"headline: expected one of the budgets {list(budgets)}, received {headline}")
    if beforehand[0] not in with_encoder or {from_scratch, beforehand[1]} & {*with_encoder}:
        raise ValueError(f"expected {from_scratch} and {beforehand[1]} without the encoder, {beforehand[0]} with it")
    at_budget = partial(
        clauses, ways={*with_encoder}, from_scratch=from_scratch, margin=margin, beforehand=beforehand,
        chance=(chance, chance_sd), seconds=seconds_per_run,
    )  # fmt: skip
    level = given if balanced is None else {arm: np.asarray(balanced[arm], float) for arm in given}
    at = []
    for k, n in enumerate(budgets):
        there = {arm: values[:, k] for arm, values in given.items() if np.isfinite(values[:, k]).all()}
        chosen_by = {arm: known[arm][:, k] for arm in there if np.isfinite(known[arm][:, k]).all()}
        bits = None if right is None else OnRows({arm: right[arm][:, k] for arm in there}, classes)
        at.append(at_budget(n, there, chosen_by, {arm: level[arm][:, k] for arm in there}, bits))
    return Verdict(headline, metric, margin, chance, bool(np.isfinite([*known.values()]).any()), tuple(at))


def _plain(found: Clauses) -> dict[str, Any]:
    """Return the clauses at a budget for JSON: a comparison's numbers side by side, counts as pairs, in order."""
    plain = asdict(found)
    for name in ("highest", "with_encoder", "without", "from_scratch", "use"):
        if plain[name]:
            plain[name]["counts"] = [[arm, n] for arm, n in plain[name]["counts"].items()]
    for name in ("against_scratch", "against_without"):
        plain[name] = plain[name].pop("pair") | plain[name]
    if found.least:
        plain["least"] = {"arm": found.least[0], **asdict(found.least[1]), "outcome": "costs"}
    return plain


def _check(scores: Scores, validated: Scores, needed: set[str], always: set[str], budgets: Sequence[int]) -> None:
    if unknown := sorted({*needed} - {*scores}):
        raise ValueError(f"expected scores of '{unknown[0]}', received those of {', '.join(scores)}")
    shape = (max(len(next(iter(scores.values()))), 2), len(budgets))
    for arm in scores:
        for values in (scores[arm], validated[arm]):
            if values.shape != shape:
                raise ValueError(f"{arm}: expected scores of shape {shape}, received {values.shape}")
            if wrong := values[~np.isnan(values) & ~((values >= 0) & (values <= 1))].tolist():
                raise ValueError(f"{arm}: expected scores in [0, 1], received {wrong[0]}")
        missing = np.isnan(scores[arm])
        if (missing.any(axis=0) != missing.all(axis=0)).any() or (arm in always and missing.any()):
            raise ValueError(f"{arm}: expected scores of every run at {'every' if arm in always else 'a'} budget")
    if list(budgets) != sorted(set(budgets)):
        raise ValueError(f"budgets: expected ascending numbers, received {list(budgets)}")
