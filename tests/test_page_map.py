"""The map on the page: every dot is one row, every thumbnail its row's image."""

from __future__ import annotations

import base64
import io
import re

import made_up
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tasks.frame import files
from tasks.reporting import page_map


@pytest.fixture
def data(tmp_path):
    return made_up.make(tmp_path / "data")


def test_every_row_is_one_dot_of_its_class_within_the_drawing(data):
    found = page_map.read(data)
    table = pd.read_csv(data / "visualize/map.csv")
    for k, one in enumerate(found["classes"]):
        rows = [int(row) for row in one["rows"].split(",")]
        places = np.array(re.findall(r"M(\d+) (\d+)h0", one["path"]), int)
        assert rows == np.flatnonzero(table.label == k).tolist() and len(places) == len(rows) == one["n"]
        assert (places >= 0).all() and (places <= [found["width"], found["height"]]).all()
        order = table.x[rows].to_numpy()
        assert (np.diff(places[np.argsort(order, kind="stable"), 0]) >= 0).all(), "to the right is to the right"
        height = table.y[rows].to_numpy()
        assert (np.diff(places[np.argsort(height, kind="stable"), 1]) <= 0).all(), "up is up"


def test_a_thumbnail_is_its_rows_image_dark_on_light(data):
    sheet = page_map.read(data)["sheet"]
    picture = Image.open(io.BytesIO(base64.b64decode(sheet["url"].partition(",")[2]))).convert("L")
    images = files.read_rows(data / "prepare", "valid").reshape(-1, 4, 4)
    for row in (0, 17, 44):
        x, y = row % sheet["columns"] * 4, row // sheet["columns"] * 4
        tile = np.asarray(picture)[y : y + 4, x : x + 4] / 255
        np.testing.assert_allclose(tile, 1 - images[row], atol=0.5 / 15 + 0.005)


def test_large_images_are_made_smaller():
    tiles = page_map._tiles(np.ones((2, 29, 28), np.float32) * [[[0.5]], [[1.0]]])
    assert tiles.shape == (2, 14, 14) and tiles[0].max() == 0.5 and tiles[1].min() == 1.0


def test_standing_thumbnails_keep_their_distance(data):
    places = page_map._places(np.random.default_rng(0).normal(size=(500, 2)))
    kept = places[page_map._chosen(places)] / [page_map.WIDTH, page_map.HEIGHT]
    distances = np.square(kept[:, None] - kept).sum(axis=2)[~np.eye(len(kept), dtype=bool)]
    assert 10 < len(kept) < 200 and distances.min() > page_map.STANDING


def test_rows_of_a_table_have_dots_and_no_picture(tmp_path):
    assert page_map.read(made_up.make(tmp_path / "data", image_shape=None))["sheet"] is None


def test_the_drawing_has_its_size_and_margins_and_the_picture_its_lines(data):
    found = page_map.read(data)
    assert (found["width"], found["height"], found["n"]) == (1000, 720, 45)
    places = page_map._places(np.array([[0.0, 0.0], [1.0, 2.0], [0.5, 1.0]]))
    assert places.tolist() == [[24, 696], [976, 24], [500, 360]]
    assert page_map._places(np.array([[1.0, 5.0], [1.0, 6.0]])).tolist() == [[24, 696], [24, 24]]
    sheet = found["sheet"]
    assert {name: sheet[name] for name in ("height", "width", "columns", "lines")} == {
        "height": 4, "width": 4, "columns": 100, "lines": 1
    }  # fmt: skip
    assert sheet["standing"][0]["row"] == 0
    table = pd.read_csv(data / "visualize/map.csv")
    corner = page_map._standing(np.array([[24, 696], [333, 100]]), table, 1)
    assert corner == {"x": 33.3, "y": 13.89, "row": 1, "label": table.label[1]}


def test_pictures_are_of_16_greys_in_lines_of_100():
    tiles = np.zeros((101, 2, 3), np.float32)
    tiles[100] = 1
    content = base64.b64decode(page_map._sheet(tiles).removeprefix("data:image/png;base64,"))
    picture = Image.open(io.BytesIO(content))
    assert picture.size == (300, 4) and content[24] == 4, "bits of a pixel"
    grey = np.asarray(picture.convert("L"))
    assert grey[2:, :3].max() == 0 and grey[:2].min() == 255 and grey[2:, 3:].min() == 255
    assert picture.getpalette()[:6] == [0, 0, 0, 17, 17, 17]


def test_images_up_to_20_pixels_high_stay_and_odd_edges_are_cut():
    assert page_map._tiles(np.zeros((1, 20, 9))).shape == (1, 20, 9)
    assert page_map._tiles(np.zeros((1, 22, 9))).shape == (1, 11, 4)
