"""The data sets that `fetch.dataset` may name, each with the module of this folder that obtains and reads it.

Such a module has two functions. `obtain(options, raw, out)` returns the raw files, as name -> bytes, for stage `fetch`
to write; `read(folder, dataset)` returns the `Record` of the files in `folder`, for stage `prepare`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # the parameter check knows the names from here, before anything heavy is imported
    import numpy as np

DATASETS = {"fashion-mnist": "mnist_family", "mnist": "mnist_family", "digits": "digits", "file": "own_data"}


class Record(NamedTuple):
    """A data set: rows x (n, d), labels y int64 (n,), and what is known of them.

    Attributes:
        x: Rows, uint8 or float64.
        y: Labels, UNLABELLED where a row has none.
        names: Of the classes, by label.
        shape: Of an image; None for a table.
        greatest: The largest value that a pixel can have; None for features of any range.
        n_test: Rows at the end that are the official test set; 0 without one.
    """

    x: np.ndarray
    y: np.ndarray
    names: list[str]
    shape: list[int] | None
    greatest: int | None
    n_test: int


def source(dataset: str) -> Any:
    """Return the module that obtains and reads a data set."""
    return import_module(f"tasks.sources.{DATASETS[dataset]}")
