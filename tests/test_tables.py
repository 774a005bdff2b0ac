"""tasks/sources/tables.py: the columns of a table, and what each is for."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.frame.sections import Fetch
from tasks.sources import tables
from tasks.sources.contents import Given
from tests.inputs import UNUSED, parquet, text

TABLE = pd.DataFrame({"b": [1.5, 2.5], "label": ["x", "y"], "a": [3, 4]})


def read(table=TABLE, key="path", name="d.parquet", **settings):
    content = parquet(table) if name.endswith("parquet") else text(table)
    options = Fetch(dataset="file", **UNUSED | {"path": name} | settings)
    return tables.read({key: Given(Path(name), {name: content}, [])}, key, options)


@pytest.mark.parametrize("name", ["d.parquet", "D.PARQUET".lower(), "d.csv"])
def test_a_table_is_taken_apart_in_the_order_of_its_columns(name):
    part = read(name=name)
    assert (part.x.tolist(), part.labels.tolist(), part.columns) == ([[1.5, 3], [2.5, 4]], ["x", "y"], ["b", "a"])
    assert part.x.dtype == np.float64 and not part.is_test.any()


def test_columns_are_left_out_and_one_may_say_the_split():
    table = TABLE.assign(id=["k", "l"], part=["test", "train"])
    part = read(table, ignore=["id"], split="part")
    assert (part.columns, part.is_test.tolist()) == (["b", "a"], [True, False])
    with pytest.raises(ValueError, match=r"fetch\.ignore: no column 'no', found: b, label, a, id, part"):
        read(table, ignore=["id", "no"])
    with pytest.raises(ValueError, match=r"fetch\.split: no column 'no'"):
        read(table, split="no")


def test_a_column_names_the_groups():
    part = read(TABLE.assign(who=[7, 7]), group="who")
    assert (part.columns, part.groups.tolist()) == (["b", "a"], ["7", "7"])
    assert read().groups is None


def test_other_files_need_not_have_the_columns_to_leave_out():
    part = read(TABLE[["a", "b"]], "unlabelled", ignore=["id"], split="part")
    assert (part.columns, part.labels.tolist()) == (["a", "b"], [None, None])
    with pytest.raises(ValueError, match="no column 'label' for the labels"):
        read(TABLE[["a", "b"]], "test")


@pytest.mark.parametrize("sides", [["test", None], ["test", "Train"], ["test", 1]])
def test_a_split_that_is_neither_is_named(sides):
    with pytest.raises(ValueError, match=r"row 2, column 'part': expected train or test, received"):
        read(TABLE.assign(part=sides), name="d.csv", split="part")


def test_the_named_index_of_a_parquet_file_is_a_column_and_another_is_none():
    assert read(TABLE.set_index("a")).columns == ["a", "b"]
    assert read(TABLE.set_index(np.array([7, 3]))).columns == ["b", "a"]


def test_names_of_columns_may_be_numbers():
    assert read(TABLE.set_axis([0, 1, 2], axis=1), label="1").columns == ["0", "2"]


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ([datetime.date(2024, 1, 2)] * 2, "column 'new' holds dates or times, such as '2024-01-02'"),
        ([datetime.time(1, 2)] * 2, "holds dates or times"),
        (pd.to_datetime(["2024-01-02", None]), "holds dates or times, such as '2024-01-02 00:00:00'"),
        (pd.to_datetime([None, None]), "holds dates or times"),
        ([[1], [2]], "row 1, column 'new': expected a number, received ndarray"),
        ([b"1", b"2"], "row 1, column 'new': expected a number, received bytes"),
        (["1", "x"], "row 2, column 'new': expected a number, received 'x'"),
        ([1.0, None], "row 2, column 'new': expected a finite number, received nan"),
        (
            np.array([1, 2**63 + 1], np.uint64),
            r"column 'new': expected whole numbers up to 2\^53, received 922337203685",
        ),
        (pd.array([None, -(2**53) - 1], "Int64"), "column 'new': expected whole numbers up to"),
    ],
)
def test_a_column_of_parquet_that_would_be_misread_is_refused(cells, complaint):
    with pytest.raises(ValueError, match=complaint):
        read(TABLE.assign(new=cells))


def test_numbers_of_other_types_are_numbers():
    new = {
        "new": [decimal.Decimal("1.5"), decimal.Decimal(2)],
        "whole": pd.array([2**53, 1], "Int64"),
        "is": [True, False],
    }
    assert read(TABLE.assign(**new)).x[:, 2:].tolist() == [[1.5, 2**53, 1], [2, 1, 0]]


@pytest.mark.parametrize("name", ["Timestamp", "date", "datetime"])
def test_a_column_of_times_by_its_name_is_refused(name):
    with pytest.raises(ValueError, match=f"column '{name}' holds dates or times, such as '170000"):
        read(TABLE.assign(**{name: [1_700_000_000, 1_700_000_001]}))
