"""What is written in any form is read back to the last bit; damaged files of every kind are refused, or read whole."""

from __future__ import annotations

import csv
import gzip
import io
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autoencoders import idx
from tasks.frame import errors
from tests import inputs
from tests.inputs import Kind
from tests.test_inputs import READ, has_infinity, placed, read

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53).map(float)
words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=4).map(lambda word: f"k{word}k")
tables = st.lists(st.tuples(numbers, numbers, st.booleans()), min_size=2, max_size=7)
pairs = st.lists(words, min_size=2, max_size=2, unique=True)
often = settings(max_examples=40, deadline=None, database=None)


def table_of(rows: list[tuple[float, float, bool]], names: list[str]) -> pd.DataFrame:
    """Return a table whose first two rows have different classes."""
    labels = [names[k if k < 2 else is_second] for k, (*_, is_second) in enumerate(rows)]
    return pd.DataFrame([row[:2] for row in rows], columns=["a", "b"], dtype=float).assign(label=labels)


def check(folder: Path, table: pd.DataFrame, files: dict[str, bytes], **options: Any) -> None:
    x, y, names, _ = read(placed(folder, Kind("", files, settings=options)))
    np.testing.assert_array_equal(x, table[["a", "b"]].to_numpy())
    assert [names[k] for k in y] == table["label"].tolist()


dialects = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", ";", "\t", "|", "^", " "]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        "lineterminator": st.sampled_from(["\n", "\r\n", "\r"]),
    }
)


@often
@given(tables, pairs, dialects, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.sampled_from(".,"), st.data())
def test_a_text_in_any_dialect_is_read_to_the_last_bit(tmp_path_factory, rows, names, form, encoding, decimal, data):
    table = table_of(rows, names)
    assume(decimal != form["delimiter"])
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, **form)
    has_header, blank_lines, is_packed = (data.draw(st.booleans()) for _ in range(3))
    writer.writerows([["a", "b", "label"]] * has_header)
    for *cells, label in table.itertuples(index=False):
        writer.writerow([*(repr(cell).replace(".", decimal) for cell in cells), label])
        stream.write(form["lineterminator"] * blank_lines)
    content = stream.getvalue().encode(encoding)
    options = {"delimiter": form["delimiter"], "decimal": decimal, "header": has_header}
    options |= {} if has_header else {"label": 3}
    check(tmp_path_factory.mktemp("d"), table, {"d.csv": gzip.compress(content) if is_packed else content}, **options)


@often
@given(tables, pairs, st.booleans(), st.sampled_from([",", ";", "\t", " "]))
def test_a_text_whose_header_is_found_is_read_right_or_refused(tmp_path_factory, rows, names, has_header, delimiter):
    table = table_of(rows, ["cat", "dog"])
    content = inputs.text(table, header=has_header, sep=delimiter)
    try:
        check(tmp_path_factory.mktemp("d"), table, {"d.csv": content}, label="label" if has_header else 3)
    except errors.USERS as error:
        assert "set fetch." in str(error)  # noqa: PT017 - most tables are not refused


def quoted(word: str) -> str:
    return "'" + word.replace("\\", r"\\").replace("'", r"\'") + "'"


@often
@given(tables, pairs)
def test_attributes_are_read_to_the_last_bit(tmp_path_factory, rows, names):
    table = table_of(rows, names)
    values = ", ".join(map(quoted, names))
    head = f"@relation r\n@attribute a real\n@attribute b real\n@attribute label {{{values}}}\n@data\n"
    lines = (f"{a!r}, {b!r},{quoted(label)}\n" for a, b, label in table.itertuples(index=False))
    check(tmp_path_factory.mktemp("d"), table, {"d.arff": (head + "".join(lines)).encode()})


@often
@given(tables, pairs, st.booleans(), st.booleans())
def test_a_data_frame_of_r_is_read_to_the_last_bit(tmp_path_factory, rows, names, is_factor, is_saved):
    table = table_of(rows, names)
    written = table.astype({"label": "category"}) if is_factor else table
    content = {"d.rda": inputs.rda(d=written)} if is_saved else {"d.rds": inputs.rds(written)}
    check(tmp_path_factory.mktemp("d"), table, content)


dtypes = st.sampled_from([*"bBhHiIfde", ">f4", ">i2", ">u4", ">f8", "?"]).map(np.dtype)
arrays = dtypes.flatmap(lambda kind: hnp.arrays(kind, st.tuples(st.integers(2, 5), st.integers(1, 4)), elements={
    "allow_nan": False, "allow_infinity": False} if kind.kind == "f" else None))  # fmt: skip


@often
@given(arrays, st.booleans(), st.sampled_from(["npy", "npy.gz", "npz", "split", "idx"]))
def test_an_array_of_any_type_and_order_is_read_to_the_last_bit(tmp_path_factory, x, by_columns, form):
    x, y = np.asfortranarray(x) if by_columns else x, np.arange(len(x)) % 2
    assume(form != "idx" or x.dtype.newbyteorder(">") in [np.dtype(name) for name in idx.TYPES.values()])
    pair = {"x": inputs.npy(x), "y": inputs.npy(y)}
    files = {
        "npy": {"x.npy": pair["x"], "y.npy": pair["y"]},
        "npy.gz": {"x.npy.gz": gzip.compress(pair["x"]), "y.npy": pair["y"]},
        "npz": {"d.npz": inputs.npz(x=x, y=y)},
        "split": {"d.npz": inputs.npz(x_test=x[2:], y_test=y[2:], x_train=x[:2], y_train=y[:2])},
        "idx": {"x.idx": idx.encode(x), "y.idx": idx.encode(y.astype(np.uint8))} if form == "idx" else {},
    }[form]
    assume(form != "split" or len(x) >= 4)
    found, labels, _, n_test = read(placed(tmp_path_factory.mktemp("d"), Kind("", files)))
    np.testing.assert_array_equal(found, x.astype(np.float64))
    assert labels.tolist() == y.tolist() and n_test == (len(x) - 2 if form == "split" else 0)


@often
@given(hnp.arrays(np.uint8, st.sampled_from([(4, 3, 5), (4, 3, 5, 3)])), st.booleans())
def test_images_are_read_pixel_for_pixel(tmp_path_factory, pixels, mixed):
    files = {f"d/{'ab'[k // 2]}/{k}.png": inputs.picture(image) for k, image in enumerate(pixels)}
    if mixed and pixels.ndim == 4:
        files["d/a/0.png"] = inputs.picture(pixels[0, ..., 0])
        pixels[0] = pixels[0, ..., :1]
    try:
        x, y, *_ = read(placed(tmp_path_factory.mktemp("d"), Kind("", files)))
    except errors.USERS as error:
        assert pixels.max() <= 1 and "nothing above 1" in str(error)  # noqa: PT017 - 0 and 1 are no pixels
    else:
        np.testing.assert_array_equal(x, pixels)
        assert y.tolist() == [0, 0, 1, 1]


TOKENS = (b"", b",", b"\n", b"\r", b'"', b"'", b";", b"\t", b" ", b"-", b"1", b"9" * 20, b"nan", b"\0", b"\xff" * 8,
          b"{", b"@data\n", b"#", b"\x1f\x8b", b"\xef\xbb\xbf")  # fmt: skip


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a file cut short, with bits turned, pieces inserted, left out, repeated or exchanged."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        start, end = sorted(rng.integers(0, len(content) + 1, 2))
        end = min(end, start + 40)
        piece = content[start:end]
        before, behind, token = content[:start], content[end:], TOKENS[rng.integers(len(TOKENS))]
        turned = bytes(byte ^ (1 << int(rng.integers(8))) for byte in piece[:1]) + content[start + 1 :]
        changed = (b"", turned, turned, turned, rng.bytes(4) + behind, token + piece + behind, behind,
                   piece * 2 + behind, piece[::-1] + behind)  # fmt: skip
        content = before + changed[rng.integers(len(changed))]
    return content


def fuzz(folder: Path, n_files: int, seed: int) -> int:
    """Read `n_files` damaged files, and return how many were refused; any error but a user's is a bug."""
    rng, n_refused = np.random.default_rng(seed), 0
    for k in range(n_files):
        kind = READ[rng.integers(len(READ))]
        name = [*kind.files][rng.integers(len(kind.files))]
        wrong = Kind(kind.words, {**kind.files, name: damaged(kind.files[name], rng)}, settings=kind.settings)
        (folder / str(k)).mkdir()
        start = time.monotonic()
        try:
            x, y, names, n_test = read(placed(folder / str(k), wrong))
        except errors.USERS as error:
            assert "\n" not in str(error) and len(str(error)) < 3_000, (k, kind.words, str(error))  # noqa: PT017
            n_refused += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, file {k}, {kind.words}: {error!r}") from error
        else:
            assert len(x) == len(y) and n_test < len(x) and len(names) >= 2 and not has_infinity(x), (k, kind.words)
        assert time.monotonic() - start < 10, (k, kind.words)
    return n_refused


def test_damaged_files_are_refused_in_one_line_or_read_whole(tmp_path):
    assert 40 <= fuzz(tmp_path, 100, seed=0) < 100


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 5))
def test_thousands_of_damaged_files_take_seconds_and_little_memory(tmp_path, seed):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert fuzz(tmp_path, 500, seed) > 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # kilobytes: 1 GiB
