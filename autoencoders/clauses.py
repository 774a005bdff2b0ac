"""The clauses of the verdict at one label budget: which method is best in each run, and how far apart they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from autoencoders import label_efficiency
from autoencoders.comparison import ALPHA, Comparison, compare
from autoencoders.statistics import Paired, paired

Scores = Mapping[str, np.ndarray]


class OnRows(NamedTuple):
    """Which test rows every arm had right; for balanced accuracy also the rows' classes, (n_rows,)."""

    bits: Scores
    classes: np.ndarray | None = None


@dataclass(frozen=True)
class Choice:
    """The method of every run, chosen by cross-validation on that run's labels, or named beforehand.

    Attributes:
        counts: Runs by arm, the arm chosen most often first.
        mean, low, high: Test score of the runs' methods, with its 95 % t interval.
    """

    counts: dict[str, int]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Clauses:
    """The three clauses at one label budget.

    Attributes:
        learnt: Whether one of the compared methods is above chance, by tests at 5 %, Bonferroni-adjusted.
        highest: The compared method with the highest accuracy of those that `learnt` tests.
        chosen: Whether cross-validation chose the methods; else they are those named beforehand.
        with_encoder, without: The best way to use the encoder, and the best method without it.
        from_scratch: The same network without pretraining.
        against_scratch, against_without: Clauses 1 and 2: `with_encoder` minus the network from scratch, and minus
            `without`.
        use: Clause 3: the best of all methods; None if no method was chosen.
        least: The way to use the encoder that costs most against the network from scratch, with its difference, if the
            best use does not cost and is shown to be over one margin ahead of it; None if the ways agree.
    """

    n_labels: int
    learnt: bool
    highest: Choice
    chosen: bool
    with_encoder: Choice
    without: Choice
    from_scratch: Choice
    against_scratch: Comparison
    against_without: Comparison
    use: Choice | None
    least: tuple[str, Paired] | None


def clauses(
    n_labels: int, scores: Scores, validated: Scores, balanced: Scores, right: OnRows | None, *, ways: set[str],
    from_scratch: str, margin: float, beforehand: tuple[str, str], chance: tuple[float, float], seconds: float | None,
) -> Clauses:  # fmt: skip
    """Return the clauses at one budget; scores and validated scores are (n_runs,), bits are (n_runs, n_rows)."""
    base = scores[from_scratch]
    chosen, encoder, without = sides(scores, validated, ways=ways, from_scratch=from_scratch, beforehand=beforehand)
    use = _best(validated, {*validated}) if chosen else []
    best, scratch = _of(scores, encoder), [from_scratch] * len(base)
    against = partial(compare, best, margin=margin, seconds=seconds)
    compared = [encoder, without, scratch, *([use] if use else [])]
    highest = max(compared, key=lambda arms: _of(balanced, arms).mean())
    return Clauses(
        n_labels=n_labels,
        learnt=_learnt([_of(balanced, arms) for arms in compared], *chance),
        highest=_choice(balanced, highest),
        chosen=chosen,
        with_encoder=_choice(scores, encoder, right),
        without=_choice(scores, without, right),
        from_scratch=_choice(scores, scratch, right),
        against_scratch=against(base, **_bits(right, encoder, scratch)),
        against_without=against(_of(scores, without), **_bits(right, encoder, without)),
        use=_choice(scores, use, right) if chosen else None,
        least=_least(scores, right, [arm for arm in scores if arm in ways], encoder, scratch, margin),
    )


def sides(
    scores: Scores, validated: Scores, *, ways: set[str], from_scratch: str, beforehand: tuple[str, str]
) -> tuple[bool, list[str], list[str]]:
    """Return whether cross-validation chooses; for every run, the best use of the encoder and the best method without.

    Arguments as in `verdict`, at one budget: scores and validated scores are (n_runs,).
    """
    if any(arm in ways for arm in validated) and any(arm not in ways for arm in validated):
        return True, _best(validated, ways), _best(validated, {*validated} - ways)
    n, other = len(scores[from_scratch]), beforehand[1] if beforehand[1] in scores else from_scratch
    return False, [beforehand[0]] * n, [other] * n


def _best(validated: Scores, arms: Collection[str]) -> list[str]:
    """Return the arm with the highest validated score in every run; of equal ones another one in each run, in turn."""
    names, found = [arm for arm in validated if arm in arms], []
    for run in range(len(validated[names[0]])):
        turn = names[run % len(names) :] + names[: run % len(names)]
        found.append(turn[int(np.argmax([validated[arm][run] for arm in turn]))])
    return found


def _of(scores: Scores, arms: Sequence[str]) -> np.ndarray:
    return np.array([scores[arm][run] for run, arm in enumerate(arms)])


def _choice(scores: Scores, arms: Sequence[str], right: OnRows | None = None) -> Choice:
    counts = Counter({arm: n for arm in scores if (n := arms.count(arm))})  # equally often: in the order given
    rows = () if right is None else (_of(right.bits, arms)[:, None], right.classes)
    band = label_efficiency.band(_of(scores, arms)[:, None], *rows)
    return Choice(dict(counts.most_common()), *(float(end[0]) for end in band))


def _bits(right: OnRows | None, a: Sequence[str], b: Sequence[str]) -> dict[str, Any]:
    """Return the keywords `rights` and `classes` of a comparison."""
    if right is None:
        return {}
    return {"rights": (_of(right.bits, a), _of(right.bits, b)), "classes": right.classes}


def _least(
    scores: Scores, right: OnRows | None, ways: Sequence[str], best: Sequence[str], base: Sequence[str], margin: float
) -> tuple[str, Paired] | None:
    """Return the way that costs most against `base`, if the best use does not and is shown to be a margin ahead."""
    confidence = 1 - ALPHA / len(ways)

    def difference(a: Sequence[str], b: Sequence[str]) -> Paired:
        found, against = _of(scores, a).tolist(), _of(scores, b).tolist()
        return paired(found, against, confidence=confidence, **_bits(right, a, b))

    if compare(_of(scores, best), _of(scores, base), margin, **_bits(right, best, base)).outcome == "costs":
        return None
    every = {arm: [arm] * len(base) for arm in ways}
    pairs = {arm: difference(runs, base) for arm, runs in every.items()}
    worst = min(pairs, key=lambda arm: pairs[arm].mean)
    ahead = difference(best, every[worst])
    return (worst, pairs[worst]) if pairs[worst].high < 0 < ahead.low and ahead.mean > margin else None


def _learnt(compared: Sequence[np.ndarray], chance: float, sd: float) -> bool:
    """Return whether a method is above chance: one-sided tests at 5 %, Bonferroni-adjusted.

    A guesser's mean over runs, on the same test rows, scatters by `sd` at most.
    """
    every, level = np.array(compared), 1 - ALPHA / len(compared)
    if sd:
        half = np.full(len(every), float(stats.norm.ppf(level)) * sd)
    else:
        half = stats.t.ppf(level, every.shape[1] - 1) * stats.sem(every, axis=1)
    return bool((every.mean(axis=1) - half > chance).any())
