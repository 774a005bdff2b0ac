"""The fitted columns of a table on disk: columns.skops, which needs no pickle, and schema.json, which describes it."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import skops.io
from sklearn.compose import ColumnTransformer

from autoencoders import columns, rows
from tasks.frame import files
from tasks.frame.view import Place

FITTED, SCHEMA = "columns.skops", "schema.json"
FUNCTIONS = (columns.numbers, columns.words, columns.days, columns.arranged, columns.cycles, rows.scaled)
TRUSTED = ["numpy.dtype", *(f"{function.__module__}.{function.__name__}" for function in FUNCTIONS)]
ADDRESS = re.compile(rb'(?<="__id__": )\d+|(?<=")\d+(?=\.npy")')
BEGIN = (1980, 1, 1, 0, 0, 0)


def write(folder: Path, fitted: ColumnTransformer, schema: dict[str, Any]) -> None:
    """Write columns.skops and schema.json; equal columns give equal bytes."""
    (folder / FITTED).write_bytes(_canonical(skops.io.dumps(fitted)))
    files.write_json(folder / SCHEMA, schema)


def read(folder: Place) -> tuple[ColumnTransformer, dict[str, Any]]:
    """Read what `write` wrote: of types that skops does not know, the file may hold those of TRUSTED only."""
    fitted = skops.io.load(Path(folder / FITTED), trusted=TRUSTED)
    return fitted, files.read_json(folder / SCHEMA)


def _canonical(content: bytes) -> bytes:
    """Return skops' archive with running numbers in place of memory addresses, and without times."""
    numbers: dict[bytes, bytes] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return numbers.setdefault(found[0], b"%d" % len(numbers))

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {"schema.json": ADDRESS.sub(number, archive.read("schema.json"))}
        for address, k in numbers.items():
            if (name := f"{address.decode()}.npy") in archive.namelist():
                parts[f"{k.decode()}.npy"] = archive.read(name)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name, BEGIN), part, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
