"""Arrays: .npz with x and y, a pair of .npy files, a pair of IDX files of any size."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autoencoders import idx
from tasks.frame.errors import DataError
from tasks.frame.progress import say
from tasks.frame.sections import Fetch
from tasks.sources import parts, train_test
from tasks.sources.contents import Given
from tasks.sources.parts import Part

ROWS, LABELS = ("x", "X"), ("y", "Y")
PAIRS = (("images", "labels"), ("idx3", "idx1"), ("X", "y"), ("x", "y"), ("data", "labels"))


def labels_of(path: Path) -> Path | None:
    """Return the file of labels beside a file of rows: y.npy for x.npy, train-labels-idx1 for train-images-idx3."""
    name, found = path.name, []
    for old, new in PAIRS:
        name = re.sub(rf"(?<![A-Za-z]){old}(?![A-Za-z])", new, name)
        found += [path.with_name(n) for n in (name, name.removesuffix(".gz"), f"{name}.gz")]
    return next((other for other in found if other.name != path.name and other.is_file()), None)


def read(given: Mapping[str, Given], key: str, options: Fetch) -> Part:
    """Return the rows of the arrays `given[key]`, with the labels of the same file or of the pair's other one."""
    source, labels = given[key], given.get("labels" if key == "path" else f"{key}_labels")
    if source.path.suffix.lower() == ".npz":
        return _npz(source.content, key)
    x = _one(source)
    try:
        return parts.part(x, _one(labels) if labels else None)
    except ValueError as error:
        raise DataError(f"{error} (labels: {labels.path})" if labels else str(error)) from None


def _one(source: Given) -> np.ndarray:
    """Return the array of a .npy or an IDX file."""
    content = source.content
    if not content.startswith(b"\x93NUMPY"):
        if ".npy" in source.path.name.lower():
            raise DataError(f"{source.path.name}: not readable as .npy: it does not begin as numpy.save writes it")
        return idx.parse(content)
    try:
        return np.lib.format.read_array(_whole(content), allow_pickle=False)
    except Exception as error:  # noqa: BLE001 - numpy evaluates the header, which raises errors of many kinds
        raise DataError(f"{source.path.name}: not readable as .npy: {' '.join(str(error).split())}") from None


def _whole(content: bytes) -> io.BytesIO:
    """Return a stream of a .npy file whose length is that of its header; numpy itself ignores what follows."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(stream)
    expected = int(np.prod(shape, dtype=object)) * dtype.itemsize
    received = len(content) - stream.tell()
    if not dtype.hasobject and received != expected:
        raise DataError(f"its header promises {expected} bytes (shape {shape}), received {received}")
    return io.BytesIO(content)


def _npz(content: bytes, key: str) -> Part:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise DataError("not readable as .npz: not a zip archive, or cut short")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            names = archive.files
            if {"format", "shape", "data"} <= {*names}:
                raise DataError("expected arrays x and y, received a sparse matrix of scipy: save x=matrix.toarray()")
            if key == "path" and train_test.has_splits(names):
                return train_test.part(names, lambda name: _array(archive, name))
            x, y = (next((name for name in wanted if name in names), None) for wanted in (ROWS, LABELS))
            if x is None or (y is None and key != "unlabelled"):
                missing = " and ".join(name for name, found in (("x", x), ("y", y)) if found is None)
                raise DataError(f"no array {missing}, found: {', '.join(names[:20])}")
            if len({*names}) < len(names):
                raise DataError(f"expected distinct names of arrays, received: {', '.join(names[:20])}")
            if others := [name for name in names if name not in (x, y)]:
                say(f"arrays left out: {', '.join(others[:20])}")
            if twice := [wanted for wanted in (ROWS, LABELS) if {*wanted} <= {*names}]:
                raise DataError(f"expected one array out of {' and '.join(twice[0])}, received both")
            return parts.part(_array(archive, x), _array(archive, y) if y else None)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, KeyError) as error:
        raise DataError(f"not readable as .npz: {' '.join(str(error).split())}") from None


def _array(archive: Any, name: str) -> np.ndarray:
    """Read one array; refuse arrays of Python objects, because unpickling can run any code."""
    try:
        array: np.ndarray = archive[name]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - numpy evaluates the header, which raises errors of many kinds
        raise DataError(f"array {name}: expected plain numbers or strings: {' '.join(str(error).split())}") from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"array {name}: expected the format of numpy.save, received other bytes")
    return array
