"""tasks/sources/r_data.py: one data frame of R, its factors, dates, whole numbers and missing values."""

from __future__ import annotations

import bz2
import gzip
import lzma
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tasks.sources import r_data
from tests.inputs import rda, rds

TABLE = pd.DataFrame(
    {
        "a": [1.5, np.nan, -3],
        "whole": pd.array([1, None, 3], "Int32"),
        "is": pd.array([True, None, False], "boolean"),
        "word": pd.array(["x", None, "é"], "string[python]"),
        "factor": pd.Categorical(["u", None, "w"], ["w", "v", "u"]),
    }
)
PLAIN = gzip.decompress(rds(TABLE))


def lists(table):
    return {name: [None if pd.isna(v) else v for v in column] for name, column in table.items()}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_values_and_missing_ones_are_those_of_the_file_however_it_is_packed(pack):
    for content in (PLAIN, gzip.decompress(rda(d=TABLE))):
        found = r_data.read(pack(content))
        assert lists(found) == lists(TABLE)
        assert found["factor"].cat.categories.tolist() == ["w", "v", "u"]
        assert found.index.tolist() == [0, 1, 2]


def test_classes_of_columns():
    days, seconds = (make(np.array([19753.0, np.nan]), {}) for make in (r_data._days, r_data._seconds))
    assert (str(days[0]), str(seconds[0])) == ("2024-01-31 00:00:00", "1970-01-01 05:29:13")
    assert pd.isna(days[1]) and pd.isna(seconds[1])
    whole = np.array([2**60 + 1, np.iinfo(np.int64).min]).view(np.float64)
    assert [*r_data._integers(whole, {})] == [2**60 + 1, pd.NA]


def test_a_factors_codes_count_from_1():
    levels = {"levels": np.array(["u", "v"])}
    given = np.ma.array([1, 2, 0, 5], np.int32, mask=[False, False, False, True])
    assert [None if pd.isna(v) else v for v in r_data._factor(given, levels)] == ["u", "v", None, None]
    with pytest.raises(ValueError, match="codes need to be between"):
        r_data._factor(np.array([3]), levels)


def test_the_frame_is_found_among_other_objects_or_they_are_named():
    assert len(r_data.read(rda(x=np.arange(3.0), d=TABLE, s="text"))) == 3
    with pytest.raises(ValueError, match=r"received 2 among: one \(data frame\), two \(data frame\); saveRDS"):
        r_data.read(rda(one=TABLE, two=TABLE))
    with pytest.raises(ValueError, match=r"received 0 among: m \(array of shape \(2, 2\)\); saveRDS"):
        r_data.read(rda(m=np.eye(2)))


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"x", lambda c: c[:40], lambda c: b""])
def test_a_damaged_file_is_refused(change):
    for content in (rds(TABLE), bz2.compress(PLAIN), PLAIN):
        with pytest.raises(ValueError, match="not readable as a file of R"):
            r_data.read(change(content))


def test_a_promise_of_many_numbers_is_refused():
    from rdata import parser

    readers = r_data._counted(parser)
    for n, name in ((1e15, b"compact_intseq"), (-1, b"compact_realseq"), (float("nan"), b"compact_intseq")):
        with pytest.raises(ValueError, match="not readable as a file of R: a sequence"):
            readers[name](SimpleNamespace(value=[n, 1, 1]))
    assert readers[b"compact_intseq"](SimpleNamespace(value=[3.0, 5, 1]))[1].tolist() == [5, 6, 7]


def test_a_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(r_data, "MOST_BYTES", 1_000)
    with pytest.raises(ValueError, match="or over 1000 bytes"):
        r_data.read(bz2.compress(bytes(10_000)))
