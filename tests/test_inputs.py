"""Kinds of input: each is read as it was meant, or refused in one line; damage is noticed.

They stand in tests/inputs_read.py and tests/inputs_refused.py.
"""

from __future__ import annotations

import gzip
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoencoders import columns
from tasks.frame import errors, files, progress
from tasks.frame.config import PARAMS
from tasks.frame.errors import DataError
from tasks.frame.sections import Fetch
from tasks.sources import arrays, features, images, labelling, own_data, parts, remarks, tables, text_tables, train_test
from tests import inputs, inputs_binary, inputs_exports, inputs_forms, inputs_odd, inputs_read, inputs_refused
from tests.inputs import UNUSED, Kind

READ = [*inputs_read.READ, *inputs_forms.READ, *inputs_odd.READ, *inputs_binary.READ, *inputs_exports.READ]
REFUSED = [
    *inputs_refused.REFUSED, *inputs_forms.REFUSED, *inputs_odd.REFUSED, *inputs_binary.REFUSED,
    *inputs_exports.REFUSED,
]  # fmt: skip
FILES = ("path", "labels", "unlabelled", "test")


def placed(folder: Path, kind: Kind) -> Fetch:
    """Write the files of a kind, and return the settings that name them."""
    for name, content in kind.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)
    given = {"path": next(iter(kind.files)).partition("/")[0], **kind.settings}
    places = {key: str(folder / name) for key, name in given.items() if key in FILES}
    return Fetch(dataset="file", **UNUSED | given | places)


def read(options: Fetch) -> tuple[np.ndarray, np.ndarray, list[str], int]:
    """Read the files with their right hash."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        own_data.obtain(options.model_copy(update={"sha256": own_data.digest(options)}), out, out)
        about = files.read_json(out / own_data.ABOUT)
        is_table = (out / features.FILE).exists()
        x = inputs.table_in(out / features.FILE) if is_table else np.load(out / own_data.ROWS)
        return x, np.load(out / own_data.LABELS), about["names"], about["n_test"]


@pytest.fixture
def said(monkeypatch):
    """Collect the lines of progress."""
    lines: list[str] = []
    for module in (own_data, tables, labelling, images, train_test, arrays, features, remarks):
        monkeypatch.setattr(module, "say", lambda text: lines.append(progress.one_line(text)))
    return lines


@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.words)
def test_a_file_that_can_be_read_is_read_as_it_was_meant(tmp_path, said, kind):
    x, y, names, n_test = read(placed(tmp_path, kind))
    if isinstance(x, pd.DataFrame):
        expected = pd.DataFrame(kind.x).set_axis(x.columns, axis=1).reset_index(drop=True)
        expected = expected.astype({name: x.dtypes[name] for name in x if expected[name].dtype == object})
        pd.testing.assert_frame_equal(x, expected, check_dtype=False)
        assert any(f"rows of {len(x.columns)}" in line or "left out" in line for line in said)
    else:
        np.testing.assert_array_equal(x, kind.x)
        assert parts.are_images(x) == (kind.x.dtype == np.uint8)
        assert any(f"rows of {' x '.join(map(str, x.shape[1:]))} {x.dtype}" in line for line in said)
    assert (y.tolist(), names, n_test) == (list(kind.y), kind.names, kind.n_test)
    assert kind.says in "\n".join(said) and not any("\n" in line for line in said)
    assert kind.says.startswith("WARN") or "different" in kind.says or not any("WARN" in line for line in said)


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.words)
def test_a_file_that_cannot_be_read_is_refused_in_one_line_that_names_it(tmp_path, kind):
    with pytest.raises(ValueError, match=kind.refused) as caught:
        read(placed(tmp_path, kind))
    message = str(caught.value)
    assert errors.is_users(caught.value) and errors.exit_code(caught.value) in (2, 3)
    assert "\n" not in message and message.startswith((str(tmp_path), f"{PARAMS}: fetch."))


OPEN = [*inputs_odd.OPEN, *inputs_forms.OPEN, *inputs_binary.OPEN]


def has_infinity(x) -> bool:
    """Return whether rows, an array or a table, have an infinite number."""
    table = x if isinstance(x, pd.DataFrame) else pd.DataFrame(x.reshape(len(x), -1))
    return bool(np.isinf(table.select_dtypes("number").to_numpy(float)).any())


@pytest.mark.parametrize("kind", OPEN, ids=lambda kind: kind.words)
def test_an_odd_file_is_read_whole_or_refused_in_one_line_that_names_it(tmp_path, kind):
    try:
        x, y, *_ = read(placed(tmp_path, kind))
    except errors.USERS as error:
        text = str(error)
        assert text.startswith(str(tmp_path)) and "\n" not in text and len(text) < 2_000
    else:
        ((name, content),) = kind.files.items()
        assert len(x) == len(y) and not has_infinity(x)
        assert not name.endswith(".csv") or len(x) == content.count(b"\n") - 1


def test_there_are_enough_kinds_and_each_is_another():
    kinds = [kind.words for kind in (*READ, *REFUSED, *OPEN)]
    assert len({*kinds}) == len(kinds) >= 400


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53).map(float)
rows = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=8)
words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=5)
FORMATS = {
    "d.csv": lambda table: inputs.text(table),
    "d.tsv": lambda table: inputs.text(table, sep="\t"),
    "e.csv": lambda table: inputs.text(table, sep=";", decimal=","),
    "d.csv.gz": lambda table: gzip.compress(inputs.text(table)),
    "d.parquet": inputs.parquet,
    "d.npz": lambda table: inputs.npz(x=table[["a", "b"]].to_numpy(), y=table["label"].to_numpy(dtype=str)),
}
DECIMALS = {"e.csv": ","}  # of the others it is found


@settings(max_examples=15, database=None)
@given(rows, st.lists(words, min_size=2, max_size=2, unique=True))
@pytest.mark.parametrize("name", FORMATS)
def test_what_pandas_and_numpy_write_is_read_back_to_the_last_bit(tmp_path_factory, name, rows, words):
    table = pd.DataFrame(rows, columns=["a", "b"]).assign(label=[f"k{words[k % 2]}" for k in range(len(rows))])
    kind = Kind("", {name: FORMATS[name](table)}, settings={"decimal": DECIMALS.get(name)})
    x, y, names, _ = read(placed(tmp_path_factory.mktemp("d"), kind))
    np.testing.assert_array_equal(x, table[["a", "b"]].to_numpy())
    assert [names[k] for k in y] == table["label"].tolist()


cells = st.integers(-5, 2500).map(float) | st.decimals(-2, 2000, places=3).map(float)


@settings(max_examples=40, database=None)
@given(st.lists(cells, min_size=2, max_size=4), st.sampled_from([(";", ","), (";", "."), ("\t", ","), (",", ".")]))
def test_a_table_whose_marks_are_found_is_read_right_or_refused(numbers, marks):
    table = pd.DataFrame({"a": numbers, "label": "x"})
    content = inputs.text(table, sep=marks[0], decimal=marks[1])
    try:
        found = text_tables.read(io.BytesIO(content), as_text={"label"}, needed="label", delimiter=None, decimal=None)
    except DataError as error:
        assert "set fetch.decimal" in str(error)  # noqa: PT017 - most tables are not refused
    else:
        assert found.table.named("a").tolist() == numbers


CHECKED = ("CSV, gzipped", ".npz with x and y", ".npz with images", "an IDX pair, gzipped", "grey images in folders")
UNCHECKED = ("CSV", "UTF-16", "parquet", "a .npy pair", "an IDX pair", "semicolons and decimal commas")


def damaged(kind: Kind, rng: np.random.Generator) -> Kind:
    """Return a kind with some bytes of its first file changed, or its end cut off."""
    name, content = next(iter(kind.files.items()))
    wrong = bytearray(content)
    if rng.random() < 0.3:
        wrong = wrong[: rng.integers(len(wrong))]
    for _ in range(rng.integers(1, 4)):
        if wrong:
            wrong[rng.integers(len(wrong))] ^= int(rng.integers(1, 256))
    return Kind(kind.words, {**kind.files, name: bytes(wrong)}, settings=kind.settings)


@pytest.mark.parametrize("words", CHECKED + UNCHECKED)
def test_damage_is_refused_in_one_line_and_where_there_is_a_checksum_never_read_as_other_rows(tmp_path, words):
    kind = next(kind for kind in READ if kind.words == words)
    rng = np.random.default_rng(list(words.encode()))
    for k in range(25):
        (tmp_path / str(k)).mkdir()
        options = placed(tmp_path / str(k), damaged(kind, rng))
        try:
            x, y, names, _ = read(options)
        except errors.USERS as error:  # any other is a bug
            assert "\n" not in str(error), repr(error)  # noqa: PT017 - not every damage is refused
        else:
            same = np.array_equal(x, kind.x) and (y.tolist(), names) == (list(kind.y), kind.names)
            assert same or words in UNCHECKED


CELLS = [
    "1", "2.5", "-3", "1e999", "7,5", "1,234", "NA", "?", "", " ", "true", "False", "yes", "x", "é\n", "2024-01-31",
    "10:30", "1/2/2024", "31.12.1999 10:30", "5 %", "2 000", "inf", "9007199254740993", "a" * 99, "=1", "0x1F",
]  # fmt: skip


@settings(max_examples=30, deadline=None, database=None)
@given(st.data())
def test_any_cells_are_read_to_columns_that_can_be_fitted_or_refused_in_one_line(tmp_path_factory, data):
    n = data.draw(st.integers(2, 14))
    columns_of = [data.draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=6)) for _ in range(3)]
    table = pd.DataFrame({f"c{k}": [cells[row % len(cells)] for row in range(n)] for k, cells in enumerate(columns_of)})
    table["label"] = [("cat", "dog")[row * 7 // 3 % 2] for row in range(n)]
    name = data.draw(st.sampled_from(["d.csv", "d.tsv", "d.parquet"]))
    try:
        x, y, _, _ = read(placed(tmp_path_factory.mktemp("d"), Kind("", {name: FORMATS[name](table)})))
    except errors.USERS as error:
        assert "\n" not in str(error)  # noqa: PT017 - many are refused
    else:
        fitted = columns.transform(columns.fit(x), x)
        assert len(x) == len(y) == n and np.isfinite(fitted).all() and (fitted >= 0).all() and (fitted <= 1).all()
