"""KEEL's .dat and Weka's .arff: @relation, an @attribute per column, then @data and rows between commas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from tasks.frame.errors import DataError
from tasks.sources import dialect
from tasks.sources.dialect import Text

START = re.compile(rb"(?:\s|%[^\n]*)*@relation\b", re.IGNORECASE)
WORD = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
ATTRIBUTE = re.compile(rf"@attribute\s+({WORD}|[^\s{{]+)\s*(.*)", re.IGNORECASE)
CELL = re.compile(rf"\s*({WORD}|[^,]*?)\s*(?:,|\Z)")
TYPES = ("real", "integer", "numeric", "string", "date")
MISSING = ("?", "<null>")


class Column(NamedTuple):
    """An attribute: its name, and its values if it is nominal."""

    name: str
    values: set[str] | None


def begins(text: Text) -> bool:
    """Return whether a text has such a header."""
    return bool(START.match(text.view))


def table(text: Text) -> Text:
    """Return the text as CSV: a header with the names of the attributes, and the rows; a missing cell is empty.

    Raises: DataError for a line of the header that is not understood, a sparse row, a row of another length, or a
        value that its attribute does not list.
    """
    lines = iter(enumerate(dialect.lines(text), 1))
    columns = _columns(lines)
    rows = (line for _, line in lines if line.strip() and not line.lstrip().startswith("%"))
    header = [column.name for column in columns]
    return text.made(dialect.written(chain([header], _checked(rows, columns))))


def nominal(text: Text) -> set[str]:
    """Return the names of the attributes that list their values: categories, even if these are numbers."""
    return {column.name for column in _columns(iter(enumerate(dialect.lines(text), 1))) if column.values is not None}


def _checked(rows: Iterable[str], columns: Sequence[Column]) -> Iterator[list[str]]:
    """Yield the cells of each row."""
    for number, line in enumerate(rows, 1):
        cells = _cells(line, number)
        if len(cells) != len(columns):
            raise DataError(f"row {number}: expected the {len(columns)} attributes, received {len(cells)} cells")
        for column, cell in zip(columns, cells, strict=True):
            if column.values is not None and cell and cell not in column.values:
                known = ", ".join(sorted(column.values)[:20])
                raise DataError(f"row {number}, column {column.name!r}: expected one of {known}, received {cell!r}")
        yield cells


def _columns(lines: Iterator[tuple[int, str]]) -> list[Column]:
    """Return the attributes up to @data."""
    columns = []
    for number, line in lines:
        key = (line.split() or [""])[0].lower()
        if key.startswith("@data"):
            break
        if key.startswith("@attribute"):
            columns.append(_column(line.strip(), number))
        elif key and not key.startswith(("%", "@relation", "@input", "@output")):
            raise DataError(f"line {number}: expected @attribute or @data, received {line.strip()[:80]!r}")
    else:
        raise DataError("expected a line @data after the attributes, received none")
    if not columns:
        raise DataError("expected lines @attribute before @data, received none")
    return columns


def _column(line: str, number: int) -> Column:
    found = ATTRIBUTE.fullmatch(line)
    name, kind = (found[1], found[2].strip()) if found else ("", "")
    if kind.startswith("{") and kind.endswith("}"):
        return Column(_unquoted(name), {_unquoted(value) for value in _raw(kind[1:-1])})
    if re.split(r"[\s\[]", kind.lower())[0] not in TYPES:
        expected = f"@attribute NAME and {{values}} or one of {', '.join(TYPES)}"
        raise DataError(f"line {number}: expected {expected}, received {line[:80]!r}")
    return Column(_unquoted(name), None)


def _cells(line: str, number: int) -> list[str]:
    if line.lstrip().startswith("{"):
        raise DataError(f"row {number}: sparse rows, {{index value, ...}}, are not read: save the table as dense")
    raw = _raw(line)
    if wrong := [cell for cell in raw if cell.startswith(("'", '"')) and not re.fullmatch(WORD, cell)]:
        raise DataError(f"row {number}: a quote that is not closed, or text behind it: {wrong[0][:80]!r}")
    return ["" if cell in MISSING else _unquoted(cell) for cell in raw]


def _raw(line: str) -> list[str]:
    """Return the cells between commas, still quoted."""
    if "'" not in line and '"' not in line:
        return [cell.strip() for cell in line.split(",")]
    cells, at, ended = [], 0, False
    while not ended:
        found = CELL.match(line, at)
        assert found is not None  # an empty cell matches anywhere
        cells.append(found[1])
        at, ended = found.end(), not found[0].endswith(",")
    return cells


def _unquoted(cell: str) -> str:
    return re.sub(r"\\(.)", r"\1", cell[1:-1]) if re.fullmatch(WORD, cell) else cell
