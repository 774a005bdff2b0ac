"""The table of data sets: each name that `fetch.dataset` may have, and the module of tasks/sources that reads it.

Such a module has two functions. `obtain(options, raw, out)` writes the checked raw files into `out`, for stage `fetch`;
`read(folder, dataset)` returns the `Record` of the files in `folder`, for stage `prepare`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # the parameter check imports this module and must stay fast
    import numpy as np

    from tasks.sources.features import Table

DATASETS = {"fashion-mnist": "mnist_family", "mnist": "mnist_family", "digits": "digits", "file": "own_data"}


class Record(NamedTuple):
    """A data set: rows x (n, d), labels y int64 (n,), and their description.

    Attributes:
        x: Rows, of any type whose numbers float64 holds, in memory or mapped from a file; (n, 0) with a table.
        y: Labels; UNLABELLED for a row without one.
        names: Names of the classes, by label.
        shape: Shape of an image; None for a table.
        greatest: The largest value that a pixel can have; None for features of any range.
        n_test: Rows at the end that are the official test set; 0 without one.
        draws_valid: Whether validation rows are drawn by seed beside such a test set, not the last ones before it.
        groups: Numbers of groups that are not to be divided between splits, int64 (n,); None without groups.
        table: Columns of several kinds, n rows, read in pieces; None where x has the rows.
        ignored: Columns that were left out of the table, and why.
    """

    x: np.ndarray
    y: np.ndarray
    names: list[str]
    shape: list[int] | None
    greatest: int | None
    n_test: int
    draws_valid: bool = False
    groups: np.ndarray | None = None
    table: Table | None = None
    ignored: dict[str, str] | None = None


def source(dataset: str) -> Any:
    """Return the module that obtains and reads a data set."""
    return import_module(f"tasks.sources.{DATASETS[dataset]}")
