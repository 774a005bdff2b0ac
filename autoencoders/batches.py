"""Which rows when: the order of an epoch from (seed, phase, epoch), cut into batches, a block of rows at a time.

Rows in memory are one block. A memory-mapped file that is larger than a block is read block by block, so that a
training needs memory for two blocks and not for the file: the blocks come in a shuffled order, and so do the rows
within each. A batch then mixes the rows of one block only: a file sorted by label is to be shuffled before.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

BLOCK_BYTES = 2**28  # of a memory-mapped file, read at once


def order(n: int, seed: int, phase: int, epoch: int) -> np.ndarray:
    """Return the order of rows in one epoch: a permutation of 0..n-1, int64 (n,)."""
    return np.random.default_rng([seed, phase, epoch]).permutation(n)


def blocks(n: int, size: int, seed: int, phase: int, epoch: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield every block of `size` consecutive rows once, as its first row and the order of those that follow.

    Args:
        n: Rows in all; the block at their end may be smaller.
        size: >= 1. With n or more there is one block, in the order of `order`: no number is drawn to order one block.
        seed, phase, epoch: What the order of the blocks and of the rows in them depends on.

    Yields: The first row's number, and a permutation of 0..m-1 for the m rows of the block, int64.
    """
    rng = np.random.default_rng([seed, phase, epoch])
    for k in rng.permutation(-(-n // size)):
        start = int(k) * size
        yield start, rng.permutation(min(size, n - start))


def batches(rows: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut an order of rows, int64 (n,), into batches; return row numbers and who is present, both (steps, batch_size).

    The last batch is filled up with row 0, present 0 times: one loop body to compile instead of two.
    """
    missing = -len(rows) % batch_size
    present = np.pad(np.ones(len(rows), np.float32), (0, missing))
    return np.pad(rows, (0, missing)).reshape(-1, batch_size), present.reshape(-1, batch_size)


def block_size(x: np.ndarray, batch_size: int, block_bytes: int = BLOCK_BYTES) -> int:
    """Return how many rows (n, ...) make a block: all, unless x is a memory-mapped file above `block_bytes`.

    Else as many whole batches as go into `block_bytes`, one at least: then only the block at the file's end has a
    smaller batch, wherever in the epoch it comes.
    """
    if not isinstance(x, np.memmap) or x.nbytes <= block_bytes:
        return max(len(x), 1)
    return max(block_bytes * len(x) // x.nbytes // batch_size, 1) * batch_size


class Rows:
    """Rows (n, ...) to train on: a tensor in memory where they are one block, else as they lie on disk."""

    def __init__(self, x: np.ndarray, size: int) -> None:
        self._x, self._size = (tf.constant(x) if len(x) <= size else x), size

    def block(self, start: int) -> tf.Tensor:
        """Return the rows from `start` on, (size, ...) or fewer, in memory."""
        return self._x if tf.is_tensor(self._x) else tf.constant(self._x[start : start + self._size])
