"""The file of numbers printed in a book or paper: read and checked, line by line."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.frame.config import PARAMS
from tasks.frame.errors import ConfigError

FOLDER = Path("experiments/printed")  # a dependency of stage `book` in dvc.yaml


class Printed(NamedTuple):
    """A printed number, the name of our metric, the tolerated difference between them, and a note."""

    system: str
    metric: str
    printed: float
    within: float
    note: str


def check(path: str | None) -> None:
    """Raise ConfigError if the file that `book.printed` names is unusable or outside experiments/printed."""
    if path is not None and not Path(os.path.normpath(path)).is_relative_to(FOLDER):
        raise ConfigError(f"{PARAMS}: book.printed: expected a file below {FOLDER}, received {path}")
    read(path)


def read(path: str | None) -> list[Printed]:
    """Read the printed numbers from a CSV with the columns system, metric, printed, within and note.

    Args:
        path: The file; if None, there are no printed numbers.

    Raises: ConfigError, which names the file's first wrong line.
    """
    if path is None:
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: expected a table in UTF-8: {error}") from None
    except FileNotFoundError:
        raise ConfigError(f"{PARAMS}: book.printed: expected a file, received {path}, which does not exist") from None
    except (IsADirectoryError, ValueError):  # a NUL byte in the name
        raise ConfigError(f"{PARAMS}: book.printed: expected a file, received {path!r}") from None
    return [_printed(path, line, row) for line, row in enumerate(rows, start=2)]


def _printed(path: str, line: int, row: Mapping[str, Any]) -> Printed:
    if [*row] != [*Printed._fields] or None in row.values():
        received = ", ".join(str(name) for name, value in row.items() if value is not None)
        raise ConfigError(f"{path}:{line}: expected the columns {', '.join(Printed._fields)}, received {received}")
    for name in ("printed", "within"):
        try:
            is_right = math.isfinite(float(row[name])) and (name == "printed" or float(row[name]) >= 0)
        except ValueError:
            is_right = False
        if not is_right:
            expected = "a number" if name == "printed" else "a number >= 0"
            raise ConfigError(f"{path}:{line}: {name}: expected {expected}, received {row[name]!r}")
    return Printed(row["system"], row["metric"], float(row["printed"]), float(row["within"]), row["note"])
