"""The size check: every size in params.yaml against rows, columns, classes and memory, as soon as `prepare` is done.

The checks can only stop a run. They change no result, so no stage depends on the parameters or files that they read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import psutil

from autoencoders.blocks import BY_COLUMN
from tasks.frame import files
from tasks.frame.config import PARAMS, origin
from tasks.frame.errors import ConfigError, WrongSplit
from tasks.frame.network_section import NO_TABLE
from tasks.frame.progress import say
from tasks.frame.sections import Params

MOST_TEST, MOST_VALID = 5000, 1000
LEAST_VALID = 20  # the map of validation rows needs as many
STUDY = ("fetch", "prepare", "label_curve", "report", "track")  # the stages of a study without the book
BYTES = 16  # per parameter in training: weight, gradient and two moments of the optimizer, each float32


class Sizes(NamedTuple):
    """The sizes of the prepared data: rows, columns, and rows per class."""

    n_train: int
    n_labelled: int  # of the training rows
    n_valid: int
    n_features: int
    train_counts: list[int]  # per class that occurs


class Bound(NamedTuple):
    """A parameter, its value, and its range for these data; `what` names the things counted."""

    key: str
    value: float
    least: int
    greatest: float
    what: str

    def complaint(self) -> str | None:
        """Return the message, or None if the value is in range."""
        if self.least <= self.value <= self.greatest:
            return None
        if self.least > self.greatest:
            return f"{self.key}: expected {self.least:,} or more {self.what}, these data have {self.greatest:,.15g}"
        range_ = f"{self.least:,} to {self.greatest:,.15g} ({self.what})"
        would_do = min(max(self.value, self.least), self.greatest)
        return f"{self.key}: expected {range_}, received {self.value:,.15g}; {would_do:.15g} would do"


def check(params: Params, prepared: Path, *, trains: bool = True, book: bool = True) -> None:
    """Check every size against the data in `prepared`, the folder that `prepare` wrote, if it exists.

    Args:
        params: The parameters.
        prepared: The folder with metrics.json and manifest.json.
        trains: Whether to check the memory, too.
        book: Whether to check the sizes of the book's stages, too; the study does without them.

    Raises:
        ConfigError: Sizes out of range for the data, one line per key.
        MemoryError: Networks too large for the free memory, one line per key.
    """
    if not (prepared / "metrics.json").exists():
        return
    sizes = _read(prepared)
    lines = [*_complaints(params, sizes, book=book)]
    if params.label_curve.network.training.loss == BY_COLUMN and not (prepared / files.SCHEMA).exists():
        lines.append(NO_TABLE)
    if lines:
        raise ConfigError("\n".join(f"{origin()}: {line}" for line in lines))
    if trains and (lines := list(_too_large(params, sizes.n_features))):
        raise MemoryError("\n".join(lines))


def of_wrong_split(params: Params, wrong: WrongSplit, *, book: bool = True) -> ConfigError:
    """Return the error of a split that the data do not allow, with values that would do, and of all other sizes.

    The other sizes are checked as if those values were set.
    """
    n_valid, n_test = held_out(wrong.n_labelled, wrong.n_classes, wrong.has_test)
    would_do = {"prepare.n_valid": n_valid, "prepare.n_test": n_test}
    given = {key: would_do[key] if key in wrong.expected else getattr(params.prepare, key.removeprefix("prepare."))
             for key in would_do}  # fmt: skip
    if wrong.n_labelled - sum(given.values()) < wrong.n_classes:  # the other key takes too much
        given = would_do
    n_held = sum(given.values())
    lines = [f"{key}: expected {what}; {given[key]} would do" for key, what in wrong.expected.items()]
    n_labelled = wrong.n_labelled - n_held
    counts = [n_labelled] * wrong.n_classes
    found = Sizes(wrong.n_rows - n_held, n_labelled, given["prepare.n_valid"], wrong.n_columns, counts)
    return ConfigError("\n".join(f"{origin()}: {line}" for line in [*lines, *_complaints(params, found, book=book)]))


def held_out(n_labelled: int, n_classes: int, has_test: bool) -> tuple[int, int]:
    """Return numbers of validation and test rows that suit so many labelled rows outside a test set of the data's own.

    A tenth is for validation, LEAST_VALID to MOST_VALID, and a third for testing, up to MOST_TEST: the more test rows,
    the narrower the intervals. Both are at least one row a class.
    """
    n_test = 0 if has_test else max(n_classes, min(MOST_TEST, _short(n_labelled // 3)))
    return max(n_classes, LEAST_VALID, min(MOST_VALID, _short(n_labelled // 10))), n_test


def _short(n: int) -> int:
    """Return n with its first two digits, such as 180 for 189."""
    return n - n % 10 ** max(len(str(n)) - 2, 0)


def warn_if_wide(key: str, units: int, width: int) -> None:
    """Print a warning if a coding is as wide as its input or wider; denoising may want that, so it is no error."""
    if units >= width:
        say(
            f"warning: {PARAMS}: {key}: a coding of {units:,} for an input of {width:,} need not compress: without"
            f" noise the network can learn to copy its input; expected fewer than {width:,}"
        )


def _read(prepared: Path) -> Sizes:
    metrics, manifest = (
        json.loads((prepared / name).read_text(encoding="utf-8")) for name in ("metrics.json", "manifest.json")
    )
    counts = manifest["splits"]["train"]["class_counts"]
    return Sizes(
        n_train=metrics["n_train"],
        n_labelled=metrics["n_train_labelled"],
        n_valid=metrics["n_valid"],
        n_features=metrics["n_features"],
        train_counts=[n for n in counts if n],
    )


def _complaints(params: Params, s: Sizes, *, book: bool = True) -> Iterator[str]:
    """Yield a line for each size that is out of range."""
    yield from _of_budgets(params.label_curve.n_labels, params.label_curve.headline, s)
    bounds = [*(_book_bounds(params, s) if book else []), *_study_bounds(params, s)]
    yield from (line for bound in bounds if (line := bound.complaint()))


def _of_budgets(budgets: list[int], headline: int, s: Sizes) -> Iterator[str]:
    """Yield a line for label budgets that are out of range, and for a headline that is none of those that would do."""
    least, key = len(s.train_counts), "label_curve.n_labels"
    kept = [n for n in budgets if least <= n <= s.n_labelled]
    if kept == budgets:
        return
    if s.n_labelled <= least:
        yield f"{key}: expected two budgets of {least:,} labels or more, these data have {s.n_labelled:,} for training"
        return
    would_do = kept if len(kept) > 1 else sorted({*kept, s.n_labelled})
    would_do = would_do if len(would_do) > 1 else sorted({max(least, s.n_labelled // 2), s.n_labelled})
    range_ = f"{least:,} to {s.n_labelled:,} (one row per class to all labelled training rows)"
    yield f"{key}: expected {range_}, received {budgets}; {would_do} would do"
    if headline not in would_do:
        nearest = min(would_do, key=lambda n: abs(n - headline))
        yield f"label_curve.headline: expected one of these budgets, received {headline:,}; {nearest} would do"


def _book_bounds(params: Params, s: Sizes) -> Iterator[Bound]:
    """Yield the bounds of the book's stages."""
    v, n_classes = params.visualize, len(s.train_counts)
    on_map = min(v.n_rows, s.n_valid)
    yield Bound(
        "pca.n_components", params.pca.n_components, 1, min(s.n_features, s.n_train) - 1,
        f"fewer than the {s.n_features:,} columns and the {s.n_train:,} training rows, else nothing is left out",
    )  # fmt: skip
    yield Bound("visualize.n_rows", on_map, 20, s.n_valid, "validation rows")  # with more, all are shown
    yield Bound("visualize.n_images", v.n_images, 1, on_map, "the rows of visualize.n_rows")
    yield Bound("visualize.n_neighbors", v.n_neighbors, 1, (on_map - 1) // 2, "fewer than half the rows on the map")
    yield Bound("visualize.perplexity", v.perplexity, 0, (on_map - 1) // 3, "at most a third of the rows on the map")
    yield Bound(
        "finetune.n_labels", params.finetune.n_labels, n_classes, s.n_labelled,
        "one row per class to all labelled training rows",
    )  # fmt: skip


def _study_bounds(params: Params, s: Sizes) -> Iterator[Bound]:
    """Yield the bounds of the label-efficiency study: enough rows to draw, and to divide into folds."""
    c = params.label_curve
    if c.choices:
        least = len(s.train_counts) if "class-balanced" in c.choices else 2
        yield Bound("label_curve.choice_labels", c.choice_labels, least, s.n_labelled, "labelled training rows")
    for name in c.pretrainings:
        if (n_rows := c.pretraining_settings.get(name, {}).get("n_rows")) is not None:
            key = f"label_curve.pretraining_settings.{name}.n_rows"
            yield Bound(key, int(n_rows), 1, c.n_to_pretrain_on(s.n_train), "rows to pretrain on")
    if c.n_unlabelled is not None:
        yield Bound("label_curve.n_unlabelled", c.n_unlabelled, 1, s.n_train, "training rows")


def _too_large(params: Params, n_features: int) -> Iterator[str]:
    """Yield one line per network that needs more memory in training than is free."""
    free = psutil.virtual_memory().available
    phases = [n_features, *(phase.units for phase in params.phase.values())]
    networks = {f"{name}network.shape.units": [n_features, *network.shape.units]
                for name, network in (("", params.network), ("label_curve.", params.label_curve.network))}  # fmt: skip
    networks |= {f"phase.{k}.units": [*pair] for k, pair in enumerate(pairwise(phases), start=1)}
    for key, widths in networks.items():
        n = sum(2 * a * b + a + b for a, b in pairwise(widths))  # kernels and biases of encoder and decoder
        if n * BYTES > free:
            yield (
                f"{PARAMS}: {key}: expected a network that can be trained in the {free / 1e9:,.1f} GB of memory that"
                f" are free, received one of {' - '.join(map(str, widths))} units: {n:.3g} parameters, {BYTES} bytes"
                f" each (weight, gradient, two moments), are {n * BYTES / 1e9:,.1f} GB"
            )
