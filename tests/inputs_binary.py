"""Kinds of binary files that are odd: parquet, arrays, IDX and images of every type."""

from __future__ import annotations

import datetime
import decimal
import io
import struct
import zlib
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image
from pyarrow import parquet as pq

from autoencoders import idx
from tests.inputs import (
    CLASSES,
    COLOUR,
    NUMBERS,
    PIXELS,
    TABLE,
    Kind,
    X,
    Y,
    archive,
    folder,
    npy,
    npz,
    parquet,
    picture,
)

CSV: dict[str, Any] = {"x": X, "y": NUMBERS}
PAIR: dict[str, Any] = {**CSV, "names": ["0", "1"]}
IN_FOLDERS = {"x": PIXELS, "y": [0, 0, 0, 1, 1, 1]}
BYTES = idx.encode(np.array(CLASSES, np.uint8))
SIX = np.arange(12).reshape(6, 2)
GREY, RGB = Image.fromarray(PIXELS[0]), Image.fromarray(COLOUR[0])


def columns(**more: Any) -> dict[str, bytes]:
    """Return a parquet file of columns as Arrow has them."""
    stream = io.BytesIO()
    pq.write_table(pa.table({"a": X[:, 0], "label": Y, **more}), stream)
    return {"d.parquet": stream.getvalue()}


def pair(x: Any, y: Any = NUMBERS) -> dict[str, bytes]:
    return {"x.npy": npy(x), "y.npy": npy(y)}


def promised(old: bytes, new: bytes) -> dict[str, bytes]:
    """Return a .npy pair whose header says something else."""
    return {"x.npy": npy(X).replace(old, new), "y.npy": npy(NUMBERS)}


def version(number: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, X, version=number)
    return stream.getvalue()


def named(rows: bytes, labels: bytes = BYTES) -> dict[str, Any]:
    return {"files": {"a.idx": rows, "b.idx": labels}, "settings": {"labels": "b.idx"}}


def first(image: Image.Image | bytes, name: str = "0.png", kind: str = "PNG", **options: Any) -> dict[str, bytes]:
    """Return a folder of images whose first one is another."""
    stream = io.BytesIO(image if isinstance(image, bytes) else b"")
    if isinstance(image, Image.Image):
        image.save(stream, kind, **options)
    files = folder()
    files.pop("d/cat/0.png")
    return {f"d/cat/{name}": stream.getvalue(), **files}


def turned(place: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = place
    return picture(PIXELS[0], exif=exif)


def promising(width: int, height: int) -> bytes:
    """Return a PNG of few bytes that promises many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000))), (b"IEND", b""))
    made = [struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


DAY = datetime.date(2024, 1, 31)
READ = [
    Kind("parquet with decimals", columns(d=pa.array([decimal.Decimal(d) for d in ("1.25", "-3",
         "0.5")] * 4, pa.decimal128(10, 2))), y=NUMBERS,
         x=np.column_stack([X[:, 0], [1.25, -3, 0.5] * 4])),
    Kind("parquet with truth values", columns(d=pa.array([True, False, False] * 4)),
         x=np.column_stack([X[:, 0], [1, 0, 0] * 4]),
         y=NUMBERS),
    Kind("parquet with half floats", columns(d=np.array([1.5, 2, 4] * 4, np.float16)), y=NUMBERS,
         x=np.column_stack([X[:, 0], [1.5, 2, 4] * 4])),
    Kind("parquet with a dictionary of classes, some missing", columns(label=pa.array(["cat", "dog", None] * 4)
         .dictionary_encode()), x=X[:, :1], y=[0, 1, -1] * 4),
    Kind("parquet with whole classes, some missing", columns(label=pa.array([1, 2, None] * 4)), x=X[:, :1],
         y=[0, 1, -1] * 4, names=["1", "2"]),
    Kind("parquet with truth values as classes", columns(label=[True, False] * 6), x=X[:, :1], y=[1, 0] * 6,
         names=["False", "True"]),
    Kind("parquet with blanks around a class", columns(label=["cat", "cat ", "dog"] * 4), x=X[:, :1], y=[0, 0, 1] * 4),
    Kind("parquet with an index of several columns", {"d.parquet": parquet(TABLE.set_index(["a", "b"]))}, **CSV),
    *(Kind(f".npy of {dtype}", pair(SIX[:, :2].repeat(2, 0).astype(dtype)), x=SIX.repeat(2, 0).astype(float), y=NUMBERS,
           names=["0", "1"]) for dtype in ("<f2", ">f4", ">f8", "g", "i1", "u1", ">i2", "<u4", "i8")),
    Kind(".npy of truth values", pair(X > 0), x=(X > 0).astype(float), y=NUMBERS, names=["0", "1"]),
    Kind(".npy by columns", pair(np.asfortranarray(X)), **PAIR),
    Kind(".npy of version 2", {"x.npy": version((2, 0)), "y.npy": npy(NUMBERS)}, **PAIR),
    Kind(".npy of version 3", {"x.npy": version((3, 0)), "y.npy": npy(NUMBERS)}, **PAIR),
    Kind(".npy with classes as floats", pair(X, np.array(NUMBERS, np.float32)), **PAIR),
    Kind(".npy with classes, NaN for none", pair(X, [0, np.nan, 1] * 4), x=X, y=[0, -1, 1] * 4, names=["0", "1"]),
    Kind(".npy with classes in words, one empty", pair(X, ["a", "b ", ""] * 4), x=X, y=[0, 1, -1] * 4, names=["a",
         "b"]),
    Kind(".npy with truth values as classes", pair(X, [True, False] * 6), x=X, y=[1, 0] * 6, names=["False", "True"]),
    Kind(".npy with great classes", pair(X, np.array([2**63, 1] * 6, np.uint64)), x=X, y=[1, 0] * 6, names=["1",
         str(2**63)]),
    Kind(".npz with other arrays", {"d.npz": npz(x=X, y=Y, columns=["a", "b", "c"])}, **CSV,
         says="arrays left out: columns"),
    Kind(".npz packed", {"d.npz": archive(**{"x.npy": npy(X), "y.npy": npy(Y)})}, **CSV),
    *(Kind(f"IDX of {dtype}", **named(idx.encode(SIX.astype(dtype))), x=SIX.astype(float), y=CLASSES, names=["0", "1"])
      for dtype in idx.TYPES.values()),
    Kind("images in capitals", {name.replace("png", "PNG"): c for name, c in folder().items()}, **IN_FOLDERS),
    Kind("an opaque grey image with transparency", first(GREY.convert("LA")), **IN_FOLDERS),
    Kind("a JPEG named .png", first(GREY, kind="JPEG", quality=100), y=IN_FOLDERS["y"], x=np.stack([np.asarray(
         Image.open(io.BytesIO(first(GREY, kind="JPEG", quality=100)["d/cat/0.png"]))), *PIXELS[1:]])),
    Kind("an image of one bit", first(Image.fromarray(PIXELS[0] > 99)), y=IN_FOLDERS["y"],
         x=np.concatenate([np.where(PIXELS[:1] > 99, 255, 0).astype(np.uint8), PIXELS[1:]])),
    *(Kind(f"an image turned by {place}", first(turned(place)), y=IN_FOLDERS["y"], x=np.stack([made, *PIXELS[1:]]))
      for place, made in {0: PIXELS[0], 1: PIXELS[0], 2: PIXELS[0][:, ::-1], 3: PIXELS[0][::-1, ::-1],
                          4: PIXELS[0][::-1], 9: PIXELS[0]}.items()),
    Kind("folders whose names differ in case", {**folder(), "d/Cat/0.png": picture(PIXELS[0])}, y=[0, 1, 1, 1, 2, 2, 2],
         x=np.concatenate([PIXELS[:1], PIXELS]), names=["Cat", "cat", "dog"], says="'Cat' and 'cat' are different "
         "classes"),
]  # fmt: skip

REFUSED = [
    Kind("parquet with nested columns", columns(d=pa.array([{"u": 1}] * 12)), "row 1, column 'd': expected a number"),
    Kind("parquet with maps", columns(d=pa.array([[("a", 1)]] * 12, pa.map_(pa.string(), pa.int32()))),
         "row 1, column 'd'"),
    Kind("parquet with bytes", columns(d=[b"1"] * 12), "row 1, column 'd': expected a number.*received bytes"),
    Kind("parquet with years", {"d.parquet": parquet(TABLE.assign(d=pd.period_range("2001", "2012", freq="Y")))},
         "column 'd'"),
    Kind("parquet with intervals", {"d.parquet": parquet(TABLE.assign(d=pd.interval_range(0, 12)))}, "column 'd'"),
    Kind("parquet with great decimals", columns(d=pa.array([decimal.Decimal(2**63 + 1)] * 12, pa.decimal128(30, 0))),
         "row 1, column 'd': received 9223372036854775809, which would lose digits"),
    Kind("parquet with great numbers in words", columns(d=[str(2**53 + 1)] * 12), "row 1, column 'd': .* lose digits"),
    Kind("parquet with days as classes", columns(label=[DAY, DAY.replace(year=2025)] * 6), "row 1: expected a class"),
    Kind("parquet with lists as classes", columns(label=[[1], [2]] * 6), "row 1, column 'label': expected a class"),
    Kind("parquet without rows", {"d.parquet": parquet(TABLE[:0])}, "received 0 rows of 4 columns"),
    Kind("parquet cut short", {"d.parquet": parquet()[:-5]}, "not readable as parquet"),
    Kind("parquet of no bytes", {"d.parquet": b""}, "not readable as parquet"),
    Kind("a folder of parquet files", {"d.parquet/part-0.parquet": parquet()}, "a table in several files is not read: "
         "join"),
    Kind("a divided folder of parquet files", {"d/label=cat/0.parquet": parquet()}, "a table in several files is not "
         "read"),
    Kind(".npy of objects", pair(np.array([[1, "a"]] * 12, object)), "not readable as .npy: Object arrays"),
    Kind(".npy of records", pair(np.zeros((12, 2), [("a", "f4")])), "expected x of a numeric type, received"),
    Kind(".npy of complex numbers", pair(X + 0j), "expected x of a numeric type, received complex128"),
    Kind(".npy of times", pair(X.astype("M8[s]")), "expected x of a numeric type, received datetime64"),
    Kind(".npy of words", pair(X.astype(str)), "expected x of a numeric type, received <U32"),
    Kind(".npy of one number", pair(3.0), r"received \(\) and \(12,\)"),
    Kind(".npy of one axis", pair(X[:, 0]), r"received \(12,\) and \(12,\)"),
    Kind(".npy of five axes", pair(np.zeros((12, 2, 2, 2, 2))), r"expected x \(n, d\), \(n, h, w\) or"),
    Kind(".npy without rows", pair(X[:0], []), "expected 2 rows or more"),
    Kind(".npy without columns", pair(X[:, :0]), "with 1 feature or more"),
    Kind(".npy with NaN", pair(np.where(X > 1, np.nan, X)), r"row 3, column 1: expected a finite number, received nan"),
    Kind(".npy that promises more", promised(b"(12, 3)", b"(99, 9)"), "its header promises 7128 bytes"),
    Kind(".npy that promises less than nothing", promised(b"(12, 3)", b"(-1, 3)"), "its header promises -24 bytes"),
    Kind(".npy of another type than promised", promised(b"'<f8'", b"'<f4'"), "its header promises 144 bytes"),
    Kind(".npy that would compute", promised(b"(12, 3), }   ", b"(9**9, 3), } "), "not readable as .npy"),
    Kind(".npy with measured numbers as classes", pair(X, np.array([0.1, 1] * 6, np.float32)), "a regression target"),
    Kind(".npy with complex classes", pair(X, [1j, 2j] * 6), "row 1: expected a class"),
    Kind(".npy with times as classes", pair(X, np.array([0, 1] * 6, "M8[ns]")), "received dates or times"),
    Kind(".npy with classes in Latin-1", pair(X, np.array([b"\xe9", b"e"] * 6)), "expected labels in UTF-8"),
    Kind(".npy with classes in a row", pair(X, [NUMBERS]), r"received \(12, 3\) and \(1, 12\)"),
    Kind(".npz of objects", {"d.npz": npz(x=X, y=np.array(Y, object))}, "array y: expected plain numbers or strings"),
    Kind(".npz without names", {"d.npz": npz(arr_0=X, arr_1=NUMBERS)}, "no array x and y, found: arr_0, arr_1"),
    Kind(".npz with text inside", {"d.npz": archive(**{"x.npy": b"abc", "y.npy": npy(NUMBERS)})},
         "array x: expected the"),
    Kind(".npz without arrays", {"d.npz": archive()}, "no array x and y, found:$"),
    Kind(".npz with a name twice", {"d.npz": archive(**{"x.npy": npy(X), "x": npy(X), "y.npy": npy(Y)})},
         "distinct names"),
    Kind(".npz cut short", {"d.npz": npz(x=X, y=Y)[:-30]}, "not a zip archive, or cut short"),
    Kind(".npz that is .npy", {"d.npz": npy(X)}, "not a zip archive"),
    Kind(".npz with two channels", {"d.npz": npz(x=COLOUR[..., :2], y=CLASSES)}, "expected images of 1, 3 or 4 "
         "channels"),
    *(Kind(f"IDX of {dtype}, {words}", **named(change(idx.encode(SIX.astype(dtype)))), refused="IDX header promises")
      for dtype in idx.TYPES.values() for words, change in (("short", lambda c: c[:-1]), ("long", lambda c: c + b"x"))),
    Kind("IDX of an unknown type", **named(b"\0\0\x0a\1\0\0\0\1x"), refused="bad IDX magic 0x00000a01"),
    Kind("IDX of no axes", **named(b"\0\0\x08\0x"), refused=r"received \(\) and \(6,\)"),
    Kind("IDX that promises all memory", **named(b"\0\0\x08\3" + b"\xff" * 12), refused="IDX header promises"),
    Kind("IDX of 255 axes", **named(b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x"), refused="dimension"),
    Kind("IDX of no bytes", **named(b""), refused="bad IDX magic"),
    Kind("IDX, rows and labels exchanged", **named(BYTES, idx.encode(SIX.astype(np.int32))),
         refused=r"received \(6,\) and \(6, 2\)"),
    Kind("a CMYK image", first(RGB.convert("CMYK"), "0.jpg", "JPEG"), "cat/0.jpg: expected grey or colour, received "
         "mode CMYK"),
    Kind("a palette with transparency", first(RGB.quantize(20), transparency=0), "cat/0.png: expected an image "
         "without"),
    Kind("a moving PNG", first(GREY, save_all=True, append_images=[Image.fromarray(PIXELS[1])]),
         "received an animation"),
    Kind("a GIF", first(GREY, "0.gif", "GIF"), "expected images ending in .png, .jpg, .jpeg, received cat/0.gif"),
    Kind("a GIF, named .png", first(GREY, kind="GIF"), "cat/0.png: .*no PNG or JPEG"),
    Kind("a WebP image, named .png", first(GREY, kind="WEBP"), "cat/0.png: .*no PNG or JPEG"),
    Kind("a HEIC image, named .jpg", first(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "0.jpg"),
         "cat/0.jpg: .*no PNG or JPEG"),
    Kind("an image of no bytes", first(b""), "cat/0.png: .*no PNG or JPEG"),
    Kind("an image of no pixels", first(promising(0, 0)), "cat/0.png: not readable as an image"),
    Kind("an image that promises all memory", first(promising(50_000, 50_000)), "cat/0.png: .*exceeds limit"),
    Kind("an image that promises more pixels than it has", first(promising(900, 900)), "cat/0.png: not readable"),
    *(Kind(f"an image turned by {place}", first(turned(place)), "expected images of one size") for place in (5, 6, 7,
         8)),
    Kind("folders below folders of classes", folder(**{"cat/sub/1.png": picture(PIXELS[0])}), "the folder cat/sub"),
    Kind("one folder of a class", {n: c for n, c in folder().items() if "cat" in n}, "expected 2 classes or more"),
    Kind("an empty folder", {"d/": b""}, "received an empty folder"),
    Kind("a folder whose name is no text", {n.replace("cat", "\udcff"): c for n, c in folder().items()},
         r"in UTF-8, received "
         r"\\udcff/0.png"),
    Kind("an image whose name is no text", {**folder(), "d/cat/\udcff.png": b""}, r"in UTF-8, received "
         r"cat/\\udcff.png"),
]  # fmt: skip

# What comes of times is a matter of the columns' kinds: they are read, or refused in one line.
OPEN = [
    Kind("parquet with days", columns(d=[DAY] * 12)),
    Kind("parquet with times of day", columns(d=[datetime.time(1)] * 12)),
    Kind("parquet with durations", columns(d=[datetime.timedelta(1)] * 12)),
    Kind("parquet with times", columns(d=pa.array([datetime.datetime(2024, 1, 1)] * 12, pa.timestamp("us")))),
    Kind("parquet with times and a zone", columns(d=pa.array([datetime.datetime(2024, 1, 1)] * 12, pa.timestamp(
         "us", tz="UTC")))),
    Kind("parquet with a dictionary of words", columns(d=pa.array(["u", "v", "w"] * 4).dictionary_encode())),
    Kind("parquet with a column of nothing", columns(d=pa.nulls(12))),
]  # fmt: skip
