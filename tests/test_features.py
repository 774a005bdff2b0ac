"""tasks/sources/features.py: columns that are no features are named, and a table is kept in equal bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autoencoders import columns
from tasks import prepare
from tasks.sources import features, kinds, parts, stored
from tests.inputs import arrow, table_in, write_table

N = 40
RNG = np.random.default_rng(0)
LABELS = np.array(["cat", "dog"] * (N // 2), object)


def chosen(kinds=(), labels=LABELS, **cells):
    """Return the names of the features beside `x`, and why the others are none."""
    table = arrow(pd.DataFrame({"x": RNG.normal(size=N), **cells}))
    part = parts.part(np.empty((N, 0)), labels, table.column_names)._replace(table=table)
    found = features.chosen(part, dict.fromkeys(kinds, "category"), "d.csv")
    assert found.columns == found.table.column_names
    assert {*found.columns} | {*found.ignored} == {*table.column_names}
    return [name for name in found.columns if name != "x"], found.ignored


def words(*cells):
    return pd.Series([cells[k % len(cells)] for k in range(N)], dtype="str")


@pytest.mark.parametrize(
    ("cells", "name", "why"),
    [
        (range(N), "k", "an identifier, it counts the rows from 0 to 39"),
        (RNG.permutation(N) + 100, "k", "an identifier, it counts the rows from 100 to 139"),
        (np.arange(N) * 17, "ID", "an identifier by its name, 40 different numbers in 40 rows"),
        (np.arange(N) * 17, "customerId", "an identifier by its name"),
        ([*(np.arange(N - 3) * 17), 0, 17, 34], "row_id", "an identifier by its name, 37 different"),
        (words(*[f"u{k}" for k in range(N)]), "k", "an identifier, 40 different values in 40 rows, such as 'u0'"),
        (words(*[f"u{k}" for k in range(37)]), "k", "an identifier, 37 different"),
        (words(*[f"it was a {k}" for k in range(N)]), "k", "free text, 40 different"),
        (words(*[f"it was number {k}" + " and so on" * 5 for k in range(25)]), "k", "free text, 25 different"),
        (words("v1"), "k", "a constant, 'v1' in every row"),
        ([7.5] * N, "k", "a constant, 7.5 in every row"),
        ([np.nan] * N, "k", "no value at all"),
        (pd.Series([pd.NaT] * N, dtype="datetime64[us]"), "k", "no value at all"),
    ],
)
def test_what_is_no_feature_is_left_out_and_why(cells, name, why):
    kept, ignored = chosen(**{name: cells})
    assert kept == [] and ignored[name].startswith(why)


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (np.arange(N) * 1.0, "id"),  # floats are measured
        (np.arange(N) * 17, "k"),
        (RNG.permutation(N) // 2, "k"),
        (words(*[f"u{k}" for k in range(35)]), "k"),
        (words("v1", None, None), "k"),
        ([1.0, *[np.nan] * (N - 1)], "k"),
        (words(*[f"it was {k}" + " and so on" * 9 for k in range(15)]), "k"),
        (pd.date_range("2024-01-01", periods=N)[::-1][RNG.permutation(N)], "k"),
        (pd.to_datetime(["2024-01-01"] * 20 + ["2024-02-01"] * 20), "k"),  # sorted, and few
        (np.arange(N) * 3, "seconds"),
        ([0, 1, 2, 3] * (N // 4), "k"),  # tells the class, and is no copy
        (RNG.permutation([0, 1] * (N // 2)), "k"),
    ],
)
def test_what_may_be_a_feature_is_kept(cells, name):
    assert chosen(**{name: cells}) == ([name], {})


def test_a_kind_that_is_set_keeps_a_column():
    assert chosen(kinds=["k"], k=words(*[f"u{k}" for k in range(N)]))[0] == ["k"]


@pytest.mark.parametrize("n", [features.FEW, features.FEW + 1])
def test_eight_rows_decide_nothing(n):
    table = pd.DataFrame(
        {"x": RNG.normal(size=n), "k": range(n), "c": 1.0, "d": pd.date_range("2024-01-01", periods=n)}
    )
    copied = arrow(table.assign(copy=np.arange(n) % 2))
    part = parts.part(np.empty((n, 0)), None, [*table])._replace(table=copied, labels=LABELS[:n])
    if n == features.FEW:
        assert features.chosen(part, {}, "d.csv").ignored == {}
    else:
        with pytest.raises(ValueError, match="'d', from 2024-01-01"):
            features.chosen(part._replace(table=arrow(table)), {}, "d.csv")
        with pytest.raises(ValueError, match="column 'copy' is a copy of the label"):
            features.chosen(part._replace(table=copied.drop_columns("d")), {}, "d.csv")


@pytest.mark.parametrize(
    "cells", [words("u", "v"), [3.5, 7.5] * (N // 2), pd.array([True, False] * (N // 2), "boolean"), words(None, "v")]
)
def test_a_copy_of_the_label_is_refused_by_name(cells):
    with pytest.raises(ValueError, match=r"^column 'k' is a copy of the label, .* every row of 'cat' .*fetch\.ignore"):
        chosen(k=cells)
    assert chosen(k=cells, labels=np.array(["cat", "dog", "dog", "dog"] * (N // 4), object))[0] == ["k"]


def test_the_page_on_raw_data_says_the_limits():
    page = (Path(__file__).parents[1] / "docs/own-data.md").read_text(encoding="utf-8")
    assert f"more than {features.FEW} rows" in page and f"of more than {columns.MOST_CATEGORIES}, the rare" in page
    low, high = (f"{100 * q:.1f} %" for q in columns.QUANTILES)
    assert f"from the {low} to the {high} quantile" in page and columns.CRUSHED == 0.1, "less than a tenth"
    assert kinds.NEARLY == 0.9, "nine in ten"
    assert f"on {prepare.MOST_FITTED:,} of them, drawn by seed" in page


TABLE = pd.DataFrame(
    {"n": [1.5, np.nan], "k": [2**53, 7], "t": pd.array([True, None], "boolean"), "w": ["é\n,", None],
     "d": pd.Series(["2024-01-31T10:00", None]).astype("datetime64[us]"), "all": pd.array([None, None], "boolean")},
)  # fmt: skip


def test_a_table_comes_back_as_it_was(tmp_path):
    path = tmp_path / features.FILE
    write_table(path, TABLE, {"id": "an identifier"})
    pd.testing.assert_frame_equal(table_in(path), TABLE)
    assert features.Table(path).ignored == {"id": "an identifier"}


def test_equal_tables_are_kept_in_equal_bytes(tmp_path):
    for name, table in (("a", TABLE), ("b", TABLE.iloc[::-1].sort_index().set_index(np.array([7, 8])))):
        write_table(tmp_path / name, table)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_rows_are_taken_from_several_row_groups_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "CELLS", 4)
    table = pd.DataFrame({"k": range(9), "w": pd.Series([*"abcdefgh", None], dtype="str")})
    numbers = np.array([8, 0, 3, 3, 7])
    features.write(path := tmp_path / "t", arrow(table), {}, order := np.arange(9)[::-1])
    assert len([*features.Table(path).pieces()]) == 5
    given = table.iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(table_in(path), given)
    found = features.Table(path).at(numbers).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, given.iloc[numbers].reset_index(drop=True))
    assert features.Table(path).at(numbers[:0]).shape == (0, 2)
    hashed = pd.util.hash_pandas_object(given, index=False)
    np.testing.assert_array_equal(features.Table(path).fingerprints(), hashed)


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(tmp_path):
    script = f"""
import numpy as np, pandas as pd, pathlib, sys
from autoencoders import columns
from tasks.frame import schema
from tests.inputs import write_table
out = pathlib.Path(sys.argv[1]); out.mkdir()
rng = np.random.default_rng(0)
table = pd.DataFrame({{"n": rng.normal(size=300), "m": [1.0, None, 3] * 100, "w": ["x", "y", None] * 100,
    "c": [f"c{{k % 150}}" for k in range(300)], "d": pd.to_datetime(rng.integers(0, 10**9, 300), unit="s")}})
write_table(out / "{features.FILE}", table)
fitted = columns.fit(table)
schema.write(out, fitted, columns.describe(fitted, table, columns.transform(fitted, table)))
"""
    for seed in "12":
        run = [sys.executable, "-c", script, str(tmp_path / seed)]
        subprocess.run(
            run, check=True, env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(parts.__file__).split("/tasks/")[0]}
        )
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / seed).iterdir()} for seed in "12")
    assert len(first) == 3 and first == second
