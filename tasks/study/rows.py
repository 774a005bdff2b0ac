"""The rows of a study's run: training and test rows, those to pretrain on, and their standardisation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from autoencoders.blocks import BY_COLUMN, ByColumn
from autoencoders.choosing import random_rows
from autoencoders.errors import InputError
from autoencoders.label_efficiency import BALANCED, stream
from autoencoders.labels import Rows, labelled_rows
from autoencoders.pieces import Stack
from autoencoders.standardisation import Standardisation
from tasks.frame import files
from tasks.frame.errors import ConfigError, DataError
from tasks.frame.network_section import NO_TABLE
from tasks.frame.sections import Params
from tasks.frame.view import Place, is_there


class Size(NamedTuple):
    """The size of the prepared data: training rows, columns, classes."""

    n_rows: int
    n_columns: int
    n_classes: int


def size(prepared: Place) -> Size:
    """Return the size of data/prepare."""
    n_classes = len(files.read_json(prepared / "manifest.json")["class_names"])
    n_rows, n_columns = files.open_rows(prepared, "train")[0].shape
    return Size(n_rows, n_columns, n_classes)


def metric(params: Params, prepared: Place) -> str:
    """Return the study's metric, `accuracy` or `balanced accuracy`: the given one, else by the labelled rows' classes.

    It is balanced accuracy if a class has under a tenth of all labelled rows, of all splits: a property of the data.

    Raises:
        DataError: A class has fewer than two test rows, on which no error of balanced accuracy can be estimated.
    """
    manifest = files.read_json(prepared / "manifest.json")
    counts = {split: np.array(own["class_counts"]) for split, own in manifest["splits"].items()}
    total = np.sum([*counts.values()], axis=0)
    found = params.label_curve.metric or (BALANCED if 10 * total.min() < total.sum() else "accuracy")
    if found == BALANCED and (n := counts["test"]).min() < 2:
        raise DataError(
            f"{prepared / 'manifest.json'}: test rows of class {manifest['class_names'][n.argmin()]!r}: expected 2 or"
            f" more for balanced accuracy, received {n.min()}: raise prepare.n_test, or set label_curve.metric to"
            " accuracy"
        )
    return found


def seed(params: Params, run: int, role: str) -> int:
    """Return the seed of a role in a run; a role that does not vary has the first run's seed."""
    return stream(params.seed, run if role in params.label_curve.vary else 0, role)


def unlabelled(params: Params, n: int, run: int) -> np.ndarray | None:
    """Return the numbers of the training rows to pretrain on, out of n; None for all of them."""
    some = params.label_curve.n_to_pretrain_on(n)
    return None if some == n else _drawn(n, some, seed(params, run, "unlabelled"))


def taken(params: Params, learner: str, n: int, run: int) -> np.ndarray:
    """Return the numbers of the unlabelled rows that a learner takes, out of n training rows.

    A study with so small an `n_unlabelled` would pretrain on these rows.
    """
    c = params.label_curve
    some = min(int(c.learners[learner]["n_unlabelled"]), c.n_to_pretrain_on(n))
    return _drawn(n, some, seed(params, run, "unlabelled"))


@lru_cache(maxsize=4)  # every cell's key asks, most for the same rows
def _drawn(n: int, some: int, seed: int) -> np.ndarray:
    found = np.sort(random_rows(n, some, seed=seed))
    found.setflags(write=False)
    return found


def schema(params: Params, prepared: Place) -> Place | None:
    """Return the file of the table's blocks if the loss needs them; ConfigError if the data are no table."""
    if params.label_curve.network.training.loss != BY_COLUMN:
        return None
    if not is_there(prepared / files.SCHEMA):
        raise ConfigError(NO_TABLE)
    return prepared / files.SCHEMA


def by_column(params: Params, prepared: Place, width: int) -> ByColumn | None:
    """Return the loss by column of a table of `width` columns; None if the study has another loss."""
    if (path := schema(params, prepared)) is None:
        return None
    try:
        loss = ByColumn.of(files.read_json(path)["blocks"])
    except InputError as error:
        raise DataError(f"{path}: {error}") from None
    if loss.width != width:
        raise DataError(f"{path}: expected blocks of {width} columns, as train.npy has, received {loss.width}")
    return loss


def inputs(params: Params, prepared: Place) -> dict[str, Any]:
    """Return what every cell's key holds of the rows: hashes of files, and whether rows are images."""
    found = {name: files.md5(prepared / f"{name}.npy") for name in ("train", "train_labels", "test", "test_labels")}
    return {
        **found,
        "scale": files.md5(prepared / "scale.json"),
        "images": _are_images(prepared),
        "standardised": params.label_curve.standardised,
    }


def drawn(params: Params, n: int, run: int) -> dict[str, Any]:
    """Return what a run's draws add to a cell's key: the unlabelled rows, and the split."""
    some = unlabelled(params, n, run)
    return {
        "unlabelled": None if some is None else hashlib.sha256(some.tobytes()).hexdigest(),
        "split": seed(params, run, "split") if "split" in params.label_curve.vary else None,
    }


@dataclass(frozen=True)
class RunRows:
    """A run's rows as `prepare` wrote them, and the study's view of them, which is read when it is taken.

    Attributes:
        x, x_test: uint8 to divide by the scale, or float32, (n, d); mapped from files.
        labels, labels_test: int64 (n,).
        chosen: Numbers of the training rows to pretrain on; None for all.
        images: Whether rows are images.
        standardised: Whether every arm sees standardised rows.
    """

    x: np.ndarray | Stack
    labels: np.ndarray
    x_test: np.ndarray | Stack
    labels_test: np.ndarray
    scale: float
    chosen: np.ndarray | None
    images: bool
    standardised: bool

    @cached_property
    def unlabelled(self) -> np.ndarray:
        """Return the rows to pretrain on: read once into memory, unless they are all rows of one file."""
        if self.chosen is not None:
            return self.x[self.chosen]
        return self.x[:] if isinstance(self.x, Stack) else self.x

    @cached_property
    def standardisation(self) -> Standardisation | None:
        """Return the map of the rows, from the rows to pretrain on; None for none."""
        if not self.standardised:
            return None
        fit = Standardisation.of_images if self.images else Standardisation.of_columns
        return fit(self.unlabelled, self.scale)

    def mapped(self, x: np.ndarray) -> np.ndarray:
        """Return rows as every arm sees them, float32 (n, d)."""
        scaled = files.floats(x, self.scale)
        return scaled if self.standardisation is None else self.standardisation(scaled)

    @property
    def train(self) -> Rows:
        """Return the training rows as every arm sees them."""
        return Rows(self.view(self.x), self.labels)

    @property
    def test(self) -> Rows:
        """Return the test rows as every arm sees them."""
        return Rows(self.view(self.x_test), self.labels_test)

    def view(self, x: np.ndarray | Stack) -> Stack:
        """Return rows as every arm sees them, which are mapped when they are taken."""
        return (x if isinstance(x, Stack) else Stack(x)).mapped(self.mapped)


def of_run(params: Params, prepared: Place, run: int) -> RunRows:
    """Read a run's rows; where `split` varies, draw the test rows anew from all rows with a label."""
    x: Any
    x_test: Any
    (x, scale), (x_test, _) = (files.open_rows(prepared, split) for split in ("train", "test"))
    labels, labels_test = (files.read_labels(prepared, split) for split in ("train", "test"))
    c = params.label_curve
    if "split" in c.vary:
        both = np.concatenate([labels, labels_test])
        train, test = resplit(both, len(x_test), seed=seed(params, run, "split"))
        x, x_test = (Stack(x, x_test, numbers=numbers) for numbers in (train, test))
        labels, labels_test = both[train], both[test]
    chosen = unlabelled(params, len(x), run)
    return RunRows(x, labels, x_test, labels_test, scale, chosen, _are_images(prepared), c.standardised)


def resplit(labels: np.ndarray, n_test: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw test rows, stratified by class, from the rows with a label; return the numbers of training and test rows."""
    from sklearn.model_selection import train_test_split  # takes a second, which the keys save

    known = labelled_rows(labels)
    _, held = train_test_split(known, test_size=n_test, stratify=labels[known], random_state=seed)
    is_test = np.zeros(len(labels), bool)
    is_test[held] = True
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def _are_images(prepared: Place) -> bool:
    return files.read_json(prepared / "manifest.json")["image_shape"] is not None
