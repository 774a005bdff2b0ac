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

from tasks.frame.config import PARAMS
from tasks.frame.errors import ConfigError
from tasks.frame.progress import say
from tasks.frame.sections import Params

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
        given = f"{PARAMS}: {self.key}: expected"
        if self.least > self.greatest:
            return f"{given} {self.least:,} or more {self.what}, these data have {self.greatest:,.15g}"
        return f"{given} {self.least:,} to {self.greatest:,.15g} ({self.what}), received {self.value:,.15g}"


def check(params: Params, prepared: Path, *, trains: bool = True) -> None:
    """Check every size against the data in `prepared`, the folder that `prepare` wrote, if it exists.

    Args:
        params: The parameters.
        prepared: The folder with metrics.json and manifest.json.
        trains: Whether to check the memory, too.

    Raises:
        ConfigError: Sizes out of range for the data, one line per key.
        MemoryError: Networks too large for the free memory, one line per key.
    """
    if not (prepared / "metrics.json").exists():
        return
    sizes = _read(prepared)
    if lines := [line for bound in _bounds(params, sizes) if (line := bound.complaint())]:
        raise ConfigError("\n".join(lines))
    if trains and (lines := list(_too_large(params, sizes.n_features))):
        raise MemoryError("\n".join(lines))


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


def _bounds(params: Params, s: Sizes) -> Iterator[Bound]:
    """Yield the bounds of all sizes."""
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
    yield from _study_bounds(params, s)


def _study_bounds(params: Params, s: Sizes) -> Iterator[Bound]:
    """Yield the bounds of the label-efficiency study: enough rows to draw, and to divide into folds."""
    c = params.label_curve
    for k, n in enumerate(c.n_labels):
        what = "one row per class to all labelled training rows"
        yield Bound(f"label_curve.n_labels[{k}]", n, len(s.train_counts), s.n_labelled, what)
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
