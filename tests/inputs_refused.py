"""Kinds of input that are refused: their files, and the words of the refusal."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd

from autoencoders import idx
from tests.inputs import (
    CLASSES,
    COLOUR,
    EURO,
    NUMBERS,
    PIXELS,
    TABLE,
    Kind,
    X,
    Y,
    archive,
    column,
    folder,
    labelled,
    npy,
    npz,
    parquet,
    picture,
    sparse_npz,
    text,
)

REFUSED = [
    Kind("a typing error among numbers", {"d.csv": text(TABLE.assign(d=[*range(20, 31), "3o"]))}, r"row 12, column "
         r"'d': expected a number, received '3o' \(1 such values in this column\): correct it, or set fetch.kinds: {d"),
    Kind("a typing error among dates", {"d.csv": text(TABLE.assign(d=[f"2024-01-{k}" for k in range(21, 33)]))},
         "row 12, column 'd': expected a date, received '2024-01-32'"),
    Kind("numbers with a unit", {"d.csv": text(TABLE.assign(d=[f"{k * k} kg" for k in range(12)]))}, "row 1, column "
         "'d': expected a number, received '0 kg'"),
    Kind("groups of digits", {"d.csv": text(column("d", "2 000", "3 000", "800"))}, "row 1, column 'd': expected a "
         "number, received '2 000'"),
    Kind("a date with day or month in front", {"d.csv": text(column("d", "1/2/2024", "2/3/2024", "4/5/2024"))},
         "column 'd': '1/2/2024' may have the day or the month in front"),
    Kind("words for truth values in a second file", {"d.csv": text(column("d", True, False, False)), "t.csv": text(
         column("d", "yes", "no"))}, "t.csv: row 1, column 'd': expected true or false, received 'yes'",
         settings={"test": "t.csv"}),
    Kind("a copy of the label", {"d.csv": text(column("code", 3, 7))}, "column 'code' is a copy of the label, 3 in "
         "every row of 'cat' .* fetch.ignore"),
    Kind("a copy of the label in words", {"d.csv": text(column("d", None, "x"))}, "column 'd' is a copy of the label"),
    Kind("a copy of the label beside unlabelled rows", {"d.csv": text(labelled("cat", "dog", None, "dog").assign(
         d=["x", "y", "z", "y"] * 3))}, "column 'd' is a copy of the label"),
    Kind("rows in order of time", {"d.csv": text(TABLE.assign(day=pd.date_range("2024-01-31", periods=12)))},
         "the rows are sorted by the times in column 'day', from 2024-01-31 00:00:00 to 2024-02-11.* fetch.ignore"),
    Kind("rows in the opposite order of time", {"d.parquet": parquet(TABLE.assign(day=pd.date_range(
         "2024-01-31", periods=12)[::-1]))}, "the rows are sorted by the times in column 'day'"),
    Kind("rows in order of seconds", {"d.csv": text(TABLE.assign(Timestamp=1_700_000_000 + np.arange(12) * 60))},
         "the rows are sorted by the times in column 'Timestamp', from 1700000000 to 1700000660"),
    Kind("nothing but an identifier", {"d.csv": text(TABLE.assign(a=range(12))[["a", "label"]])}, "no column is left "
         "as a feature: a are none"),
    Kind("a kind of no column", {"d.csv": text()}, "fetch.kinds: no column 'd'", settings={"kinds": {"d": "date"}}),
    Kind("a thousands separator or decimal comma", {"d.csv": text(column("d", "1,234"))}, r"row 1, column 'd': '1,234' "
         "has a decimal mark or a thousands separator: set fetch.decimal"),
    Kind("thousands with points", {"d.csv": text(TABLE.assign(a="1.234", b=1, c=2), sep=";")}, "set fetch.decimal"),
    Kind("a decimal point among commas", {"d.csv": text(column("d", "1,5", "2.5")[["d", "label"]], sep=";")},
         "row 2, column 'd': expected a number with a decimal comma, received '2.5'"),
    Kind("both marks in a number", {"d.csv": text(column("d", "1.234,5"), sep=";")}, "expected a number"),
    Kind("two possible delimiters", {"d.csv": b"a;b,label\n1;2,3\n1;2,4\n"}, "comma or a semicolon: set fetch"),
    Kind("a short row", {"d.csv": text() + b"1,2,3\n"}, "row 13: expected the 4 columns of the header, received 3"),
    Kind("a long row", {"d.csv": text() + b"1,2,3,cat,5\n"}, "row 13: expected the 4 columns .* received 5"),
    Kind("a quote that is not closed", {"d.csv": text() + b'1,2,3,"cat\n'}, "not readable as CSV, row 13"),
    Kind("an infinite number", {"d.csv": text(column("d", 1, 2, np.inf))}, "row 3, column 'd': expected a"
         r" finite number, received inf \(4 such values\): correct it, or .* set fetch.missing: \[inf\]"),
    Kind("an identifier beyond 2^53", {"d.csv": text(column("id", 2**53 + 1))}, "'id': received 90071992547409"),
    Kind("an identifier of 30 digits", {"d.csv": text(column("id", 10**30))}, "row 1, column 'id': .* lose digits"),
    Kind("a great identifier in parquet", {"d.parquet": parquet(column("id", 2**53 + 1))}, r"column 'id': .*2\^53"),
    Kind("lists in parquet", {"d.parquet": parquet(column("d", [1, 2]))}, "row 1, column 'd': expected a number"),
    Kind("a measured target", {"d.csv": text(TABLE.assign(label=X[:, 0]))}, "different values in 'label', such as .* a "
         "regression target"),
    Kind("a measured whole target", {"d.csv": text(TABLE.assign(label=range(12)))}, "12 different values in 'label'"),
    Kind("a measured target with commas", {"d.csv": text(TABLE.assign(label=X[:, 0]), **EURO)}, "regression target"),
    Kind("a measured target in arrays", {"d.npz": npz(x=X, y=X[:, 0])}, "12 different values in 'y', such as"),
    Kind("no column of labels", {"d.csv": text(TABLE[["a", "b"]])}, "no column 'label' for the labels, found: a, b"),
    Kind("no column to ignore", {"d.csv": text()}, "fetch.ignore: no column 'id', ", settings={"ignore": ["id"]}),
    Kind("a first column without a name", {"d.csv": TABLE.set_index("a").rename_axis("").to_csv().encode()},
         "column 1 has no name; name it, or remove it"),
    Kind("rows without a header", {"d.csv": text(header=False)}, "no column 'label'"),
    Kind("an empty file", {"d.csv": b""}, "no rows"),
    Kind("one class", {"d.csv": text(labelled("cat"))}, "expected 2 classes or more"),
    Kind("UTF-16 without a mark", {"d.csv": text(encoding="utf-16-le")}, "zero byte: save the table as UTF-8"),
    Kind("Excel, by its name", {"d.xlsx": b"PK"}, "received .*xlsx, an Excel file: save it as CSV"),
    Kind("Excel, named .csv", {"d.csv": archive(**{"xl/workbook.xml": b""})}, "received an Excel file"),
    Kind("old Excel, named .csv", {"d.csv": b"\xd0\xcf\x11\xe0\xa1"}, "received an Excel file"),
    Kind("a zip, named .csv", {"d.csv": archive(**{"d.txt": b"a,b"})}, "an archive: unpack it"),
    Kind("a zip of CSV", {"d.zip": archive(**{"d.csv": text()})}, "an archive: unpack it"),
    Kind("JSON, by its name", {"d.json": b"{}"}, "JSON: save it as CSV"),
    Kind("JSON, named .csv", {"d.csv": json.dumps([{"a": 1}]).encode()}, "received JSON"),
    Kind("HTML, named .csv", {"d.csv": b"<!DOCTYPE html>\n<table>"}, "received HTML or XML"),
    Kind("parquet, named .csv", {"d.csv": parquet()}, "let its name end in .parquet"),
    Kind("a pickle", {"d.pkl": b"\x80\x04"}, "a pickle, which could run any code"),
    Kind("a gzip file cut short", {"d.csv.gz": gzip.compress(text())[:-5]}, "damaged gzip file"),
    Kind("a split that is neither", {"d.csv": text(column("part", "train", "valid"))}, "row 2, column 'part': expected "
         "train or test, received 'valid'", settings={"split": "part"}),
    Kind("a split without test rows", {"d.csv": text(column("part", "train"))}, "received train only",
         settings={"split": "part"}),
    Kind("a row without a group", {"d.csv": text(column("g", "u", None))}, r"row 2, column 'g': expected a group, rec",
         settings={"group": "g"}),
    Kind("a group on both sides", {"d.csv": text(column("g", "u", "v")), "t.csv": text(column("g", "w", "v"))},
         r"group 'v' has training and test rows \(1 such\)", settings={"group": "g", "test": "t.csv"}),
    Kind("a test file without groups", {"d.csv": text(column("g", "u", "v")), "t.csv": text()},
         "t.csv: fetch.group: no column 'g'", settings={"group": "g", "test": "t.csv"}),
    Kind("a test class that training lacks", {"d.csv": text(), "t.csv": text(labelled("cat", "dog", "emu"))},
         "class 'emu' occurs in test rows only", settings={"test": "t.csv"}),
    Kind("a test row without a label", {"d.csv": text(), "t.csv": text(labelled("cat", "dog", None))},
         "row 3 of the test rows: expected a label", settings={"test": "t.csv"}),
    Kind("a test file with other columns", {"d.csv": text(), "t.csv": text(TABLE.rename(columns={"a": "z"}))},
         "t.csv: expected the columns of fetch.path: missing a; more z", settings={"test": "t.csv"}),
    Kind("labels among unlabelled rows", {"d.csv": text(), "u.csv": text()}, r"u.csv: row 1: expected no labels in "
         r"fetch.unlabelled, received 'cat' \(12 such", settings={"unlabelled": "u.csv"}),
    Kind("a table and unlabelled arrays", {"d.csv": text(), "u.npz": npz(x=X)}, "same kind of file as fetch.path",
         settings={"unlabelled": "u.npz"}),
    Kind("a sparse matrix", {"d.npz": sparse_npz()}, "a sparse matrix of scipy"),
    Kind("other names in .npz", {"d.npz": npz(rows=X, target=Y)}, "no array x, found: rows, target"),
    Kind("both x and X", {"d.npz": npz(x=X, X=X, y=Y)}, "expected one array out of x and X"),
    Kind("one-hot labels", {"d.npz": npz(x=X, y=np.eye(2)[NUMBERS])}, "for one-hot labels"),
    Kind("16-bit images", {"d.npz": npz(x=PIXELS.astype(np.uint16), y=CLASSES)}, "received 16-bit ones"),
    Kind("channels in front", {"d.npz": npz(x=np.moveaxis(COLOUR, -1, 1), y=CLASSES)}, "received channels first"),
    Kind("images of other sizes among unlabelled ones", {"d.npz": npz(x=PIXELS, y=CLASSES), "u.npz": npz(
         x=PIXELS[:, 1:])}, r"u.npz: expected rows as in fetch.path, uint8 of shape \(n, 5, 4\), received uint8 of",
         settings={"unlabelled": "u.npz"}),
    Kind("an .npy file without labels", {"x.npy": npy(X)}, "fetch.labels: expected a file of labels beside"),
    Kind("an .npy pair of other lengths", {"x.npy": npy(X), "y.npy": npy([0, 1])}, r"received \(12, 3\) and \(2,\)"),
    Kind("an .npy file with more bytes", {"x.npy": npy(X) + b"x", "y.npy": npy(NUMBERS)}, "its header promises"),
    Kind("an IDX file cut short", {"a-images-idx3": idx.encode(PIXELS)[:-1], "a-labels-idx1": idx.encode(
         np.array(CLASSES, np.uint8))}, "IDX header promises"),
    Kind("labels beside a table", {"d.csv": text(), "y.npy": npy(NUMBERS)}, "fetch.labels: expected null",
         settings={"labels": "y.npy"}),
    Kind("labels beside folders of classes", {**folder(), "y.npy": npy(CLASSES)}, "its folders name the classes",
         settings={"labels": "y.npy"}),
    Kind("a file beside folders of classes", folder(**{"labels.csv": b"a"}), "nothing beside them, received a file"),
    Kind("an image cut short", {**folder(), "d/cat/1.png": picture(PIXELS[1])[:-20]}, "cat/1.png: not readable as an"),
    Kind("an image that is none", {**folder(), "d/cat/1.png": b"GIF89a"}, "cat/1.png: .*no PNG or JPEG"),
    Kind("images of other sizes", {**folder(), "d/dog/4.png": picture(PIXELS[4, 1:])}, "received cat/0.png, 4 x 5 "
         "grey, and dog/4.png, 4 x 4 grey"),
    Kind("an empty class folder", {**folder(), "d/emu/": b""}, "class folder emu is empty"),
    Kind("16-bit images in folders", {**folder(), "d/cat/0.png": picture(PIXELS[0] * np.uint16(256))}, "16-bit"),
    Kind("images with transparency", {**folder(), "d/cat/0.png": picture(np.eye(4, dtype=np.uint8)[PIXELS[0] % 4])},
         "cat/0.png: expected an image without transparency"),
    Kind("folders in folders", {**folder(root="d/train"), **folder(root="d/test")}, "fetch.path and fetch.test"),
    Kind("text among images", folder(**{"cat/notes.txt": b"x"}), "received cat/notes.txt"),
]  # fmt: skip
