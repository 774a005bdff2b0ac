"""The kind of each column of a table, number, boolean, category or date, and its values in that kind's type."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from autoencoders import columns
from autoencoders.errors import InputError
from tasks.sources import dates, parts
from tasks.sources.labelling import NUMBER

MISSING = {"na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none", "?", "-"}  # in lower case: no number, no date
TRUTH = {"true": True, "false": False, "1": True, "0": False}  # 1 and 0 where the kind is set
NEARLY = 0.9  # share of a column's different words from which the others are errors
# Numbers with digits in groups, or with a unit: 2 000, 1.234,5, 5 %, $7.
GROUPED = re.compile(r"([^\w\s+-]?)\s?[+-]?\d[\d.,'’_\s]*\s?([^\w\s]|[A-Za-z]{1,3}|)")
FORTRAN = re.compile(r"[+-]?\d*\.\d*[dD][+-]?\d+")  # a number in double precision: 1.5D+03
MANY = 10  # different numbers with a unit; fewer may well be categories: 5mg, 10mg
INFINITE = {"inf", "-inf"}
WHOLE = re.compile(r"[+-]?[0-9]{16,300}")
TEMPORAL = (datetime.date, datetime.time)


def typed(column: pd.Series, kind: str | None, decimal_mark: str = ".") -> tuple[pd.Series, str]:
    """Return a column in its kind's type (autoencoders/columns.py), and its kind; a date's with its pattern.

    Args:
        column: Text, or values of a type that a parquet file has.
        kind: The kind that it has to have, as it was returned for another file; None to find it.
        decimal_mark: Of numbers in text.

    Raises: InputError, with row and column, for a value that does not fit.
    """
    name = str(column.name)
    if column.dtype == object and not _is_text(column):
        column = _of_objects(column, name)
    elif isinstance(column.dtype, pd.CategoricalDtype):
        column, kind = column.astype(object).map(_word, na_action="ignore"), kind or "category"
    if _is_text(column):
        return _of_text(_stripped(column), name, kind, decimal_mark)
    types = pd.api.types
    if types.is_timedelta64_dtype(column):
        column = column.dt.total_seconds()
    if types.is_datetime64_any_dtype(column):
        column = pd.Series(parsed_times(column), name=name)
    elif types.is_complex_dtype(column) or not (types.is_numeric_dtype(column) or types.is_bool_dtype(column)):
        raise InputError(f"column {name!r}: expected numbers, truth values, words or dates, received {column.dtype}")
    return _as_kind(column, name, (kind or columns.kind(column)).split()[0])


def without(column: pd.Series, markers: Sequence[str | float]) -> pd.Series:
    """Return a column in which the cells that are one of the markers are missing: -999 is also -999.0."""
    if not markers or pd.api.types.is_bool_dtype(column):
        return column
    words = {str(marker) for marker in markers}
    numbers = {float(word) for word in words if NUMBER.fullmatch(word) or word in INFINITE}
    if pd.api.types.is_numeric_dtype(column):
        found = column.isin(numbers)
        if pd.api.types.is_integer_dtype(column):  # as floats they would lose digits
            column = column.astype("UInt64" if pd.api.types.is_unsigned_integer_dtype(column) else "Int64")
        return column.mask(found)

    def is_marker(cell: object) -> bool:
        word = str(cell).strip()
        return word in words or (bool(NUMBER.fullmatch(word)) and float(word) in numbers)

    return column.mask(column.map(is_marker).astype(bool))


def parsed_times(column: pd.Series) -> pd.DatetimeIndex:
    """Return times in UTC, without a zone."""
    times = pd.DatetimeIndex(column)
    return (times if times.tz is None else times.tz_convert(None)).as_unit("us")


def _is_text(column: pd.Series) -> bool:
    if column.dtype == object:
        return all(isinstance(cell, str) for cell in column.dropna())
    return pd.api.types.is_string_dtype(column) and not isinstance(column.dtype, pd.CategoricalDtype)


def _word(value: object) -> str:
    """Return a value as a category: 1 for 1.0, true for True."""
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _stripped(column: pd.Series) -> pd.Series:
    """Return words without blanks around them, an empty one as missing."""
    words = column.astype("str").str.strip()
    return words.mask(words == "")


def _as_kind(column: pd.Series, name: str, kind: str) -> tuple[pd.Series, str]:
    """Return values of a type in the kind's type."""
    found = columns.kind(column)
    if kind == "category" and found != "category":
        return _stripped(column.astype(object).map(_word, na_action="ignore").astype("str")), kind
    if kind == "boolean" and found == "number" and column.dropna().isin([0, 1]).all():
        return column.astype("Float64").astype("boolean"), kind
    if found != kind and (found, kind) != ("boolean", "number"):
        raise InputError(f"column {name!r}: expected the kind {kind}, received {found}: set fetch.kinds")
    if kind == "number":
        return _number(column, name), kind
    return (column.astype("boolean") if kind == "boolean" else column), kind


def _number(column: pd.Series, name: str) -> pd.Series:
    """Return numbers as int64 if they are whole by their type and none is missing, else as float64."""
    if pd.api.types.is_integer_dtype(column):
        whole = np.uint64 if pd.api.types.is_unsigned_integer_dtype(column) else np.int64
        parts.check_whole(column.dropna().to_numpy(dtype=whole), f"column {name!r}")
        if not column.isna().any():
            return column.astype(np.int64)
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if (wrong := np.flatnonzero(np.isinf(numbers))).size:
        raise InputError(
            f"row {wrong[0] + 1}, column {name!r}: expected a finite number, received {numbers[wrong[0]]}"
            f" ({wrong.size} such values): correct it, or if it stands for a missing value set fetch.missing:"
            f" [{numbers[wrong[0]]}]"
        )
    return pd.Series(numbers, name=name)


def _of_text(cells: pd.Series, name: str, kind: str | None, decimal_mark: str) -> tuple[pd.Series, str]:
    """Return cells of text in the type of their kind; they are found to be numbers if at least most of them are."""
    numbers, distinct = pd.factorize(cells)
    is_value = np.array([word.lower() not in MISSING for word in distinct], bool)
    words = [str(word) for word in distinct[is_value]]
    kind = kind or _kind(words, name, decimal_mark)
    what, _, pattern = kind.partition(" ")
    values: Any
    if what == "category":
        return cells, kind
    if what == "date":
        pattern = pattern or dates.pattern(words, name, 0) or dates.ISO
        kind, values = f"date {pattern}", dates.parsed(words, pattern)
    elif what == "boolean":
        values = [TRUTH.get(word.lower()) for word in words]
    else:
        values = [float(word.replace(decimal_mark, ".")) if is_number(word, decimal_mark) else None for word in words]
    if wrong := {word for word, value in zip(words, values, strict=True) if pd.isna(value)}:
        expected = {"date": "a date", "boolean": "true or false"}.get(what, "a number")
        _refuse(cells, name, wrong, expected + " with a decimal comma" * (what == "number" and decimal_mark == ","))
    if what == "number":
        refuse_lost_digits(cells, name, words)
    types: dict[str, Any] = {"date": "datetime64[us]", "boolean": "boolean", "number": "float64"}
    place = np.append(np.where(is_value, np.cumsum(is_value) - 1, -1), -1)[numbers]  # in `values`, -1 for missing
    found = pd.Series(pd.Series(values, dtype=types[what]).array.take(place, allow_fill=True), name=name)
    return (_number(found, name) if what == "number" else found), kind


def _kind(words: Sequence[str], name: str, decimal_mark: str) -> str:
    """Return the kind of distinct words that are no missing values."""
    if {word.lower() for word in words} <= {"true", "false"} and words:
        return "boolean"
    least = NEARLY * len(words)
    if sum(is_number(word, decimal_mark) or bool(FORTRAN.fullmatch(word)) for word in words) >= least:
        return "number"
    if pattern := dates.pattern(words, name, NEARLY):
        return f"date {pattern}"
    grouped = [found for word in words if (found := GROUPED.fullmatch(word))]
    units = {found.group(1, 2) for found in grouped} - {("", "")}
    is_split = len(grouped) >= least and (not units or (len(units) == 1 and len(words) > MANY))
    return "number" if is_split else "category"


def is_number(word: str, decimal_mark: str) -> bool:
    """Return whether a word is a number; with a decimal comma, a point would be a thousands separator."""
    if decimal_mark == ",":
        return "." not in word and bool(NUMBER.fullmatch(word.replace(",", ".")))
    return bool(NUMBER.fullmatch(word))


def _refuse(cells: pd.Series, name: str, wrong: set[str], expected: str) -> None:
    rows = np.flatnonzero(cells.isin(wrong))
    received = f"{cells.iloc[rows[0]]!r:.80} ({rows.size} such"
    marker = min(wrong).replace("'", "''")
    missing = f", or if it stands for a missing value set fetch.missing: ['{marker}']" if len(wrong) == 1 else ""
    raise InputError(
        f"row {rows[0] + 1}, column {name!r}: expected {expected}, received {received}"
        f" values in this column): correct it, or set fetch.kinds: {{{name}: category}}{missing}, or leave it out with"
        " fetch.ignore"
    )


def refuse_lost_digits(cells: pd.Series, name: str, words: Sequence[str]) -> None:
    """Raise InputError for a whole number that float64 would change, such as an identifier of 20 digits."""
    if wrong := {word for word in words if WHOLE.fullmatch(word) and int(word) != float(word)}:
        row = int(np.flatnonzero(cells.isin(wrong))[0])
        raise InputError(
            f"row {row + 1}, column {name!r}: received {cells.iloc[row]}, which would lose digits; if it is an"
            f" identifier, leave it out with fetch.ignore, or set fetch.kinds: {{{name}: category}}"
        )


def _of_objects(column: pd.Series, name: str) -> pd.Series:
    """Return objects of a parquet file, dates, times, truth values or numbers with missing ones, as a plain type."""
    present = column.dropna()
    for row, cell in zip(present.index, present, strict=True):
        if isinstance(cell, list | tuple | dict | set | np.ndarray | bytes):
            kind = type(cell).__name__
            raise InputError(f"row {row + 1}, column {name!r}: expected a number or a word, received {kind}")
    if all(isinstance(cell, bool) for cell in present):
        return column.astype("boolean")
    if all(isinstance(cell, TEMPORAL) for cell in present):
        return pd.to_datetime(column.map(_at_1900), errors="raise", utc=True)
    if all(isinstance(cell, int) for cell in present):
        digits = present.map(str)
        refuse_lost_digits(column.map(str, na_action="ignore"), name, [*digits.unique()])
    if all(isinstance(cell, int | float | decimal.Decimal) for cell in present):
        _refuse_lost_decimals(present, name)
        return column.map(float, na_action="ignore").astype(np.float64)
    return column.map(str, na_action="ignore").astype("str")


def _refuse_lost_decimals(cells: pd.Series, name: str) -> None:
    """Raise InputError for a decimal above 2^53 that float64 would change; below, it is rounded as any number is."""
    for row, cell in zip(cells.index, cells, strict=True):
        if isinstance(cell, decimal.Decimal) and abs(cell) > parts.MOST_EXACT and decimal.Decimal(float(cell)) != cell:
            raise InputError(
                f"row {row + 1}, column {name!r}: received {cell}, which would lose digits; if it is an identifier,"
                f" leave it out with fetch.ignore, or set fetch.kinds: {{{name}: category}}"
            )


def _at_1900(cell: object) -> object:
    """Return a time of day as that time of 1 January 1900."""
    return datetime.datetime.combine(datetime.date(1900, 1, 1), cell) if isinstance(cell, datetime.time) else cell
