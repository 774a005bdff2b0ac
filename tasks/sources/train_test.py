"""An .npz file with rows for training and for testing, as Keras and MedMNIST have: x_train, y_train, x_test, y_test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from autoencoders.errors import InputError
from tasks.frame.errors import DataError
from tasks.frame.progress import say
from tasks.sources import parts
from tasks.sources.parts import Part

TRAIN, VALID, TEST = "train", "validation", "test"
SPELT = {TRAIN: ("train",), VALID: ("val", "valid"), TEST: ("test",)}
ROWS = ("x_{}", "X_{}", "{}_images", "{}_x", "{}_data")
LABELS = ("y_{}", "Y_{}", "{}_labels", "{}_y")


def has_splits(names: Sequence[str]) -> bool:
    """Return whether arrays of these names hold training or test rows."""
    return any(_named(names, split, ROWS) for split in (TRAIN, TEST))


def part(names: Sequence[str], array: Callable[[str], np.ndarray]) -> Part:
    """Return the rows of all splits: those for testing are marked, those for validation count as training rows.

    Args:
        names: Names of the arrays.
        array: Reads the array of a name.

    Raises: DataError if rows or labels are missing, or arrays belong to no split; InputError if splits do not fit.
    """
    found = {split: (_named(names, split, ROWS), _named(names, split, LABELS)) for split in SPELT}
    used = {split: pair for split, pair in found.items() if any(pair)}
    if TRAIN not in used or not all(all(pair) for pair in used.values()) or len(names) != 2 * len(used):
        raise DataError(
            "expected rows and labels of each split, x_train and y_train, x_test and y_test, and no other arrays,"
            f" received: {', '.join(names[:20])}"
        )
    read = {split: parts.part(array(str(x)), array(str(y))) for split, (x, y) in used.items()}
    if VALID in read:
        say(f"{used[VALID][0]}: {len(read[VALID].x):,} rows join the training rows; prepare.n_valid is drawn from both")
    for split, one in read.items():
        try:
            parts.like(one, read[TRAIN])
        except InputError as error:
            raise InputError(f"{used[split][0]}: {error}") from None
    return parts.joined([one._replace(is_test=np.full(len(one.x), split == TEST)) for split, one in read.items()])


def _named(names: Sequence[str], split: str, forms: Sequence[str]) -> str | None:
    wanted = [form.format(word) for form in forms for word in SPELT[split]]
    return next((name for name in wanted if name in names), None)
