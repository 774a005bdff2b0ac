"""What a user should know of a table's columns before it is used: each remark is a line that says what to set."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.frame.progress import say
from tasks.sources import stored
from tasks.sources.labelling import NUMBER

FEW = 8  # rows or different values that tell nothing about a column
OFTEN = 0.5  # share of different values that are numbers, from which the others may be errors
MANY_A_CLASS, MANY_A_VALUE = 20, 5  # rows from which a class, a value is no accident
NEARLY = 0.99  # mean share of a class's rows that one column tells, from which it is nearly a copy of the label
MOST_TRIED = 5000  # rows, drawn to find such columns
MOST_TOLD = 10  # columns of one kind that are named
SIDES = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}  # in lower case
MOST_CODES = 20  # different whole numbers that may be codes
OWNER = re.compile(
    r"(?i:(.*[ _.-])?(patient|subject|person|participant|user|customer|client|household|family|speaker|writer|animal"
    r"|device|session)s?([ _.-]?(id|key|no|nr|number|code|name))?|(.*[ _.-])?(id|key))|.*[a-z](ID|Id)"
)


def tell(table: pa.Table, labels: np.ndarray, kinds: Container[str], where: str) -> None:
    """Print a line for everything about the features that may be otherwise than it looks.

    Args:
        table: The features, a column of its kind's type each (stored.py).
        labels: object (n,); None for a row without a label.
        kinds: Columns whose kind the user set: they are what they are.
        where: The file, for the lines.
    """
    codes = []
    for name in table.column_names:
        if name in kinds:
            continue
        column, kind = stored.column(table, name), stored.kind(table, name)
        if kind == "category":
            _tell_numbers(column, where)
            _tell_split(column, where)
        if kind in ("number", "date"):
            _tell_marker(column, where)
        if kind == "category" or pd.api.types.is_integer_dtype(column):
            _tell_groups(column, where)
        if kind in ("number", "category"):
            _tell_order(column, where)
        if kind == "number" and _may_be_codes(column):
            codes.append(name)
    _tell_codes(codes, where)
    _tell_missing(table, where)
    _tell_nearly_copies(table, labels, where)


def tell_test(path: Path) -> None:
    """Tell of a file or folder beside that of training rows which has test rows by its name, and is not read."""
    for word in ("test", "t10k"):
        beside = path.with_name(re.sub("(?i:train(ing)?)", word, path.name))
        if beside != path and beside.exists():
            say(
                f"{path}: {beside.name} beside it is not read; for its rows set fetch.test: {beside}, or"
                " fetch.unlabelled if they have no labels"
            )


def tell_new(table: pa.Table, main: pa.Table, where: str) -> None:
    """Tell the missing values of another file's table, and the categories that the main table lacks."""
    _tell_missing(table, where)
    for name in table.column_names:
        if stored.kind(table, name) != "category":
            continue
        words, known = ({*one[name].unique().to_pylist()} - {None} for one in (table, main))
        if new := sorted(words - known):
            rows = int(stored.column(table, name).isin(new).sum())
            say(f"{where}: column {name!r}: {rows:,} rows have {_some(new)}, which the first file lacks")


def _tell_numbers(column: pd.Series, where: str) -> None:
    """Tell that a column of categories may have been meant as numbers."""
    distinct = column.dropna().unique()
    others = [word for word in distinct if not NUMBER.fullmatch(word)]
    n = len(distinct) - len(others)
    if others and n > FEW and n >= OFTEN * len(distinct):
        say(
            f"{where}: column {str(column.name)!r} is read as categories, though {n:,} of {len(distinct):,} different"
            f" values are numbers; another is {shown(others[0])}"
        )


def _tell_split(column: pd.Series, where: str) -> None:
    """Tell that a column may name the split, which would be drawn anew, and the column a feature."""
    words = {str(word).lower() for word in column.dropna().unique()}
    if words <= SIDES and any(word.startswith("tr") for word in words) and any(word.startswith("te") for word in words):
        say(
            f"{where}: column {str(column.name)!r} is read as a feature, and the rows are divided by seed: if it says"
            f" which rows are for testing, set fetch.split: {column.name}"
        )


def _tell_marker(column: pd.Series, where: str) -> None:
    """Tell that a number or date may stand for a missing one: far from all others and frequent, or a lone -1."""
    present = np.sort(column.dropna().to_numpy())
    if len(present) <= FEW:
        return
    is_date = present.dtype.kind == "M"
    for marker in (present[0], present[-1]):
        others = present[present != marker]
        n = len(present) - len(others)
        if n < MANY_A_VALUE or len(np.unique(others)) <= FEW:
            continue
        ends = marker, others[0], others[-1]
        at, least, most = (float(end.astype(np.int64) if is_date else end) for end in ends)
        if max(least - at, at - most) > most - least or (at == -1 and least >= 0 and not is_date):
            some, first, last = (str(end)[:10] if is_date else f"{end:g}" for end in ends)
            set_to = f'"{some}"' if is_date else some
            say(
                f"{where}: column {str(column.name)!r}: {n:,} rows have {some}, the others {first} to {last}:"
                f" if it stands for a missing value, set fetch.missing: [{set_to}]"
            )


def _tell_order(column: pd.Series, where: str) -> None:
    """Tell that the rows are sorted by a column, which may be a time such as a year or 2020Q1."""
    present = column.dropna()
    if present.nunique() > FEW and (present.is_monotonic_increasing or present.is_monotonic_decreasing):
        say(
            f"{where}: the rows are sorted by column {str(column.name)!r}, from {shown(present.iloc[0])} to"
            f" {shown(present.iloc[-1])}: if it is a time, keep the latest rows for testing with fetch.split or"
            " fetch.test"
        )


def _tell_groups(column: pd.Series, where: str) -> None:
    """Tell that rows of one patient, or another owner by the column's name, may have to stay in one split."""
    if not OWNER.fullmatch(str(column.name).strip()):
        return
    if FEW < (n := column.nunique()) <= len(column) / 2:
        say(
            f"{where}: column {str(column.name)!r} has {n:,} different values in {len(column):,} rows: if they say"
            f" whose rows these are, set fetch.group: {column.name}, so that training and test rows have different ones"
        )


def _may_be_codes(column: pd.Series) -> bool:
    """Return whether a column has whole numbers that begin with 0, 1 or 1, 2, few different ones.

    Others may mark an answer that is missing, such as -9, 88 or 99.
    """
    values = np.sort(column.dropna().unique())
    if not 2 < len(values) <= MOST_CODES or len(column) < MANY_A_CLASS * len(values):
        return False
    return bool((values % 1 == 0).all()) and values[values >= 0][:2].tolist() in ([0, 1], [1, 2])


def _tell_codes(names: list[str], where: str) -> None:
    """Tell that columns of whole numbers are read as numbers."""
    if not names:
        return
    say(
        f"{where}: whole numbers, few different ones: {listed(names)}: read as numbers, with an order; for codes of"
        f" categories set fetch.kinds: {{{names[0]}: category}}"
    )


def _tell_missing(table: pa.Table, where: str) -> None:
    missing = [(name, n) for name in table.column_names if (n := table[name].null_count)]
    for name, n in missing[:MOST_TOLD]:
        say(f"{where}: column {name!r}: {n:,} of {table.num_rows:,} values missing")
    if more := len(missing) - MOST_TOLD if len(missing) > MOST_TOLD else 0:
        say(f"{where}: {more:,} columns more have missing values")


def _tell_nearly_copies(table: pa.Table, labels: np.ndarray, where: str) -> None:
    """Warn of columns that tell the class of nearly every row alone: by their values, or by one range a class."""
    labelled = np.flatnonzero(labels != None)  # noqa: E711 - element by element
    some = np.sort(np.random.default_rng(0).permutation(labelled)[:MOST_TRIED])
    names = pd.Series([str(labels[row]) for row in some], dtype=object)
    if names.nunique() < 2 or len(names) < MANY_A_CLASS * names.nunique():  # few rows are told apart by chance
        return
    tried = table.take(some)
    for name in tried.column_names:
        if (share := _told_share(stored.column(tried, name), stored.kind(tried, name), names)) >= NEARLY:
            say(
                f"{where}: WARNING: column {name!r} alone tells the class of {share:.1%} of the rows, every class"
                " counted alike: is it known before the label? If not: fetch.ignore"
            )


def _told_share(column: pd.Series, kind: str, names: pd.Series) -> float:
    """Return the mean over classes of the share of rows whose class the other rows of the same value tell.

    Values of one row do not count; if they are more than half of the rows, or all of a class, the share is 0.
    """
    codes = pd.factorize(column, use_na_sentinel=False)[0]
    if kind in ("number", "date"):
        from sklearn.tree import DecisionTreeClassifier

        ranks = column.rank(method="dense").to_numpy(float)[:, None]  # a missing value stays NaN
        tree = DecisionTreeClassifier(max_leaf_nodes=names.nunique() + 1, class_weight="balanced", random_state=0)
        codes = tree.fit(ranks, names).apply(ranks)
    classes, different = pd.factorize(names)
    values, codes = np.unique(codes, return_inverse=True)
    shape = len(values), len(different)
    counts = np.bincount(codes * shape[1] + classes, minlength=shape[0] * shape[1]).reshape(shape)
    often = counts[counts.sum(axis=1) > 1]
    if 2 * often.sum() < counts.sum() or not often.sum(axis=0).all():
        return 0.0
    first, second = np.sort(often, axis=1)[:, :-3:-1].T[:, :, None]
    is_told = (often == first) & (first - 1 > second)  # by the others: without the row itself
    return float(np.mean((often * is_told).sum(axis=0) / often.sum(axis=0)))


def shown(value: object) -> str:
    """Return a value on one short line."""
    return f"{value!r:.40}" if isinstance(value, str) else f"{value!s:.40}"


def listed(names: Sequence[str]) -> str:
    """Return the first names of columns, and how many there are more."""
    more = len(names) - MOST_TOLD
    return ", ".join(map(repr, names[:MOST_TOLD])) + (f" and {more:,} more" if more > 0 else "")


def _some(words: list[str]) -> str:
    return shown(words[0]) + (f" or {len(words) - 1:,} other value{'s' * (len(words) > 2)}" if len(words) > 1 else "")
