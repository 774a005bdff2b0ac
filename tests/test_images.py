"""tasks/sources/images.py: pictures in folders, pixel for pixel, or the name of the one that cannot be read."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image

from tasks.frame.sections import Fetch
from tasks.sources import contents, images
from tests.inputs import COLOUR, PIXELS, UNUSED, picture

GREY, RGB = PIXELS[0], COLOUR[0]


def read(files, key="path", folders=()):
    with TemporaryDirectory() as room:
        (Path(room) / "d").mkdir()
        for folder in folders:
            (Path(room) / "d" / folder).mkdir()
        for name, content in files.items():
            (Path(room) / "d" / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(room) / "d" / name).write_bytes(content)
        given = {key: contents.read(Path(room) / "d", key, Path(room))}
        return images.read(given, key, Fetch(dataset="file", **UNUSED | {"path": "d"}))


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def one(content):
    """Return the pixels of one picture, read as an unlabelled one."""
    return read({"a.png": content}, "unlabelled").x[0]


def test_images_are_sorted_by_class_and_name():
    part = read({"b/1.png": picture(GREY), "a/2.PNG": picture(GREY + 1), "a/10.png": picture(GREY + 2)})
    np.testing.assert_array_equal(part.x, [GREY + 2, GREY + 1, GREY])
    assert (part.labels.tolist(), part.x.dtype) == (["a", "a", "b"], np.uint8)


def test_a_picture_keeps_its_pixels_in_every_form():
    grey, rgb = Image.fromarray(GREY), Image.fromarray(RGB)
    for content in (saved(grey), saved(grey.convert("LA")), saved(grey, optimize=True)):
        np.testing.assert_array_equal(one(content), GREY)
    palette = rgb.quantize(20)
    for content in (saved(rgb), saved(rgb.convert("RGBA")), saved(palette)):
        np.testing.assert_array_equal(one(content), RGB)
    assert one(saved(Image.fromarray(GREY > 99))).tolist() == np.where(GREY > 99, 255, 0).tolist()


def test_a_jpeg_is_read_as_pillow_does():
    content = saved(Image.fromarray(RGB), "JPEG", quality=95)
    np.testing.assert_array_equal(one(content), np.asarray(Image.open(io.BytesIO(content))))
    with pytest.raises(ValueError, match=r"a\.png: not readable as an image: .*truncated"):
        one(content[:-20])
    with pytest.raises(ValueError, match="expected grey or colour, received mode CMYK"):
        one(saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"))


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_data_turn_a_picture_upright(orientation, turns):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(one(picture(GREY, exif=exif)), np.rot90(GREY, turns))


def test_every_checksum_of_a_png_is_checked():
    content = picture(GREY)
    for place in range(8, len(content) - 12):  # after the signature, before the last chunk
        wrong = bytearray(content)
        wrong[place] ^= 1
        with pytest.raises(ValueError, match=r"^a\.png: "):
            one(bytes(wrong))


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        (Image.fromarray(GREY.astype(np.uint16) * 256), "expected 8 bits per channel"),
        (Image.fromarray(np.dstack([RGB, GREY])), "without transparency"),
    ],
)
def test_a_picture_of_another_depth_or_with_holes_is_refused(image, complaint):
    with pytest.raises(ValueError, match=rf"a\.png: .*{complaint}"):
        one(saved(image))
    with pytest.raises(ValueError, match="without transparency"):
        one(saved(Image.fromarray(RGB), transparency=tuple(RGB[0, 0].tolist())))
    with pytest.raises(ValueError, match="received an animation"):
        one(saved(Image.fromarray(GREY), save_all=True, append_images=[Image.fromarray(GREY + 1)]))


def test_a_png_of_16_bits_a_colour_is_not_read_as_one_of_8():
    n_rows, n_columns, _ = RGB.shape
    lines = np.concatenate([np.zeros((n_rows, 1), np.uint8), np.repeat(RGB, 2, axis=2).reshape(n_rows, -1)], axis=1)
    header = struct.pack(">IIBBBBB", n_columns, n_rows, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    made = [struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(made)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), RGB)  # as Pillow reads it
    with pytest.raises(ValueError, match=r"a\.png: expected 8 bits per channel"):
        one(content)


@pytest.mark.parametrize(
    ("files", "folders", "complaint"),
    [
        ({}, [], "received an empty folder"),
        ({}, ["a"], "class folder a is empty"),
        ({"a/b/1.png": b""}, ["a", "a/b"], "received the folder a/b$"),
        ({"train/b/1.png": b""}, ["train", "train/b"], r"the folder train/b \(for train and test folders"),
        ({"a/1.png": b"", "1.png": b""}, ["a"], "received an image, 1.png"),
        ({"a/1.png": b"", "y.csv": b""}, ["a"], "received a file, y.csv"),
        ({"a/1.gif": b"", "a/2.bmp": b""}, ["a"], r"received a/1\.gif \(2 such files\)"),
    ],
)
def test_what_lies_in_a_wrong_place_is_named(files, folders, complaint):
    with pytest.raises(ValueError, match=complaint):
        read(files, folders=folders)
    if folders:
        with pytest.raises(ValueError, match=f"expected images without folders, received the folder {folders[0]}"):
            read(files, "unlabelled", folders)
