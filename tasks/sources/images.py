"""A folder of images: a folder per class, PNG or JPEG, 8 bit, grey or colour, all of one size.

Grey images among colour ones turn to colour.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, ImageOps

from autoencoders.errors import InputError
from tasks.frame import files
from tasks.frame.errors import DataError
from tasks.frame.progress import say
from tasks.frame.sections import Fetch
from tasks.sources import parts
from tasks.sources.contents import Given
from tasks.sources.parts import Part

ENDINGS = (".png", ".jpg", ".jpeg")
PNG, DEPTH = b"\x89PNG", 24  # the byte of a PNG file that says its bits per channel
MODES = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGB": "RGB", "RGBA": "RGB"}  # Pillow's, and ours


def read(given: Mapping[str, Given], key: str, options: Fetch) -> Part:
    """Return the images of the folder `given[key]`, sorted by class and name, and their classes.

    Images of the key `unlabelled` lie in the folder itself.
    """
    source = given[key]
    names = _flat(source) if key == "unlabelled" else _by_class(source)
    n_colour = sum(_is_colour(source.read(name)) for name in names)
    first = _pixels(source.read(names[0]), names[0], in_colour=n_colour > 0)
    if 0 < n_colour < len(names):
        say(f"{len(names) - n_colour:,} of {len(names):,} images are grey: read as colour, each channel the same")
    x = files.new_array(source.room / f"{key}.npy", (len(names), *first.shape), first.dtype)
    for k, name in enumerate(names):
        image = _pixels(source.read(name), name, in_colour=n_colour > 0)
        if image.shape != first.shape:
            raise InputError(
                f"expected images of one size and kind, received {names[0]}, {_size(first)}, and {name}, {_size(image)}"
            )
        x[k] = image
    labels = None if key == "unlabelled" else np.array([PurePosixPath(name).parts[0] for name in names], dtype=object)
    return parts.part(x, labels)


def _is_colour(content: bytes) -> bool:
    """Return whether an image is in colour, by its header; a damaged one is not."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG"]) as image:
            return MODES.get(image.mode) == "RGB"
    except Exception:  # noqa: BLE001 - Pillow raises errors of many kinds; `_pixels` names them
        return False


def _by_class(source: Given) -> list[str]:
    """Return the names of the images, one folder deep; InputError names what lies elsewhere."""
    for folder in source.folders:
        if "/" in folder:
            hint = " (for train and test folders: fetch.path and fetch.test)" if folder[:4] in ("trai", "test") else ""
            raise InputError(f"expected a folder per class with images only, received the folder {folder}{hint}")
        if not any(name.startswith(f"{folder}/") for name in source.files):
            raise InputError(f"class folder {folder} is empty: add images, or remove it")
    for name in source.files:
        if "/" not in name:
            what = "an image" if name.lower().endswith(ENDINGS) else "a file"
            raise InputError(
                f"expected a folder per class and nothing beside them, received {what}, {name}{_several(name)}"
            )
    return _images(source)


def _flat(source: Given) -> list[str]:
    if source.folders:
        raise InputError(f"expected images without folders, received the folder {source.folders[0]}")
    return _images(source)


def _images(source: Given) -> list[str]:
    wrong = [name for name in source.files if not name.lower().endswith(ENDINGS)]
    if wrong:
        raise InputError(
            f"expected images ending in {', '.join(ENDINGS)}, received {wrong[0]} ({len(wrong)} such files)"
            f"{_several(wrong[0])}"
        )
    if unclear := [name for name in source.files if name != name.encode("utf-8", "replace").decode()]:
        raise InputError(f"expected names of files and folders in UTF-8, received {unclear[0]}")
    if not source.files:
        raise InputError("expected images, received an empty folder")
    return sorted(source.files)


def _several(name: str) -> str:
    is_table = PurePosixPath(name).suffix.lower() in (".parquet", ".csv", ".tsv")
    return "; a table in several files is not read: join them into one" if is_table else ""


def _pixels(content: bytes, name: str, *, in_colour: bool) -> np.ndarray:
    """Return an image as uint8, upright, (h, w, 3) if it has to be `in_colour`, else (h, w).

    Raises: DataError that names a damaged image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if content.startswith(PNG):
                Image.open(io.BytesIO(content), formats=["PNG"]).verify()  # every checksum, which loading skips
            image = Image.open(io.BytesIO(content), formats=["PNG", "JPEG"])
            image.load()
            upright = ImageOps.exif_transpose(image)
    except Exception as error:  # noqa: BLE001 - Pillow raises errors of many kinds for a damaged file
        why = "no PNG or JPEG" if isinstance(error, Image.UnidentifiedImageError) else " ".join(str(error).split())
        raise DataError(f"{name}: not readable as an image: {why}") from None
    if image.format == "PNG" and getattr(image, "n_frames", 1) > 1:
        raise DataError(f"{name}: expected one picture, received an animation")
    if upright.mode.startswith(("I", "F")) or (content.startswith(PNG) and content[DEPTH] == 16):
        raise DataError(f"{name}: expected 8 bits per channel, received a 16-bit image or one of another depth")
    plain = _plain(upright, name)
    return np.asarray(plain.convert("RGB") if in_colour else plain)


def _plain(image: Image.Image, name: str) -> Image.Image:
    """Return an image of mode L or RGB with the same pixels."""
    if image.mode not in MODES:
        raise DataError(f"{name}: expected grey or colour, received mode {image.mode}: convert it to RGB first")
    with_alpha = image.convert("RGBA")
    if with_alpha.getchannel("A").getextrema() != (255, 255):
        raise DataError(f"{name}: expected an image without transparency: put it on a background first")
    plain = with_alpha.convert("RGB")
    return plain if MODES[image.mode] == "RGB" else plain.getchannel("R")


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]} {'colour' if pixels.ndim == 3 else 'grey'}"
