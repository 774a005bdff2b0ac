"""Shards: parts of a study's cells that machines compute without each other, into one store; then the study is read.

The deal depends on the parameters, the size of the data and the table of costs alone, so it is the same on every
machine, whatever is stored already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.frame.errors import UsageError
from tasks.frame.sections import Params
from tasks.study import effort, keys, rows
from tasks.study.keys import Cell
from tasks.study.rows import Size

MOST = 8  # shards that the last line names


class Shard(NamedTuple):
    """The k-th of n shards, from 1."""

    k: int
    n: int

    def __str__(self) -> str:
        return f"{self.k}/{self.n}"


def parse(text: str) -> Shard:
    """Return a shard written as `3/20`; UsageError if it is none."""
    found = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
    shard = Shard(int(found[1]), int(found[2])) if found else Shard(0, 0)
    if not 1 <= shard.k <= shard.n:
        raise UsageError(f"--shard: expected K/N with 1 <= K <= N, such as 3/20, received {text!r}")
    return shard


def compute(params: Params, data: Path, shard: Shard) -> list[str]:
    """Compute a shard's missing cells into the store; return two lines: what is done, and what is left.

    Raises:
        StudyFailed: Some cells failed; the others are kept.
    """
    from tasks.study import runs  # imports TensorFlow

    size, store = rows.size(data / "prepare"), keys.store(params, data)
    dealt = deal(params, size, shard.n)
    runs.fill(params, data, store, dealt[shard.k - 1], f"failed {shard.k} of {shard.n}.json")
    lost = {cell.name for cell in keys.every(params, size) if store.read(cell.name) is None}
    left = {k: sum(cell.name in lost for cell in own) for k, own in enumerate(dealt, start=1)}
    named = [f"{n} of shard {k}/{shard.n}" for k, n in left.items() if n]
    more = f" and {len(named) - MOST} more shards" if len(named) > MOST else ""
    done = f"shard {shard}: all {len(dealt[shard.k - 1])} cells are in {store.folder}"
    if not lost:
        return [done, "No cell of the study is left: `make repro` writes its tables."]
    left_over = (
        f"Not there yet: {', '.join(named[:MOST])}{more}; `make repro` computes what is left, writes the tables."
    )
    return [done, left_over]


def deal(params: Params, size: Size, n: int) -> list[list[Cell]]:
    """Deal a study's cells to n shards: in descending order of cost, each to the shard with the least cost so far.

    An encoder stays with all cells that use it, unless the shard that costs most costs less when these cells are dealt
    one by one. Then every shard computes the encoders that its cells need.

    Returns: The cells of each shard, in the order of computation.
    """
    everything = keys.every(params, size)
    together = _dealt(params, size, everything, n, apart=False)
    apart = _dealt(params, size, everything, n, apart=True)
    best = min(together, apart, key=lambda dealt: max(load for load, _ in dealt))
    place = {cell: k for k, cell in enumerate(everything)}
    return [sorted(own, key=place.__getitem__) for _, own in best]


def _dealt(params: Params, size: Size, cells: Sequence[Cell], n: int, *, apart: bool) -> list[tuple[int, set[Cell]]]:
    """Return each shard's cost in microseconds, so that sums have no last bits, and its cells with their encoders."""
    cost = {cell: round(1e6 * effort.seconds(params, cell, size)) for cell in cells}
    encoders = {cell: keys.encoder_of(params, cell) for cell in cells}
    units: dict[Cell, set[Cell]] = {}
    for cell, encoder in encoders.items():
        together = cell if apart or not encoder else encoder
        units.setdefault(together, set()).update({cell, encoder} if encoder else {cell})
    if apart:  # encoders are in the units of their classifiers
        units = {cell: unit for cell, unit in units.items() if cell not in encoders.values()}
    loads, shards = [0] * n, [set[Cell]() for _ in range(n)]
    for unit in sorted(units.values(), key=lambda unit: -sum(cost[cell] for cell in unit)):
        after = [load + sum(cost[cell] for cell in unit - own) for load, own in zip(loads, shards, strict=True)]
        k = after.index(min(after))
        loads[k] = after[k]
        shards[k] |= unit
    return [*zip(loads, shards, strict=True)]
