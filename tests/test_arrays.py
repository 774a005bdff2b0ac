"""tasks/sources/arrays.py: .npz, .npy and IDX, and the labels beside them."""

from __future__ import annotations

import gzip
import mmap

import numpy as np
import pytest

from autoencoders import idx
from tasks.frame.sections import Fetch
from tasks.sources import arrays, contents
from tests.inputs import UNUSED, npy, npz

X, Y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 0])


@pytest.fixture
def read(tmp_path):
    def of(key="path", **files):
        for name, content in files.values():
            (tmp_path / name).write_bytes(content)
        given = {k: contents.read(tmp_path / name, k, tmp_path) for k, (name, _) in files.items()}
        return arrays.read(given, key, Fetch(dataset="file", **UNUSED | {"path": "x"}))

    return of


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        ("x.npy", "y.npy"), ("X.npy", "y.npy"), ("x_train.npy", "y_train.npy"), ("train-x.npy.gz", "train-y.npy"),
        ("x.npy", "y.npy.gz"), ("train_data.npy", "train_labels.npy"), ("images.npy", "labels.npy"),
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"), ("t10k-images.idx3-ubyte.gz", "t10k-labels.idx1-ubyte"),
        ("a-images-idx3-ubyte.gz", "a-labels-idx1-ubyte.gz"),
    ],
)  # fmt: skip
def test_labels_are_found_beside_the_rows_by_their_name(tmp_path, rows, labels):
    assert arrays.labels_of(tmp_path / rows) is None
    (tmp_path / rows).touch()
    assert arrays.labels_of(tmp_path / rows) is None
    (tmp_path / labels).touch()
    assert arrays.labels_of(tmp_path / rows) == tmp_path / labels


def test_a_word_that_has_an_x_is_no_name_of_rows(tmp_path):
    for name in ("max.npy", "may.npy", "data", "labels"):
        (tmp_path / name).touch()
    assert arrays.labels_of(tmp_path / "max.npy") is None


def test_the_labels_are_of_the_same_file_or_of_the_pair(read):
    for part in (
        read(path=("d.npz", npz(x=X, y=Y))),
        read(path=("x.npy", npy(X)), labels=("y.npy", npy(Y))),
        read(path=("x.idx", idx.encode(X)), labels=("y.idx", idx.encode(Y.astype(np.uint8)))),
        read("test", test=("x.npy", npy(X)), test_labels=("y.npy", npy(Y)), labels=("z.npy", npy(X))),
    ):
        assert (part.x.tolist(), part.labels.tolist()) == (X.tolist(), [0, 1, 0])
    assert read("unlabelled", unlabelled=("u.npz", npz(X=X))).labels.tolist() == [None] * 3


def test_arrays_of_any_order_and_type_keep_their_values(read):
    for x in (np.asfortranarray(X), X.astype(">f4"), X.astype(np.int8), X.astype(bool), X.astype(np.float16)):
        assert read(path=("x.npy", npy(x)), labels=("y.npy", npy(Y))).x.tolist() == x.astype(float).tolist()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"PK", r"x\.npy: not readable as \.npy: it does not begin as numpy\.save writes it"),
        (npy(X)[:-1], r"x\.npy: not readable as \.npy: its header promises 48 bytes \(shape \(3, 2\)\), received 47"),
        (npy(X)[:20], "not readable as .npy"),
        (npy(X.astype(object)), "not readable as .npy: Object arrays"),
        (npy(X.astype(complex)), "expected x of a numeric type, received complex"),
        (npy(X[:2]), r"received \(2, 2\) and \(3,\) \(labels: .*y\.npy\)"),
    ],
)
def test_a_file_that_is_not_as_it_says_is_refused(read, content, complaint):
    with pytest.raises(ValueError, match=complaint):
        read(path=("x.npy", content), labels=("y.npy", npy(Y)))


@pytest.mark.parametrize("name", ["x.npy", "x.npy.gz", "x.npz", "x.idx", "x.idx.gz"])
def test_rows_are_mapped_from_files_not_read(read, name):
    content = idx.encode(X) if "idx" in name else npz(x=X, y=Y) if "npz" in name else npy(X)
    part = read(path=(name, gzip.compress(content) if name.endswith("gz") else content), labels=("y.npy", npy(Y)))
    x = part.x
    while isinstance(x, np.ndarray):
        x = x.base
    assert isinstance(x.obj if isinstance(x, memoryview) else x, mmap.mmap) and part.x.tolist() == X.tolist()
