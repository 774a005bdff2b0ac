"""Files of the stages: read with care, written in the same bytes each time; models among them."""

from __future__ import annotations

import errno
import hashlib
import json
import sqlite3
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from autoencoders.models import Autoencoder
from tasks.frame import files, models
from tasks.frame.errors import DataError, FullDisk

md5 = partial(hashlib.md5, usedforsecurity=False)
pytestmark = pytest.mark.usefixtures("fresh_repository")


def test_images_are_scaled_to_float32_and_codings_are_read_as_they_are():
    np.save("train.npy", np.array([[0, 51, 255]], "uint8"))
    files.write_json(Path("scale.json"), {"scale": 255})
    rows = files.read_rows(Path(), "train")
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.array([[0, 0.2, 1]], "float32"))
    codings = np.array([[-3.0, 7.5]], "float32")
    np.save("valid.npy", codings)
    np.testing.assert_array_equal(files.read_rows(Path(), "valid"), codings)
    np.save("train_labels.npy", np.array([3, 1]))
    np.testing.assert_array_equal(files.read_labels(Path(), "train"), [3, 1])


@pytest.mark.parametrize("broken", [b"", b"junk", "cut", "pickled"])
def test_a_damaged_array_is_named_and_a_pickled_one_is_not_opened(broken):
    np.save("train.npy", np.ones((9, 9)) if broken == "cut" else np.array([{}], dtype=object))
    if broken == "cut":
        Path("train.npy").write_bytes(Path("train.npy").read_bytes()[:200])
    elif broken != "pickled":
        Path("train.npy").write_bytes(broken)
    with pytest.raises(ValueError, match=r"^train\.npy: expected an array as numpy.save writes it: "):
        files.read_rows(Path(), "train")


def test_json_has_one_form_and_no_nan():
    files.write_json(Path("a.json"), {"b": 0.1, "a": [1, "é"]})
    files.write_json(Path("b.json"), {"a": [1, "é"], "b": 0.1})
    assert Path("a.json").read_bytes() == Path("b.json").read_bytes()
    assert Path("a.json").read_text().endswith("}\n")
    assert files.read_json(Path("a.json")) == {"a": [1, "é"], "b": 0.1}
    with pytest.raises(ValueError, match=r"^c\.json: expected finite numbers: .*nan"):
        files.write_json(Path("c.json"), {"loss": float("nan")})
    assert not Path("c.json").exists()


def test_a_table_is_written_with_numbers_in_full():
    files.write_table(Path("a.csv"), [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 1e-9}])
    assert Path("a.csv").read_bytes() == b"epoch,loss\n1,0.30000000000000004\n2,1e-09\n"


@pytest.mark.parametrize("tied", [False, True])
def test_a_model_is_written_in_the_same_bytes_each_time_and_computes_the_same_when_read(tied):
    x = np.random.default_rng(0).uniform(size=(3, 6)).astype("float32")
    written = []
    for folder in (Path("a"), Path("b")):
        folder.mkdir()
        model = Autoencoder(6, [4, 2], seed=1, tied=tied)
        models.write(folder, model)
        written.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert written[0] == written[1]
    assert [path.name for path in sorted(Path("a").iterdir())] == ["model.json", "model.weights.h5"]
    np.testing.assert_array_equal(models.read(Path("a"))(x), model(x))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


DAMAGE = {
    "cut": _cut,
    "empty": lambda path: path.write_bytes(b""),
    "of another shape": lambda path: Autoencoder(6, [5, 2]).save_weights(path),
    "of a tied model": lambda path: Autoencoder(6, [4, 2], tied=True).save_weights(path),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_weights_that_do_not_belong_to_the_model_are_refused_in_one_line(damage):
    models.write(Path(), Autoencoder(6, [4, 2]))
    damage(Path("model.weights.h5"))
    with pytest.raises(
        ValueError, match=r"^model\.weights\.h5: expected the weights of the model in model\.json: [^\n]+$"
    ):
        models.read(Path())


def test_weights_of_an_untied_model_are_refused_by_a_tied_one():
    models.write(Path(), Autoencoder(6, [4, 2]))
    tied = json.loads(Path("model.json").read_text()) | {"tied": True}
    files.write_json(Path("model.json"), tied)
    with pytest.raises(ValueError, match="expected the weights of the model"):
        models.read(Path())


def test_a_missing_weights_file_is_named():
    files.write_json(Path("model.json"), Autoencoder(6, [4, 2]).get_config())
    with pytest.raises(FileNotFoundError, match=r"^model\.weights\.h5: no such file$"):
        models.read(Path())


def test_the_last_epochs_metrics_are_those_without_its_number():
    assert files.last([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]) == {"loss": 1.0}


def test_json_is_indented_by_two_and_sorted_and_a_file_that_is_none_is_named():
    files.write_json(Path("a.json"), {"b": 1, "a": [2]})
    assert Path("a.json").read_bytes() == b'{\n  "a": [\n    2\n  ],\n  "b": 1\n}\n'
    Path("b.json").write_text("{")
    with pytest.raises(DataError, match=r"^b\.json: expected JSON: "):
        files.read_json(Path("b.json"))


def test_rows_are_mapped_with_the_divisor_of_bytes_and_1_for_others():
    np.save("train.npy", np.array([[0, 51]], "uint8"))
    np.save("valid.npy", np.array([[1.5]], "float32"))
    files.write_json(Path("scale.json"), {"scale": 51})
    for split, scale in (("train", 51.0), ("valid", 1.0)):
        rows, divisor = files.open_rows(Path(), split)
        assert isinstance(rows, np.memmap) and rows.mode == "r" and divisor == scale
    assert not isinstance(files.read_rows(Path(), "valid"), np.memmap)


def test_a_table_keeps_words_and_has_two_kinds_of_missing_values():
    Path("a.csv").write_text("a,b,c\nNA,nan,1\nNone,,2.5\n")
    table = files.read_table(Path("a.csv"), c="float32")
    assert table.a.tolist() == ["NA", "None"] and table.b.isna().all() and table.c.dtype == np.float32


def test_hashes_are_those_of_dvc():
    """test_experiment compares them with DVC's own; the order is that of names, not that of folders."""
    for name, text in {"d/a/x.txt": "y", "d/a-b.txt": "x\r\n", "d/c.json": "{}\n"}.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(text.encode())
    assert files.md5(Path("d/c.json")) == md5(b"{}\n").hexdigest()
    names = ["a-b.txt", "a/x.txt", "c.json"]
    listed = [{"md5": md5(Path("d", name).read_bytes()).hexdigest(), "relpath": name} for name in names]
    assert files.data_hash(Path("d")) == md5(json.dumps(listed).encode()).hexdigest() + ".dir"


def test_a_mapped_file_has_its_place_on_the_disk_before_it_is_filled(monkeypatch):
    asked, parts = [], []
    monkeypatch.setattr(files.os, "posix_fallocate", lambda file, start, size: asked.append((start, size)))
    np.save("x.npy", np.arange(10.0).reshape(5, 2))
    double = lambda x: parts.append(len(x)) or x[:, :1] * 2  # noqa: E731
    files.map_rows(Path("x.npy"), Path("y.npy"), double, width=1, at_a_time=2)
    assert asked == [(0, Path("y.npy").stat().st_size)] and parts == [2, 2, 1]
    assert np.load("y.npy").tolist() == [[0], [4], [8], [12], [16]] and np.load("y.npy").dtype == np.float32
    monkeypatch.setattr(files.sys, "platform", "darwin")
    files._allocate(Path("none"))


class Usage(NamedTuple):
    """What is left of a disk."""

    free: int


@pytest.mark.parametrize(
    ("error", "free", "where"),
    [
        (OSError(errno.ENOSPC, "no", "f"), 2**30, "f"),
        (OSError(errno.EDQUOT, "no", "f", None, "g"), 2**30, "g"),
        (OSError(errno.EDQUOT, "no"), 2**30, "b"),
        (sqlite3.OperationalError("database or disk is full"), 2**30, "b"),
        (sqlite3.OperationalError("disk I/O error"), 2**20 - 1, "b"),
        (sqlite3.OperationalError("disk I/O error"), 2**20, None),
        (OSError(errno.EACCES, "disk is full", "f"), 0, None),
        (ConnectionError(errno.ENOSPC, "no"), 0, None),
    ],
)
def test_a_full_disk_is_named_by_the_file_or_by_the_folder_with_the_least_room(monkeypatch, error, free, where):
    for name in ("a", "b"):
        Path(name).mkdir()
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: Usage(free + (folder.name == "a")))
    found = files.full_disk(error, Path("a"), Path("b"), Path("gone"))
    said = None if found is None else str(found)
    assert said == (where and f"{where}: no space left on its disk; free some and run again, which goes on from here")
    raised = type(error) if where is None else FullDisk
    with pytest.raises(raised), files.full_disk_named(Path("a"), Path("b")):
        raise error


def test_a_full_disk_without_a_folder_is_one_of_its_folders():
    assert str(files.full_disk(OSError(errno.ENOSPC, "no"))).startswith("one of its folders: no space left")
    assert "one of its folders" in str(files.full_disk(sqlite3.OperationalError("disk is full")))
    assert files.full_disk(OSError("nothing is said")) is None
