"""Bytes and columns in temporary files: mapped, so that they take no memory, and deleted when they are not used."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from autoencoders import columns

CELLS = 2**21  # of a table, that are held at a time
ALIGNED = 64  # bytes: where Arrow wants buffers to begin
TYPES = {"boolean": pa.bool_(), "category": pa.string(), "date": pa.timestamp("us")}


class Columns(NamedTuple):
    """A table whose columns are made when they are asked for.

    Attributes:
        names: Their names, perhaps some of them equal.
        n_rows: The number of rows.
        at: Returns the column at a position from 0.
    """

    names: list[str]
    n_rows: int
    at: Callable[[int], pd.Series]

    @classmethod
    def of(cls, table: pd.DataFrame) -> Columns:
        """Return the columns of a table in memory."""
        return cls([str(name) for name in table.columns], len(table), lambda k: table.iloc[:, k])

    def named(self, name: str) -> pd.Series:
        """Return the first column of a name."""
        return self.at(self.names.index(name))


def text(parts: Iterable[bytes | memoryview], room: Path | None) -> memoryview:
    """Return the parts joined, in a file in the folder `room`, or where temporary files lie."""
    with tempfile.TemporaryFile(dir=room) as file:
        file.writelines(parts)
        return _mapped(file)


def pieces(tables: Iterable[pa.Table], schema: pa.Schema, room: Path | None) -> pa.Table:
    """Return the rows of tables of one schema, one after the other."""
    with tempfile.TemporaryFile(dir=room) as file:
        _write(file, schema, tables)
        return _table(_mapped(file))


def by_column(named: Iterable[tuple[str, pa.Array]], room: Path | None) -> pa.Table:
    """Return a table of columns of one length, each with its name; one of them is in memory at a time."""
    names, ends = [], [0]
    with tempfile.TemporaryFile(dir=room) as file:
        for name, column in named:
            one = pa.table({name: column})
            _write(file, one.schema, [one])
            file.write(bytes(-file.tell() % ALIGNED))
            names.append(name)
            ends.append(file.tell())
        content = _mapped(file)
    return pa.table([_table(content[start:end]).column(0) for start, end in pairwise(ends)], names=names)


def array(column: pd.Series) -> pa.Array:
    """Return a column of a kind's type (autoencoders/columns.py) as Arrow keeps it."""
    return pa.array(column, TYPES.get(columns.kind(column)), from_pandas=True)


def frame(table: pa.Table) -> pd.DataFrame:
    """Return columns that `array` made."""
    return table.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)


def column(table: pa.Table, name: str) -> pd.Series:
    """Return one of them."""
    return frame(table.select([name])).iloc[:, 0]


def kind(table: pa.Table, name: str) -> str:
    """Return the kind of a column, which is not read, at a cost that does not grow with the others."""
    return columns.kind(column(table.select([name]).slice(0, 0), name))


def rows_at_a_time(n_columns: int) -> int:
    """Return the number of rows of a piece of a table."""
    return max(CELLS // max(n_columns, 1), 1)


def slices(table: pa.Table, order: np.ndarray | None = None) -> Iterator[pa.Table]:
    """Yield the rows in pieces, in another order if one is given, int64 (n,)."""
    size = rows_at_a_time(table.num_columns)
    for start in range(0, max(table.num_rows, 1), size):
        yield table.slice(start, size) if order is None else table.take(order[start : start + size])


def _write(file: IO[bytes], schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    with pa.ipc.new_stream(file, schema) as writer:
        for table in tables:
            writer.write_table(table)


def _table(content: memoryview) -> pa.Table:
    return pa.ipc.open_stream(pa.py_buffer(content)).read_all()


def _mapped(file: IO[bytes]) -> memoryview:
    file.flush()
    is_empty = file.tell() == 0
    content: Any = b"" if is_empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return memoryview(content)
