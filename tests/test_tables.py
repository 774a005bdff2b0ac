"""tasks/sources/tables.py: the columns of a table, and what each is for."""

from __future__ import annotations

import datetime
import decimal
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autoencoders import columns
from tasks.frame.sections import Fetch
from tasks.sources import contents, stored, tables
from tests.inputs import UNUSED, parquet, text

TABLE = pd.DataFrame({"b": [1.5, 2.5], "label": ["x", "y"], "a": [3, 4]})


def read(table=TABLE, key="path", name="d.parquet", **settings):
    content = parquet(table) if name.endswith("parquet") else text(table)
    options = Fetch(dataset="file", **UNUSED | {"path": name} | settings)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        part = tables.read({key: contents.read(path, key, Path(folder))}, key, options)
        return part._replace(table=stored.frame(part.table))


@pytest.mark.parametrize("name", ["d.parquet", "D.PARQUET".lower(), "d.csv"])
def test_a_table_is_taken_apart_in_the_order_of_its_columns(name):
    part = read(name=name)
    assert (part.table.to_numpy().tolist(), part.labels.tolist()) == ([[1.5, 3], [2.5, 4]], ["x", "y"])
    assert part.columns == ["b", "a"] and part.x.shape == (2, 0) and not part.is_test.any()


def test_columns_are_left_out_and_one_may_say_the_split():
    table = TABLE.assign(id=["k", "l"], part=["test", "train"])
    part = read(table, ignore=["id"], split="part")
    assert (part.columns, part.is_test.tolist()) == (["b", "a"], [True, False])
    with pytest.raises(ValueError, match=r"fetch\.ignore: no column 'no', found: b, label, a, id, part"):
        read(table, ignore=["id", "no"])
    with pytest.raises(ValueError, match=r"fetch\.split: no column 'no'"):
        read(table, split="no")


def test_a_column_names_the_groups():
    part = read(TABLE.assign(who=[7, 8]), group="who")
    assert (part.columns, part.groups.tolist()) == (["b", "a"], ["7", "8"])
    assert read().groups is None


def test_other_files_need_not_have_the_columns_to_leave_out():
    part = read(TABLE[["a", "b"]], "unlabelled", ignore=["id"], split="part")
    assert (part.columns, part.labels.tolist()) == (["a", "b"], [None, None])
    with pytest.raises(ValueError, match="no column 'label' for the labels"):
        read(TABLE[["a", "b"]], "test")


@pytest.mark.parametrize("sides", [["test", None], ["test", "Training"], ["test", 1]])
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
        ([[1], [2]], "row 1, column 'new': expected a number or a word, received ndarray"),
        ([b"1", b"2"], "row 1, column 'new': expected a number or a word, received bytes"),
        ([{"a": 1}, {"a": 2}], "row 1, column 'new': expected a number or a word, received dict"),
        ([1.0, np.inf], "row 2, column 'new': expected a finite number, received inf"),
        (pd.period_range("2024-01", periods=2, freq="M"), r"column 'new': .* or dates, received period"),
        (
            np.array([1, 2**63 + 1], np.uint64),
            r"column 'new': expected whole numbers up to 2\^53, received 922337203685",
        ),
        (pd.array([None, -(2**53) - 1], "Int64"), "column 'new': expected whole numbers up to"),
        (np.array([2**53 + 1, None], object), "row 1, column 'new': received 9007199254740993, which would lose"),
    ],
)
def test_a_column_of_parquet_that_would_be_misread_is_refused(cells, complaint):
    with pytest.raises(ValueError, match=complaint):
        read(TABLE.assign(new=cells))


NOW = datetime.datetime(2024, 1, 31, 10)


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        ([decimal.Decimal("1.5"), decimal.Decimal(2)], "number", [1.5, 2]),
        (pd.array([2**53, None], "Int64"), "number", [2.0**53, None]),
        (np.array([7, None], object), "number", [7, None]),
        (np.array([7, 8], np.uint8), "number", [7, 8]),
        (pd.array([1.5, None], "Float32"), "number", [1.5, None]),
        (pd.to_timedelta(["3s", None]), "number", [3.0, None]),
        ([True, False], "boolean", [True, False]),
        ([True, None], "boolean", [True, None]),
        (pd.array([True, None], "boolean"), "boolean", [True, None]),
        (["x ", None], "category", ["x", None]),
        (["7", "x"], "category", ["7", "x"]),
        (["7", "NA"], "number", [7, None]),
        (pd.Categorical(["7", None]), "category", ["7", None]),
        (["True", "false"], "boolean", [True, False]),
        ([NOW, None], "date", [NOW, None]),
        ([NOW.date(), None], "date", [datetime.datetime(2024, 1, 31), None]),
        ([NOW.time(), datetime.time(1)], "date", [datetime.datetime(1900, 1, 1, h) for h in (10, 1)]),
        (pd.DatetimeIndex([NOW, None]).tz_localize("Europe/Rome"), "date", [NOW - datetime.timedelta(hours=1), None]),
        (
            ["2024-01-31T10:00:00", "2024-01-31T10:00:00+02:00"],
            "date ISO8601",
            [NOW, NOW - datetime.timedelta(hours=2)],
        ),
    ],
)
def test_a_column_of_parquet_has_the_kind_of_its_type(cells, kind, values):
    part = read(TABLE.assign(new=cells))
    assert (part.kinds["new"], columns.kind(part.table["new"])) == (kind, kind.split()[0])
    assert [None if pd.isna(value) else value for value in part.table["new"]] == values


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        ([1, 2], "category", ["1", "2"]),
        ([1.0, 2.5], "category", ["1", "2.5"]),
        ([True, False], "category", ["true", "false"]),
        ([0, 1], "boolean", [False, True]),
        ([True, False], "number", [1, 0]),
        (["01", "2"], "category", ["01", "2"]),
        (["x", "2024-01-31"], "number", "row 1, column 'new': expected a number, received 'x'"),
        (["2024-01-31", "x"], "date", "row 2, column 'new': expected a date, received 'x'"),
        (["true", "x"], "boolean", "row 2, column 'new': expected true or false, received 'x'"),
        ([1, 2], "boolean", "column 'new': expected the kind boolean, received number: set fetch.kinds"),
        ([1, 2], "date", "expected the kind date, received number"),
    ],
)
@pytest.mark.parametrize("name", ["d.parquet", "d.csv"])
def test_a_kind_that_is_set_prevails_or_is_refused(name, cells, kind, values):
    table = TABLE.assign(new=cells)
    if isinstance(values, str):
        if name == "d.parquet" or isinstance(cells[0], str):
            with pytest.raises(ValueError, match=values):
                read(table, name=name, kinds={"new": kind})
    elif (name, cells) != ("d.csv", [1.0, 2.5]):  # text has 1.0
        words = {"true": "True", "false": "False"} if name == "d.csv" else {}
        found = read(table, name=name, kinds={"new": kind}).table["new"].tolist()
        assert found == [words.get(value, value) for value in values]


def test_a_kind_of_no_column_is_refused():
    with pytest.raises(ValueError, match=r"fetch\.kinds: no column 'no', found: b, label, a"):
        read(kinds={"no": "category"})
