"""Arrays and tables on disk: the same bytes for the same content."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def read_rows(folder: Path, split: str) -> np.ndarray:
    """Read one split of the images or of codings.

    Args:
        folder: data/prepare or data/encode/K.
        split: train, valid or test.

    Returns: float32 (n, d); images in [0, 1].
    """
    rows = _read_array(folder / f"{split}.npy")
    if rows.dtype == np.uint8:
        return rows.astype(np.float32) / np.float32(read_json(folder / "scale.json")["scale"])
    return rows


def read_labels(folder: Path, split: str) -> np.ndarray:
    """Read one split's labels from data/prepare: int64 (n,)."""
    return _read_array(folder / f"{split}_labels.npy")


def _read_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: expected an array as numpy.save writes it: {error}") from None


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one form only: sorted keys, numbers in full, a newline at the end."""
    try:
        text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path}: expected finite numbers: {error}") from None
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON: {error}") from None


def write_table(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV, the first row's keys as header; read it back with pandas."""
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def last(history: list[dict[str, float]]) -> dict[str, float]:
    """Return the last epoch's metrics."""
    return {name: value for name, value in history[-1].items() if name != "epoch"}
