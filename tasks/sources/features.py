"""The columns of a table that are features, those that are none, and the file in which stage `fetch` keeps them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from autoencoders import columns
from autoencoders.errors import InputError
from tasks.frame.progress import say
from tasks.sources.labelling import NUMBER
from tasks.sources.parts import Part

FILE = "table.parquet"
FEW = 8  # rows that tell nothing about a column
UNIQUE = 0.9  # share of different values from which words identify a row
MANY_A_CLASS, MANY_A_VALUE = 20, 5  # rows from which a class, a value is no accident
SENTENCE = 4  # words, of the middle value of a column, from which they are free text
LONG = 50  # characters of such a value
OFTEN_DIFFERENT = 0.5  # share of different values from which long words are free text
IDENTIFIER = re.compile(r"(?i:id|key|index|uuid|.*[ _.-](id|key|index|uuid))|.*[a-z](ID|Id)")
TIMES = ("date", "datetime", "timestamp", "time")  # names of columns whose numbers may be times
NEARLY = 0.99  # mean share of a class's rows that one column tells, from which it is nearly a copy of the label
MOST_TRIED = 5000  # rows, drawn to find such columns
MOST_TOLD = 10  # columns with missing values, each in a line
TYPES = {"boolean": pa.bool_(), "category": pa.string(), "date": pa.timestamp("us")}


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
    for name, column in part.table.items():
        if why := _no_feature(column, str(name) in kinds):
            ignored[str(name)] = why
            say(f"{where}: column {str(name)!r} is left out: {why}")
    table = part.table.drop(columns=[*ignored])
    if table.shape[1] == 0:
        raise InputError(f"no column is left as a feature: {', '.join(ignored)} are none")
    for name, column in table.items():
        if columns.kind(column) == "category" and str(name) not in kinds:
            _tell_numbers(column, where)
        _refuse_copy(column, str(name), part.labels)
        _refuse_time_order(column, str(name))
    _tell_missing(table, where)
    _tell_nearly_copies(table, part.labels, where)
    return part._replace(table=table, columns=[*table.columns], ignored={**(part.ignored or {}), **ignored})


def told(table: pd.DataFrame) -> str:
    """Return the number of columns of each kind, for a line."""
    kinds = [columns.kind(column) for _, column in table.items()]
    return (
        f"{len(kinds)} columns ({', '.join(f'{kinds.count(kind)} {kind}' for kind in columns.KINDS if kind in kinds)})"
    )


def tell_new(table: pd.DataFrame, main: pd.DataFrame, where: str) -> None:
    """Tell the missing values of another file's table, and the categories that the main table lacks."""
    _tell_missing(table, where)
    for name, column in table.items():
        if columns.kind(column) == "category" and (new := sorted({*column.dropna()} - {*main[name].dropna()})):
            rows = int(column.isin(new).sum())
            say(f"{where}: column {name!r}: {rows:,} rows have {_some(new)}, which the first file lacks")


def packed(table: pd.DataFrame, ignored: Mapping[str, str]) -> bytes:
    """Return a table of columns with a kind each as the bytes of a parquet file; equal tables give equal bytes."""
    arrays = [pa.array(column, TYPES.get(columns.kind(column)), from_pandas=True) for _, column in table.items()]
    metadata = {"ignored": json.dumps(dict(ignored))}
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(zip(table.columns, arrays, strict=True))).replace_schema_metadata(metadata), buffer)
    return buffer.getvalue()


def unpacked(path: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return what `packed` was given."""
    found = pq.read_table(path)
    ignored = json.loads(found.schema.metadata[b"ignored"])
    return found.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get), ignored


def _no_feature(column: pd.Series, is_set: bool) -> str | None:
    """Return why a column is no feature: a constant, an identifier or free text; None if it is one."""
    if (n := len(column)) <= FEW:
        return None
    n_different = column.nunique()
    if n_different + column.hasnans <= 1:
        return "no value at all" if not n_different else f"a constant, {shown(column.iloc[0])} in every row"
    if is_set or columns.kind(column) not in ("number", "category"):
        return None
    if columns.kind(column) == "number":
        return _number_identifier(column, n_different)
    present = column.dropna().astype(str)
    middle = float(present.map(lambda text: len(text.split())).median())
    if len(present) > FEW and n_different > UNIQUE * len(present):
        what = "free text" if middle >= SENTENCE else "an identifier"
    elif n_different > OFTEN_DIFFERENT * len(present) and middle >= SENTENCE and present.str.len().median() >= LONG:
        what = "free text"
    else:
        return None
    return f"{what}, {n_different:,} different values in {n:,} rows, such as {shown(present.iloc[0])}"


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


def _tell_numbers(column: pd.Series, where: str) -> None:
    """Tell that a column of categories may have been meant as numbers."""
    distinct = column.dropna().unique()
    others = [word for word in distinct if not NUMBER.fullmatch(word)]
    n = len(distinct) - len(others)
    if others and n > FEW and n >= OFTEN_DIFFERENT * len(distinct):
        say(
            f"{where}: column {str(column.name)!r} is read as categories, though {n:,} of {len(distinct):,} different"
            f" values are numbers; another is {shown(others[0])}"
        )


def _refuse_copy(column: pd.Series, name: str, labels: np.ndarray) -> None:
    """Raise InputError if each value of a column goes with one class, and each class with one value."""
    labelled = np.flatnonzero(labels != None)  # noqa: E711 - element by element
    values, different = pd.factorize(column.iloc[labelled], use_na_sentinel=False)
    classes, names = pd.factorize(np.array([str(label) for label in labels[labelled]], object))  # lists, too
    if len(labelled) <= FEW or len(different) != len(names) or 2 * len(names) > len(labelled):  # or a measured target
        return
    if len({*zip(values.tolist(), classes.tolist(), strict=True)}) == len(names) > 1:
        pair = f"{shown(different[0])} in every row of {shown(names[0])}"
        raise InputError(
            f"column {name!r} is a copy of the label, {pair} and in no other: expected features that are known before"
            " the label; leave it out with fetch.ignore"
        )


def _tell_nearly_copies(table: pd.DataFrame, labels: np.ndarray, where: str) -> None:
    """Warn of columns that tell the class of nearly every row alone: by their values, or by one range a class."""
    names = pd.Series([None if label is None else str(label) for label in labels], table.index)
    names = names.dropna().pipe(lambda found: found.sample(min(len(found), MOST_TRIED), random_state=0))
    if names.nunique() < 2 or len(names) < MANY_A_CLASS * names.nunique():  # few rows are told apart by chance
        return
    for name, column in table.loc[names.index].items():
        if (share := _told_share(column, names)) >= NEARLY:
            say(
                f"{where}: WARNING: column {str(name)!r} alone tells the class of {share:.1%} of the rows, every class"
                " counted alike: is it known before the label? If not: fetch.ignore"
            )


def _told_share(column: pd.Series, names: pd.Series) -> float:
    """Return the mean over classes of the share of rows whose class a column's most frequent one of its value is."""
    codes = pd.factorize(column, use_na_sentinel=False)[0]
    if columns.kind(column) in ("number", "date"):
        from sklearn.tree import DecisionTreeClassifier

        ranks = column.rank(method="dense").to_numpy(float)[:, None]  # a missing value stays NaN
        tree = DecisionTreeClassifier(max_leaf_nodes=names.nunique() + 1, class_weight="balanced", random_state=0)
        codes = tree.fit(ranks, names).apply(ranks)
    counts = pd.crosstab(codes, names.to_numpy())
    counts = counts[counts.sum(axis=1) >= MANY_A_VALUE]
    if counts.empty:
        return 0.0
    shares = counts / names.value_counts()
    return float(shares.max(axis=1).sum() / names.nunique())


def _refuse_time_order(column: pd.Series, name: str) -> None:
    """Raise InputError if the rows are sorted by a column of times that has many different ones."""
    present = column.dropna()
    is_time = columns.kind(column) == "date" or (columns.kind(column) == "number" and name.strip().lower() in TIMES)
    if is_time and present.nunique() > FEW and (present.is_monotonic_increasing or present.is_monotonic_decreasing):
        raise InputError(
            f"the rows are sorted by the times in column {name!r}, from {present.iloc[0]} to {present.iloc[-1]}: rows"
            " in time order are not to be split at random; if their order does not matter, leave it out: fetch.ignore"
        )


def _tell_missing(table: pd.DataFrame, where: str) -> None:
    counts = table.isna().sum()
    missing = [(name, int(n)) for name, n in counts.items() if n]
    for name, n in missing[:MOST_TOLD]:
        say(f"{where}: column {name!r}: {n:,} of {len(table):,} values missing")
    if more := len(missing) - MOST_TOLD if len(missing) > MOST_TOLD else 0:
        say(f"{where}: {more:,} columns more have missing values")


def shown(value: object) -> str:
    """Return a value on one short line."""
    return f"{value!r:.40}" if isinstance(value, str) else f"{value!s:.40}"


def _some(words: list[str]) -> str:
    return shown(words[0]) + (f" or {len(words) - 1:,} other values" if len(words) > 1 else "")
