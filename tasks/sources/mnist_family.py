"""Fashion-MNIST and MNIST: four files each, checked by SHA-256.

Fashion-MNIST comes from the first source that has it: files that the user placed under data/raw, the Debian package
dataset-fashion-mnist, keras.datasets. From every source, the four decompressed files must have the sizes and SHA-256
below; the .gz files differ between mirrors and are not checked. MNIST's files are placed by the user.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np

from autoencoders import idx
from autoencoders.errors import InputError
from tasks.frame.datasets import Record
from tasks.frame.errors import DataError
from tasks.frame.progress import say
from tasks.frame.sections import Fetch
from tasks.sources import debian

SIZES = {
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}
SHA256 = {
    "fashion-mnist": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    "mnist": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
}
PACKAGE = "dataset-fashion-mnist"
NAMES = {
    "fashion-mnist": [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ],
    "mnist": [str(k) for k in range(10)],
}  # fmt: skip
Images = dict[str, bytes]


class Unavailable(Exception):
    """A source has no data; the message gives the reason in one line."""


def obtain(options: Fetch, raw: Path, out: Path) -> None:
    """Write the four files, decompressed, from the first source that has them."""
    dataset = options.dataset
    sources: dict[str, Callable[[], Images]] = {
        "files under data/raw": lambda: from_folders(dataset, raw / dataset, *([raw] if dataset != "mnist" else [])),
    }
    if dataset == "fashion-mnist":
        sources["the Debian package, installed"] = lambda: from_folders(dataset, *debian.installed_folders(PACKAGE))
        sources["the Debian package, downloaded"] = lambda: from_package(dataset, out)
        sources["keras.datasets"] = lambda: from_keras(dataset)
    refusals: list[str] = []
    for name, source in sources.items():
        try:
            found = source()
        except (Unavailable, debian.NoPackage, DataError) as refusal:
            if isinstance(refusal, DataError) and not refusals:  # files that the user placed must be valid
                raise DataError(f"{refusal}. Replace the file, or delete it to use another source") from None
            refusals.append(f"{name}: {refusal}")
        else:
            say(f"{dataset} from {name}, SHA-256 checked")
            for file, content in found.items():
                (out / file).write_bytes(content)
            return
    raise FileNotFoundError(
        f"no source has {dataset}; place its four files, as they are or gzipped, under {raw / dataset}"
        f" ({', '.join(SIZES)}). Tried: {'; '.join(refusals)}"
    )


def from_folders(dataset: str, *folders: Path) -> Images:
    """Read the four files, plain or gzipped, from the first of `folders` that has each.

    Raises: Unavailable if a file is missing; DataError if a file is not valid.
    """
    paths = {name: _find(name, folders) for name in SIZES}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        have = f"{len(SIZES) - len(missing)} of {len(SIZES)} files, missing {', '.join(missing)}"
        raise Unavailable("no files" if len(missing) == len(SIZES) else have)
    return {name: read_checked(path, dataset, name) for name, path in paths.items() if path}


def _find(name: str, folders: tuple[Path, ...]) -> Path | None:
    """Return the path of file `name` in `folders`, plain or gzipped, also with some mirrors' `.idx` for `-idx`."""
    spellings = [name, name.replace("-idx", ".idx")]
    candidates = [folder / (s + end) for folder in folders for s in spellings for end in ("", ".gz")]
    return next((path for path in candidates if path.is_file()), None)


def read_checked(path: Path, dataset: str, name: str) -> bytes:
    """Read, decompress and check a file; DataError names the file and the error."""
    try:
        with path.open("rb") as file:
            content = idx.unpack(file, SIZES[name])
        idx.parse(content)
    except InputError as error:
        raise DataError(f"{path}: {error}") from None
    return check(content, dataset, name, where=str(path))


def check(content: bytes, dataset: str, name: str, *, where: str) -> bytes:
    """Return `content` if its SHA-256 is that of file `name`; else raise DataError with both hashes."""
    expected, received = SHA256[dataset][name], hashlib.sha256(content).hexdigest()
    if received != expected:
        raise DataError(f"{where}: SHA-256 of the decompressed bytes {received}, expected {expected} for {dataset}")
    return content


def from_package(dataset: str, out: Path) -> Images:
    """Download the Debian package, unpack it without root, and read its files."""
    say(f"trying to download the Debian package {PACKAGE} (31 MB)")
    with debian.downloaded(PACKAGE, out) as folders:
        return from_folders(dataset, *folders)


def from_keras(dataset: str) -> Images:
    """Download with keras.datasets, and encode the arrays as IDX files again."""
    say("trying to download by keras.datasets (31 MB)")
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(60)  # without a limit, a network that drops packets would block the run for ever
    try:
        from keras.datasets import fashion_mnist

        (train_images, train_labels), (test_images, test_labels) = fashion_mnist.load_data()
    except Exception as error:  # noqa: BLE001 - Keras raises a bare Exception without internet
        raise Unavailable(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from None
    finally:
        socket.setdefaulttimeout(timeout)
    arrays = dict(zip(SIZES, (train_images, train_labels, test_images, test_labels), strict=True))
    return {name: check(idx.encode(a), dataset, name, where=f"keras.datasets, {name}") for name, a in arrays.items()}


def read(folder: Path, dataset: str) -> Record:
    """Return the images and labels of the four files, the official test set last."""
    arrays = [idx.parse((folder / name).read_bytes()) for name in SIZES]
    images, labels = np.concatenate(arrays[::2]), np.concatenate(arrays[1::2]).astype(np.int64)
    return Record(images.reshape(len(images), -1), labels, NAMES[dataset], [28, 28], 255, len(arrays[2]))
