"""Check and prepare the rows of a data set: finite features, classes, stratified splits, scaling, duplicates."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from autoencoders.errors import InputError
from autoencoders.labels import UNLABELLED, labelled_rows
from autoencoders.pieces import pieces

SPLIT_ROLE = 1_000  # separates the split's random stream from other uses of the seed
N_ORDERS = 200
AT_A_TIME = 2**20  # digests that are compared
FAR = np.finfo(np.float64).max / 2
WHOLE = re.compile(r"-?(0|[1-9][0-9]*)(\.0*)?")  # 3 and 3.0 are one class; 03 is an identifier


def check_columns(names: Sequence[str], n: int, label: str) -> None:
    """Raise InputError if a table has no rows, or columns are missing, repeated or unnamed.

    Args:
        names: Names of the columns.
        n: Number of rows.
        label: Name of the column of classes; every other column is a feature.
    """
    if not n or not names:
        raise InputError(f"expected rows and columns, received {n} rows of {len(names)} columns")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"expected distinct column names, received these more than once: {', '.join(repeated)}")
    if label not in names:
        raise InputError(f"no column {label!r} for the labels, found: {', '.join(names[:20])}")
    if len(names) < 2:
        raise InputError(f"expected columns of features, received no column besides the labels {label!r}")
    if nameless := [k for k, name in enumerate(names, 1) if is_nameless(name)]:
        raise InputError(f"column {nameless[0]} has no name; name it, or remove it")


def is_nameless(name: str) -> bool:
    """Return whether a column has no name, or the one that pandas gives to it."""
    return not name.strip() or name.startswith("Unnamed: ")


def finite(x: np.ndarray) -> None:
    """Raise InputError if x (n, ...) has NaN or infinite values, with the first one and their number."""
    if x.dtype.kind != "f":
        return
    first, n_values, n_rows = None, 0, 0
    for piece in pieces(x.shape):
        flat = x[piece].reshape(len(x[piece]), -1)
        wrong = ~np.isfinite(flat)
        if wrong.any():
            row, column = (int(k) for k in np.argwhere(wrong)[0])
            first = first or (piece.start + row + 1, column, flat[row, column])
            n_values, n_rows = n_values + int(wrong.sum()), n_rows + int(wrong.any(axis=1).sum())
    if first is not None:
        raise InputError(
            f"row {first[0]}, column {first[1] + 1}: expected a finite number, received {first[2]}"
            f" ({n_values} such values in {n_rows} rows)"
        )


def classes(labels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Number the classes 0..k-1 in sorted order.

    Args:
        labels: Whole numbers or strings, (n,); None, NaN or a blank string for a row without a label.

    Returns: Class numbers, int64 (n,), UNLABELLED for rows without a label; the k names.
    Raises: InputError for labels of other types, or fewer than two classes.
    """
    known: dict[tuple[type, Any], int] = {}  # by type, too: True is not 1
    values: list[int | str] = []
    y = np.full(len(labels), UNLABELLED, np.int64)
    for row, (value, is_missing) in enumerate(zip(labels.tolist(), pd.isna(labels), strict=True)):
        if is_missing or is_blank(value):
            continue
        try:
            y[row] = known[type(value), value]
        except (KeyError, TypeError):  # a list, which is no class, is no key
            values.append(class_of(value, row + 1))
            y[row] = known[type(value), value] = len(known)
    if any(isinstance(value, str) for value in values):
        values = [str(value) for value in values]
    distinct = sorted(set(values))
    if len(distinct) < 2:
        raise InputError(f"expected 2 classes or more, received {len(distinct)} in {(y >= 0).sum()} labelled rows")
    number = {value: k for k, value in enumerate(distinct)}
    numbers = np.array([number[value] for value in values] + [UNLABELLED], np.int64)  # the last for UNLABELLED, -1
    return numbers[y], [str(value) for value in distinct]


def is_blank(value: Any) -> bool:
    """Return whether a label is an empty or blank string."""
    return isinstance(value, str) and not value.strip()


def class_of(value: Any, row: int = 0) -> int | str:
    """Return a label as an integer if it is a whole number (also 3.0, "3" and "3.0"), else as a string without blanks
    around it.

    Raises: InputError for a label of another type, with its row from 1.
    """
    if isinstance(value, str):
        name = value.strip()
        return int(name.partition(".")[0]) if WHOLE.fullmatch(name) else name
    if isinstance(value, bool | int):
        return str(value) if isinstance(value, bool) else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise InputError(f"row {row}: expected a class (a whole number or a string), received {value!r}")


def stratified_split(labels: np.ndarray, *, n_valid: int, n_test: int, seed: int) -> tuple[np.ndarray, ...]:
    """Draw disjoint row numbers for training, validation and test, with every class in proportion.

    Args:
        labels: Classes 0..k-1, int64 (n,); UNLABELLED rows go to the training set.
        n_valid: Number of validation rows.
        n_test: Number of test rows.
        seed: Seed of the split.

    Returns: Row numbers in random order: n - n_valid - n_test for training, n_valid, and n_test. If there is room, a
        class of three rows or more is in each, and one of five has two test rows.
    """
    rng = np.random.default_rng([seed, SPLIT_ROLE])
    shuffled = rng.permutation(len(labels))
    # Place the i-th of a class's m rows at (i + 1/2) / m: every segment of the line holds all classes in proportion.
    place = np.full(len(labels), np.inf)
    for k in np.unique(labels[labelled_rows(labels)]):
        members = shuffled[labels[shuffled] == k]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    line = shuffled[np.argsort(place[shuffled], kind="stable")]
    test, valid, train = np.split(line, [n_test, n_test + n_valid])
    for part, least in ((test, 2), (valid, 1)):
        if len(part):
            _complete(part, train, labels, least)
    return rng.permutation(train), rng.permutation(valid), rng.permutation(test)


def _complete(part: np.ndarray, train: np.ndarray, labels: np.ndarray, least: int) -> None:
    """Exchange rows with the training rows, in place, until a part has `least` of each class, if there are so many.

    Training keeps as many; the part gives a row of its largest class.
    """
    for k in np.unique(labels[labelled_rows(labels)]):
        rows = np.flatnonzero(labels[train] == k)
        n_there = int((labels[part] == k).sum())
        n_wanted = min(least, max(1, len(rows) // 2)) - n_there
        for row in rows[: max(0, min(n_wanted, len(rows) - 1))]:
            kinds, counts = np.unique(labels[part], return_counts=True)
            if counts.max() > least:
                given = np.flatnonzero(labels[part] == kinds[counts.argmax()])[0]
                part[given], train[row] = train[row], part[given]


def grouped_split(
    labels: np.ndarray, groups: np.ndarray, *, n_valid: int, n_test: int, seed: int
) -> tuple[np.ndarray, ...]:
    """Draw disjoint row numbers for training, validation and test, with every group in one of them.

    Of `N_ORDERS` random orders of the groups, that one is taken whose parts have the classes in best proportion.

    Args:
        labels: Classes 0..k-1, int64 (n,).
        groups: Numbers of the groups 0..g-1, int64 (n,).
        n_valid: Least number of validation rows; its last group may bring more.
        n_test: Least number of test rows.
        seed: Seed of the split.

    Returns: Row numbers in random order. UNLABELLED rows are in the training set, or, if other rows of their group are
        held out, in none.
    """
    rng = np.random.default_rng([seed, SPLIT_ROLE])
    labelled = labelled_rows(labels)
    counts = np.zeros((groups.max() + 1, labels.max() + 1), np.int64)  # labelled rows per group and class
    np.add.at(counts, (groups[labelled], labels[labelled]), 1)
    orders = (rng.permutation(len(counts)) for _ in range(N_ORDERS))
    part = min((_parts(counts, order, n_valid, n_test) for order in orders), key=lambda p: _imbalance(counts, p))
    of_row = np.where((part[groups] > 0) & (labels == UNLABELLED), -1, part[groups])
    return tuple(rng.permutation(np.flatnonzero(of_row == k)) for k in range(3))


def _parts(counts: np.ndarray, order: np.ndarray, n_valid: int, n_test: int) -> np.ndarray:
    """Return the part of each group (g,), filled in an order: 2 for test, then 1 for validation, 0 for training."""
    sizes = counts.sum(axis=1)[order]
    before = np.cumsum(sizes) - sizes
    is_test = before < n_test
    is_held = before < sizes[is_test].sum() + n_valid
    part = np.zeros(len(counts), np.int64)
    part[order] = np.where(is_test, 2, np.where(is_held, 1, 0)) * (sizes > 0)  # groups without labels are for training
    return part


def _imbalance(counts: np.ndarray, part: np.ndarray) -> tuple[int, float]:
    """Return how many classes a part lacks, and how far the parts' shares of the classes are from those of all rows."""
    sums = np.stack([counts[part == k].sum(axis=0) for k in range(part.max() + 1)])
    shares = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1)
    return int((sums == 0).sum()), float(np.abs(shares - counts.sum(axis=0) / counts.sum()).sum())


@dataclass(frozen=True)
class Scaling:
    """The map of rows to [0, 1] by the least and the greatest value of some of them; others are clipped.

    Attributes:
        low, high: Least and greatest value, float64: a number, or one per column (d,). A constant column becomes 0.
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, numbers: np.ndarray, *, by_column: bool = True) -> Scaling:
        """Return the scaling by the rows of x (n, d) with these numbers, int64 (m,), m > 0.

        Args:
            x: Rows, in memory or memory-mapped.
            numbers: Numbers of the training rows.
            by_column: Whether each column has its own range; the pixels of an image share one.
        """
        ordered, axis = np.sort(numbers), 0 if by_column else None
        parts = (x[ordered[piece]] for piece in pieces((len(numbers), *x.shape[1:])))
        ends = [(rows.min(axis=axis), rows.max(axis=axis)) for rows in parts]
        low, high = zip(*ends, strict=True)
        return cls(np.min(low, axis=0).astype(np.float64), np.max(high, axis=0).astype(np.float64))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return rows (m, d) as float32 in [0, 1]."""
        return scaled(rows, low=self.low, high=self.high)


def scaled(x: np.ndarray, *, low: ArrayLike, high: ArrayLike) -> np.ndarray:
    """Scale x (n, d) from low to high, each (d,) or (), to float32 in [0, 1], and clip; equal ends give 0."""
    least, greatest = np.asarray(low, np.float64), np.asarray(high, np.float64)
    # (x - low) / (high - low); halves where the range is beyond the greatest float
    half = np.where(greatest / 2 - least / 2 < FAR, 1.0, 0.5)
    span = greatest * half - least * half
    inside = np.clip(x, least, greatest)
    inside *= half
    inside -= least * half
    inside /= np.where(span > 0, span, np.inf)
    return inside.astype(np.float32)


def digests(x: np.ndarray) -> np.ndarray:
    """Return 16 bytes for each row of x (n, d), S16 (n,), that are equal for equal rows only."""
    found = np.empty(len(x), "S16")
    for piece in pieces(x.shape):
        rows = np.ascontiguousarray(x[piece])
        digested = (hashlib.blake2b(row, digest_size=16).digest() for row in rows)
        found[piece] = np.fromiter(digested, "S16", len(rows))
    return found


def count_leaked(rows: np.ndarray, *seen: np.ndarray) -> int:
    """Count the rows that also occur in `seen`, all given by their digests, S16 (m,) and (n,)."""
    known, of_row = np.unique(rows, return_inverse=True)
    leaked = np.zeros(len(known), bool)
    for array in seen:
        for start in range(0, len(array), AT_A_TIME):
            leaked |= np.isin(known, array[start : start + AT_A_TIME])
    return int(leaked[of_row].sum())
