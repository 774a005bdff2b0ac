"""Families of comparisons: p values adjusted for the number of comparisons, by Westfall and Young's max-t."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

MOST_ENUMERATED = 16  # runs; for more, sign flips are drawn
N_DRAWN = 99_999
CHUNK = 4096  # sign flips at a time


def max_t(differences: np.ndarray) -> np.ndarray:
    """Return p values of paired differences, adjusted for their family, two-sided, (members,).

    t_j(s) = |sum_r s_r d_rj| / sqrt(sum_r d_rj^2), a monotone function of Student's |t|, with t_(1) >= t_(2) >= ... at
    s = 1;  p_(j) = max_{i <= j} #{s in {-1, 1}^n: max_{k >= i} t_(k)(s) >= t_(i)(1)} / 2^n

    All members' differences of a run flip together, so that the family's correlation counts, and the least p is
    2 / 2^n, whatever the number of members.

    Args:
        differences: (n_runs, members), n_runs >= 2; a row is the same run in all members. More than 16 runs: a sample
            of 99,999 flips instead of all.

    Reference:
        Westfall & Young, Resampling-Based Multiple Testing (1993), algorithm 2.8 (step-down max-t); it supposes that
        differences scatter symmetrically about zero where there is no effect.
    """
    norm = np.sqrt((differences**2).sum(axis=0))
    unit = np.divide(differences, norm, out=np.zeros_like(differences, dtype=np.float64), where=norm > 0)
    seen = _t(np.ones((1, len(unit))), unit)[0]
    order = np.argsort(-seen, kind="stable")
    unit, seen = unit[:, order], seen[order]
    reached, n = np.zeros(len(seen)), 0
    for signs in _flips(len(unit)):
        flipped = _t(signs, unit)
        largest = np.maximum.accumulate(flipped[:, ::-1], axis=1)[:, ::-1]  # of this member and those behind it
        reached += (largest >= seen).sum(axis=0)
        n += len(signs)
    adjusted = np.empty(len(seen))
    adjusted[order] = np.maximum.accumulate(reached / n)
    return adjusted


def _t(signs: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return t of every sign flip and member; rounded, for tied flips differ in their last bits."""
    return np.round(np.abs(signs @ unit), 12)


def _flips(n_runs: int) -> Iterator[np.ndarray]:
    """Yield all sign flips of the runs, (flips, n_runs), or the unflipped one and a sample, in pieces."""
    if n_runs <= MOST_ENUMERATED:
        every = np.array(list(product((1.0, -1.0), repeat=n_runs)))
    else:
        drawn = np.random.default_rng(0).choice((1.0, -1.0), (N_DRAWN, n_runs))
        every = np.concatenate([np.ones((1, n_runs)), drawn])
    for start in range(0, len(every), CHUNK):
        yield every[start : start + CHUNK]
