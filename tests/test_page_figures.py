"""Geometry of the page's figures."""

from __future__ import annotations

import itertools

import pytest

from tasks.reporting import page_figures
from tasks.reporting.page_figures import Point

LINES = {
    "fine-tuned": [Point(10, 50, 45, 55), Point(100, 70, 68, 72), Point(1000, 80, 79, 81)],
    "SVM": [Point(10, 52, 46, 58), Point(100, 70.2, 69, 71)],
}
COLOURS = {"fine-tuned": 0, "SVM": 11}


@pytest.mark.parametrize("size", [page_figures.WIDE["curve"], page_figures.NARROW["curve"]])
def test_everything_lies_within_the_margins_and_labels_on_a_log_scale(size):
    figure = page_figures.curve(LINES, size, COLOURS)
    xs = [x for x, _ in figure["x_ticks"]]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    points = [(x, y) for line in figure["lines"] for x, y, _ in line["points"]]
    assert all(
        size.left <= x <= size.width - size.right and size.top <= y <= size.height - size.bottom for x, y in points
    )
    assert [text for _, text in figure["x_ticks"]] == ["10", "100", "1,000"]
    assert all(size.top <= y <= size.height - size.bottom for y, _ in figure["y_ticks"])


def test_higher_values_stand_higher_and_ticks_say_the_values():
    figure = page_figures.curve(LINES, page_figures.WIDE["curve"], COLOURS)
    (_, low, _), _, (_, high, _) = figure["lines"][0]["points"]
    assert high < low
    (a, at_a), *_, (b, at_b) = [(y, float(text)) for y, text in figure["y_ticks"]]
    at = {p.value: y for _, y, p in figure["lines"][0]["points"]}
    assert at[70] == pytest.approx(a + (70 - at_a) / (at_b - at_a) * (b - a), abs=0.2)


def test_a_band_ends_at_0_and_100_per_cent_and_a_difference_does_not():
    lines = {"SVM": [Point(10, 90, 40, 140), Point(100, 30, -30, 90)]}
    for zero, ends in ((False, (0, 100)), (True, (-30, 140))):
        figure = page_figures.curve(lines, page_figures.WIDE["curve"], {"SVM": 0}, zero=zero)
        points = [point for _, _, point in figure["lines"][0]["points"]]
        assert (min(p.low for p in points), max(p.high for p in points)) == ends
        assert max(float(text.replace("−", "-")) for _, text in figure["y_ticks"]) <= ends[1]


def test_names_do_not_touch_and_keep_their_order():
    lines = {f"arm {k}": [Point(10, 50, 49, 51), Point(100, 70 + k / 100, 69, 71)] for k in range(8)}
    figure = page_figures.curve(lines, page_figures.WIDE["curve"], {arm: k for k, arm in enumerate(lines)})
    places = [line["name_y"] for line in figure["lines"]]
    assert places == sorted(places, reverse=True), "a better arm's name stands higher"
    assert min(a - b for a, b in itertools.pairwise(places)) > 13


def test_differences_stand_around_zero_side_by_side():
    pairs = {arm: [Point(10, -1, -2, 0.5), Point(100, 1, 0.5, 2)] for arm in ("fine-tuned", "SVM")}
    figure = page_figures.curve(pairs, page_figures.WIDE["differences"], COLOURS, zero=True)
    (x_a, *_), (x_b, *_) = (line["points"][0] for line in figure["lines"])
    assert x_a < figure["x_ticks"][0][0] < x_b
    below, above = (y for _, y, _ in figure["lines"][0]["points"])
    assert above < figure["zero"] < below


def test_an_arm_beyond_the_palette_is_dashed():
    arm, svm = page_figures.curve(LINES, page_figures.WIDE["curve"], COLOURS)["lines"]
    assert (arm["colour"], arm["dash"]) == (0, "") and (svm["colour"], svm["dash"] != "") == (1, True)


def test_differences_smaller_than_one_have_decimals_on_their_ticks():
    figure = page_figures.curve(
        {"fine-tuned": [Point(10, 0.1, 0, 0.2), Point(20, 0.2, 0.1, 0.3)]}, page_figures.WIDE["curve"], COLOURS
    )
    texts = [text for _, text in figure["y_ticks"]]
    assert len(set(texts)) == len(texts) > 2


def test_two_charts_share_colours_and_none_is_used_twice_in_one():
    first, second = page_figures.palette(
        [f"arm {k}" for k in range(10)], ["arm 0", "arm 3", *(f"more {k}" for k in range(6))]
    )
    assert second["arm 3"] == first["arm 3"]
    assert len({colour % page_figures.N_COLOURS for colour in second.values()}) == 8
    assert all(second[f"more {k}"] >= page_figures.N_COLOURS for k in range(6)), (
        "dashed: not the arm of that colour above"
    )


def test_texts_of_crowded_budgets_are_left_out_and_their_ticks_stay():
    points = [Point(n, 50, 49, 51) for n in (20, 50, 100, 200, 500, 1000, 2000, 5000, 55_000)]
    figure = page_figures.curve({"fine-tuned": points}, page_figures.NARROW["curve"], COLOURS)
    texts = [(x, text) for x, text in figure["x_ticks"] if text]
    assert len(figure["x_ticks"]) == 9 > len(texts) >= 5 and texts[-1][1] == "55,000"
    for (a, left), (b, right) in itertools.pairwise(texts):
        assert b - a > page_figures.LETTER * (len(left) + len(right)) / 2


def test_a_figure_of_bands_to_the_pixel():
    chart = page_figures.curve(LINES, page_figures.NARROW["curve"], COLOURS)
    free, svm = chart["lines"]
    assert free["band"] == "M44.0 205.6L191.0 79.0L338.0 12.0L338.0 26.9L191.0 108.8L44.0 280.0Z"
    assert (free["path"], free["end_x"], free["name_y"]) == ("M44.0 242.8L191.0 93.9L338.0 19.4", 338, 19.4)
    assert svm["points"] == [(44, 227.9, LINES["SVM"][0]), (191, 92.4, LINES["SVM"][1])]
    assert (svm["end_x"], svm["name_y"], svm["dash"]) == (191, 92.4, "6 3")
    assert chart["x_ticks"] == [(44, "10"), (191, "100"), (338, "1,000")]
    assert chart["y_ticks"] == [(257.7, "48"), (198.1, "56"), (138.6, "64"), (79, "72"), (19.4, "80")]


def test_a_figure_of_whiskers_to_the_pixel():
    pairs = {arm: [Point(10, -1, -2, 0.5), Point(100, 1, 0.5, 2)] for arm in ("fine-tuned", "SVM")}
    chart = page_figures.curve(pairs, page_figures.WIDE["differences"], COLOURS, zero=True)
    free, svm = chart["lines"]
    assert (free["band"], svm["path"]) == ("M60.0 280.0V112.5M690.0 112.5V12.0", "M66.0 213.0L696.0 79.0")
    assert (free["name_y"], svm["name_y"], chart["zero"]) == (70.5, 87.5, 146), "names at one height stand apart"
    assert chart["y_ticks"] == [(253.2, "−1.6"), (199.6, "−0.8"), (146, "0.0"), (92.4, "0.8"), (38.8, "1.6")]


def test_other_colours_and_dashes_follow_when_the_palette_is_used_up():
    first, second = page_figures.palette(["a", "b"], ["a", *(f"more {k}" for k in range(10))])
    assert first == {"a": 0, "b": 1} and second["a"] == 0
    assert [second[f"more {k}"] for k in (0, 1, 8, 9)] == [11, 12, 19, 21]


@pytest.mark.parametrize(
    ("ticks", "n"),
    [([-3.0, -1.5, 0.0], 1), ([0.0, 2.5], 1), ([0, 0.25], 2), ([0, 5], 0), ([0.0, 0.1 + 0.2], 1), ([48, 56], 0)],
)
def test_a_tick_has_the_decimals_of_its_value(ticks, n):
    assert page_figures._places(ticks) == n
