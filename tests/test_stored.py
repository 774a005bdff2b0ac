"""tasks/sources/stored.py: a table that is read in pieces is the one that is read at once."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from tasks.frame import progress
from tasks.frame.sections import Fetch
from tasks.sources import contents, stored, tables
from tests.inputs import UNUSED, parquet

N = 50
K = np.arange(N)
NUMBERS = [f"{k / 4}" for k in K]
DAYS = [f"2024-01-{k % 28 + 1:02d}" for k in K]
COLUMNS = {
    "whole numbers": (K, "number"),
    "whole numbers, one missing at the end": ([*K[:-1], ""], "number"),
    "whole numbers, then a fraction": ([*K[:-1], "1.5"], "number"),
    "numbers, then a word for a missing one": ([*NUMBERS[:-1], "NA"], "number"),
    "numbers, then many words": ([*NUMBERS[:40], *(f"w{k}" for k in range(10))], "category"),
    "numbers written with noughts, then words": ([*[f"0{k}" for k in K[:25]], *(f"x{k}" for k in K[25:])], "category"),
    "numbers that are missing in the first rows": ([*[""] * 20, *NUMBERS[20:]], "number"),
    "words that are missing in the first rows": ([*[""] * 20, *["u", "v"] * 15], "category"),
    "truth values, missing in the first rows": ([*[""] * 20, *["True", "False"] * 15], "boolean"),
    "truth values, then numbers": ([*["True"] * 30, *["1"] * 20], "category"),
    "a category that comes late": ([*["u", "v"] * 24, "u", "late"], "category"),
    "dates, missing in the first rows": ([*[""] * 20, *DAYS[20:]], "date ISO8601"),
    "dates whose last one tells day from month": ([*["01/02/2024"] * 49, "31/01/2024"], "date %d/%m/%Y"),
    "all missing": ([""] * N, "number"),
}


def read(folder, content, monkeypatch, cells, name="d.csv", **settings):
    """Read a table, `cells` cells at a time; return what is read and the lines."""
    said = []
    monkeypatch.setattr(stored, "CELLS", cells)
    monkeypatch.setattr(tables, "say", lambda line: said.append(progress.one_line(line)))
    (folder / name).write_bytes(content)
    given = {"path": contents.read(folder / name, "path", folder)}
    part = tables.read(given, "path", Fetch(dataset="file", **UNUSED | {"path": name} | settings))
    assert not [path for path in folder.iterdir() if path.name != name or path.is_dir()] or name.endswith(".gz")
    return part, stored.frame(part.table), said


@pytest.mark.parametrize("words", COLUMNS)
def test_a_column_has_one_kind_in_all_its_pieces(tmp_path, monkeypatch, words):
    cells, kind = COLUMNS[words]
    table = pd.DataFrame({"a": cells, "b": K, "label": np.array(["x", "y"])[K % 2]})
    content = table.to_csv(index=False).encode()
    whole, expected, told = read(tmp_path, content, monkeypatch, 10**6)
    part, found, said = read(tmp_path, content, monkeypatch, 21)
    pd.testing.assert_frame_equal(found, expected)
    assert part.kinds == whole.kinds == {"a": kind, "b": "number"} and said == told
    assert part.labels.tolist() == whole.labels.tolist() == table["label"].tolist()


def test_other_marks_encodings_and_packing_are_read_in_pieces(tmp_path, monkeypatch):
    table = pd.DataFrame({"a": K / 4, "städte": "é", "label": np.array(["x", "y"])[K % 2]})
    content = table.to_csv(index=False, sep=";", decimal=",").encode("utf-16")
    _, found, said = read(tmp_path, gzip.compress(content), monkeypatch, 21, "d.csv.gz")
    pd.testing.assert_frame_equal(found, table[["a", "städte"]], check_dtype=False)
    assert said[0].endswith(": UTF-16, columns separated by a semicolon, decimal comma")


def test_a_parquet_file_is_read_in_pieces(tmp_path, monkeypatch):
    table = pd.DataFrame({"n": np.where(K % 7, K, np.nan), "c": pd.Categorical(["u", "v"] * 25), "d": DAYS,
                          "w": [None] * 20 + ["é"] * 30, "label": ["x", "y"] * 25, "k": K}).set_index("k")  # fmt: skip
    _, expected, _ = read(tmp_path, parquet(table), monkeypatch, 10**6, "d.parquet")
    _, found, _ = read(tmp_path, parquet(table), monkeypatch, 21, "d.parquet")
    pd.testing.assert_frame_equal(found, expected)
    assert [*found] == ["k", "n", "c", "d", "w"] and found["c"].tolist() == ["u", "v"] * 25


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ([*NUMBERS[:-1], "5%"], r"row 50, column 'a': expected a number, received '5%' \(1 such"),
        ([*K[:-2], "", "1e999"], "row 50, column 'a': expected a finite number, received inf"),
        ([*K[:-1], 2**53 + 1], "row 50, column 'a': received 9007199254740993, which would lose digits"),
        ([*K[:-1], "1,2"], "row 50: expected the 2 columns of the header, received 3"),
        ([*K[:-1], '"1"2'], "row 50: "),
    ],
)
def test_a_bad_cell_in_the_last_piece_is_named_with_its_row(tmp_path, monkeypatch, cells, complaint):
    content = "a,label\n" + "".join(f"{cell},{'xy'[k % 2]}\n" for k, cell in enumerate(cells))
    with pytest.raises(ValueError, match=complaint):
        read(tmp_path, content.encode(), monkeypatch, 14)


def test_columns_of_one_file_keep_their_values_and_nothing_is_left_of_them(tmp_path):
    given = pd.DataFrame({"n": [1.5, np.nan], "w": pd.Series(["é", None], dtype="str"), "k": [2**53, 7]})
    table = stored.by_column(((name, stored.array(column)) for name, column in given.items()), tmp_path)
    pd.testing.assert_frame_equal(stored.frame(table), given)
    assert [stored.kind(table, name) for name in given] == ["number", "category", "number"]
    assert not [*tmp_path.iterdir()] and bytes(stored.text([b"a", memoryview(b"b")], tmp_path)) == b"ab"
    assert bytes(stored.text([], tmp_path)) == b""
