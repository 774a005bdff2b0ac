"""Tables, text or parquet: the columns of features, the column of classes, and the one that names the split."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd

from autoencoders import rows
from autoencoders.errors import InputError
from tasks.frame.errors import DataError
from tasks.frame.progress import say
from tasks.frame.sections import Fetch
from tasks.sources import kinds, parts, r_data, text_tables
from tasks.sources.contents import Given
from tasks.sources.parts import Part

SIDES = ("train", "test")


def read(given: Mapping[str, Given], key: str, options: Fetch) -> Part:
    """Return the rows of the table `given[key]`; without labels if its key is `unlabelled` and it has none.

    Of another file than the first, `options.kinds` says the kind of every column.
    """
    source = given[key]
    table, decimal = _table(source, key, options)
    names = [str(name) for name in table.columns]
    if key == "path":
        _refuse_missing(names, "ignore", options.ignore)
        _refuse_missing(names, "kinds", [*options.kinds])
        _refuse_missing(names, "split", [options.split] if options.split else [])
    _refuse_missing(names, "group", [options.group] if options.group else [])
    groups = _groups(table, options.group) if options.group else None
    is_test = _sides(table, options.split) if key == "path" and options.split else np.zeros(len(table), bool)
    table = table[[name for name in table.columns if str(name) not in (*options.ignore, options.split, options.group)]]
    if key == "unlabelled" and options.label not in names:
        table = table.assign(**{options.label: None})
    raw, labels = rows.features_and_labels(table, options.label)
    typed = {str(name): kinds.typed(column, options.kinds.get(str(name)), decimal) for name, column in raw.items()}
    features = pd.DataFrame({name: column for name, (column, _) in typed.items()}, index=pd.RangeIndex(len(raw)))
    part = parts.part(np.empty((len(raw), 0)), labels, [*typed])
    found = {name: kind for name, (_, kind) in typed.items()}
    return part._replace(is_test=is_test, groups=groups, table=features, kinds=found)


def _table(source: Given, key: str, options: Fetch) -> tuple[pd.DataFrame, str]:
    """Return the table of a file and its decimal mark, and print how it was understood."""
    if source.path.suffix.lower() == ".parquet":
        return _parquet(source.content), "."
    if source.path.suffix.lower() in r_data.ENDINGS:
        return r_data.read(source.content), "."
    needed = None if key == "unlabelled" else options.label
    as_text = {name for name in (options.label, options.split, options.group, *options.ignore) if name}
    as_text |= {name for name, kind in options.kinds.items() if kind != "number"}
    text = text_tables.read(
        source.content, as_text=as_text, needed=needed, delimiter=options.delimiter, decimal=options.decimal,
        header=options.header,
    )  # fmt: skip
    say(f"{source.path}: {text.told}")
    if text.decimal == "," and list(text.table.columns).count(options.label) == 1:
        # 1,0 is the class 1, and 1,5 a measured target.
        labels = text.table[options.label].str.replace(rf"^({text_tables.COMMA.pattern})$", _pointed, regex=True)
        return text.table.assign(**{options.label: labels}), text.decimal
    return text.table, text.decimal


def _pointed(found: object) -> str:
    return found.group(0).replace(",", ".")  # type: ignore[attr-defined] # re.Match


def _parquet(content: bytes) -> pd.DataFrame:
    try:
        table = pd.read_parquet(
            io.BytesIO(content), engine="pyarrow", page_checksum_verification=True,
            to_pandas_kwargs={"integer_object_nulls": True},  # as floats they would lose digits
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - pyarrow and pandas raise errors of many kinds for a damaged file
        raise DataError(f"not readable as parquet: {' '.join(str(error).split())}") from None
    table.columns = pd.Index([str(name) for name in table.columns])
    named = [name for name in table.index.names if name is not None]  # a column of the file like any other
    return table.reset_index(level=named) if named else table


def _refuse_missing(names: list[str], setting: str, wanted: list[str]) -> None:
    if missing := [name for name in wanted if name not in names]:
        raise InputError(f"fetch.{setting}: no column {missing[0]!r}, found: {', '.join(names[:20])}")


def _groups(table: pd.DataFrame, name: str) -> np.ndarray:
    """Return the name of each row's group, object (n,)."""
    column = table[name]
    groups = column.iloc[:, 0] if isinstance(column, pd.DataFrame) else column
    if (wrong := np.flatnonzero(groups.isna())).size:
        raise InputError(f"row {wrong[0] + 1}, column {name!r}: expected a group, received none ({wrong.size} such)")
    return groups.astype(str).to_numpy(dtype=object)


def _sides(table: pd.DataFrame, name: str) -> np.ndarray:
    """Return which rows a column says are for the test set."""
    column = table[name]
    sides = column.iloc[:, 0] if isinstance(column, pd.DataFrame) else column
    wrong = np.flatnonzero(~sides.isin(SIDES))
    if wrong.size:
        received = sides.iloc[int(wrong[0])]
        raise InputError(
            f"row {wrong[0] + 1}, column {name!r}: expected train or test, received"
            f" {'nothing' if pd.isna(received) else repr(received)} ({wrong.size} such values)"
        )
    is_test = (sides == "test").to_numpy(dtype=bool)
    if is_test.all() or not is_test.any():
        raise InputError(f"column {name!r}: expected rows of train and of test, received {sides.iloc[0]} only")
    return is_test
