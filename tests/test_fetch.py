"""tasks/fetch.py: the same bytes from every source, and a clear line when none has them.

Fashion-MNIST itself is too large for a test; a family of four small files, with hashes of its own, stands in for it.
"""

import gzip
import hashlib
import re
import socket
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from autoencoders import idx
from tasks import fetch
from tasks.frame import config, files
from tasks.frame.sections import Fetch
from tasks.sources import debian, features, mnist_family
from tests.inputs import UNUSED

RNG = np.random.default_rng(0)
ARRAYS = {
    "train-images-idx3-ubyte": RNG.integers(0, 256, (20, 4, 4)).astype(np.uint8),
    "train-labels-idx1-ubyte": RNG.integers(0, 10, 20).astype(np.uint8),
    "t10k-images-idx3-ubyte": RNG.integers(0, 256, (10, 4, 4)).astype(np.uint8),
    "t10k-labels-idx1-ubyte": RNG.integers(0, 10, 10).astype(np.uint8),
}
CONTENT = {name: idx.encode(array) for name, array in ARRAYS.items()}
FASHION = "fashion-mnist"

PINNED, SIZES = mnist_family.SHA256, mnist_family.SIZES  # those of the real data sets


def test_every_file_of_the_idx_families_is_pinned_by_a_hash_of_its_own():
    assert [*PINNED] == ["fashion-mnist", "mnist"]
    hashes = [digest for digests in PINNED.values() for digest in digests.values()]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes) and len(set(hashes)) == 8
    assert [*ARRAYS] == [*SIZES] == [*PINNED["mnist"]] == [*PINNED["fashion-mnist"]]
    assert [*SIZES.values()] == [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]


@pytest.fixture(autouse=True)
def small_family(monkeypatch):
    """Let the four small files be the data set, and no source but data/raw have it."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(mnist_family, "SIZES", {name: len(content) for name, content in CONTENT.items()})
    monkeypatch.setattr(mnist_family, "SHA256", {FASHION: digests, "mnist": digests})

    def no_package(*_):
        raise debian.NoPackage("no apt-get on this machine")

    def no_internet():
        raise Exception("URL fetch failure on ...:\n None")  # as Keras does

    monkeypatch.setattr(debian, "installed_folders", no_package)
    monkeypatch.setattr(debian, "downloaded", no_package)
    monkeypatch.setitem(sys.modules, "keras.datasets", keras_datasets(no_internet))


def keras_datasets(load_data):
    return SimpleNamespace(fashion_mnist=SimpleNamespace(load_data=load_data))


def place(folder, ending="", change=None):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENT.items():
        content = change(content) if change and name == "train-images-idx3-ubyte" else content
        (folder / (name + ending)).write_bytes(gzip.compress(content) if ending else content)


def run(tmp_path, dataset=FASHION, **options):
    """Run the stage on tmp_path/raw and return its folder."""
    out = tmp_path / "out"
    out.mkdir()
    params = config.load().model_copy(update={"fetch": Fetch(dataset=dataset, **UNUSED | options)})
    fetch.run(params, tmp_path, out, "")
    return out


def assert_complete(out, dataset=FASHION):
    assert {path.name for path in out.iterdir()} == {*CONTENT, "manifest.json"}
    assert {name: (out / name).read_bytes() for name in CONTENT} == CONTENT
    assert files.read_json(out / "manifest.json") == {"dataset": dataset, "sha256": mnist_family.SHA256[dataset]}


@pytest.mark.parametrize("folder", ["raw", "raw/fashion-mnist"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_placed_files_are_taken_gzipped_or_not(tmp_path, folder, ending):
    place(tmp_path / folder, ending)
    assert_complete(run(tmp_path))


def test_a_dot_for_a_hyphen_and_a_wrong_gz_ending_do_no_harm(tmp_path):
    (tmp_path / "raw").mkdir()
    for name, content in CONTENT.items():
        (tmp_path / "raw" / (name.replace("-idx", ".idx") + ".gz")).write_bytes(content)
    assert_complete(run(tmp_path))


def test_an_installed_package_is_found(tmp_path, monkeypatch):
    place(tmp_path / "usr", ".gz")
    monkeypatch.setattr(debian, "installed_folders", lambda name: [tmp_path / "doc", tmp_path / "usr"])
    assert_complete(run(tmp_path))


def test_a_downloaded_package_is_read_while_it_lies_unpacked(tmp_path, monkeypatch):
    class Downloaded:
        def __init__(self, package, folder):
            assert (package, folder) == ("dataset-fashion-mnist", tmp_path / "out")

        def __enter__(self):
            place(tmp_path / "unpacked", ".gz")
            return [tmp_path / "unpacked"]

        def __exit__(self, *_):
            for path in (tmp_path / "unpacked").iterdir():
                path.unlink()

    monkeypatch.setattr(debian, "downloaded", Downloaded)
    assert_complete(run(tmp_path))


def test_keras_gives_the_same_bytes_as_the_files(tmp_path, monkeypatch):
    arrays = list(ARRAYS.values())
    monkeypatch.setitem(sys.modules, "keras.datasets", keras_datasets(lambda: (arrays[:2], arrays[2:])))
    assert_complete(run(tmp_path))


def test_wrong_data_from_keras_are_not_kept(tmp_path, monkeypatch):
    wrong = [array.copy() for array in ARRAYS.values()]
    wrong[0][3, 2, 1] ^= 1
    monkeypatch.setitem(sys.modules, "keras.datasets", keras_datasets(lambda: (wrong[:2], wrong[2:])))
    with pytest.raises(OSError, match=r"keras\.datasets, train-images-idx3-ubyte: SHA-256"):
        run(tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


def test_when_no_source_has_the_data_one_line_says_what_was_tried_and_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        run(tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        f"under {tmp_path / 'raw' / FASHION}",
        *CONTENT,
        "files under data/raw: no files",
        "the Debian package, installed: no apt-get on this machine",
        "the Debian package, downloaded: no apt-get on this machine",
        "keras.datasets: Exception: URL fetch failure on ...: None",
    ):
        assert part in message


def test_a_missing_file_of_the_four_is_named(tmp_path):
    place(tmp_path / "raw")
    (tmp_path / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="3 of 4 files, missing t10k-labels-idx1-ubyte"):
        run(tmp_path)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_one_changed_byte_in_a_placed_file_stops_with_file_and_both_hashes(tmp_path, monkeypatch, ending):
    place(tmp_path / "raw", ending, lambda content: content[:-1] + bytes([content[-1] ^ 1]))
    expected = mnist_family.SHA256[FASHION]["train-images-idx3-ubyte"]
    with pytest.raises(
        ValueError, match=rf"raw/train-images-idx3-ubyte{ending}: SHA-256 .* [0-9a-f]{{64}}, .*{expected}"
    ):
        run(tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"\0", lambda c: b""])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_placed_file_of_another_length_stops_with_its_name(tmp_path, change, ending):
    place(tmp_path / "raw", ending, change)
    with pytest.raises(ValueError, match=rf"raw/train-images-idx3-ubyte{ending}: .*expected .*Replace the file"):
        run(tmp_path)


def test_mnist_lies_in_a_folder_of_its_own(tmp_path):
    place(tmp_path / "raw" / "mnist", ".gz")
    assert_complete(run(tmp_path, "mnist"), "mnist")


def test_mnist_is_not_looked_for_elsewhere(tmp_path):
    place(tmp_path / "raw")
    with pytest.raises(
        FileNotFoundError, match=r"place its four files.*raw/mnist .*Tried: files under data/raw: no files$"
    ):
        run(tmp_path, "mnist")


def test_digits_are_those_of_scikit_learn(tmp_path):
    out = run(tmp_path, "digits")
    with np.load(out / "digits.npz") as digits:
        assert (digits["x"].shape, digits["x"].dtype, digits["x"].max()) == ((1797, 64), np.uint8, 16)
        assert np.bincount(digits["y"]).min() == 174
    assert files.read_json(out / "manifest.json")["dataset"] == "digits"


def test_a_table_of_ones_own_is_written_as_its_columns_and_labels(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("a,label\n1,x\n2,y\n")
    out = run(tmp_path, "file", path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert np.load(out / "labels.npy").tolist() == [0, 1]
    assert files.read_json(out / "about.json") == {"names": ["x", "y"], "n_test": 0}
    table = features.Table(out / features.FILE)
    assert (table.at(np.arange(2)).to_dict("list"), table.ignored) == ({"a": [1, 2]}, {})
    digests = {name: hashlib.sha256((out / name).read_bytes()).hexdigest()
               for name in (features.FILE, "labels.npy", "about.json")}  # fmt: skip
    assert files.read_json(out / "manifest.json") == {"dataset": "file", "sha256": digests}


def test_a_download_by_keras_is_limited_in_time_and_the_limit_is_taken_back(monkeypatch):
    limits = []

    def load_data():
        limits.append(socket.getdefaulttimeout())
        raise OSError("x\n y" + 300 * "z")

    monkeypatch.setitem(sys.modules, "keras.datasets", keras_datasets(load_data))
    with pytest.raises(mnist_family.Unavailable) as error:
        mnist_family.from_keras(FASHION)
    assert str(error.value) == "OSError: x y" + 197 * "z"
    assert (limits, socket.getdefaulttimeout()) == ([60], None)


def test_the_source_is_said_and_a_plain_file_is_taken_before_a_gzipped_one(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(mnist_family, "say", said.append)
    for name in ("x-idx3", "x.idx3.gz", "x-idx3.gz", "x.idx3"):
        (tmp_path / name).touch()
    found = []
    while path := mnist_family._find("x-idx3", (tmp_path / "none", tmp_path)):
        found.append(path.name)
        path.unlink()
    assert found == ["x-idx3", "x-idx3.gz", "x.idx3", "x.idx3.gz"]
    monkeypatch.setattr(debian, "downloaded", lambda package, out: nullcontext([tmp_path / "usr"]))
    place(tmp_path / "usr")
    assert mnist_family.from_package(FASHION, tmp_path) == CONTENT
    run(tmp_path)
    assert said == [
        "trying to download the Debian package dataset-fashion-mnist (31 MB)",
        "trying to download the Debian package dataset-fashion-mnist (31 MB)",
        "fashion-mnist from the Debian package, downloaded, SHA-256 checked",
    ]


def test_images_and_labels_are_read_with_the_test_set_last(tmp_path):
    place(tmp_path)
    record = mnist_family.read(tmp_path, FASHION)
    assert (record.x.shape, record.y.dtype, record.shape, record.greatest, record.n_test) == (
        (30, 16), np.int64, [28, 28], 255, 10
    )  # fmt: skip
    np.testing.assert_array_equal(record.x[20:], ARRAYS["t10k-images-idx3-ubyte"].reshape(10, 16))
    np.testing.assert_array_equal(record.y[:20], ARRAYS["train-labels-idx1-ubyte"])
    assert record.names[0] == "T-shirt/top" and record.names[-1] == "Ankle boot" and len(record.names) == 10
    assert mnist_family.read(tmp_path, "mnist").names == [*"0123456789"]
