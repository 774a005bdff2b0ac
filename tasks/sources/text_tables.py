"""Tables of text: every cell of a feature is a number, and none is read in one of two possible ways."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

import pandas as pd

from autoencoders.errors import InputError
from tasks.frame.errors import DataError
from tasks.sources import contents, dialect, headers
from tasks.sources.labelling import NUMBER
from tasks.sources.parts import MOST_EXACT

COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?")
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}([,.])[0-9]{3}(\1[0-9]{3})*")
WHOLE = re.compile(r"[+-]?[0-9]{16,300}")
DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([T ].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}([T ,].*)?|\d{1,2}:\d{2}(:\d{2}.*)?")
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
        as_text: Columns that are not features: their cells stay text, an empty one is missing.
        needed: A column that must be there, checked before the cells.
        delimiter, decimal: The marks; None to find them.
        header: Whether the first row names the columns; None to find it.

    Returns: The table; every feature is a column of numbers or truth values, NaN for an empty cell.
    Raises: DataError or InputError, with row and column, if a cell is no number, or could be read in two ways.
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
    _refuse_words(table, as_text, found)
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


def _words(table: pd.DataFrame, as_text: Collection[str]) -> Iterator[tuple[int, str, str]]:
    """Yield row, column and text of each cell in the features that pandas did not read as numbers."""
    for k, name in enumerate(table.columns):
        column = table.iloc[:, k]
        if name not in as_text and not pd.api.types.is_numeric_dtype(column):
            cells = enumerate(column, 1)
            yield from ((row, name, cell) for row, cell in cells if isinstance(cell, str))  # not True among empty cells


def _decimal(table: pd.DataFrame, as_text: Collection[str], body: _Body) -> Decimal:
    """Return the decimal mark; DataError if all the commas could separate thousands."""
    first = ""
    for row, name, cell in _words(table, as_text):
        if COMMA.fullmatch(cell.strip()) and not THOUSANDS.fullmatch(cell.strip()):
            return ","
        if THOUSANDS.fullmatch(cell.strip()):
            first = first or f"row {row}, column {name!r}: {cell!r}"
    if not first and body.delimiter == ";":
        first = _points(table, as_text, body)
    if first:
        raise DataError(
            f"{first} has a decimal mark or a thousands separator: set fetch.decimal to ',' or '.' if it is"
            " a decimal mark, else remove the separators"
        )
    return "."


def _points(table: pd.DataFrame, as_text: Collection[str], body: _Body) -> str:
    """Return the first number such as 1.234 if all numbers with a point could have it between thousands."""
    features = [k for k, name in enumerate(body.header) if name not in as_text]
    if not any(pd.api.types.is_float_dtype(table.dtypes.iloc[k]) for k in features):
        return ""
    first = ""
    records = (row for row in dialect.records(body.text, ";") if row)
    next(records)
    for number, row in enumerate(records, 1):
        for cell in (row[k].strip() for k in features if "." in row[k]):
            if not THOUSANDS.fullmatch(cell):
                return ""
            first = first or f"row {number}: {cell!r}"
    return first


def _is_number(cell: str, decimal: str) -> bool:
    text = cell.strip()
    if decimal == ",":  # a point would be a thousands separator
        return "." not in text and bool(NUMBER.fullmatch(text.replace(",", ".")))
    return bool(NUMBER.fullmatch(text))


def _refuse_words(table: pd.DataFrame, as_text: Collection[str], decimal: str) -> None:
    """Raise InputError for the first cell of a feature that is no number."""
    words = list(_words(table, as_text))
    wrong = [word for word in words if not _is_number(word[2], decimal)]
    if wrong:
        row, name, cell = wrong[0]
        if DATE.fullmatch(cell.strip()):
            raise InputError(dates(name, cell))
        mark = " with a decimal comma" if decimal == "," else ""
        raise InputError(
            f"row {row}, column {name!r}: expected a number{mark}, received {cell!r} ("
            f"{sum(word[1] == name for word in wrong)} such values in this column); to leave it out: fetch.ignore"
        )


def _refuse_lost_digits(table: pd.DataFrame, as_text: Collection[str], body: _Body) -> None:
    """Raise InputError for a whole number that float64 would change, such as an identifier of 20 digits."""
    great = [
        k for k, name in enumerate(body.header)
        if name not in as_text and not (pd.to_numeric(table.iloc[:, k]).abs() <= MOST_EXACT).all()
    ]  # fmt: skip
    rows = (row for row in dialect.records(body.text, body.delimiter) if row)
    for number, row in enumerate(rows if great else ()):
        for k in great:
            if number and WHOLE.fullmatch(cell := row[k].strip()) and int(cell) != float(cell):
                raise InputError(
                    f"row {number}, column {body.header[k]!r}: received {cell}, which would lose digits; if it is an"
                    " identifier, leave it out with fetch.ignore"
                )


def dates(name: str, cell: object) -> str:
    """Return the message for a column of dates."""
    return (
        f"column {name!r} holds dates or times, such as {str(cell)!r}: rows in time order are not to be split at"
        " random; if their order does not matter, leave it out with fetch.ignore"
    )
