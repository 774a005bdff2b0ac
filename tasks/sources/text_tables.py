"""Tables of text: their cells, and numbers in none of two possible ways; kinds.py says what each column is."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import pandas as pd
import pyarrow as pa

from autoencoders.errors import InputError
from tasks.frame.errors import DataError
from tasks.sources import contents, dialect, headers, kinds, stored
from tasks.sources.parts import MOST_EXACT

COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?")
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}([,.])[0-9]{3}(\1[0-9]{3})*")
Decimal = Literal[".", ","]
TYPES = {"int64": pa.int64(), "uint64": pa.uint64(), "float64": pa.float64(), "bool": pa.bool_(),
         "boolean": pa.bool_(), "str": pa.string()}  # fmt: skip
CODE = re.compile(r"0[0-9]+")  # as a number it would lose its zeros
MOST_TOLD = 3  # columns
FEW = 5  # rows among which the header may be
LOOKED_AT = 2**16  # bytes at both ends that tell a file of another kind


class Text(NamedTuple):
    """A table of text, and how it was understood, for a line of progress."""

    table: stored.Columns
    decimal: str
    told: str


class _Body(NamedTuple):
    """The text with its header, and what is known of it."""

    text: dialect.Text
    delimiter: str
    header: list[str]
    n_rows: int


def read(
    file: IO[bytes],
    room: Path | None = None,
    *,
    as_text: Collection[str],
    needed: str | None,
    delimiter: str | None,
    decimal: Decimal | None,
    header: bool | None = None,
) -> Text:
    """Read a table from a text file, which may be larger than the memory.

    Args:
        file: The file, unpacked.
        room: A folder for temporary files.
        as_text: Columns that are not to be read as numbers: their cells stay text, an empty one is missing.
        needed: A column that must be there, checked before the cells.
        delimiter, decimal: The marks; None to find them.
        header: Whether the first row names the columns; None to find it.

    Returns: The table; a column has numbers or truth values if all its cells are, else text, NaN for an empty cell.
    Raises: DataError or InputError, with row and column, if a number could be read in two ways, or would lose digits.
    """
    contents.refuse_no_text(_ends(file))
    text, encoding = dialect.decoded(file, room)
    if line := re.match("sep=(.)\r?\n", text.stream().readline()):  # written by Excel
        delimiter, text = delimiter or line[1], text.after(len(line[0].encode()))
    plain = headers.plain(text, delimiter=delimiter, header=header, named=as_text)
    as_text = {*as_text, *plain.nominal}
    text, n_empty = dialect.without_empty_end(plain.text, plain.delimiter)
    body = _body(text, plain.delimiter)
    if needed is not None and needed not in body.header:
        found, hint = ", ".join(body.header[:20]), plain.hint or "; set fetch.label, or LABEL=..."
        raise InputError(f"no column {needed!r} for the labels, found: {found}{_below(body, needed) or hint}")
    table = _columns(body, decimal or ".", as_text)
    found = decimal or _decimal(table, as_text, body)
    if found != (decimal or "."):
        table = _columns(body, found, as_text)
    _refuse_lost_digits(table, as_text, body)
    mark = dialect.DELIMITERS.get(body.delimiter, repr(body.delimiter))
    point = "comma" if found == "," else "point"
    empty = f", {n_empty} empty rows at the end left out" if n_empty else ""
    told = f"{encoding}, columns separated by a {mark}, decimal {point}{plain.told}{empty}{_codes(body, as_text)}"
    if plain.nominal:
        read, categories = table.at, {k for k, name in enumerate(body.header) if name in plain.nominal}
        table = table._replace(at=lambda k: read(k).astype("category") if k in categories else read(k))
    return Text(table, found, told)


def _ends(file: IO[bytes]) -> bytes:
    """Return the first and the last bytes of a file."""
    start, size = file.read(LOOKED_AT), file.seek(0, os.SEEK_END)
    file.seek(max(size - LOOKED_AT, len(start)))
    end = file.read()
    file.seek(0)
    return start + end


def _body(text: dialect.Text, delimiter: str) -> _Body:
    """Return the header and the rows; DataError names the first row with more or fewer columns."""
    records, n_rows = dialect.records(text, delimiter), 0
    header = [name.strip() for name in next(records, [])]
    for row in records:
        n_rows += bool(row)
        if row and len(row) != len(header):
            hint = (
                "; remove a title above the header; if another mark separates columns, set fetch.delimiter"
                if len(header) == 1
                else ""
            )
            if len(row) == len(header) + 1 > 2:
                hint = (
                    "; if the first is a row's name, as R writes it, write the table with row.names=FALSE; if a comma"
                    " is also the decimal mark, separate columns by another"
                )
            raise DataError(
                f"row {n_rows}: expected the {len(header)} columns of the header, received {len(row)}{hint}"
            )
        if row and not any(map(str.strip, row)):
            raise DataError(f"row {n_rows}: expected values, received only empty cells: remove rows without a value")
    if not n_rows:
        raise DataError("no rows")
    return _Body(text, delimiter, header, n_rows)


def _below(body: _Body, name: str) -> str:
    """Return a hint for a name that stands in one of the first rows, where another line is above the header."""
    rows = islice((row for row in dialect.records(body.text, body.delimiter) if row), 1, 1 + FEW)
    at = next((k for k, row in enumerate(rows, 1) if name in map(str.strip, row)), 0)
    return f"; row {at} has it: if that is the header, remove the line{'s' * (at > 1)} above" if at else ""


def _codes(body: _Body, as_text: Collection[str]) -> str:
    """Return words on the columns of whole numbers that begin with a zero in the first rows: codes, such as 02139."""
    found: dict[str, str] = {}
    for row in islice((row for row in dialect.records(body.text, body.delimiter) if row), 1, headers.SEEN):
        for name, cell in zip(body.header, row, strict=True):
            if name not in as_text and name not in found and CODE.fullmatch(cell.strip()):
                found[name] = cell.strip()
    return "".join(
        f"; WARNING: {cell!r} in column {name!r} begins with a zero: if it is a code, set fetch.kinds:"
        f" {{{name}: category}}"
        for name, cell in islice(found.items(), MOST_TOLD)
    )


def _parsed(body: _Body, decimal: str, as_text: Collection[str]) -> pa.Table:
    """Parse the rows in pieces: first to find the types that hold for all of them, then to keep them."""
    names = [str(k) for k in range(len(body.header))]  # those of the header may be repeated
    words = {name: "str" for name, given in zip(names, body.header, strict=True) if given in as_text}
    seen: dict[str, set[str]] = {name: set() for name in names}
    n_rows = 0
    for piece in _pieces(body, decimal, names, words):
        n_rows += len(piece)
        for name, column in piece.items():
            seen[str(name)] |= _types(column)
    if n_rows != body.n_rows:
        raise DataError(f"not readable as CSV: expected {body.n_rows} rows, received {n_rows}")
    types = {name: _type(found) for name, found in seen.items()} | words
    schema = pa.schema([(name, TYPES[what]) for name, what in types.items()])
    pieces = _pieces(body, decimal, names, types)
    table = stored.pieces(
        (pa.Table.from_pandas(piece, schema, preserve_index=False).replace_schema_metadata() for piece in pieces),
        schema, body.text.room,
    )  # fmt: skip
    return table


def _pieces(body: _Body, decimal: str, names: list[str], types: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    """Yield the rows; the header is read separately, because pandas renames repeated names."""
    with body.text.stream() as stream:
        next(csv.reader(stream, delimiter=body.delimiter))
        try:
            yield from pd.read_csv(
                stream, sep=body.delimiter, decimal=decimal, header=None, names=names, dtype=dict(types),
                index_col=False, keep_default_na=False, na_values=[""], low_memory=False, skip_blank_lines=True,
                chunksize=stored.rows_at_a_time(len(names)),
            )  # fmt: skip
        except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
            raise DataError(f"not readable as CSV: {' '.join(str(error).split())}") from None


def _types(column: pd.Series) -> set[str]:
    """Return the types that the values of a column have, `missing` among them."""
    present = column.dropna()
    types = {"missing"} if len(present) < len(column) else set()
    if present.empty:
        return types
    if column.dtype in (bool, object) and all(isinstance(cell, bool) for cell in present.tolist()):
        return types | {"bool"}
    return types | {str(column.dtype) if pd.api.types.is_numeric_dtype(column) else "str"}


def _type(seen: set[str]) -> str:
    """Return the type that holds all values of a column that is no text by its settings."""
    types = seen - {"missing"}
    if types == {"bool"}:
        return "boolean" if "missing" in seen else "bool"
    if types <= {"int64", "uint64", "float64"}:
        return types.pop() if len(types) == 1 and "missing" not in seen else "float64"
    return "str"


def _columns(body: _Body, decimal: str, as_text: Collection[str]) -> stored.Columns:
    """Return the columns of the rows."""
    table = _parsed(body, decimal, as_text)
    return stored.Columns(
        body.header, body.n_rows, lambda k: table.select([k]).to_pandas().iloc[:, 0].rename(body.header[k])
    )


def _of_numbers(table: stored.Columns, as_text: Collection[str]) -> dict[int, list[str]]:
    """Return the columns of features that are numbers or may be, each with its words that pandas did not read."""
    found = {}
    for k, name in enumerate(table.names):
        if name in as_text or pd.api.types.is_bool_dtype(column := table.at(k)):
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


def _decimal(table: stored.Columns, as_text: Collection[str], body: _Body) -> Decimal:
    """Return the decimal mark; DataError if all the commas could separate thousands."""
    numbers = _of_numbers(table, as_text)
    first = ""
    for k, words in numbers.items():
        if any(COMMA.fullmatch(word) and not THOUSANDS.fullmatch(word) for word in words):
            return ","
        if not first and (two_ways := {word for word in words if "," in word and THOUSANDS.fullmatch(word)}):
            cells = table.at(k)
            row = next(row for row, cell in enumerate(cells) if isinstance(cell, str) and cell.strip() in two_ways)
            first = f"row {row + 1}, column {table.names[k]!r}: {cells.iloc[row]!r}"
    if not first and body.delimiter == ";":
        first = _points(table, [*numbers], body)
    if first:
        raise DataError(
            f"{first} has a decimal mark or a thousands separator: set fetch.decimal to ',' or '.' if it is"
            " a decimal mark, else remove the separators"
        )
    return "."


def _points(table: stored.Columns, numeric: list[int], body: _Body) -> str:
    """Return the first number such as 1.234 if all numbers with a point could have it between thousands."""
    first = ""
    if all(pd.api.types.is_integer_dtype(table.at(k)) for k in numeric):
        return ""
    records = (row for row in dialect.records(body.text, ";") if row)
    next(records)
    for number, row in enumerate(records, 1):
        for cell in (row[k].strip() for k in numeric if "." in row[k]):
            if not THOUSANDS.fullmatch(cell):
                return ""
            first = first or f"row {number}: {cell!r}"
    return first


def _refuse_lost_digits(table: stored.Columns, as_text: Collection[str], body: _Body) -> None:
    """Raise InputError for a whole number that float64 would change, among those that pandas read."""
    for k, name in enumerate(body.header):
        if name in as_text or not _is_great(table.at(k)):
            continue
        records = (row for row in dialect.records(body.text, body.delimiter) if row)
        next(records)
        cells = pd.Series([row[k].strip() for row in records])
        kinds.refuse_lost_digits(cells, name, [*cells.unique()])


def _is_great(column: pd.Series) -> bool:
    types = pd.api.types
    is_number = types.is_numeric_dtype(column) and not types.is_bool_dtype(column)
    return is_number and bool(column.abs().max() > MOST_EXACT)
