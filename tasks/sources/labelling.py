"""The labels of the user's rows: which stand for none, which are no classes, and which look like an error."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from autoencoders import rows
from autoencoders.errors import InputError
from tasks.frame.progress import say
from tasks.sources.parts import Part

SUSPECT = {  # in lower case: often written for a missing label
    "na", "n/a", "#n/a", "<na>", "nan", "nat", "none", "null", "-1", "?", "missing", "unknown", "unlabelled",
    "unlabeled", "\\n", "n.a.", "--", ".", "-", "–", "unk", "tbd", "n.d.", "not available", "undefined",
    "unbekannt", "inconnu", "desconocido", "-9", "-99", "-999", "-9999",
}  # fmt: skip
MOST_TOLD = 10  # classes that are named
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def marked(part: Part, markers: Sequence[str | int], where: str) -> Part:
    """Return a part with None for every label that is missing: an empty one, NaN, or one of the markers."""
    names, given = {str(marker) for marker in markers}, part.labels.tolist()
    empty = [missing or rows.is_blank(value) for value, missing in zip(given, pd.isna(part.labels), strict=True)]
    found = Counter(_name(value) for value, missing in zip(given, empty, strict=True) if not missing)
    if used := {name: found[name] for name in sorted(names) if found[name]}:
        told = ", ".join(f"{name!r} {count:,}" for name, count in used.items())
        say(f"{where}: rows WITHOUT a label by fetch.missing_labels: {told}")
    if unused := ", ".join(repr(name) for name in sorted(names) if not found[name]):
        say(f"{where}: fetch.missing_labels: no row has the label {unused}")
    kept = np.empty(len(given), object)  # filled, not made of a list, which would turn numbers among words into words
    kept[:] = [None if missing or _name(value) in names else value for value, missing in zip(given, empty, strict=True)]
    return part._replace(labels=kept)


def _name(value: Any) -> str:
    """Return the name of a label's class, 3 for 3.0."""
    try:
        return str(rows.class_of(value))
    except InputError:  # `rows.classes` refuses it, with its row
        return str(value)


def refuse_measured(labels: np.ndarray, column: str) -> None:
    """Raise InputError if labels (n,) are measured numbers: not whole, or different in more than half of the rows."""
    values = [value for value in labels.tolist() if value is not None]
    numbers = [_number(value) for value in values]
    if any(number is None for number in numbers):
        return
    distinct = {*numbers}
    fraction = next((value for value, number in zip(values, numbers, strict=True) if number % 1), None)
    if fraction is not None or len(distinct) > max(2, len(values) / 2):
        example = fraction if fraction is not None else values[0]
        raise InputError(
            f"{len(distinct):,} different values in {column!r}, such as {example}: a regression target; expected a few"
            " classes, whole numbers or names"
        )


def _number(value: Any) -> Any:
    if isinstance(value, str):
        plain = value.strip().replace(",", ".")
        return float(plain) if NUMBER.fullmatch(plain) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def suspect(names: Sequence[str]) -> list[str]:
    """Return the names of classes that look like a missing label; - beside + is none, and 99 is one without a 98."""
    sign = {"-", "–"} if "+" in names else set()
    nines = {"99", "999", "9999"} if "98" not in names else set()
    return [name for name in names if name.strip().lower() in (SUSPECT | nines) - sign]


def tell_classes(y: np.ndarray, names: Sequence[str]) -> None:
    """Print the classes with their rows, the most frequent first.

    Args:
        y: Numbers of the classes, int64 (n,); UNLABELLED, which is negative, for none.
        names: Their names.
    """
    counts = np.bincount(y[y >= 0], minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    some = ", ".join(f"{names[k]!r:.40} {counts[k]:,}" for k in order[:MOST_TOLD])
    more = f" and {len(names) - MOST_TOLD:,} more" if len(names) > MOST_TOLD else ""
    say(f"{len(names):,} classes: {some}{more}; without a label {int((y < 0).sum()):,}")


def warn_of(names: Sequence[str]) -> None:
    """Print a line for classes that look like a missing label, and for those that may be one: 1 and 01, a and A."""
    if suspects := ", ".join(map(repr, suspect(names))):
        say(f"WARNING: {suspects} counts as a class; for rows without a label: fetch.missing_labels")
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_plain(name), []).append(repr(name))
    for same in alike.values():
        if len(same) > 1:
            say(f"WARNING: {' and '.join(same)} are different classes, and differ only in case, blanks, quotes or form")


def _plain(name: str) -> str:
    """Return a name without what is overlooked: case, blanks, quotes, marks of no width, forms of characters."""
    seen = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    plain = " ".join(seen.split()).strip("'\"").casefold()
    return str(float(plain)) if NUMBER.fullmatch(plain) else plain


def check_parts(train: np.ndarray, test: np.ndarray) -> None:
    """Raise InputError if a test row has no label, or a class occurs among the training or test rows (n,) only."""
    if (without := np.flatnonzero(test == None)).size:  # noqa: E711 - element by element
        raise InputError(
            f"row {without[0] + 1} of the test rows: expected a label, received none ({without.size} such)"
        )
    here, there = ({_name(value) for value in labels if value is not None} for labels in (train, test))
    if only := sorted(here ^ there):
        side = "training" if only[0] in here else "test"
        raise InputError(
            f"class {only[0]!r} occurs in {side} rows only ({len(only)} such classes): expected every class in both"
        )
