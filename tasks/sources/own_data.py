"""The user's own data: one .npz, .csv or .parquet file, pinned by its SHA-256, read and checked.

Messages count rows and columns from 1, without a table's header.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autoencoders import rows
from tasks.frame.config import PARAMS
from tasks.frame.datasets import Record
from tasks.frame.errors import ConfigError, DataError
from tasks.frame.sections import Fetch

FILE = "data.npz"


def obtain(options: Fetch, raw: Path, out: Path) -> dict[str, bytes]:
    """Return the data of the file that `options` names, checked, as one .npz file."""
    return {FILE: packed(options)}


def read(folder: Path, dataset: str) -> Record:
    """Return the data set; images of uint8 have pixels up to 255, other features have any range."""
    with np.load(folder / FILE, allow_pickle=False) as archive:
        x, y, names = archive["x"], archive["y"], archive["names"].tolist()
    shape = [size for size in x.shape[1:] if size > 1]  # a channel axis of size 1 is dropped
    greatest = 255 if x.dtype == np.uint8 else None
    return Record(x.reshape(len(x), -1), y, names, shape if len(shape) > 1 else None, greatest, 0)


def packed(options: Fetch) -> bytes:
    """Read and check the file that `options` names.

    Returns: Bytes of an .npz file: x (n, ...) uint8 for images, else float64; y int64 (n,), UNLABELLED for rows
        without a label; names (k,) of the classes.
    Raises: ConfigError if fetch.path or fetch.sha256 is wrong; DataError, with the path, if the content is not valid.
    """
    path = Path(options.path or "")
    if path.suffix not in READERS:
        raise ConfigError(f"{PARAMS}: fetch.path: expected a file ending in {', '.join(READERS)}, received {path}")
    if not path.is_file():
        raise ConfigError(f"{PARAMS}: fetch.path: no file {path}")
    content = path.read_bytes()  # read once, so that the checked bytes are used even if the file changes meanwhile
    digest = hashlib.sha256(content).hexdigest()
    if digest != options.sha256:
        raise ConfigError(
            f"{PARAMS}: fetch.sha256: expected the SHA-256 of {path}, {digest}, received {options.sha256};"
            " if this is the file you mean, set fetch.sha256 to it, there or in the experiment's file, so that the run"
            " is tied to these data"
        )
    try:
        x, labels = READERS[path.suffix](content, options.label)
        return _checked(x, labels)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def _checked(x: np.ndarray, labels: np.ndarray) -> bytes:
    """Check features (n, ...) and labels (n,), and return them as the bytes of an .npz file."""
    if labels.ndim != 1 or x.ndim < 2 or len(x) != len(labels):
        raise DataError(f"expected x (n, ...) and y (n,), received {x.shape} and {labels.shape}")
    if len(x) < 2 or x.size == 0:
        raise DataError(f"expected 2 rows or more with 1 feature or more, received x of shape {x.shape}")
    if x.dtype.kind not in "buif":
        raise DataError(f"expected x of a numeric type, received {x.dtype}")
    rows.finite(x)
    is_image = x.ndim > 2 and x.dtype == np.uint8
    if is_image and x.max() <= 1:
        raise DataError(
            "expected pixels from 0 to 255 in x of type uint8, received nothing above 1; give 0/1 as floats"
        )
    y, names = rows.classes(labels)
    buffer = io.BytesIO()
    np.savez(buffer, x=x if is_image else x.astype(np.float64), y=y, names=np.array(names))
    return buffer.getvalue()


def _npz(content: bytes, label: str) -> tuple[np.ndarray, np.ndarray]:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise DataError("not readable as .npz: not a zip archive, or cut short")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            if missing := {"x", "y"} - set(archive.files):
                raise DataError(f"no array {' and '.join(sorted(missing))}, found: {', '.join(archive.files)}")
            return _array(archive, "x"), _array(archive, "y")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise DataError(f"not readable as .npz: {error}") from None


def _array(archive: Any, name: str) -> np.ndarray:
    """Read one array; refuse arrays of Python objects, because unpickling can run any code."""
    try:
        array: np.ndarray = archive[name]
    except ValueError as error:
        raise DataError(f"array {name}: expected plain numbers or strings: {error}") from None
    return array


def _csv(content: bytes, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a CSV file; only empty cells are missing values or labels: "None" and "NA" are strings."""
    try:
        stream = io.StringIO(content.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 at byte {error.start}") from None
    header = next(
        csv.reader(stream), []
    )  # read separately: pandas renames duplicate columns, and drops some extra columns
    dtype = {header.index(label): str} if label in header else None
    try:
        table = pd.read_csv(stream, header=None, dtype=dtype, keep_default_na=False, na_values=[""])
    except pd.errors.EmptyDataError:
        raise DataError("no rows") from None
    except pd.errors.ParserError as error:
        raise DataError(f"not readable as CSV: {' '.join(str(error).split())}") from None
    if table.shape[1] != len(header):
        raise DataError(f"expected the {len(header)} columns of the header in every row, received {table.shape[1]}")
    table.columns = pd.Index(header)
    return rows.features_and_labels(table, label)


def _parquet(content: bytes, label: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        table = pd.read_parquet(io.BytesIO(content))
    except (OSError, ValueError) as error:
        raise DataError(f"not readable as parquet: {' '.join(str(error).split())}") from None
    return rows.features_and_labels(table, label)


READERS: dict[str, Callable[[bytes, str], tuple[np.ndarray, np.ndarray]]] = {
    ".npz": _npz,
    ".csv": _csv,
    ".parquet": _parquet,
}
