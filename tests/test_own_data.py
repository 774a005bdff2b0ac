"""tasks/sources/own_data.py: a user's file is pinned, checked and brought into one form, or refused in one line."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.frame import files
from tasks.frame.errors import ConfigError, DataError
from tasks.frame.sections import Fetch
from tasks.sources import features, own_data
from tasks.study import proposal
from tests.inputs import UNUSED, table_in

X = np.arange(12.0).reshape(4, 3)
Y = np.array(["cat", "dog", "cat", "dog"])
TABLE = pd.DataFrame(X, columns=["a", "b", "c"]).assign(label=Y)


def write(path, content):
    """Write content by the path's ending: a dict of arrays, a table, or bytes."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == ".npz":
        np.savez(path, **content)
    elif path.suffix == ".csv":
        content.to_csv(path, index=False)
    else:
        content.to_parquet(path)
    return path


def fetch(path, sha256=None, label="label"):
    return Fetch(dataset="file", **UNUSED | {"path": str(path), "sha256": sha256, "label": label})


def pinned(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(path, **options):
    """Read the file, its hash given rightly, and return x, y and the names."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        own_data.obtain(fetch(path, pinned(path), **options), path, out)
        is_table = (out / features.FILE).exists()
        x = table_in(out / features.FILE).to_numpy() if is_table else np.load(out / "rows.npy")
        return x, np.load(out / "labels.npy"), names_in(out)


def names_in(out):
    return files.read_json(Path(out, "about.json"))["names"]


@pytest.mark.parametrize(("name", "content"), [("d.npz", {"x": X, "y": Y}), ("d.csv", TABLE), ("d.parquet", TABLE)])
def test_three_formats_give_the_same_arrays(tmp_path, name, content):
    x, y, names = read(write(tmp_path / name, content))
    np.testing.assert_array_equal(x, X)
    assert (x.dtype, y.dtype) == (np.float64, np.int64)
    assert (y.tolist(), names) == ([0, 1, 0, 1], ["cat", "dog"])


def test_the_same_file_gives_the_same_bytes(tmp_path):
    path = write(tmp_path / "d.csv", TABLE)
    options = fetch(path, pinned(path))
    for out in (tmp_path / "a", tmp_path / "b"):
        out.mkdir()
        own_data.obtain(options, tmp_path, out)
    found = [{one.name: one.read_bytes() for one in out.iterdir()} for out in (tmp_path / "a", tmp_path / "b")]
    assert found[0] == found[1] and {*found[0]} == {"table.parquet", "labels.npy", "about.json"}


@pytest.mark.parametrize("sha256", [None, "0" * 64])
def test_a_file_that_is_not_pinned_prints_the_hash_to_set(tmp_path, sha256):
    path = write(tmp_path / "d.csv", TABLE)
    digest = pinned(path)
    with pytest.raises(ConfigError, match=rf"fetch.sha256: .*{digest}, received {sha256}"):
        own_data.obtain(fetch(path, sha256), tmp_path, tmp_path)


def test_a_missing_file_and_an_unknown_ending_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"fetch.path: no file nowhere\.csv"):
        own_data.obtain(fetch("nowhere.csv"), tmp_path, tmp_path)
    with pytest.raises(ConfigError, match=r"a folder, or a file ending in \.csv, .*, received data\.xyz"):
        own_data.obtain(fetch("data.xyz"), tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["d.DATA", "d.trn", "d.tes.gz", "d.arff", "d.dat", "d.rda", "d.RData", "d.rds"])
def test_a_kind_of_table_is_known_by_the_end_of_its_name(name):
    assert own_data._kind(Path(name), "path") is own_data.tables


def test_images_of_bytes_stay_bytes_and_keep_their_shape(tmp_path):
    images = np.full((4, 2, 3), 200, np.uint8)
    x, _, _ = read(write(tmp_path / "d.npz", {"x": images, "y": [0, 1, 0, 1]}))
    assert (x.dtype, x.shape) == (np.uint8, (4, 2, 3))


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"x": X.astype(object), "y": Y}, "array x: expected plain numbers or strings: Object arrays"),
        ({"x": X}, "no array y, found: x"),
        ({"x": X, "y": Y[:3]}, r"received \(4, 3\) and \(3,\)"),
        ({"x": X[:, 0], "y": Y}, r"received \(4,\) and \(4,\)"),
        ({"x": X[:1], "y": Y[:1]}, "expected 2 rows or more"),
        ({"x": X[:0], "y": Y[:0]}, "expected 2 rows or more"),
        ({"x": X[:, :0], "y": Y}, "1 feature or more"),
        ({"x": X.astype(str), "y": Y}, "numeric type, received <U"),
        ({"x": np.where(X == 7, np.nan, X), "y": Y}, "row 3, column 2: expected a finite number"),
        ({"x": X, "y": ["cat"] * 4}, "expected 2 classes or more, received 1 in 4 labelled rows"),
        ({"x": np.ones((4, 2, 2), np.uint8), "y": Y}, "pixels from 0 to 255"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused_with_the_file_named(tmp_path, arrays, complaint):
    with pytest.raises(ValueError, match=rf"d\.npz: .*{complaint}"):
        read(write(tmp_path / "d.npz", arrays))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,label\n1,0\ninf,1\n", "row 2, column 'a': expected a finite number, received inf"),
        ("a,label\n1,0\n2,\n", "expected 2 classes or more, received 1 in 1 labelled rows"),
        ("a,kind\n1,0\n2,1\n", "no column 'label' for the labels, found: a, kind"),
        ("a,label,label\n1,0,0\n2,1,1\n", "received these more than once: label"),
        ("a,,label\n0,1,0\n1,2,1\n", "column 2 has no name"),
        ("a,label\n1,0,7\n2,1,8\n", "row 1: expected the 2 columns of the header, received 3"),
        ("a,label\n1,0\n2,1,8\n", "row 2: expected the 2 columns of the header, received 3"),
        ("a,label\n1\n2\n", "row 1: .* received 1"),
        ("a,label\n1,0\n", "expected 2 rows or more"),
        ("a,label\n", "no rows"),
        ("", "no rows"),
        ("a,label\n\x81\n", "not UTF-8 at byte 8, not Windows-1252 at byte 8: save it as UTF-8"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_with_the_file_named(tmp_path, text, complaint):
    with pytest.raises(ValueError, match=rf"d\.csv: .*{complaint}"):
        read(write(tmp_path / "d.csv", text.encode("latin-1")))


@pytest.mark.parametrize(("name", "content"), [("d.npz", {"x": X, "y": Y}), ("d.parquet", TABLE)])
def test_a_file_cut_short_is_refused(tmp_path, name, content):
    whole = write(tmp_path / name, content).read_bytes()
    for length in (0, 20, len(whole) // 2, len(whole) - 1):
        with pytest.raises(ValueError, match=f"{name}: not readable as"):
            read(write(tmp_path / name, whole[:length]))


def test_arrays_with_changed_bytes_are_refused(tmp_path):
    whole = write(tmp_path / "d.npz", {"x": X, "y": Y}).read_bytes()
    with pytest.raises(ValueError, match=r"d\.npz: not readable as \.npz: Bad CRC-32"):
        read(write(tmp_path / "d.npz", whole.replace(X[1].tobytes(), X[2].tobytes())))


def test_the_labels_may_have_any_name_and_look_like_missing_values(tmp_path):
    path = write(tmp_path / "d.csv", b"kind,a\nNA,1\nNone,2\n")
    x, y, names = read(path, label="kind")
    assert (x.tolist(), y.tolist(), names) == ([[1.0], [2.0]], [0, 1], ["NA", "None"])


def test_test_rows_of_ones_own_are_the_last_of_the_record(tmp_path):
    write(tmp_path / "d.csv", TABLE)
    own_data.obtain(fetch(tmp_path / "d.csv", pinned(tmp_path / "d.csv")), tmp_path, tmp_path)
    assert own_data.read(tmp_path, "file")[4:8] == (None, 0, True, None)
    write(tmp_path / "t.csv", TABLE[2:])
    digests = "".join(f"{key} {pinned(tmp_path / name)}\n" for key, name in (("path", "d.csv"), ("test", "t.csv")))
    options = fetch(tmp_path / "d.csv", hashlib.sha256(digests.encode()).hexdigest())
    own_data.obtain(options.model_copy(update={"test": str(tmp_path / "t.csv")}), tmp_path, tmp_path)
    record = own_data.read(tmp_path, "file")
    assert (record.n_test, record.draws_valid, record.names, record.shape) == (2, True, ["cat", "dog"], None)
    np.testing.assert_array_equal(record.table.at(np.arange(6)), np.concatenate([X, X[2:]]))
    np.testing.assert_array_equal(record.y, [0, 1, 0, 1, 0, 1])
    facts = proposal.Facts.of(record, "d", "d.csv")
    assert (facts.n_columns, facts.class_counts, facts.n_test, facts.repeated) == (3, [2, 2], 2, 2 / 3)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"labels": "y.npy"},
            r"fetch\.labels: expected null with .*d\.npz, since it holds the labels itself, received y",
        ),
        ({"split": "part"}, r"fetch\.split: expected none with .*d\.npz, which is no table, received part"),
        ({"ignore": ["id"]}, r"fetch\.ignore: expected none with .*d\.npz, which is no table, received \['id'\]"),
        ({"kinds": {"a": "date"}}, r"fetch\.kinds: expected none with .*d\.npz, which is no table, received"),
        ({"test": "t.npy"}, r"fetch\.test: expected a file of labels beside t\.npy"),
        (
            {"unlabelled": "u.sqlite"},
            r"fetch\.unlabelled: expected a folder, or a file ending in .*, received u\.sqlite",
        ),
        ({"unlabelled": "u.xls"}, r"fetch\.unlabelled: .* received u\.xls, an Excel file: save it as CSV"),
        ({"test": "no.npz"}, r"fetch\.test: no file no\.npz"),
    ],
)
def test_settings_that_do_not_fit_the_file_are_named(tmp_path, settings, complaint):
    path = write(tmp_path / "d.npz", {"x": X, "y": Y})
    with pytest.raises(ConfigError, match=rf"^params\.yaml: {complaint}"):
        own_data.obtain(fetch(path).model_copy(update=settings), tmp_path, tmp_path)


def test_rows_that_change_while_they_are_read_in_pieces_are_refused(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", [0, 1, 0, 1])
    lines = "".join(f"{key} {pinned(tmp_path / name)}\n" for key, name in (("path", "x.npy"), ("labels", "y.npy")))
    options = fetch(tmp_path / "x.npy", hashlib.sha256(lines.encode()).hexdigest())
    own_data.obtain(options, tmp_path, tmp_path)
    write = own_data._write

    def changed(*given):
        write(*given)
        np.save(tmp_path / "x.npy", X + 1)

    monkeypatch.setattr(own_data, "_write", changed)
    with pytest.raises(DataError, match=r"/x\.npy: expected the SHA-256 .* it has changed meanwhile; run again"):
        own_data.obtain(options, tmp_path, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()], "what was unpacked is deleted"
