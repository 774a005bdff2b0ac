"""tasks/sources/remarks.py: what may be otherwise than it looks is told, each in a line that says what to set."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.sources import remarks
from tests.inputs import arrow

N = 400
RNG = np.random.default_rng(0)


@pytest.fixture
def said(monkeypatch):
    """Return the lines that are printed."""
    lines = []
    monkeypatch.setattr(remarks, "say", lines.append)
    return lines


def tell(kinds=(), **cells):
    remarks.tell(arrow(pd.DataFrame(cells)), np.full(len(next(iter(cells.values()))), None), kinds, "d.csv")


def words(*cells, n=40):
    return pd.Series([cells[k % len(cells)] for k in range(n)], dtype="str")


@pytest.mark.parametrize(
    ("marker", "others", "is_told"),
    [
        (-999, RNG.integers(0, 100, N), True),
        (-999.0, RNG.normal(size=N), True),
        (99999, RNG.integers(0, 100, N), True),
        (-1, RNG.integers(0, 1000, N), True),  # days since an event
        (-1, RNG.integers(-5, 1000, N), False),
        (-100, RNG.integers(0, 101, N), False),  # no farther away than the others from each other
        (999, RNG.integers(0, 8, N), False),  # few different values: it may be one of them
    ],
)
def test_a_number_that_may_stand_for_a_missing_one_is_told(said, marker, others, is_told):
    tell(a=np.where(np.arange(N) < 5, marker, others))
    told = [line for line in said if "fetch.missing" in line]
    assert len(told) == is_told
    if is_told:
        assert told[0].startswith(f"d.csv: column 'a': 5 rows have {marker:g}, the others")
        assert told[0].endswith(f"set fetch.missing: [{marker:g}]")
    said.clear()
    tell(a=np.where(np.arange(N) < 4, marker, others))  # by chance
    tell(["a"], a=np.where(np.arange(N) < 5, marker, others))
    assert not [line for line in said if "fetch.missing" in line]


@pytest.mark.parametrize("cells", [[1990 + k // 20 for k in range(N)], [f"20{10 + k // 40}Q1" for k in range(N)]])
def test_rows_in_the_order_of_a_column_that_may_be_a_time_are_told(said, cells):
    tell(when=cells)
    assert said == [
        f"d.csv: the rows are sorted by column 'when', from {remarks.shown(cells[0])} to {remarks.shown(cells[-1])}: if"
        " it is a time, keep the latest rows for testing with fetch.split or fetch.test"
    ]
    said.clear()
    tell(when=[*cells[1:], cells[0]])
    tell(["when"], when=cells)
    tell(when=cells[: 8 * 20])
    assert not said


def test_test_rows_that_lie_beside_are_told(said, tmp_path):
    for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "a.csv", "Train.csv"):
        (tmp_path / name).touch()
    remarks.tell_test(tmp_path / "Train.csv")
    remarks.tell_test(tmp_path / "a.csv")
    assert not said
    remarks.tell_test(tmp_path / "train-images-idx3-ubyte")
    assert said == [
        f"{tmp_path}/train-images-idx3-ubyte: t10k-images-idx3-ubyte beside it is not read; for its rows set"
        f" fetch.test: {tmp_path}/t10k-images-idx3-ubyte, or fetch.unlabelled if they have no labels"
    ]


def test_a_date_that_may_stand_for_a_missing_one_is_told(said):
    days = pd.Series(pd.date_range("2020-01-01", periods=N)).astype("datetime64[us]")
    tell(until=days.where(np.arange(N) > 4, pd.Timestamp("9999-12-31").as_unit("us")))
    assert said == [
        "d.csv: column 'until': 5 rows have 9999-12-31, the others 2020-01-06 to 2021-02-03: if it stands for a missing"
        ' value, set fetch.missing: ["9999-12-31"]'
    ]
    said.clear()
    tell(until=days.where(np.arange(N) > 4, pd.Timestamp("2021-03-31").as_unit("us")))
    assert not said


@pytest.mark.parametrize(
    ("name", "cells", "is_told"),
    [
        ("patient", words(*[f"p{k}" for k in range(20)]), True),
        ("Patient ID", words(*[f"p{k}" for k in range(20)]), True),
        ("customerId", np.arange(40) % 20 * 7, True),
        ("device_no", np.arange(40) % 9 * 7, True),
        ("device_no", np.arange(40) % 8 * 7, False),  # few
        ("patient", np.arange(40) % 21 * 7, False),  # most have one row
        ("patient", np.arange(40) % 20 * 0.5, False),  # measured
        ("patience", np.arange(40) % 20 * 7, False),
        ("users_per_day", np.arange(40) % 20 * 7, False),
    ],
)
def test_a_column_that_says_whose_rows_these_are_is_told(said, name, cells, is_told):
    tell(**{name: cells})
    told = [line for line in said if "fetch.group" in line]
    assert len(told) == is_told
    assert not told or f"set fetch.group: {name}, so" in told[0]


def test_codes_that_are_read_as_numbers_are_told_in_one_line(said):
    codes = {f"c{k}": np.arange(N) % (3 + k) + k % 2 for k in range(12)}
    none = {
        "two": np.arange(N) % 2,
        "gaps": np.arange(N) % 5 * 10,
        "many": np.arange(N) % 22,
        "half": np.arange(N) % 4 / 2,
    }
    tell(["c1"], **codes, **none)
    named = ", ".join(f"'c{k}'" for k in (0, *range(2, 11)))
    assert [line for line in said if "fetch.kinds" in line] == [
        f"d.csv: whole numbers, few different ones: {named} and 1 more: read as numbers, with an order; for codes of"
        " categories set fetch.kinds: {c0: category}"
    ]
    said.clear()
    tell(educ=np.array([1, 2, 3, 4, 88, -9, np.nan])[np.arange(N) % 7])  # answers, and three ways to give none
    assert "few different ones: 'educ': read as numbers" in said[0]
    said.clear()
    tell(c=np.arange(59) % 3)  # 20 rows a value are no accident, 19 may be one
    assert not said


def test_a_column_that_alone_tells_nearly_every_class_is_warned_of(said):
    rng = np.random.default_rng(0)
    rare = np.arange(400) % 20 == 0  # one in twenty: a constant tells 95 % of the rows, and no class of one
    table = pd.DataFrame({
        "constant but once": np.where(np.arange(400) == 7, "v", "u"),
        "noise": rng.normal(size=400),
        "risk": rare + rng.normal(0, 0.05, 400),
        "codes": np.where(rare, rng.choice(["a", "b"], 400), rng.choice(["c", "d"], 400)),
        "with gaps": np.where(np.arange(400) < 2, np.nan, rare),
        "half": rare & (np.arange(400) < 200),
    })  # fmt: skip
    table["half"] = table["half"].astype("boolean")
    labels = np.where(rare, "ill", "well").astype(object)
    remarks.tell(arrow(table), labels, (), "d.csv")
    warned = [line.split("'")[1] for line in said if "WARNING" in line]
    assert warned == ["risk", "codes"] and "alone tells the class of 100.0% of the rows" in said[-1]
    said.clear()
    remarks.tell(arrow(table), np.roll(labels, 1), (), "d.csv")
    assert not [line for line in said if "WARNING" in line]
    remarks.tell(arrow(table[["noise", "risk"]][:39]), labels[:39], (), "d.csv")
    assert not [line for line in said if "WARNING" in line]


def test_a_column_of_many_rare_codes_that_tell_every_class_is_warned_of(said):
    labels = np.array(["ill", "well"] * 60, object)
    codes = np.array([f"{label}-{k // 4}" for k, label in enumerate(labels)])  # two rows each
    codes[:10] = [f"once-{k}" for k in range(10)]
    remarks.tell(arrow(pd.DataFrame({"code": codes})), labels, (), "d.csv")
    assert [line.split("'")[1] for line in said if "WARNING" in line] == ["code"]
    said.clear()
    for wrong in ([f"{k // 4}" for k in range(120)], [f"once-{k}" for k in range(80)] + [*codes[80:]]):
        remarks.tell(arrow(pd.DataFrame({"code": wrong})), labels, (), "d.csv")
    assert not [line for line in said if "WARNING" in line]


def test_what_may_have_been_meant_as_numbers_is_told_in_one_line(said):
    given = [*map(str, range(9)), "young\n", "old", "x"]
    tell(k=words(*given))
    assert said == [
        "d.csv: column 'k' is read as categories, though 9 of 12 different values are numbers; another is 'young\\n'"
    ]
    tell(["k"], k=words(*given))
    tell(k=words(*given[1:]))
    tell(k=words(*given[:9]))
    assert len(said) == 1


def test_missing_values_are_told_and_of_many_columns_the_first(said):
    some = np.where(np.arange(N) < 4, np.nan, RNG.normal(size=N))
    tell(a=some)
    assert said == ["d.csv: column 'a': 4 of 400 values missing"]
    said.clear()
    tell(**{f"c{k}": some for k in range(13)})
    assert len(said) == 11 and said[-1] == "d.csv: 3 columns more have missing values"
