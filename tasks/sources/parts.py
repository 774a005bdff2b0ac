"""One part of the user's data (the rows of one file), its checks, and the parts put together."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from autoencoders import rows
from autoencoders.errors import InputError
from autoencoders.pieces import Stack

MOST_EXACT = 2**53  # the greatest whole number up to which float64 has every one
CHANNELS = (3, 4)


class Part(NamedTuple):
    """The rows of one file or folder.

    Attributes:
        x: Rows (n, ...), in memory or mapped, or a `Stack`: uint8 with 3 axes or more for images, (n, 0) for tables,
            else any numbers that float64 holds.
        labels: object (n,); None for a row without a label.
        columns: Names of a table's features; None for arrays and images.
        is_test: Which rows are for the test set, bool (n,).
        groups: Names of the groups of rows that are not to be divided between splits, object (n,); None without groups.
        table: A table's features, n rows, each column in its kind's type (stored.py); of parts that were joined, in
            the order of the parts.
        order: Of parts that were joined, the number in `table` of each row, int64 (n,); None for all in order.
        kinds: The kind of each of a table's columns, a date's with its pattern.
        ignored: Columns that are no features, and why.
    """

    x: Any
    labels: np.ndarray
    columns: list[str] | None
    is_test: np.ndarray
    groups: np.ndarray | None = None
    table: pa.Table | None = None
    order: np.ndarray | None = None
    kinds: dict[str, str] | None = None
    ignored: dict[str, str] | None = None


def part(x: np.ndarray, labels: np.ndarray | None, columns: list[str] | None = None) -> Part:
    """Return a part of checked features (n, ...) and labels (n,) or (n, 1); None for rows without labels."""
    if x.dtype.names:
        raise InputError(
            f"expected x of a numeric type, received a structured array of {', '.join(x.dtype.names[:20])}:"
            " save numpy.lib.recfunctions.structured_to_unstructured(x)"
        )
    y = np.full(len(x) if x.ndim else 0, None, object) if labels is None else _plain(labels)
    if y.ndim != 1 or x.ndim < 2 or len(x) != len(y):
        hint = "; for one-hot labels, give the classes: y.argmax(axis=1)" if y.ndim == 2 else ""
        raise InputError(f"expected x (n, ...) and y (n,), received {x.shape} and {y.shape}{hint}")
    if x.dtype.kind not in "buif":
        raise InputError(f"expected x of a numeric type, received {x.dtype}")
    if x.ndim > 2:
        _check_images(x)
    if x.size:
        rows.finite(x)
        check_whole(x)
    return Part(x if x.dtype.itemsize <= 8 else x.astype(np.float64), y, columns, np.zeros(len(x), bool))


def are_images(x: Any) -> bool:
    """Return whether rows (n, ...) are images, whose pixels are bytes from 0 to 255."""
    return len(x.shape) > 2 and x.dtype == np.uint8


def _plain(labels: np.ndarray) -> np.ndarray:
    """Return labels (n,) for (n, 1), and text for bytes."""
    if labels.dtype.kind == "S":
        try:
            labels = np.char.decode(labels, "utf-8")
        except UnicodeDecodeError:
            raise InputError("expected labels in UTF-8, received other bytes") from None
    if labels.dtype.kind in "mM":
        raise InputError(f"expected classes, whole numbers or strings, received dates or times ({labels.dtype})")
    column = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    return column.astype(object)


def _check_images(x: np.ndarray) -> None:
    if x.dtype.kind in "ui" and x.dtype.itemsize == 2:
        raise InputError(f"expected images of 8 bit or floats, received 16-bit ones ({x.dtype}): give x / 65535")
    if x.ndim > 4:
        raise InputError(f"expected x (n, d), (n, h, w) or (n, h, w, channels), received {x.shape}")
    if x.ndim == 4 and x.shape[1] in CHANNELS and x.shape[3] not in (1, 3, x.shape[1]):
        raise InputError(
            f"expected channels last, (n, h, w, channels), received channels first, {x.shape}: give"
            " np.moveaxis(x, 1, -1)"
        )
    if x.ndim == 4 and 1 not in (x.shape[1], x.shape[3]) and x.shape[3] not in CHANNELS:
        raise InputError(f"expected images of 1, 3 or 4 channels, the last axis of x, received {x.shape}")
    if x.dtype == np.uint8 and x.size and x.max() <= 1:
        raise InputError(
            "expected pixels from 0 to 255 in x of type uint8, received nothing above 1; give 0/1 as floats"
        )


def check_whole(x: np.ndarray, name: str = "x") -> None:
    """Raise InputError if whole numbers (n, ...) are so great that float64 would change them."""
    if x.dtype.kind in "iu" and x.dtype.itemsize == 8 and x.size and max(int(x.max()), -int(x.min())) > MOST_EXACT:
        raise InputError(
            f"{name}: expected whole numbers up to 2^53, received {max(int(x.max()), int(x.min()), key=abs)}, which"
            " would lose digits; if it is an identifier, leave it out"
        )


def like(other: Part, main: Part) -> Part:
    """Return another part with its columns in the main part's order; InputError if the two do not fit together."""
    if (other.columns is None) != (main.columns is None):
        raise InputError("expected the same kind of file as fetch.path: both tables, or both arrays or images")
    if other.columns is not None and main.columns is not None:
        missing, more = sorted({*main.columns} - {*other.columns}), sorted({*other.columns} - {*main.columns})
        if missing or more:
            told = [
                f"{what} {', '.join(names[:20])}" for what, names in (("missing", missing), ("more", more)) if names
            ]
            raise InputError(f"expected the columns of fetch.path: {'; '.join(told)}: give both files the same")
        table = None if other.table is None else other.table.select(main.columns)
        return other._replace(columns=main.columns, table=table)
    if (other.x.shape[1:], are_images(other.x)) != (main.x.shape[1:], are_images(main.x)):
        expected, received = (f"{p.x.dtype} of shape {('n', *p.x.shape[1:])}" for p in (main, other))
        raise InputError(f"expected rows as in fetch.path, {expected}, received {received}".replace("'", ""))
    return other


def joined(parts: list[Part]) -> Part:
    """Return the rows of parts that fit together: in their order, the test rows last."""
    labels, is_test = (np.concatenate([p[k] for p in parts]) for k in (1, 3))
    order = np.argsort(is_test, kind="stable")
    groups = [p.groups for p in parts if p.groups is not None]  # of all, or of none: a table without them is refused
    tables = [p.table for p in parts if p.table is not None]
    return parts[0]._replace(
        x=Stack(*[p.x for p in parts], numbers=order), labels=labels[order], is_test=is_test[order],
        groups=np.concatenate(groups)[order] if groups else None,
        table=pa.concat_tables(tables, promote_options="permissive") if tables else None,
        order=order if is_test.any() else None,
    )  # fmt: skip
