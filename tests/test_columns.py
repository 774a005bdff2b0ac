"""autoencoders/columns.py: columns of every kind become float32 in [0, 1], by what the training rows say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoencoders import columns, rows

RNG = np.random.default_rng(0)
MICRO = "datetime64[us]"


def fitted(train, *others):
    """Return each table's columns, fitted on the first, and the schema."""
    found = columns.fit(train)
    x = [columns.transform(found, table) for table in (train, *others)]
    return *x, columns.describe(found, train, x[0])


def dates(*words):
    return pd.Series(pd.to_datetime([*words], format="ISO8601").astype(MICRO))


def column(cells, kind):
    types = {"number": "float64", "boolean": "boolean", "category": "str", "date": MICRO}
    return pd.Series(cells, dtype=object).astype(types[kind])


CELLS = {
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9).map(float),
    "boolean": st.booleans(),
    "category": st.sampled_from(["red", "blue", "é", "7"]),
    "date": st.datetimes(pd.Timestamp(1700, 1, 1), pd.Timestamp(2200, 1, 1)),
}

SIZES = st.integers(1, 12)


@st.composite
def tables(draw, n=SIZES):
    """Draw a table of one to five columns of any kinds, with missing values."""
    size, kinds = draw(n), draw(st.lists(st.sampled_from([*CELLS]), min_size=1, max_size=5))
    cells = {k: st.lists(st.none() | CELLS[kind], min_size=size, max_size=size) for k, kind in enumerate(kinds)}
    return pd.DataFrame({f"c{k}": column(draw(cells[k]), kind) for k, kind in enumerate(kinds)})


@settings(max_examples=40, deadline=None, database=None)
@given(st.data())
def test_laws_of_every_table(data):
    whole = data.draw(tables())
    n_train = data.draw(st.integers(1, len(whole)))
    train, other = whole[:n_train], whole[n_train:]
    x, y, schema = fitted(train, other)
    for part, table in ((x, train), (y, other)):
        assert part.dtype == np.float32 and len(part) == len(table)
        assert np.isfinite(part).all() and (part >= 0).all() and (part <= 1).all()
    assert [name for c in schema["columns"] for name in [c["name"]]] == [*whole.columns]
    places = [(c["start"], c["stop"]) for c in schema["columns"]]
    assert [0, *(stop for _, stop in places)] == [*(start for start, _ in places), x.shape[1]]
    blocks = [(b["start"], b["stop"]) for b in schema["blocks"]]
    assert [0, *(stop for _, stop in blocks)] == [*(start for start, _ in blocks), x.shape[1]]
    for c in schema["columns"]:
        part = x[:, c["start"] : c["stop"]]
        assert c["kind"] == columns.kind(train[c["name"]])
        assert c["missing"] == train[c["name"]].isna().sum()
        if c["kind"] == "category":
            assert (part.sum(axis=1) == 1).all() and ((part == 0) | (part == 1)).all()
            assert [c["categories"][k] for k in part.argmax(axis=1)] == train[c["name"]].fillna("").tolist()
            assert (c["start"], c["stop"]) in blocks
        elif c["missing"] > 0:
            assert part[:, 1].tolist() == train[c["name"]].isna().tolist()
    for block in schema["blocks"]:
        if block["kind"] == "squares":
            np.testing.assert_allclose(block["variance"], x[:, block["start"] : block["stop"]].var(axis=0), atol=1e-6)


@settings(max_examples=15, deadline=None, database=None)
@given(tables(st.integers(2, 12)), tables(st.just(3)))
def test_only_training_rows_are_seen_and_rows_are_transformed_one_by_one(train, other):
    x, schema = fitted(train)
    found = columns.fit(train)
    order = np.random.default_rng(0).permutation(len(train))
    np.testing.assert_array_equal(columns.transform(found, train.iloc[order]), x[order])
    assert columns.describe(found, train, x) == schema
    assert columns.transform(found, train[:0]).shape == (0, x.shape[1])


@settings(max_examples=25, deadline=None, database=None)
@given(st.integers(1, 400), st.integers(1, 6), st.integers(0, 99))
def test_numbers_without_outliers_and_missing_values_are_scaled_as_arrays_are(n, d, seed):
    x = np.random.default_rng(seed).uniform(-5, 7, (n, d))
    table = pd.DataFrame(x, columns=[f"c{k}" for k in range(d)])
    train, rest, schema = fitted(table[: n // 2 + 1], table[n // 2 + 1 :])
    scaling = rows.Scaling.of(x, np.arange(n // 2 + 1))
    for ours, theirs in zip((train, rest), (scaling(x[: n // 2 + 1]), scaling(x[n // 2 + 1 :])), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert {c["scaling"] for c in schema["columns"]} == {"least to greatest"}


@pytest.mark.parametrize("n", [20, 100, 569, 5000])
@pytest.mark.parametrize("outlier", [1e9, -1e9, 1e300])
def test_an_outlier_does_not_flatten_its_column(n, outlier):
    x = RNG.normal(size=(n, 2))
    x[n // 2, 0] = outlier
    scaled, schema = fitted(pd.DataFrame(x, columns=["a", "b"]))
    assert [c["scaling"] for c in schema["columns"]] == ["quantiles", "least to greatest"]
    assert 0.1 < scaled[:, 0].std() < 0.5 and scaled[n // 2, 0] == float(outlier > 0)
    inner = scaled[(x[:, 0] > schema["columns"][0]["low"]) & (x[:, 0] < schema["columns"][0]["high"]), 0]
    assert len(inner) >= 0.8 * n and len(np.unique(inner)) > 0.99 * len(inner)


@pytest.mark.parametrize("x", [[0] * 990 + [5] * 10, [0] * 999 + [1], [0, 1] * 500])
def test_a_rare_value_of_an_otherwise_constant_column_is_kept(x):
    scaled, schema = fitted(pd.DataFrame({"a": np.array(x, float)}))
    assert schema["columns"][0]["scaling"] == "least to greatest"
    assert len(np.unique(scaled)) == 2


def test_missing_numbers_become_the_median_and_are_told_by_a_column_if_training_rows_miss_some():
    train = pd.DataFrame({"a": [0.0, 1, 10, np.nan], "b": [1.0, 2, 3, 5]})
    x, other, schema = fitted(train, pd.DataFrame({"a": [np.nan], "b": [np.nan]}))
    np.testing.assert_allclose(x[:, :2], [[0, 0], [0.1, 0], [1, 0], [0.1, 1]], rtol=1e-6)
    np.testing.assert_allclose(other, [[0.1, 1, 0.375]], rtol=1e-6)
    assert [(c["start"], c["stop"], c["missing"]) for c in schema["columns"]] == [(0, 2, 1), (2, 3, 0)]


@pytest.mark.parametrize("kind", columns.KINDS)
def test_a_column_that_training_rows_miss_wholly_says_so_and_no_more(kind):
    train = pd.DataFrame({"a": column([None] * 3, kind)})
    x, other, schema = fitted(train, pd.DataFrame({"a": column([CELLS_OF[kind]], kind)}))
    assert (x == x[0]).all() and np.isfinite(other).all() and not np.array_equal(other[0], x[0])
    assert schema["columns"][0]["missing"] == 3


CELLS_OF = {"number": 5.0, "boolean": True, "category": "red", "date": pd.Timestamp("2024-01-31")}


def test_truth_values_are_zero_and_one():
    x, schema = fitted(pd.DataFrame({"a": pd.array([True, False, None, True], "boolean"), "b": [True, False] * 2}))
    assert x.tolist() == [[1, 0, 1], [0, 0, 0], [1, 1, 1], [1, 0, 0]]
    assert [c["scaling"] for c in schema["columns"]] == [None, None]


def test_categories_that_no_training_row_has_are_zeros():
    train = pd.DataFrame({"a": column(["x", "y", "x"], "category"), "n": [1.0, 2, 3]})
    other = pd.DataFrame({"a": column(["z", "x", None, "z"], "category"), "n": [1.0, 2, 3, 4]})
    x, y, _ = fitted(train, other)
    assert (x[:, :2].tolist(), y[:, :2].tolist()) == ([[1, 0], [0, 1], [1, 0]], [[0, 0], [1, 0], [0, 0], [0, 0]])
    assert (columns.categories(train), columns.categories(other)) == ({"a": {"x", "y"}}, {"a": {"x", "z", ""}})


def test_of_many_categories_the_rare_ones_are_joined():
    words = [f"w{k % 98}" for k in range(980)] + [f"once {k}" for k in range(40)]
    x, y, schema = fitted(
        pd.DataFrame({"a": column(words, "category")}), pd.DataFrame({"a": column(["z"], "category")})
    )
    (a,) = schema["columns"]
    assert (x.shape[1], len(a["categories"]), a["joined"]) == (100, 100, 39)
    assert x[-40:, -1].sum() == 39 and (x.sum(axis=1) == 1).all()
    assert y[0].argmax() == 99 and a["categories"][-1] == "rare"


def test_a_date_is_its_day_and_where_they_vary_its_weekday_and_hour():
    train = pd.DataFrame({"d": dates("2024-01-01", "2024-01-08", "2024-01-15")})  # Mondays
    assert fitted(train)[0].tolist() == [[0], [0.5], [1]]
    weekdays, schema = fitted(pd.DataFrame({"d": dates("2024-01-01", "2024-01-04", None)}))
    assert weekdays.shape == (3, 4) and schema["columns"][0]["low"] == 19723.0
    angle = 2 * np.pi * 3 / 7
    expected = [[0, 0, 0.5, 1], [1, 0, (1 + np.sin(angle)) / 2, (1 + np.cos(angle)) / 2]]
    np.testing.assert_allclose(weekdays[:2], expected, atol=1e-6)
    hours, _ = fitted(pd.DataFrame({"d": dates("1900-01-01T00:00", "1900-01-01T06:00", "1900-01-01T12:00")}))
    np.testing.assert_allclose(hours, [[0, 0.5, 1], [0.5, 1, 0.5], [1, 0.5, 0]], atol=1e-6)


def test_instants_are_the_same_in_every_zone():
    times = pd.Series(pd.to_datetime(["2024-01-31T10:00+02:00", "2024-02-01T08:00+00:00"], utc=True))
    assert columns.kind(times) == "date"
    here = fitted(pd.DataFrame({"d": times.dt.tz_localize(None)}))[0]
    assert here[:, 0].tolist() == [0, 1] and here[0, 1:].tolist() != here[1, 1:].tolist()


def test_neighbours_of_one_kind_keep_their_order_and_their_own_scale():
    table = pd.DataFrame({"b": [0.0, 4], "a": [10.0, 20], "t": [True, False], "w": column(["x", "y"], "category"),
                          "c": [1, 2]})  # fmt: skip
    x, schema = fitted(table)
    assert x.tolist() == [[0, 0, 1, 1, 0, 0], [1, 1, 0, 0, 1, 1]]
    assert [(c["name"], c["low"], c["high"]) for c in schema["columns"]] == [
        ("b", 0, 4), ("a", 10, 20), ("t", 0, 1), ("w", None, None), ("c", 1, 2),
    ]  # fmt: skip
    assert [(b["kind"], b["start"], b["stop"]) for b in schema["blocks"]] == [
        ("squares", 0, 3), ("categories", 3, 5), ("squares", 5, 6),
    ]  # fmt: skip


def test_rows_are_transformed_in_parts(monkeypatch):
    table = pd.DataFrame({"a": RNG.normal(size=25), "w": column(["x", "y", "z", "x", "x"] * 5, "category")})
    whole = fitted(table)[0]
    monkeypatch.setattr(columns, "AT_A_TIME", 4)
    np.testing.assert_array_equal(fitted(table)[0], whole)
