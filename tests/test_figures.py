"""Figures: each can be drawn, and the same numbers give the same bytes."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Annotation

from autoencoders.statistics import paired
from autoencoders.verdict import verdict
from tasks.reporting import figures, study_figure

RNG = np.random.default_rng(0)
ROWS = RNG.random((40, 16))
LABELS = np.arange(40) % 3
RUNS = np.array([0.5, 0.6, 0.65]) + RNG.normal(0, 0.01, (4, 3))
PLANE = RNG.normal(size=(40, 2))


def draw_tying(path, shift=0.0):
    rows = [
        {"arm": arm, "run": run, "epoch": epoch, "val_loss": level + shift + run / 100 - epoch / 50}
        for arm, level in (("tied", 0.3), ("untied", 0.4)) for run in (0, 1, 2) for epoch in (1, 2)
    ]  # fmt: skip
    figures.tying(pd.DataFrame(rows), paired([0.30 + shift, 0.31, 0.32], [0.40, 0.42, 0.41]), path)


def draw_linear_codings(path, shift=0.0):
    figures.linear_codings(ROWS[:, :3] + shift * LABELS[:, None], PLANE, path)


def draw_reconstructions(path, shift=0.0):
    figures.reconstructions(ROWS[:3], {"pretrain": ROWS[3:6] + shift}, [4, 4], path)


def draw_bars(path, shift=0.0):
    figures.reconstructions(ROWS[:3], {"pretrain": ROWS[3:6] * (1 + shift)}, None, path)


def draw_map(path, shift=0.0):
    manifest = {"class_names": ["a", "b", "c"], "image_shape": [4, 4]}
    figures.coding_map(PLANE + shift * LABELS[:, None], LABELS, ROWS, manifest, path)


def draw_map_of_a_table(path, shift=0.0):
    manifest = {"class_names": ["a", "b", "c"], "image_shape": None}
    figures.coding_map(PLANE + shift * LABELS[:, None], LABELS, ROWS, manifest, path)


def draw_few_labels(path, shift=0.0):
    table = pd.DataFrame({"fine-tuned": [0.8, 0.81 + shift], "from scratch": [0.7, 0.72]})
    row = {"arm": "fine-tuned", "against": "from scratch", "mean": 0.095 + shift / 2, "low": 0.09, "high": 0.1 + shift}
    figures.few_labels(table, pd.DataFrame([row]), 500, path)


def draw_loss_curves(path, shift=0.0, n=4):
    curve = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0 - shift], "val_loss": [3.0, 2.5, 2.0]})
    figures.loss_curves({f"phase {k}": curve for k in range(n)}, path)


def draw_label_curve(path, shift=0.0):
    scores = {arm: RUNS + k / 50 + shift * np.array([0, 1, 2]) / 10 for k, arm in enumerate("abc")}
    found = verdict(
        scores, {}, with_encoder=["c"], from_scratch="a", budgets=[20, 100, 5000], headline=100, margin=0.01,
        beforehand=("c", "b"), chance=0.1,
    ).findings()  # fmt: skip
    study_figure.label_curve(found, {"limited": RUNS[0, :2] + shift}, path, note="Tuned.")


DRAWN = {  # figures, and their width and height in pixels: 160 an inch
    draw_label_curve: (1152, 1120), draw_tying: (1152, 480), draw_linear_codings: (1152, 512),
    draw_reconstructions: (457, 256), draw_bars: (457, 256), draw_map: (1152, 896),
    draw_map_of_a_table: (1152, 896), draw_few_labels: (1152, 480), draw_loss_curves: (1152, 800),
}  # fmt: skip


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.slow
def test_a_figure_is_drawn_in_colour_at_a_size_for_print_and_as_the_same_bytes_twice(draw, tmp_path):
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    draw(first)
    draw(second)
    assert first.read_bytes() == second.read_bytes()
    for word in (b"Software", b"Creation", b"matplotlib"):
        assert word not in first.read_bytes()
    pixels = image.imread(first)
    assert pixels.shape[1::-1] == DRAWN[draw]
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50


@pytest.mark.slow
@pytest.mark.parametrize("draw", DRAWN)
def test_other_numbers_give_another_figure(draw, tmp_path):
    first, other = tmp_path / "first.png", tmp_path / "other.png"
    draw(first)
    draw(other, shift=0.3)
    assert first.read_bytes() != other.read_bytes()


@pytest.mark.parametrize(("n", "lines"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (7, 3)])
def test_panels_of_loss_curves_fill_lines(n, lines, tmp_path):
    draw_loss_curves(tmp_path / "losses.png", n=n)
    assert image.imread(tmp_path / "losses.png").shape[0] == pytest.approx(lines * 2.5 * 160, abs=1)


def test_a_training_without_epochs_has_a_panel_too(tmp_path):
    figures.loss_curves({"stack": pd.DataFrame({"epoch": [0], "val_loss": [0.3]})}, tmp_path / "losses.png")
    assert (tmp_path / "losses.png").exists()


def test_names_beside_lines_do_not_touch_and_stay_within_their_panel(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(study_figure, "save", lambda figure, path: drawn.append(figure))
    draw_label_curve(tmp_path / "curve.png")
    figure = drawn[0]
    figure.draw_without_rendering()
    for axis, n in zip(figure.axes, (3, 2), strict=True):
        boxes = sorted((text.get_window_extent() for text in axis.texts), key=lambda box: box.y0)
        assert len(boxes) == n
        assert all(below.y1 <= above.y0 + 2 for below, above in pairwise(boxes))
        assert boxes[0].y0 >= axis.bbox.y0 - 2 and boxes[-1].y1 <= axis.bbox.y1 + 2
        assert max(box.x1 for box in boxes) <= figure.bbox.x1


MARKS = {  # of all that is drawn: lines, points, colours, widths, sizes, texts
    draw_label_curve: "334feaf7a281", draw_tying: "ad5930416c1c",
    draw_linear_codings: "f3bf9957ad88", draw_reconstructions: "2de1cbcb95db",
    draw_bars: "d78f9d5fe9f7", draw_map: "e4cda47cee35",
    draw_map_of_a_table: "6eafa7d873c7", draw_few_labels: "cffbefbb298a",
    draw_loss_curves: "3ad7a4d78a43",
}  # fmt: skip


def marks(figure):
    """Return a digest of all that a figure draws, but for where the layout puts it."""
    asked = ("text", "color", "fontsize", "rotation", "ha", "va", "linewidth", "linestyle", "alpha", "marker",
             "markersize", "markeredgewidth", "xydata", "facecolor", "edgecolor", "sizes", "offsets", "array", "clim",
             "visible", "label", "xlim", "ylim", "aspect", "adjustable", "zoom", "frame_on", "zorder")  # fmt: skip
    told = [figure.get_size_inches().round(6).tolist()]
    for artist in figure.findobj():
        for name in asked:
            if (get := getattr(artist, f"get_{name}", None)) and (value := get()) is not None:
                kept = np.round(np.ma.getdata(value).astype(float), 5).tolist() if is_number(value) else str(value)
                told.append((type(artist).__name__, name, kept))
        if isinstance(artist, Annotation):
            told.append((artist.get_text(), np.round(artist.xyann, 3).tolist(), artist.arrowprops))
        if isinstance(artist, FancyBboxPatch):
            told.append(vars(artist.get_boxstyle()))
    return hashlib.sha256(repr(told).encode()).hexdigest()[:12]


def is_number(value):
    return np.asarray(value).dtype.kind in "fiub" if not isinstance(value, str) else False


@pytest.mark.parametrize("draw", MARKS)
def test_every_mark_of_a_figure_is_as_it_was(draw, tmp_path, monkeypatch):
    """Where a figure changes on purpose, the digest that the message shows takes the place of the old one."""
    drawn = []
    for module in (figures, study_figure):
        monkeypatch.setattr(module, "save", lambda figure, path: drawn.append(figure))
    draw(tmp_path / "figure.png")
    assert marks(drawn[0]) == MARKS[draw]


def test_a_paper_gets_fonts_that_journals_take(tmp_path):
    draw_few_labels(tmp_path / "figure.pdf")
    assert b"FontFile2" in (tmp_path / "figure.pdf").read_bytes()


@pytest.mark.parametrize(
    ("places", "expected"),
    [([5, 5], [4, 6]), ([0, 9], [1, 9]), ([8.5, 8.9], [7, 9]), ([6, 3, 5], [6.67, 2.67, 4.67]), ([3, 5], [3, 5])],
)
def test_names_move_apart_as_little_as_needed(places, expected):
    assert figures.apart(places, 2, 1, 9) == pytest.approx(expected, abs=0.01)
