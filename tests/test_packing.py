"""Finished cells in one file: taken whole elsewhere, and nothing is believed that the file says."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import numpy as np
import pytest
import tiny
from studies import MANY, contents

from autoencoders.transfer import fingerprint_of
from tasks.frame.errors import DataError
from tasks.study import keys, packing
from tasks.study.keys import EncoderCell
from tasks.study.rows import Size

PARAMS = tiny.params(label_curve=MANY)
CELLS = keys.every(PARAMS, Size(67, 16, 3))
N_ENCODERS = 4


def finish(data, cells):
    """Store made-up results of some cells."""
    store = keys.store(PARAMS, data)
    for k, cell in enumerate(cells):
        result = {"number": k}
        if isinstance(cell, EncoderCell):
            arrays, content = [np.full((2, 2), k), np.zeros(2)], io.BytesIO()
            np.savez(content, *arrays)
            result |= {"layers": [fingerprint_of(arrays)], "sha256": hashlib.sha256(content.getvalue()).hexdigest()}
            store.write_bytes(store.path(cell.name, ".npz"), content.getvalue())
        store.write(cell.name, result)
    return store


@pytest.fixture
def packed(tmp_path):
    """Return a file with ten cells, and the store that they are from."""
    data = tiny.prepare(tmp_path / "here/data")
    store = finish(data, CELLS[:10])
    assert packing.pack(PARAMS, data, tmp_path / "cells.tar") == (10, len(CELLS))
    return tmp_path / "cells.tar", store


def test_packed_cells_are_the_same_elsewhere_and_known_the_second_time(tmp_path, packed):
    file, store = packed
    elsewhere = tiny.prepare(tmp_path / "elsewhere/data")
    assert packing.unpack(PARAMS, elsewhere, file) == (10, 0, 0)
    assert contents(tmp_path / "elsewhere/.cells/label_curve") == contents(store.folder)
    assert packing.unpack(PARAMS, elsewhere, file) == (0, 10, 0)


def test_cells_of_other_data_are_left_out(tmp_path, packed):
    elsewhere = tiny.prepare(tmp_path / "elsewhere/data")
    path = elsewhere / "prepare/train.npy"
    np.save(path, np.load(path)[::-1])
    assert packing.unpack(PARAMS, elsewhere, packed[0]) == (0, 0, 10 + N_ENCODERS)
    assert not [*(tmp_path / "elsewhere/.cells/label_curve").iterdir()]


def changed(name, content):
    """Return a file of the tar with another result, or other weights, under its name."""
    if name.endswith(".npz"):
        return content[:-1] + b"\1"
    kept = json.loads(content)
    return json.dumps(kept | {"content": kept["content"] | {"number": 99}}).encode()


@pytest.mark.parametrize(("number", "end"), [(0, ".json"), (0, ".npz"), (9, ".json")])
def test_a_changed_file_is_left_out_and_one_with_a_path_is_written_nowhere(tmp_path, packed, number, end):
    file, store = packed
    target = store.path(CELLS[number].name, end).name
    with tarfile.open(file) as given, tarfile.open(tmp_path / "changed.tar", "w") as tar:
        for member in given.getmembers():
            content = given.extractfile(member).read()
            content = changed(member.name, content) if member.name == target else content
            for name in (member.name, f"../{member.name}"):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    elsewhere = tiny.prepare(tmp_path / "elsewhere/data")
    n_files = 10 + N_ENCODERS
    lost = 2 if number < N_ENCODERS else 1
    assert packing.unpack(PARAMS, elsewhere, tmp_path / "changed.tar") == (9, 0, n_files + lost)
    assert not [*(tmp_path / "elsewhere/.cells").glob("*.json")]


def test_a_file_that_is_no_tar_file_is_one_line(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"x" * 2000)
    with pytest.raises(DataError, match=r"x\.tar: expected a file that `python -m flows cells pack` wrote"):
        packing.unpack(PARAMS, tiny.prepare(tmp_path / "data"), tmp_path / "x.tar")


def test_an_encoder_without_its_weights_is_not_packed(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    store = finish(data, CELLS[:6])
    store.path(CELLS[0].name, ".npz").unlink()
    assert packing.pack(PARAMS, data, tmp_path / "cells.tar") == (5, len(CELLS))
