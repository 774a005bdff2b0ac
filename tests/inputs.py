"""Input files of every kind, made by seed: tables, arrays and images as bytes.

tests/inputs_read.py and tests/inputs_refused.py list kinds of input, each with what is to come of it.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import rdata
from PIL import Image
from scipy import sparse

from tasks.sources import features, stored

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)).round(2)
Y = ["cat", "dog"] * 6
TABLE = pd.DataFrame(X, columns=["a", "b", "c"]).assign(label=Y)
PIXELS = RNG.integers(2, 256, (6, 5, 4)).astype(np.uint8)
COLOUR = RNG.integers(2, 256, (6, 5, 4, 3)).astype(np.uint8)
CLASSES = [0, 1] * 3
UNUSED: dict[str, Any] = {  # the settings of `fetch` for data that need none
    "path": None, "labels": None, "unlabelled": None, "test": None, "sha256": None, "label": "label",
    "missing_labels": [], "split": None, "group": None, "ignore": [], "header": None, "kinds": {}, "missing": [],
    "delimiter": None, "decimal": None,
}  # fmt: skip
NAMES = ["cat", "dog"]


NUMBERS = [0, 1] * 6
EURO: dict[str, Any] = {"sep": ";", "decimal": ","}


@dataclass(frozen=True)
class Kind:
    """Files, the first of which is `fetch.path`, the settings, and what is to come of them.

    Attributes:
        words: What it is.
        files: Contents by name; a name with a slash lies in a folder.
        refused: Words of the refusal; empty if the files are read as `x`, `y` and `names`.
        says: Words of a line that is printed.
    """

    words: str
    files: dict[str, bytes]
    refused: str = ""
    x: Any = None
    y: Any = None
    names: list[str] = field(default_factory=lambda: NAMES)
    says: str = ""
    n_test: int = 0
    settings: dict[str, Any] = field(default_factory=dict)


def text(table: pd.DataFrame = TABLE, encoding: str = "utf-8", **options: Any) -> bytes:
    return table.to_csv(index=False, **options).encode(encoding)


def bare(table: pd.DataFrame = TABLE, **options: Any) -> bytes:
    """Return a table as text without a header."""
    return text(table, header=False, **options)


def rda(**objects: Any) -> bytes:
    """Return objects as R's save writes them, tables as data frames."""
    return _by_rdata(rdata.write_rda, {name: _for_r(value) for name, value in objects.items()})


def rds(table: pd.DataFrame = TABLE) -> bytes:
    return _by_rdata(rdata.write_rds, _for_r(table))


def _by_rdata(write: Callable[..., None], value: Any) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        write(f"{place}/d.rda", value)
        return Path(f"{place}/d.rda").read_bytes()


def _for_r(value: Any) -> Any:
    if not isinstance(value, pd.DataFrame):
        return value
    words = {name: "string[python]" for name in value if pd.api.types.is_string_dtype(value[name].dtype)}
    return value.astype(words).set_axis(pd.RangeIndex(1, len(value) + 1))


def parquet(table: pd.DataFrame = TABLE) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array))
    return buffer.getvalue()


def picture(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def folder(pixels: np.ndarray = PIXELS, root: str = "d", **more: bytes) -> dict[str, bytes]:
    """Return images in two folders of classes, in the order in which they are read."""
    return {f"{root}/{NAMES[k // 3]}/{k}.png": picture(p) for k, p in enumerate(pixels)} | {
        f"{root}/{name}": content for name, content in more.items()
    }


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def sparse_npz() -> bytes:
    buffer = io.BytesIO()
    sparse.save_npz(buffer, sparse.csr_matrix(X))
    return buffer.getvalue()


def turned() -> bytes:
    """Return a picture that its EXIF data turn upright by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(np.rot90(PIXELS[0]).copy(), exif=exif)


def labelled(*labels: Any) -> pd.DataFrame:
    """Return the table with other labels, repeated."""
    return TABLE.assign(label=[labels[k % len(labels)] for k in range(len(TABLE))])


def column(name: str, *cells: Any) -> pd.DataFrame:
    """Return the table with one more column, its cells repeated."""
    return TABLE.assign(**{name: [cells[k % len(cells)] for k in range(len(TABLE))]})


def write_table(path: Path, table: pd.DataFrame, ignored: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write a table as stage `fetch` does."""
    features.write(path, arrow(table), ignored)


def arrow(table: pd.DataFrame) -> pa.Table:
    """Return a table as parts have it."""
    return stored.by_column(((str(name), stored.array(column)) for name, column in table.items()), None)


def table_in(path: Path) -> pd.DataFrame:
    """Return the table that stage `fetch` wrote."""
    return pd.concat(features.Table(path).pieces(), ignore_index=True)
