"""Rows that may lie in files larger than the memory: read, mapped and put in order a piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

PIECE_BYTES = 2**27  # of a piece of rows, as float64
AT_A_TIME = 5000  # rows that are mapped together
MOST_HELD = 100_000  # rows that are copied into memory where their number is not given

Map = Callable[[np.ndarray], np.ndarray]


def pieces(shape: tuple[int, ...], piece_bytes: int = PIECE_BYTES) -> Iterator[slice]:
    """Yield the slices that divide rows of this shape, (n, ...), into pieces of `piece_bytes` as float64."""
    size = piece_rows(shape, piece_bytes)
    return (slice(start, min(start + size, shape[0])) for start in range(0, shape[0], size))


def piece_rows(shape: tuple[int, ...], piece_bytes: int = PIECE_BYTES) -> int:
    """Return the number of rows in a piece, at least one."""
    return max(piece_bytes // (8 * max(int(np.prod(shape[1:])), 1)), 1)


def spaced(x: np.ndarray) -> np.ndarray:
    """Return MOST_HELD of the rows x (n, ...) at most, evenly spaced, as a view."""
    return x[:: max(-(-len(x) // MOST_HELD), 1)]


class Stack:
    """Rows of arrays, one after the other, that are read, and mapped by a function, when they are taken.

    Args:
        arrays: (n_k, ...), in memory or memory-mapped, of one shape of rows.
        numbers: Numbers of the rows in the arrays together, int64 (n,); None for all.
        function: Map of rows, (m, ...) -> (m, ...), row by row.

    Attributes:
        shape: (n, ...), as the arrays'.

    Example:
        >>> stack = Stack(np.eye(2), np.ones((1, 2)), function=lambda rows: rows * 2)
        >>> stack[1:].tolist()
        [[0.0, 2.0], [2.0, 2.0]]
    """

    def __init__(self, *arrays: np.ndarray, numbers: np.ndarray | None = None, function: Map | None = None) -> None:
        self._arrays, self._numbers, self._function = arrays, numbers, function
        self._starts = np.cumsum([0, *map(len, arrays)])
        self._dtype = np.result_type(*arrays).newbyteorder("=")
        self.shape = (int(self._starts[-1]) if numbers is None else len(numbers), *arrays[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, pick: Any) -> np.ndarray:
        """Return the rows of a slice, or those with the numbers `pick`, int64 (m,), in memory."""
        wanted = np.arange(*pick.indices(len(self))) if isinstance(pick, slice) else np.asarray(pick)
        wanted = wanted if self._numbers is None else self._numbers[wanted]
        starts = range(0, max(len(wanted), 1), AT_A_TIME)
        parts = (self._mapped(wanted[start : start + AT_A_TIME]) for start in starts)
        rows = next(parts)
        if len(starts) == 1:
            return rows
        found = np.empty((len(wanted), *rows.shape[1:]), rows.dtype)
        found[:AT_A_TIME] = rows
        for start, rows in zip(starts[1:], parts, strict=True):
            found[start : start + AT_A_TIME] = rows
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all rows, in memory."""
        return np.asarray(self[:], dtype)

    def at(self, numbers: np.ndarray) -> Stack:
        """Return the rows with these numbers, int64 (m,), which are read later."""
        own = numbers if self._numbers is None else self._numbers[numbers]
        return Stack(*self._arrays, numbers=own, function=self._function)

    def mapped(self, function: Map) -> Stack:
        """Return the rows as stored, mapped by another function."""
        return Stack(*self._arrays, numbers=self._numbers, function=function)

    @property
    def dtype(self) -> np.dtype:
        """Return the type of the rows as stored."""
        return self._dtype

    def _mapped(self, numbers: np.ndarray) -> np.ndarray:
        rows = np.empty((len(numbers), *self.shape[1:]), self._dtype)
        of_array = np.searchsorted(self._starts, numbers, side="right") - 1
        for k, array in enumerate(self._arrays):
            here = of_array == k
            rows[here] = array[numbers[here] - self._starts[k]]
        return rows if self._function is None else self._function(rows)


def place(x: Any, picks: np.ndarray, target: np.ndarray, function: Map, *, piece_bytes: int = PIECE_BYTES) -> None:
    """Write function(x[picks]) into `target`, both perhaps larger than the memory; neither is read at random.

    Rows are read in the order of x, and each is written to its block of the target, behind the rows that are there;
    then each block is put in order in memory. So every row is read and written twice, however many there are.

    Args:
        x: Rows (n, ...), an array or a `Stack`.
        picks: Numbers of rows, int64 (m,).
        target: Array to fill, (m, ...).
        function: Map of rows, row by row.
        piece_bytes: Size of a block, as float64.
    """
    size = piece_rows(x.shape, piece_bytes)
    by_row = np.argsort(picks, kind="stable")  # places in the target, by row of x
    held = np.empty(len(picks), np.int64)  # the place for which each row of the target is meant
    filled = np.arange(0, len(picks), size)
    for start in range(0, len(picks), size):
        places = by_row[start : start + size]
        rows = function(x[picks[places]])
        of_block = places // size
        for block in np.unique(of_block):
            here = of_block == block
            there = slice(filled[block], filled[block] + here.sum())
            target[there], held[there] = rows[here], places[here]
            filled[block] = there.stop
    for start in range(0, len(picks), size):
        block = slice(start, start + size)
        if not (np.diff(held[block]) > 0).all():
            target[block] = target[block][np.argsort(held[block])]
