"""A reconstruction loss for tables of mixed columns: squared error for numbers, cross-entropy for categories.

Summed squared errors weigh a column by its variance, and a category by its number of columns. Here every column of the
table has its own likelihood, so that all count in the same unit.

Reference:
    Nazábal, Olmos, Ghahramani & Valera, Handling incomplete heterogeneous data using VAEs, Pattern Recognition 107
    (2020): a Gaussian for a real-valued column, a softmax for a categorical one. Here the variance is the training
    rows', and is not learnt.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from autoencoders.errors import InputError

BY_COLUMN = "by_column"  # the name of the loss in parameters
SQUARES, CATEGORIES = "squares", "categories"
CONSTANT = 1e-12  # a variance up to this is rounding
LEAST_VARIANCE = 1e-4  # a hundredth of the range as deviation: a nearly constant column would dominate
LEAST_SHARE = 1e-7  # of a category, as in Keras' cross-entropy


@dataclass(frozen=True)
class Block:
    """Adjacent columns of the network's output: numbers, or the one-hot categories of one column.

    Attributes:
        kind: squares or categories.
        start, stop: The first column, and the one after the last.
        variance: Of each of the numbers, over the training rows; None for categories.
    """

    kind: str
    start: int
    stop: int
    variance: tuple[float, ...] | None = None

    def follows(self, stop: int) -> bool:
        """Return whether the block is complete and begins at `stop`."""
        n, given = self.stop - self.start, self.variance
        numbers = given is not None and len(given) == n and all(v >= 0 and math.isfinite(v) for v in given)
        right = {SQUARES: numbers, CATEGORIES: given is None}.get(self.kind, False)
        return right and self.start == stop and n > 0


@dataclass(frozen=True)
class ByColumn:
    """The loss of each row: the mean negative log-likelihood of the table's columns, without constants.

    A number's is (x - x̂)² / (2 variance); a category's is the cross-entropy of the softmax of its logits. Constant
    numbers and categories that no training row has (all columns of the block zero) add nothing.

    Attributes:
        blocks: They cover all columns of the output in order.

    Raises:
        InputError: A block has an unknown kind, does not begin where the last ended, or lacks variances.

    Example:
        >>> loss = ByColumn((Block("squares", 0, 1, (0.5,)), Block("categories", 1, 3)))
        >>> loss(np.array([[2.0, 0.0, 1.0]], "float32"), np.array([[1.0, 0.0, 0.0]], "float32")).numpy().round(4)
        array([0.8466], dtype=float32)
    """

    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        stop = 0
        for k, block in enumerate(self.blocks):
            if not block.follows(stop):
                raise InputError(
                    f"blocks[{k}]: expected squares with a variance per column, or categories, from column {stop} on,"
                    f" received {block}"
                )
            stop = block.stop

    @classmethod
    def of(cls, schema: Iterable[Mapping[str, Any]]) -> ByColumn:
        """Return the loss for blocks as in JSON: kind, start, stop, variance."""
        return cls(tuple(Block(**{**b, "variance": b["variance"] and tuple(b["variance"])}) for b in schema))

    @property
    def width(self) -> int:
        """Return the number of columns of the output."""
        return self.blocks[-1].stop if self.blocks else 0

    @cached_property
    def columns(self) -> list[slice]:
        """Return the place of each column of the table in the output: one of a number, several of a category."""
        places: list[slice] = []
        for b in self.blocks:
            ends = range(b.start, b.stop + 1) if b.kind == SQUARES else (b.start, b.stop)
            places += [slice(start, stop) for start, stop in pairwise(ends)]
        return places

    @cached_property
    def _factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return 1 / (2 variance) of numbers and 0 elsewhere, (d,); and 1 for categories and 0 elsewhere, (d, 1)."""
        nothing = [(math.inf,) * (b.stop - b.start) for b in self.blocks]
        variance = np.concatenate([b.variance or n for b, n in zip(self.blocks, nothing, strict=True)])
        factors = np.where(variance > CONSTANT, 0.5 / np.maximum(variance, LEAST_VARIANCE), 0)
        return factors.astype(np.float32), np.isinf(variance).astype(np.float32)[:, None]

    def __call__(self, targets: Any, outputs: Any) -> Any:
        """Return the loss of each row, (n,), for float32 targets and outputs (n, d): numbers, and logits."""
        import tensorflow as tf  # takes seconds, which callers that read a schema save

        factors, is_category = self._factors
        n = len(self.columns)
        column = np.repeat(np.arange(n), [place.stop - place.start for place in self.columns])
        squares = tf.reduce_sum(factors * tf.square(targets - outputs), axis=1)
        # All softmaxes at once, one per segment of rows: a loop over hundreds of columns takes ten times as long.
        logits = tf.transpose(outputs)
        logits -= tf.gather(tf.stop_gradient(tf.math.unsorted_segment_max(logits, column, n)), column)
        normaliser = tf.math.log(tf.math.unsorted_segment_sum(tf.exp(logits), column, n))
        surprise = is_category * tf.transpose(targets) * (tf.gather(normaliser, column) - logits)
        return (squares + tf.reduce_sum(surprise, axis=0)) / n

    def best_constant(self, x: np.ndarray) -> np.ndarray:
        """Return the output that has the least loss if it is the same for all rows x: means and log shares, (d,)."""
        means = x.mean(axis=0)
        return np.where(self._factors[1][:, 0] > 0, np.log(np.maximum(means, LEAST_SHARE)), means)
