"""Tables, text or parquet: the columns of features, the column of classes, and the one that names the split."""

from __future__ import annotations

import decimal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from autoencoders import rows
from autoencoders.errors import InputError
from tasks.frame.errors import DataError
from tasks.frame.progress import say
from tasks.frame.sections import Fetch
from tasks.sources import kinds, parts, r_data, stored, text_tables
from tasks.sources.contents import Given
from tasks.sources.parts import Part
from tasks.sources.stored import Columns

SIDES = ("train", "test")
UNNAMED = "Unnamed: 0"  # pandas' name of a first column without one
_OUTSIDE = -1  # the place of an index that no column of the file has


def read(given: Mapping[str, Given], key: str, options: Fetch) -> Part:
    """Return the rows of the table `given[key]`; without labels if its key is `unlabelled` and it has none.

    Of another file than the first, `options.kinds` says the kind of every column.
    """
    source = given[key]
    table, mark = _table(source, key, options)
    table, index = _without_index(table, source.path)
    names, n = table.names, table.n_rows
    if key == "path":
        _refuse_missing(names, "ignore", options.ignore)
        _refuse_missing(names, "kinds", [*options.kinds])
        _refuse_missing(names, "split", [options.split] if options.split else [])
    _refuse_missing(names, "group", [options.group] if options.group else [])
    groups = _groups(table, options.group) if options.group else None
    if key == "path" and groups is not None and len({*groups.tolist()}) == 1 < n:
        raise InputError(
            f"column {options.group!r}: expected several groups to split, received {groups[0]!r} in all rows"
        )
    is_test = _sides(table, options.split) if key == "path" and options.split else np.zeros(n, bool)
    kept = [k for k, name in enumerate(names) if name not in (*options.ignore, options.split, options.group)]
    left = [names[k] for k in kept]
    is_bare = key == "unlabelled" and options.label not in names
    rows.check_columns([*left, options.label] if is_bare else left, n, options.label)
    labels = None if is_bare else _labels(table.named(options.label))
    found: dict[str, str] = {}

    def typed() -> Iterator[tuple[str, pa.Array]]:
        for k, name in zip(kept, left, strict=True):
            if name != options.label:
                cells = kinds.without(table.at(k), options.missing)
                column, found[name] = kinds.typed(cells, options.kinds.get(name), mark)
                yield name, stored.array(column)

    features = stored.by_column(typed(), source.room)
    part = parts.part(np.empty((n, 0)), labels, [*found])
    ignored = index | dict.fromkeys(options.ignore, "fetch.ignore")
    return part._replace(is_test=is_test, groups=groups, table=features, kinds=found, ignored=ignored)


def _table(source: Given, key: str, options: Fetch) -> tuple[Columns, str]:
    """Return the table of a file and its decimal mark, and print how it was understood."""
    if source.path.suffix.lower() == ".parquet":
        return _parquet(source), "."
    if source.path.suffix.lower() in r_data.ENDINGS:
        return Columns.of(r_data.read(source.content)), "."
    needed = None if key == "unlabelled" else options.label
    as_text = {name for name in (options.label, options.split, options.group, *options.ignore) if name}
    as_text |= {name for name, kind in options.kinds.items() if kind != "number"}
    with source.unpacked().open("rb") as file:
        table, mark, told = text_tables.read(
            file, source.room, as_text=as_text, needed=needed, delimiter=options.delimiter, decimal=options.decimal,
            header=options.header,
        )  # fmt: skip
    say(f"{source.path}: {told}")
    return (table._replace(at=lambda k: _pointed(table.at(k), options.label)) if mark == "," else table), mark


def _without_index(table: Columns, path: Path) -> tuple[Columns, dict[str, str]]:
    """Return a table without its first column if that numbers or names the rows, and why it is left out."""
    first = table.at(0) if table.names and rows.is_nameless(table.names[0]) else pd.Series([0.5])
    if len(table.names) < 2 or not first.is_unique or first.isna().any() or pd.api.types.is_float_dtype(first):
        return table, {}
    why = "a row index, it has no name and another value in each row"
    say(f"{path}: column 1 is left out: {why}")
    return Columns(table.names[1:], table.n_rows, lambda k: table.at(k + 1)), {table.names[0] or UNNAMED: why}


def _pointed(column: pd.Series, label: str) -> pd.Series:
    """Return a column, in that of the labels a decimal point: 1,0 is the class 1, and 1,5 a measured target."""
    if column.name != label:
        return column
    return column.str.replace(rf"^({text_tables.COMMA.pattern})$", lambda m: m[0].replace(",", "."), regex=True)


def _parquet(source: Given) -> Columns:
    """Return the columns of a parquet file; a named index is one like any other."""
    with _readable(), pq.ParquetFile(source.unpacked(), page_checksum_verification=True) as file:
        schema = file.schema_arrow
        batches = file.iter_batches(stored.rows_at_a_time(len(schema)))
        table = stored.pieces((pa.Table.from_batches([batch], schema) for batch in batches), schema, source.room)
        places = [*(_OUTSIDE for one in _indexes(schema) if isinstance(one, dict)), *range(len(schema))]
        found = {k: _column(table if k == _OUTSIDE else schema.empty_table(), k) for k in places}
    as_category = {one["name"] for one in (schema.pandas_metadata or {}).get("columns", []) if _is_categorical(one)}
    named = [k for k in places if found[k].name is not None]
    named.sort(key=lambda k: not isinstance(found[k], pd.Index))

    def at(k: int) -> pd.Series:
        column = _series(table, named[k])
        return column.astype("category") if column.name in as_category else column

    return Columns([str(found[k].name) for k in named], table.num_rows, at)


def _is_categorical(described: Mapping[str, Any]) -> bool:
    """Return whether pandas wrote a column as categories; of numbers, the file itself does not say so."""
    return described.get("pandas_type") == "categorical"


def _indexes(schema: pa.Schema) -> list[Any]:
    """Return pandas' index: names of columns, and descriptions of ranges, which are in no column."""
    return (schema.pandas_metadata or {}).get("index_columns", []) if len(schema) else []


def _series(table: pa.Table, k: int) -> pd.Series:
    with _readable():
        column = _column(table, k)
        return column.to_frame().iloc[:, 0].reset_index(drop=True).rename(str(column.name))


def _column(table: pa.Table, k: int) -> pd.Series | pd.Index:
    """Return the k-th column; an Index if pandas wrote it as one."""
    found = table.select([max(k, 0)]).to_pandas(integer_object_nulls=True)  # as floats they would lose digits
    return found.iloc[:, 0] if k != _OUTSIDE and found.shape[1] else found.index


@contextmanager
def _readable() -> Iterator[None]:
    """Raise DataError for an error of reading."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - pyarrow and pandas raise errors of many kinds for a damaged file
        raise DataError(f"not readable as parquet: {' '.join(str(error).split())}") from None


def _refuse_missing(names: list[str], setting: str, wanted: list[str]) -> None:
    if missing := [name for name in wanted if name not in names]:
        raise InputError(f"fetch.{setting}: no column {missing[0]!r}, found: {', '.join(names[:20])}")


def _labels(column: pd.Series) -> np.ndarray:
    """Return the labels, object (n,); equal words are one object."""
    if column.dtype == object:  # of parquet, whose decimals and bytes a database may have written
        plain = [_plain_label(value, f"row {row}, column {column.name!r}") for row, value in enumerate(column, 1)]
        return pd.Series(plain, dtype=object).to_numpy()
    if column.dtype != "str":
        return column.to_numpy(dtype=object)
    numbers, words = pd.factorize(column)
    return np.append(words.to_numpy(dtype=object), [np.nan])[numbers]


def _plain_label(value: Any, where: str) -> Any:
    """Return a label as a number, text or none; InputError for other bytes than UTF-8, and for several values."""
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list | dict | np.ndarray | tuple):
        raise InputError(f"{where}: expected a class (a whole number or a string), received several values")
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise InputError(f"{where}: expected a class in UTF-8, received other bytes") from None


def _groups(table: Columns, name: str) -> np.ndarray:
    """Return the name of each row's group, object (n,)."""
    groups = table.named(name)
    if (wrong := np.flatnonzero(groups.isna())).size:
        raise InputError(f"row {wrong[0] + 1}, column {name!r}: expected a group, received none ({wrong.size} such)")
    return _labels(groups.astype("str"))


def _sides(table: Columns, name: str) -> np.ndarray:
    """Return which rows a column says are for the test set."""
    given = table.named(name)
    sides = given.astype("str").str.strip().str.lower()
    wrong = np.flatnonzero(~sides.isin(SIDES))
    if wrong.size:
        received = given.iloc[int(wrong[0])]
        raise InputError(
            f"row {wrong[0] + 1}, column {name!r}: expected train or test, received"
            f" {'nothing' if pd.isna(received) else repr(received)} ({wrong.size} such values): write one of the two;"
            " validation rows are drawn out of those for training"
        )
    is_test = (sides == "test").to_numpy(dtype=bool)
    if is_test.all() or not is_test.any():
        raise InputError(f"column {name!r}: expected rows of train and of test, received {sides.iloc[0]} only")
    return is_test
