"""Arrays, JSON and tables on disk; equal content gives equal bytes. Errors of a full disk name the disk."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tasks.frame.errors import DataError, FullDisk
from tasks.frame.view import Place

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "schema.json"  # in data/prepare of a table: its columns, and their blocks in the arrays
FULL = (errno.ENOSPC, errno.EDQUOT)
LITTLE = 2**20  # free bytes below which a disk counts as full, if a write failed without a reason


def open_rows(folder: Place, split: str) -> tuple[np.ndarray, float]:
    """Map one split of the images or codings into memory, in the type that it has on disk.

    Args:
        folder: data/prepare or data/encode/K.
        split: train, valid or test.

    Returns: Rows, uint8 or float32 (n, d), read-only; and the divisor that scales uint8 to [0, 1].
    """
    rows = read_array(folder / f"{split}.npy", "r")
    return rows, float(read_json(folder / "scale.json")["scale"]) if rows.dtype == np.uint8 else 1.0


def read_rows(folder: Place, split: str) -> np.ndarray:
    """Read one split into memory (arguments as in `open_rows`): float32 (n, d); images in [0, 1]."""
    return floats(*open_rows(folder, split))


def floats(rows: np.ndarray, scale: float) -> np.ndarray:
    """Return rows as float32, in memory; uint8 is divided by the scale."""
    return rows.astype(np.float32) / np.float32(scale) if rows.dtype == np.uint8 else np.array(rows)


def map_rows(
    source: Place, target: Path, function: Callable[[np.ndarray], np.ndarray], *, width: int, at_a_time: int
) -> None:
    """Write function(rows), float32 (n, width), for an array of n rows, in parts, which keeps memory use low.

    Each part maps both files again, which releases the memory of the part before.
    """
    n = len(read_array(source, "r"))
    new_array(target, (n, width), np.dtype(np.float32))
    for start in range(0, n, at_a_time):
        part = slice(start, min(start + at_a_time, n))
        read_array(target, "r+")[part] = function(read_array(source, "r")[part])


def new_array(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Make a file as numpy.save writes it, with room on the disk, and map it into memory to be filled."""
    array: np.ndarray = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    _allocate(path)
    return array


def sha256(path: Place) -> str:
    """Return a file's SHA-256: 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _allocate(path: Path) -> None:
    """Reserve disk space for a whole file; otherwise a full disk kills the process by a silent bus error."""
    if sys.platform != "linux":
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None  # the original error names no file


def read_labels(folder: Place, split: str) -> np.ndarray:
    """Read one split's labels from data/prepare: int64 (n,)."""
    return read_array(folder / f"{split}_labels.npy")


def read_array(path: Place, mmap_mode: Literal["r", "r+"] | None = None) -> np.ndarray:
    """Read an array that numpy.save wrote, or map it into memory."""
    try:
        return np.load(Path(path), mmap_mode, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: expected an array as numpy.save writes it: {error}") from None


def md5(path: Place) -> str:
    """Return a file's MD5, as in dvc.lock: 32 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def data_hash(folder: Place) -> str:
    """Return DVC's hash of a folder, as in dvc.lock: 32 hex digits and `.dir`.

    Computed from the files and not read from dvc.lock, which has the folder only after its stage, and may be
    incomplete while other stages end.
    """
    entries = []
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        entries.append({"md5": md5(path), "relpath": path.relative_to(folder).as_posix()})
    entries.sort(key=lambda entry: entry["relpath"])
    listing = json.dumps(entries, sort_keys=True).encode()
    return hashlib.md5(listing, usedforsecurity=False).hexdigest() + ".dir"


def write_json(path: Path, content: Any) -> None:
    """Write JSON in canonical form: sorted keys, numbers in full precision, a final newline."""
    try:
        text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise DataError(f"{path}: expected finite numbers: {error}") from None
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Place) -> Any:
    """Read JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: expected JSON: {error}") from None


def write_table(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV, the first row's keys as header; read it back with pandas."""
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_table(path: Place, **types: Any) -> pd.DataFrame:
    """Read a CSV that a stage wrote: numbers in full precision; only empty cells and `nan` are missing values.

    Args:
        path: The file.
        types: Column types that pandas cannot infer, such as float32.
    """
    import pandas as pd  # takes 0.5 s, which processes without tables save

    return pd.read_csv(path, keep_default_na=False, na_values=["", "nan"], dtype=types)


def last(history: list[dict[str, float]]) -> dict[str, float]:
    """Return the last epoch's metrics."""
    return {name: value for name, value in history[-1].items() if name != "epoch"}


@contextmanager
def full_disk_named(*folders: Path) -> Iterator[None]:
    """Raise FullDisk, which names the full folder, if a write in the block fails for lack of space."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        if full := full_disk(error, *folders):
            raise full from error
        raise


def full_disk(error: BaseException, *folders: Path) -> FullDisk | None:
    """Return an error that names the full disk, if that is why a write failed; few libraries name it themselves."""
    number, said = getattr(error, "errno", None), str(error)
    if isinstance(error, ConnectionError) or number not in (None, *FULL):
        return None
    named = getattr(error, "filename2", None) or getattr(error, "filename", None)
    free = {shutil.disk_usage(folder).free: folder for folder in reversed(folders) if folder.exists()}
    if number not in FULL and "disk is full" not in said and min(free, default=LITTLE) >= LITTLE:
        return None
    where = named or (free[min(free)] if free else "one of its folders")
    return FullDisk(f"{where}: no space left on its disk; free some and run again, which goes on from here")
