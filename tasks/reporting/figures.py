"""Figures of the book's stages by matplotlib: one style, and the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from autoencoders.arms import FROM_SCRATCH

if TYPE_CHECKING:
    from autoencoders.statistics import Paired

# Okabe & Ito's palette, which colour-blind readers can tell apart, with three more colours for ten classes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#B8A800", "#4D4D4D", "#7F3C8D", "#A5AA99")
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType: journals refuse matplotlib's default
}
UNSAID = {".png": {"Software": None}, ".pdf": {"Creator": None, "Producer": None, "CreationDate": None}}


def new(width: float, height: float) -> Figure:
    """Return an empty figure in the project's style, its size in inches, outside pyplot's global state."""
    with mpl.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write a PNG or PDF without the version and date that matplotlib adds."""
    with mpl.rc_context(STYLE):
        figure.savefig(path, dpi=160, metadata=UNSAID[path.suffix])


def apart(places: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Move places as little as needed, until neighbours are a gap apart within top and bottom."""
    order = sorted(range(len(places)), key=lambda k: places[k])
    moved = [places[k] for k in order]
    for _ in range(300):
        for k in range(len(moved) - 1):
            overlap = max(0.0, gap - (moved[k + 1] - moved[k]))
            moved[k], moved[k + 1] = moved[k] - overlap / 2, moved[k + 1] + overlap / 2
        moved = [min(max(place, top), bottom) for place in moved]
    found = dict(zip(order, moved, strict=True))
    return [found[k] for k in range(len(places))]


def tying(history: pd.DataFrame, comparison: Paired, path: Path) -> None:
    """Draw validation loss by epoch for every run and arm, and the paired differences with their interval."""
    with mpl.rc_context(STYLE):
        figure = new(7.2, 3.0)
        curves, pairs = figure.subplots(1, 2, width_ratios=[2.2, 1])
        for colour, (arm, rows) in zip(COLOURS, history.groupby("arm", sort=False), strict=False):
            for _, run in rows.groupby("run"):
                curves.plot(run.epoch, run.val_loss, color=colour, alpha=0.3, lw=0.8)
            mean = rows.groupby("epoch").val_loss.mean()
            curves.plot(mean.index, mean, color=colour, lw=2, label=arm)
        curves.set(xlabel="epoch", ylabel="validation loss", title=f"{comparison.n} runs each; thick: their mean")
        curves.legend()
        last = history[history.epoch == history.epoch.max()].pivot(index="run", columns="arm", values="val_loss")
        difference = (last["tied"] - last["untied"]).to_numpy()
        pairs.axhline(0, color="#999999", lw=0.8)
        pairs.plot(np.linspace(-0.12, 0.12, len(difference)), difference, "o", color=COLOURS[7], ms=4, alpha=0.7)
        pairs.errorbar(
            [0.4], [comparison.mean], yerr=[[comparison.mean - comparison.low], [comparison.high - comparison.mean]],
            fmt="s", color=COLOURS[0], capsize=4,
        )  # fmt: skip
        pairs.set(xlim=(-0.4, 0.8), xticks=[0, 0.4], xticklabels=["runs", "mean,\n95 % CI"])
        pairs.set(ylabel="tied minus untied", title=f"p = {comparison.p:.3f} (exact)")
        save(figure, path)


def linear_codings(points: np.ndarray, codings: np.ndarray, path: Path) -> None:
    """Draw 3-D points (n, 3) and their 2-D codings (n, 2) side by side; a point has the same colour in both panels."""
    with mpl.rc_context(STYLE):
        figure = new(7.2, 3.2)
        shade = codings[:, 0]
        space: Any = figure.add_subplot(1, 2, 1, projection="3d")
        space.scatter(points[:, 0], points[:, 1], points[:, 2], c=shade, cmap="viridis", s=14)
        space.set(xlabel="$x_1$", ylabel="$x_2$", zlabel="$x_3$", title="Points in 3-D")
        plane = figure.add_subplot(1, 2, 2)
        plane.scatter(codings[:, 0], codings[:, 1], c=shade, cmap="viridis", s=14)
        plane.set(xlabel="$z_1$", ylabel="$z_2$", title="Codings of the linear autoencoder", aspect="equal")
        plane.set_aspect("equal", adjustable="datalim")
        save(figure, path)


def reconstructions(
    images: np.ndarray, reconstructed: dict[str, np.ndarray], shape: list[int] | None, path: Path
) -> None:
    """Draw images (n, d) in one row and each model's reconstructions below; rows that are no images become bars."""
    rows = {"images" if shape else "rows": images, **reconstructed}
    with mpl.rc_context(STYLE):
        figure = new(0.72 * len(images) + 0.7, 0.8 * len(rows))
        axes = figure.subplots(len(rows), len(images), squeeze=False, sharey=not shape)  # bars on one scale
        for line, (name, values) in zip(axes, rows.items(), strict=True):
            for axis, value in zip(line, values, strict=True):
                if shape:
                    axis.imshow(value.reshape(shape), cmap="gray_r", vmin=0, vmax=1)
                else:
                    axis.bar(range(len(value)), value, color=COLOURS[0])
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
            line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        save(figure, path)


def coding_map(
    embedded: np.ndarray, labels: np.ndarray, rows: np.ndarray, manifest: dict[str, Any], path: Path
) -> None:
    """Draw the map (n, 2) coloured by class; if the rows are images, add thumbnails of some."""
    names = manifest["class_names"]
    with mpl.rc_context(STYLE):
        figure = new(7.2, 5.6)
        axis = figure.subplots()
        for k, name in enumerate(names):
            axis.scatter(
                embedded[labels == k, 0],
                embedded[labels == k, 1],
                s=5,
                color=COLOURS[k % len(COLOURS)],
                label=name,
                lw=0,
            )
        axis.set(xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=3, handletextpad=0.2)
        if manifest["image_shape"]:
            _thumbnails(axis, embedded, labels, rows.reshape(-1, *manifest["image_shape"]))
        save(figure, path)


def _thumbnails(axis: Any, embedded: np.ndarray, labels: np.ndarray, images: np.ndarray) -> None:
    """Draw an image unless one already drawn is nearer than a fixed share of the map's width, in the rows' order."""
    span = np.ptp(embedded, axis=0)
    placed: list[np.ndarray] = []
    for place, label, image in zip(embedded, labels, images, strict=True):
        if all(np.square((place - other) / span).sum() > 0.008 for other in placed):
            placed.append(place)
            box = OffsetImage(image, cmap="gray_r", zoom=18 / image.shape[0])
            colour = COLOURS[label % len(COLOURS)]
            axis.add_artist(AnnotationBbox(box, place, pad=0.05, bboxprops={"edgecolor": colour, "lw": 1}))


def few_labels(table: pd.DataFrame, comparisons: pd.DataFrame, n_labels: int, path: Path) -> None:
    """Draw every arm's test accuracies, and its paired difference from training from scratch with its interval."""
    arms = table.mean().sort_values().index.tolist()
    with mpl.rc_context(STYLE):
        figure = new(7.2, 3.0)
        scores, differences = figure.subplots(1, 2, sharey=True)
        for k, arm in enumerate(arms):
            scores.plot(100 * table[arm], np.full(len(table), k), "o", ms=3.5, alpha=0.5, color=COLOURS[0])
            scores.plot([100 * table[arm].mean()], [k], "|", ms=16, mew=2, color=COLOURS[1])
        scores.set(yticks=range(len(arms)), yticklabels=arms, xlabel="test accuracy, %")
        scores.set_title(f"{n_labels} labels, {len(table)} runs; bar: mean")
        differences.axvline(0, color="#999999", lw=0.8)
        for _, row in comparisons[comparisons.against == FROM_SCRATCH].iterrows():
            error = [[100 * (row["mean"] - row.low)], [100 * (row.high - row["mean"])]]
            place = arms.index(row.arm)
            differences.errorbar([100 * row["mean"]], [place], xerr=error, fmt="s", ms=4, capsize=3, color=COLOURS[0])
        differences.set(xlabel="points above training from scratch, 95 % CI")
        save(figure, path)


def loss_curves(curves: dict[str, pd.DataFrame], path: Path) -> None:
    """Draw training and validation loss by epoch, one panel with its own scale per training."""
    n_columns = 2 if len(curves) in (2, 4) else min(3, len(curves))
    n_lines = -(-len(curves) // n_columns)
    with mpl.rc_context(STYLE):
        figure = new(7.2 if n_columns > 1 else 4.0, 2.5 * n_lines)
        axes = figure.subplots(n_lines, n_columns, squeeze=False).ravel()
        for axis, (title, rows) in zip(axes, curves.items(), strict=False):
            for colour, column, label in ((COLOURS[0], "loss", "training"), (COLOURS[1], "val_loss", "validation")):
                if column in rows:
                    axis.plot(rows.epoch, rows[column], color=colour, label=label, marker="o", ms=2.5, lw=1.5)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.set(xlabel="epoch", title=title)
        for axis in axes[len(curves) :]:
            axis.set_axis_off()
        axes[0].set_ylabel("loss")
        axes[0].legend()
        save(figure, path)
