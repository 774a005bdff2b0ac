"""The columns of a table that are features, those that are none, and the file in which stage `fetch` keeps them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from autoencoders import columns
from autoencoders.errors import InputError
from tasks.frame.progress import say
from tasks.sources import remarks, stored
from tasks.sources.parts import Part

FILE = "table.parquet"
FEW = 8  # rows that tell nothing about a column
UNIQUE = 0.9  # share of different values from which words identify a row
SENTENCE = 4  # words, of the middle value of a column, from which they are free text
LONG = 50  # characters of such a value
OFTEN_DIFFERENT = 0.5  # share of different values from which long words are free text
IDENTIFIER = re.compile(r"(?i:id|key|index|__index_level_[0-9]__|uuid|.*[ _.-](id|key|index|uuid))|.*[a-z](ID|Id)")
TIMES = ("date", "datetime", "timestamp", "time", "ts", "epoch")  # names of columns whose numbers may be times
MOST_ROWS = 2**20  # of a row group


def chosen(part: Part, kinds: Mapping[str, str], where: str) -> Part:
    """Return a part without its columns that are no features, each told; `ignored` says why.

    Args:
        part: The rows in the order of the file.
        kinds: Columns whose kind the user set: they are no identifiers and no free text.
        where: The file, for the lines.

    Raises: InputError for a copy of the label, and for dates by which the rows are sorted.
    """
    assert part.table is not None
    ignored = {}
    for name in part.table.column_names:
        if why := _no_feature(stored.column(part.table, name), name in kinds):
            ignored[name] = why
            say(f"{where}: column {name!r} is left out: {why}")
    table = part.table.drop_columns([*ignored])
    if table.num_columns == 0:
        raise InputError(f"no column is left as a feature: {', '.join(ignored)} are none")
    labelled = np.flatnonzero(part.labels != None)  # noqa: E711 - element by element
    classes, names = pd.factorize(np.array([str(label) for label in part.labels[labelled]], object))  # lists, too
    for name in table.column_names:
        column, kind = stored.column(table, name), stored.kind(table, name)
        _refuse_copy(column.iloc[labelled], name, classes, names)
        _refuse_time_order(column, name, kind)
    remarks.tell(table, part.labels, kinds, where)
    return part._replace(table=table, columns=table.column_names, ignored={**(part.ignored or {}), **ignored})


def told(table: pa.Table) -> str:
    """Return the number of columns, and those of each kind with their names, for a line."""
    kinds: dict[str, list[str]] = {kind: [] for kind in columns.KINDS}
    for name in table.column_names:
        kinds[stored.kind(table, name)].append(name)
    found = ", ".join(f"{len(names)} {kind} ({remarks.listed(names)})" for kind, names in kinds.items() if names)
    return f"{table.num_columns} columns: {found}"


def write(path: Path, table: pa.Table, ignored: Mapping[str, str], order: np.ndarray | None = None) -> None:
    """Write a table of columns with a kind each as a parquet file; equal tables give equal bytes.

    Args:
        path: The file.
        table: The columns (stored.py).
        ignored: The columns that were left out, and why.
        order: Numbers of the rows in the order in which they are written, int64 (n,); None for all as they are.
    """
    schema = table.schema.with_metadata({"ignored": json.dumps(dict(ignored))})
    with pq.ParquetWriter(path, schema) as writer:
        for piece in stored.slices(table, order):
            writer.write_table(piece.replace_schema_metadata(schema.metadata), MOST_ROWS)


class Table:
    """The table that `write` wrote, read in pieces.

    Attributes:
        ignored: The columns that were left out, and why.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with pq.ParquetFile(path) as file:
            self.ignored: dict[str, str] = json.loads(file.schema_arrow.metadata[b"ignored"])
            sizes = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
        self._ends = np.cumsum([0, *sizes])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def pieces(self) -> Iterator[pd.DataFrame]:
        """Yield all rows in order, each column in its kind's type (autoencoders/columns.py)."""
        with pq.ParquetFile(self._path) as file:
            for k in range(file.num_row_groups):
                yield stored.frame(file.read_row_group(k))

    def fingerprints(self) -> np.ndarray:
        """Return a number for the values of each row, uint64 (n,)."""
        return np.concatenate([pd.util.hash_pandas_object(piece, index=False).to_numpy() for piece in self.pieces()])

    def at(self, numbers: np.ndarray) -> pd.DataFrame:
        """Return the rows with these numbers, int64 (m,), in their order."""
        ordered = np.sort(numbers)
        places = np.searchsorted(ordered, self._ends)
        with pq.ParquetFile(self._path) as file:
            parts = [file.schema_arrow.empty_table()]
            for k, (start, end) in enumerate(pairwise(places)):
                if start < end:
                    parts.append(file.read_row_group(k).take(ordered[start:end] - self._ends[k]))
        back = np.argsort(np.argsort(numbers, kind="stable"))
        return stored.frame(pa.concat_tables(parts)).iloc[back]


def _no_feature(column: pd.Series, is_set: bool) -> str | None:
    """Return why a column is no feature: a constant, an identifier or free text; None if it is one."""
    if (n := len(column)) <= FEW:
        return None
    n_different = column.nunique()
    if n_different + column.hasnans <= 1:
        return "no value at all" if not n_different else f"a constant, {remarks.shown(column.iloc[0])} in every row"
    if is_set or (kind := columns.kind(column)) not in ("number", "category"):
        return None
    if kind == "number":
        return _number_identifier(column, n_different)
    present = column.dropna()
    if n_different <= OFTEN_DIFFERENT * len(present):
        return None
    present = present.astype(str)
    middle = float(present.map(lambda text: len(text.split())).median())
    if len(present) > FEW and n_different > UNIQUE * len(present):
        what = "free text" if middle >= SENTENCE else "an identifier"
    elif middle >= SENTENCE and present.str.len().median() >= LONG:
        what = "free text"
    else:
        return None
    return f"{what}, {n_different:,} different values in {n:,} rows, such as {remarks.shown(present.iloc[0])}"


def _number_identifier(column: pd.Series, n_different: int) -> str | None:
    """Return why whole numbers identify rows: they count them, in any order, or are named so and nearly all differ."""
    if not pd.api.types.is_integer_dtype(column):
        return None
    n = len(column)
    if n_different == n and int(column.max()) - int(column.min()) == n - 1:
        return f"an identifier, it counts the rows from {column.min()} to {column.max()}"
    if n_different > UNIQUE * n and IDENTIFIER.fullmatch(str(column.name).strip()):
        return f"an identifier by its name, {n_different:,} different numbers in {n:,} rows"
    return None


def _refuse_copy(column: pd.Series, name: str, classes: np.ndarray, names: np.ndarray) -> None:
    """Raise InputError if each value of a column goes with one class, and each class with one value.

    Args:
        column: The labelled rows, (n,).
        name: Its name.
        classes: Their classes' numbers, int64 (n,).
        names: The classes' names, by number.
    """
    values, different = pd.factorize(column, use_na_sentinel=False)
    if (n := len(column)) <= FEW or len(different) != len(names) or 2 * len(names) > n:  # or a measured target
        return
    if len({*zip(values.tolist(), classes.tolist(), strict=True)}) == len(names) > 1:
        pair = f"{remarks.shown(different[0])} in every row of {remarks.shown(names[0])}"
        raise InputError(
            f"column {name!r} is a copy of the label, {pair} and in no other: expected features that are known before"
            " the label; leave it out with fetch.ignore"
        )


def _refuse_time_order(column: pd.Series, name: str, kind: str) -> None:
    """Raise InputError if the rows are sorted by a column of times that has many different ones."""
    present = column.dropna()
    is_time = kind == "date" or (kind == "number" and (name.strip().lower() in TIMES or _are_times(present)))
    if is_time and present.nunique() > FEW and (present.is_monotonic_increasing or present.is_monotonic_decreasing):
        raise InputError(
            f"the rows are sorted by the times in column {name!r}, from {present.iloc[0]} to {present.iloc[-1]}: rows"
            " in time order are not to be split at random; if their order does not matter, leave it out: fetch.ignore"
        )


def _are_times(numbers: pd.Series) -> bool:
    """Return whether all whole numbers are days such as 20240131, or seconds or milliseconds of 2001 to 2033."""
    if not pd.api.types.is_integer_dtype(numbers):
        return False
    if numbers.between(1e9, 2e9).all() or numbers.between(1e12, 2e12).all():
        return True
    is_day = numbers.between(1900_01_01, 2100_12_31).all()
    return bool(is_day and pd.to_datetime(numbers.astype(str), format="%Y%m%d", errors="coerce").notna().all())
