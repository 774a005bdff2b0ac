"""Tables of text: their cells, and numbers in none of two possible ways; kinds.py says what each column is."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection
from typing import Literal, NamedTuple

import pandas as pd

from autoencoders.errors import InputError
from tasks.frame.errors import DataError
from tasks.sources import contents, dialect, headers, kinds
from tasks.sources.parts import MOST_EXACT

COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?")
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}([,.])[0-9]{3}(\1[0-9]{3})*")
Decimal = Literal[".", ","]


class Text(NamedTuple):
    """A table of text, and how it was understood, for a line of progress."""

    table: pd.DataFrame
    decimal: str
    told: str


class _Body(NamedTuple):
    """The text after the header, and what is known of it."""

    text: str
    delimiter: str
    header: list[str]
    n_rows: int


def read(
    content: bytes,
    *,
    as_text: Collection[str],
    needed: str | None,
    delimiter: str | None,
    decimal: Decimal | None,
    header: bool | None = None,
) -> Text:
    """Read a table from the bytes of a text file.

    Args:
        content: The bytes, unpacked.
        as_text: Columns that are not to be read as numbers: their cells stay text, an empty one is missing.
        needed: A column that must be there, checked before the cells.
        delimiter, decimal: The marks; None to find them.
        header: Whether the first row names the columns; None to find it.

    Returns: The table; a column has numbers or truth values if all its cells are, else text, NaN for an empty cell.
    Raises: DataError or InputError, with row and column, if a number could be read in two ways, or would lose digits.
    """
    contents.refuse_no_text(content)
    text, encoding = dialect.decoded(content)
    if line := re.match(r"sep=(.)\r?\n", text):  # written by Excel
        delimiter, text = delimiter or line[1], text[line.end() :]
    plain = headers.plain(text, delimiter=delimiter, header=header, named=as_text)
    body = _body(plain.text, plain.delimiter)
    if needed is not None and needed not in body.header:
        raise InputError(f"no column {needed!r} for the labels, found: {', '.join(body.header[:20])}{plain.hint}")
    table = _parsed(body, decimal or ".", as_text)
    found = decimal or _decimal(table, as_text, body)
    if found != (decimal or "."):
        table = _parsed(body, found, as_text)
    _refuse_lost_digits(table, as_text, body)
    mark = dialect.DELIMITERS.get(body.delimiter, repr(body.delimiter))
    told = f"{encoding}, columns separated by a {mark}, decimal {'comma' if found == ',' else 'point'}{plain.told}"
    return Text(table, found, told)


def _body(text: str, delimiter: str) -> _Body:
    """Return the header and the rows; DataError names the first row with more or fewer columns."""
    records, n_rows = dialect.records(text, delimiter), 0
    header = [name.strip() for name in next(records, [])]
    for row in records:
        n_rows += bool(row)
        if row and len(row) != len(header):
            hint = "; if another character separates columns, set fetch.delimiter" if len(header) == 1 else ""
            raise DataError(
                f"row {n_rows}: expected the {len(header)} columns of the header, received {len(row)}{hint}"
            )
    if not n_rows:
        raise DataError("no rows")
    return _Body(text, delimiter, header, n_rows)


def _parsed(body: _Body, decimal: str, as_text: Collection[str]) -> pd.DataFrame:
    """Parse the rows; the header is read separately, because pandas renames repeated names."""
    stream = io.StringIO(body.text, newline="")
    next(csv.reader(stream, delimiter=body.delimiter))
    dtype = {k: str for k, name in enumerate(body.header) if name in as_text}
    try:
        table = pd.read_csv(
            stream, sep=body.delimiter, decimal=decimal, header=None, dtype=dtype, keep_default_na=False,
            na_values=[""], low_memory=False, skip_blank_lines=True,
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise DataError(f"not readable as CSV: {' '.join(str(error).split())}") from None
    if table.shape != (body.n_rows, len(body.header)):
        raise DataError(f"not readable as CSV: expected {body.n_rows} rows, received {len(table)}")
    return table.set_axis(body.header, axis=1)


def _of_numbers(table: pd.DataFrame, as_text: Collection[str]) -> dict[int, list[str]]:
    """Return the columns of features that are numbers or may be, each with its words that pandas did not read."""
    found = {}
    for k, name in enumerate(table.columns):
        column = table.iloc[:, k]
        if name in as_text or pd.api.types.is_bool_dtype(column):
            continue
        words = (
            [] if pd.api.types.is_numeric_dtype(column) else [str(cell).strip() for cell in column.dropna().unique()]
        )
        words = [word for word in words if word and word.lower() not in kinds.MISSING]
        numbers = [word for word in words if _may_be_number(word)]
        if len(numbers) >= kinds.NEARLY * len(words):
            found[k] = numbers
    return found


def _may_be_number(word: str) -> bool:
    return kinds.is_number(word, ".") or bool(COMMA.fullmatch(word) or THOUSANDS.fullmatch(word))


def _decimal(table: pd.DataFrame, as_text: Collection[str], body: _Body) -> Decimal:
    """Return the decimal mark; DataError if all the commas could separate thousands."""
    numbers = _of_numbers(table, as_text)
    first = ""
    for k, words in numbers.items():
        if any(COMMA.fullmatch(word) and not THOUSANDS.fullmatch(word) for word in words):
            return ","
        if not first and (two_ways := {word for word in words if "," in word and THOUSANDS.fullmatch(word)}):
            cells = table.iloc[:, k]
            row = next(row for row, cell in enumerate(cells) if isinstance(cell, str) and cell.strip() in two_ways)
            first = f"row {row + 1}, column {table.columns[k]!r}: {cells.iloc[row]!r}"
    if not first and body.delimiter == ";":
        first = _points(table, [*numbers], body)
    if first:
        raise DataError(
            f"{first} has a decimal mark or a thousands separator: set fetch.decimal to ',' or '.' if it is"
            " a decimal mark, else remove the separators"
        )
    return "."


def _points(table: pd.DataFrame, numeric: list[int], body: _Body) -> str:
    """Return the first number such as 1.234 if all numbers with a point could have it between thousands."""
    first = ""
    if all(pd.api.types.is_integer_dtype(table.dtypes.iloc[k]) for k in numeric):
        return ""
    records = (row for row in dialect.records(body.text, ";") if row)
    next(records)
    for number, row in enumerate(records, 1):
        for cell in (row[k].strip() for k in numeric if "." in row[k]):
            if not THOUSANDS.fullmatch(cell):
                return ""
            first = first or f"row {number}: {cell!r}"
    return first


def _refuse_lost_digits(table: pd.DataFrame, as_text: Collection[str], body: _Body) -> None:
    """Raise InputError for a whole number that float64 would change, among those that pandas read."""
    great = [
        k for k, name in enumerate(body.header)
        if name not in as_text and pd.api.types.is_numeric_dtype(column := table.iloc[:, k])
        and not pd.api.types.is_bool_dtype(column) and column.abs().max() > MOST_EXACT
    ]  # fmt: skip
    if not great:
        return
    records = [row for row in dialect.records(body.text, body.delimiter) if row][1:]
    for k in great:
        cells = pd.Series([row[k].strip() for row in records])
        kinds.refuse_lost_digits(cells, body.header[k], [*cells.unique()])
