"""Shuffle rows and cut them into batches; the order of an epoch depends on (seed, phase, epoch) alone.

Rows in memory form one block. A memory-mapped file larger than a block is read block by block, so that training needs
memory for two blocks instead of the whole file: the blocks are shuffled, and so are the rows within each block. A batch
then holds rows of one block only, so shuffle a file that is sorted by label first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

BLOCK_BYTES = 2**28  # size of a block of a memory-mapped file


def scaled(x: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Return uint8 rows as float32, divided by the scale; other rows unchanged."""
    return tf.cast(x, tf.float32) / scale if x.dtype == tf.uint8 else x


def order(n: int, seed: int, phase: int, epoch: int) -> np.ndarray:
    """Return the order of rows in one epoch: a permutation of 0..n-1, int64 (n,)."""
    return np.random.default_rng([seed, phase, epoch]).permutation(n)


def blocks(n: int, size: int, seed: int, phase: int, epoch: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield every block of `size` consecutive rows once, in random order.

    Args:
        n: Number of rows; the last block may be smaller.
        size: Rows per block, >= 1. If size >= n, the only block has the order of `order`.
        seed, phase, epoch: Seeds of the order of blocks and of the rows within them.

    Yields: The number of the block's first row, and a permutation of 0..m-1 for its m rows, int64.
    """
    rng = np.random.default_rng([seed, phase, epoch])
    for k in rng.permutation(-(-n // size)):
        start = int(k) * size
        yield start, rng.permutation(min(size, n - start))


def batches(rows: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut an order of rows, int64 (n,), into batches of row numbers.

    The last batch is padded with row 0, so that all batches have one shape and one loop body is compiled.

    Returns: Row numbers, and 1 for a row or 0 for padding, both (steps, batch_size).
    """
    missing = -len(rows) % batch_size
    present = np.pad(np.ones(len(rows), np.float32), (0, missing))
    return np.pad(rows, (0, missing)).reshape(-1, batch_size), present.reshape(-1, batch_size)


def block_size(x: np.ndarray, batch_size: int, block_bytes: int = BLOCK_BYTES) -> int:
    """Return the number of rows per block: all rows (n, ...), unless x is a memory-mapped file above `block_bytes`.

    Blocks of such a file hold whole batches, at least one, so that only the file's last block has a smaller batch.
    """
    if not isinstance(x, np.memmap) or x.nbytes <= block_bytes:
        return max(len(x), 1)
    return max(block_bytes * len(x) // x.nbytes // batch_size, 1) * batch_size


class Rows:
    """Rows (n, ...) to train on: a tensor in memory if they form one block, else a memory-mapped file."""

    def __init__(self, x: np.ndarray, size: int) -> None:
        self._x, self._size = (tf.constant(x) if len(x) <= size else x), size

    def block(self, start: int) -> tf.Tensor:
        """Return the block that starts at row `start`, in memory: (size, ...), or fewer rows at the end."""
        return self._x if tf.is_tensor(self._x) else tf.constant(self._x[start : start + self._size])
