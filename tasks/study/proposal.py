"""Choose a study's sizes for the user's own data: each value with its reason, from rows, columns and classes.

The rules are plain and stand in the experiment's file as comments; any value may be edited there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from autoencoders import columns
from autoencoders.rows import grouped_split
from tasks.frame import sizes
from tasks.frame.datasets import Record
from tasks.frame.errors import DataError
from tasks.sources.labelling import NUMBER

MOST_LABELS = 5000
MANY = 10  # classes
LEAST_BALANCED = 5  # labelled rows of a class, of which two are for testing (rows.stratified_split)
FEW_OF_A_CLASS = 30  # labelled rows, about ten of them for testing
MOST_REPEATED = 0.02  # share of the rows
HARDLY_REPEATED = 0.9  # share of the different rows from which a column's values tell them apart
MOST_ROWS = 20_000  # of a table, from which its columns are counted
N_BUDGETS = 6
STEPS = 5000  # of pretraining
ARMS = ("logistic regression", "SVM", "kNN", "extra trees", "gradient boosting", "PCA + logistic regression",
        "linear probe", "random features", "frozen encoder", "LP-FT", "fine-tuned", "from scratch")  # fmt: skip


class Facts(NamedTuple):
    """The data's rows, columns and classes.

    Attributes:
        name: A name for titles.
        path: The file or folder, as `fetch.path` has it.
        kind: `images`, `table` (columns of several kinds) or `numbers`.
        n_columns: Columns that a network sees.
        class_counts: Labelled rows of each class that are not in a test set of the user's own.
        n_unlabelled: Rows without a label.
        n_test: Rows of a test set of the user's own; 0 without one.
        repeated: Share of the rows that occur more than once.
        names: The classes, in the order of their counts.
        unlike: A column whose values hardly repeat though rows do, so that these are copies; empty if there is none.
        grouped: Labels and groups of the rows that are not in a test set of the user's own, int64 (n,) each, and the
            seed of their split; None without groups.
    """

    name: str
    path: str
    kind: str
    n_columns: int
    class_counts: Sequence[int]
    n_unlabelled: int
    n_test: int
    repeated: float = 0.0
    names: Sequence[str] = ()
    unlike: str = ""
    grouped: tuple[np.ndarray, np.ndarray, int] | None = None

    @classmethod
    def of(cls, record: Record, name: str, path: str, seed: int = 0) -> Facts:
        """Return the facts of the data that stage `fetch` wrote."""
        labels = record.y[: len(record.y) - record.n_test]
        counts = np.bincount(labels[labels >= 0], minlength=len(record.names)).tolist()
        n_missing = int((labels < 0).sum())
        if record.table is None:
            kind = "images" if record.greatest else "numbers"
            return cls(name, path, kind, record.x.shape[1], counts, n_missing, record.n_test, names=record.names)
        n = len(record.table)
        some = record.table.at(np.random.default_rng(0).choice(n, min(n, MOST_ROWS), replace=False))
        n_columns = columns.transform(columns.fit(some), some[:1]).shape[1]
        _, times = np.unique(record.table.fingerprints(), return_counts=True)
        repeated = float(times[times > 1].sum() / n)
        unlike = _unlike(some) if repeated > MOST_REPEATED and record.groups is None else ""
        grouped = None if record.groups is None else (labels, record.groups[: len(labels)], seed)
        return cls(
            name, path, "table", n_columns, counts, n_missing, record.n_test, repeated, record.names, unlike, grouped
        )

    @property
    def n_labelled(self) -> int:
        """Return the number of labelled rows that are not in the user's own test set."""
        return sum(self.class_counts)

    def told(self) -> str:
        """Return a phrase that says what the data are."""
        least, most = min(self.class_counts), max(self.class_counts)
        test = f", {self.n_test:,} test rows" if self.n_test else ""
        return (
            f"{self.path}: {self.kind}, {self.n_columns:,} columns, {len(self.class_counts)} classes of {least:,} to"
            f" {most:,} labelled rows, {self.n_unlabelled:,} rows without a label{test}"
        )


class Choice(NamedTuple):
    """A parameter, by its dotted key, its value, and the reason, which may be empty."""

    key: str
    value: Any
    reason: str = ""


def choices(facts: Facts) -> list[Choice]:
    """Return a value for every size of the study, and for those sizes of the book's stages that could not fit.

    Raises:
        DataError: There are too few labelled rows for two label budgets, or for a class to be in every split.
    """
    n_valid, n_test = sizes.held_out(facts.n_labelled, len(facts.class_counts), facts.n_test > 0)
    n_labels = _left(facts, n_valid, n_test)
    n_rows = n_labels + facts.n_unlabelled
    budgets = _budgets(n_labels, len(facts.class_counts), facts)
    _refuse_rare(facts)
    return [
        *_splits(facts, n_valid, n_test),
        *_questions(facts, budgets, n_labels),
        *_network(facts, n_rows),
        *_book(facts, n_rows, n_valid, budgets),
        Choice("report.title", f"Does pretraining pay on {facts.name}?"),
        Choice("report.source", facts.path),
    ]


def _left(facts: Facts, n_valid: int, n_test: int) -> int:
    """Return the labelled training rows; DataError if a class's groups, which stay whole, are not in every split."""
    if facts.grouped is None:
        return facts.n_labelled - n_valid - n_test
    y, groups, seed = facts.grouped
    picks = grouped_split(y, groups, n_valid=n_valid, n_test=n_test, seed=seed)[: 2 + (n_test > 0)]
    there = [np.bincount(y[pick][y[pick] >= 0], minlength=len(facts.class_counts)) for pick in picks]
    if (lost := np.flatnonzero(np.min(there, axis=0) == 0)).size:
        n_groups = len(np.unique(groups[y == lost[0]]))
        raise DataError(
            f"{facts.path}: expected rows of every class for {_parts(facts)}, and all rows of a group in one of them,"
            f" received class {facts.names[lost[0]]!r} in {n_groups} group{'s' * (n_groups > 1)}, which cannot be"
            " divided so: add groups of it, leave the class out, or leave out fetch.group if its groups may be divided"
        )
    return int(there[0].sum())


def _splits(facts: Facts, n_valid: int, n_test: int) -> Iterator[Choice]:
    tenth = f"a tenth of the labelled rows, {sizes.LEAST_VALID} to {sizes.MOST_VALID:,}"
    third = f"a third of the labelled rows, at most {sizes.MOST_TEST:,}: intervals get narrower with more"
    yield Choice("prepare.n_valid", n_valid, tenth)
    yield Choice("prepare.n_test", n_test, "the test set is your own" if facts.n_test else third)
    if facts.repeated > MOST_REPEATED:
        why = f"{facts.repeated:.0%} of the rows occur more than once, as is natural where columns have few values"
        yield Choice("prepare.max_leaked", 1.0, why)


def _questions(facts: Facts, budgets: list[int], n_labels: int) -> Iterator[Choice]:
    """Yield the label budgets, the headline, the arms and the ways to choose rows."""
    if facts.n_unlabelled:
        headline, why = budgets[-1], "the largest budget: the labels that you have"
    else:
        wanted = max(100, 10 * len(facts.class_counts))
        headline = min(budgets, key=lambda n: abs(np.log(n / wanted)))
        why = "all rows have a label: the question is asked as if few had"
    yield Choice("label_curve.n_labels", budgets, f"out of {n_labels:,} labelled training rows")
    yield Choice("label_curve.headline", headline, why)
    yield _metric(facts)
    yield Choice("label_curve.n_runs", 10, "each with its own labels, weights and order")
    yield Choice("label_curve.arms", [*ARMS], "the strongest methods without an encoder, and every use of it")
    yield Choice("label_curve.choice_labels", min(headline, 100))
    share = round(min(0.99, max(0.04, facts.n_columns**-0.5)), 2)
    trees = {"n_trees": 150, "min_samples_leaf": 1, "max_features": share}
    yield Choice("label_curve.learners.extra_trees", trees, "a split sees the square root of the columns")


def _metric(facts: Facts) -> Choice:
    """Return the metric: balanced accuracy where a class is rare, if it has two test rows to tell it by."""
    rarest, key = int(np.argmin(facts.class_counts)), "label_curve.metric"
    n = facts.class_counts[rarest]
    if 10 * n >= facts.n_labelled:
        return Choice(key, "accuracy", "every class has a tenth of the labelled rows or more")
    name = repr(facts.names[rarest]) if facts.names else "the rarest"
    if n < LEAST_BALANCED and not facts.n_test:
        why = f"class {name} has {n} labelled rows, so one for testing: too few for balanced accuracy"
        return Choice(key, "accuracy", why)
    few = ", and its few test rows make wide intervals" if n < FEW_OF_A_CLASS and not facts.n_test else ""
    return Choice(key, "balanced accuracy", f"class {name} has {n:,} of {facts.n_labelled:,} labelled rows{few}")


def _network(facts: Facts, n_rows: int) -> Iterator[Choice]:
    """Yield the autoencoder's widths, loss and pretraining."""
    widths = _widths(facts)
    loss, last, why = {
        "images": ("binary_crossentropy", "sigmoid", "pixels are scaled to 0 to 1"),
        "table": ("by_column", "linear", "squared error of numbers, cross-entropy of categories"),
        "numbers": ("mean_squared_error", "sigmoid", "columns are scaled to 0 to 1"),
    }[facts.kind]
    batch = 256 if n_rows >= 20_000 else 32
    epochs = int(np.clip(round(STEPS * batch / n_rows), 5, 200))
    at = "label_curve.network"
    yield Choice(
        f"{at}.shape.units",
        widths,
        f"of {facts.n_columns:,} columns; the last is the coding, three quarters of them at most",
    )
    yield Choice(f"{at}.shape.output_activation", last)
    yield Choice(f"{at}.training.loss", loss, why)
    yield Choice(f"{at}.training.batch_size", batch)
    yield Choice("label_curve.pretrain_epochs", epochs, f"about {STEPS:,} steps on {n_rows:,} rows, 5 to 200 epochs")


def _book(facts: Facts, n_rows: int, n_valid: int, budgets: list[int]) -> Iterator[Choice]:
    """Yield sizes that fit for the book's stages, which the verdict does not run."""
    first, coding = _widths(facts)
    loss = "binary_crossentropy" if facts.kind == "images" else "mean_squared_error"
    adam = {"loss": loss, "optimizer": "adam", "learning_rate": 0.001}
    phase = {"activation": "selu", "kernel_initializer": "glorot_uniform", "l2": 0.0, "noise": None,
             **adam, "batch_size": 32, "epochs": 10}  # fmt: skip
    yield Choice("network.shape.units", [first, coding], "this and what follows: for the book's stages, `make repro`")
    for key, value in adam.items():
        yield Choice(f"network.training.{key}", value)
        yield Choice(f"stack.{key}", value)
    yield Choice("pca.n_components", min(coding, n_rows - 1))
    yield Choice("phase", {
        "1": {"input": "data/prepare", "units": first, "output_activation": "sigmoid", **phase},
        "2": {"input": "data/encode/1", "units": coding, "output_activation": "linear", **phase,
              "loss": "mean_squared_error"},
    })  # fmt: skip
    on_map = min(n_valid, 5000)
    yield Choice("layerwise.n_rows", min(n_rows, 2000))
    yield Choice("visualize.n_rows", max(on_map, sizes.LEAST_VALID))
    yield Choice("visualize.n_images", min(10, on_map))
    yield Choice("visualize.n_neighbors", max(1, min(10, (on_map - 1) // 2)))
    yield Choice("visualize.perplexity", max(1, min(30, (on_map - 1) // 3)))
    yield Choice("finetune.n_labels", budgets[len(budgets) // 2])
    yield Choice("book.printed", None)


def _budgets(n_labels: int, k: int, facts: Facts) -> list[int]:
    """Return label budgets 1, 2, 5, 10, ... from two labels a class to all of them, at most N_BUDGETS."""
    if n_labels <= k:
        least = 3 * (k + 1) if k > sizes.LEAST_VALID else 2 * (k + sizes.LEAST_VALID)
        raise DataError(
            f"{facts.path}: expected about {least} labelled rows or more for a study of {k} classes, received"
            f" {facts.n_labelled}: after validation and test rows {max(n_labels, 0)} are left for training"
            f"{_hint(facts)}"
        )
    round_ones = [m * 10**e for e in range(5) for m in (1, 2, 5)]
    found = [n for n in round_ones if max(10, 2 * k) <= n <= min(n_labels, MOST_LABELS)]
    if len(found) < 2:
        found = sorted({max(k, n_labels // 2), n_labels})
    if len(found) > N_BUDGETS:
        found = [found[round(at)] for at in np.linspace(0, len(found) - 1, N_BUDGETS)]
    return found


def _widths(facts: Facts) -> list[int]:
    """Return the widths of the encoder: a wide layer, and a coding narrower than the rows that lets classes through."""
    first = 2 ** int(np.log2(4 * facts.n_columns))
    return [int(np.clip(first, 32, 128)), int(np.clip(3 * facts.n_columns // 4, 1, 32))]


def _refuse_rare(facts: Facts) -> None:
    """Raise DataError if a class has fewer rows than there are splits to draw."""
    least, rarest = 2 if facts.n_test else 3, int(np.argmin(facts.class_counts))
    if (n := facts.class_counts[rarest]) < least:
        what = f"class {facts.names[rarest]!r}" if facts.names else "a class"
        raise DataError(
            f"{facts.path}: expected {least} labelled rows or more of every class, for {_parts(facts)}, received {n} of"
            f" {what}: add rows of it, leave them out, or list it in fetch.missing_labels{_hint(facts)}"
        )


def _parts(facts: Facts) -> str:
    return "training and validation" if facts.n_test else "training, validation and test"


def _hint(facts: Facts) -> str:
    """Return a hint for many classes that are all numbers, else nothing."""
    are_numbers = len(facts.names) > MANY and all(NUMBER.fullmatch(name) for name in facts.names)
    return (
        "; if the labels are counts or measurements, they are a regression target, and no classes"
        if are_numbers
        else ""
    )


def refuse_copies(facts: Facts) -> None:
    """Raise DataError if rows are copies of each other: they would be in the training and the test rows."""
    if facts.unlike:
        raise DataError(
            f"{facts.path}: {facts.repeated:.0%} of the rows occur more than once, though the values of column"
            f" {facts.unlike!r} tell rows apart: copies, which would be training and test rows at once; remove them,"
            " name their source in fetch.group, or allow them by prepare.max_leaked"
        )


def _unlike(table: pd.DataFrame) -> str:
    """Return the first column with nearly as many values as there are different rows; empty if there is none."""
    rows = table.drop_duplicates()
    least = HARDLY_REPEATED * len(rows)
    return next((str(name) for name, n in rows.nunique().items() if n >= least), "") if rows.shape[1] > 1 else ""
