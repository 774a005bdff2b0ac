"""The book page's map of the codings: points as SVG paths, and one picture with a thumbnail of every row."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from tasks.frame import files
from tasks.frame.view import Place

WIDTH, HEIGHT, EDGE = 1000, 720, 24  # of the drawing, and its empty margin
SIDE, COLUMNS = 14, 100  # pixels of a thumbnail; thumbnails per line of the picture
GREYS = 16
STANDING = 0.006  # least squared distance between visible thumbnails, where the map is 1 wide and 1 high


def read(data: Place) -> dict[str, Any]:
    """Return the map's points by class and, if the rows are images, one picture of all of them.

    A point's row number is its index in data/prepare/valid.npy and its thumbnail's index in the picture.
    """
    manifest = files.read_json(data / "prepare" / "manifest.json")
    table = files.read_table(data / "visualize" / "map.csv")
    places = _places(table[["x", "y"]].to_numpy())
    classes = [_class(name, places, np.flatnonzero(table.label == k)) for k, name in enumerate(manifest["class_names"])]
    shape = manifest["image_shape"]
    sheet = None
    if shape and len(shape) == 2:
        tiles = _tiles(files.read_rows(data / "prepare", "valid")[: len(table)].reshape(-1, *shape))
        sheet = {"url": _sheet(tiles), "height": tiles.shape[1], "width": tiles.shape[2], "columns": COLUMNS,
                 "lines": math.ceil(len(tiles) / COLUMNS),
                 "standing": [_standing(places, table, k) for k in _chosen(places)]}  # fmt: skip
    return {"classes": classes, "width": WIDTH, "height": HEIGHT, "n": len(table), "sheet": sheet}


def _places(points: np.ndarray) -> np.ndarray:
    """Scale points (n, 2) to the drawing, int (n, 2); y, which points up on the map, points down in SVG."""
    low, high = points.min(axis=0), points.max(axis=0)
    share = (points - low) / np.where(high > low, high - low, 1)
    share[:, 1] = 1 - share[:, 1]
    return np.rint(EDGE + share * (np.array([WIDTH, HEIGHT]) - 2 * EDGE)).astype(int)


def _class(name: str, places: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    """Return one class: a path of dots, and the dots' row numbers in the same order."""
    path = "".join(f"M{x} {y}h0" for x, y in places[rows].tolist())
    return {"name": name, "path": path, "rows": ",".join(map(str, rows.tolist())), "n": len(rows)}


def _tiles(images: np.ndarray) -> np.ndarray:
    """Shrink images (n, h, w) in [0, 1] by a whole factor, as means over square blocks, to (n, h', w')."""
    factor = max(1, round(images.shape[1] / SIDE))
    height, width = (size // factor * factor for size in images.shape[1:])
    cut = images[:, :height, :width].reshape(len(images), height // factor, factor, width // factor, factor)
    return cut.mean(axis=(2, 4))


def _sheet(tiles: np.ndarray) -> str:
    """Return all thumbnails as one PNG in a data URL, dark on light; few greys keep it small."""
    n, height, width = tiles.shape
    lines = math.ceil(n / COLUMNS)
    sheet = np.zeros((lines * COLUMNS, height, width), np.float32)
    sheet[:n] = tiles
    grid = sheet.reshape(lines, COLUMNS, height, width).swapaxes(1, 2).reshape(lines * height, COLUMNS * width)
    levels = np.rint((1 - grid) * (GREYS - 1)).astype(np.uint8)
    picture = Image.frombytes("P", (levels.shape[1], levels.shape[0]), levels.tobytes())
    picture.putpalette([level * 255 // (GREYS - 1) for level in range(GREYS) for _ in range(3)])
    content = io.BytesIO()
    picture.save(content, "PNG", bits=4, optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _chosen(places: np.ndarray) -> list[int]:
    """Return the rows whose thumbnails are always visible: in order, each that is far enough from those before."""
    kept: list[int] = []
    for row, place in enumerate(places):
        apart = ((places[kept] - place) / [WIDTH, HEIGHT]) ** 2
        if (apart.sum(axis=1) > STANDING).all():
            kept.append(row)
    return kept


def _standing(places: np.ndarray, table: pd.DataFrame, row: int) -> dict[str, Any]:
    """Return a thumbnail's position in per cent of the map, its row and its label."""
    x, y = (places[row] / [WIDTH, HEIGHT] * 100).round(2)
    return {"x": x, "y": y, "row": row, "label": int(table.label[row])}
