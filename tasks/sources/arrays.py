"""Arrays: .npz with x and y, a pair of .npy files, a pair of IDX files of any size."""

from __future__ import annotations

import mmap
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autoencoders import idx
from tasks.frame.errors import DataError
from tasks.frame.progress import say
from tasks.frame.sections import Fetch
from tasks.sources import contents, parts, train_test
from tasks.sources.contents import Given
from tasks.sources.parts import Part

NUMPY = b"\x93NUMPY"
ROWS, LABELS = ("x", "X", "data"), ("y", "Y", "target")  # the first that is there
PAIRS = (("images", "labels"), ("idx3", "idx1"), ("X", "y"), ("x", "y"), ("data", "labels"))


def labels_of(path: Path) -> Path | None:
    """Return the file of labels beside a file of rows: y.npy for x.npy, train-labels-idx1 for train-images-idx3."""
    name, found = path.name, []
    for old, new in PAIRS:
        name = re.sub(rf"(?<![A-Za-z]){old}(?![A-Za-z])", new, name)
        found += [path.with_name(n) for n in (name, name.removesuffix(".gz"), f"{name}.gz")]
    return next((other for other in found if other.name != path.name and other.is_file()), None)


def read(given: Mapping[str, Given], key: str, options: Fetch) -> Part:
    """Return the rows of the arrays `given[key]`, with the labels of the same file or of the pair's other one.

    Rows are mapped from the file, or from where they were unpacked, and not read.
    """
    source, labels = given[key], given.get("labels" if key == "path" else f"{key}_labels")
    if source.path.suffix.lower() == ".npz":
        return _npz(source, key)
    x = _one(source)
    try:
        return parts.part(x, _one(labels) if labels else None)
    except ValueError as error:
        raise DataError(f"{error} (labels: {labels.path})" if labels else str(error)) from None


def _one(source: Given) -> np.ndarray:
    """Return the array of a .npy or an IDX file."""
    path, name = source.unpacked(), source.path.name
    with path.open("rb") as file:
        is_npy = file.read(len(NUMPY)) == NUMPY
    if not is_npy:
        if ".npy" in name.lower():
            raise DataError(f"{name}: not readable as .npy: it does not begin as numpy.save writes it")
        return idx.parse(_mapped(path))
    try:
        return _npy(path)
    except Exception as error:  # noqa: BLE001 - numpy evaluates the header, which raises errors of many kinds
        raise DataError(f"{name}: not readable as .npy: {' '.join(str(error).split())}") from None


def _mapped(path: Path) -> Any:
    """Return a file's bytes, mapped into memory."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""


def _npy(path: Path) -> np.ndarray:
    """Map a .npy file whose length is that of its header; numpy itself ignores what follows."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        expected = int(np.prod(shape, dtype=object)) * dtype.itemsize
        received = path.stat().st_size - file.tell()
        if not dtype.hasobject and received != expected:
            raise DataError(f"its header promises {expected} bytes (shape {shape}), received {received}")
        if expected and not dtype.hasobject:
            return np.lib.format.open_memmap(path, mode="r")
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)


def _npz(source: Given, key: str) -> Part:
    if not zipfile.is_zipfile(source.path):
        raise DataError("not readable as .npz: not a zip archive, or cut short")
    with contents.damage_named("not readable as .npz"), zipfile.ZipFile(source.path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if {"format", "shape", "data"} <= {*names}:
            raise DataError("expected arrays x and y, received a sparse matrix of scipy: save x=matrix.toarray()")
        if len({*names}) < len(names):
            raise DataError(f"expected distinct names of arrays, received: {', '.join(names[:20])}")
        if key == "path" and train_test.has_splits(names):
            return train_test.part(names, lambda name: _member(archive, name, source.room))
        x, y = (next((name for name in wanted if name in names), None) for wanted in (ROWS, LABELS))
        if x is None or (y is None and key != "unlabelled"):
            missing = " and ".join(name for name, found in (("x", x), ("y", y)) if found is None)
            raise DataError(f"no array {missing}, found: {', '.join(names[:20])}")
        if twice := [wanted[:2] for wanted in (ROWS, LABELS) if {*wanted[:2]} <= {*names}]:
            raise DataError(f"expected one array out of {' and '.join(twice[0])}, received both")
        if others := [name for name in names if name not in (x, y)]:
            say(f"arrays left out: {', '.join(others[:20])}")
        return parts.part(_member(archive, x, source.room), _member(archive, y, source.room) if y else None)


def _member(archive: zipfile.ZipFile, name: str, room: Path) -> np.ndarray:
    """Unpack and map one array; refuse arrays of Python objects, because unpickling can run any code."""
    with archive.open(name if name in archive.namelist() else f"{name}.npy") as packed:
        path = contents.kept(packed, room)  # to its end, where its checksum is checked
    with path.open("rb") as file:
        if file.read(len(NUMPY)) != NUMPY:
            raise DataError(f"array {name}: expected the format of numpy.save, received other bytes")
    try:
        return _npy(path)
    except Exception as error:  # noqa: BLE001 - numpy evaluates the header, which raises errors of many kinds
        raise DataError(f"array {name}: expected plain numbers or strings: {' '.join(str(error).split())}") from None
