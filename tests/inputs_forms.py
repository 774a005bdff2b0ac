"""Kinds of input in the forms in which their makers publish them: UCI's, KEEL's, Weka's, R's, Keras'."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pandas as pd

from tests.inputs import (
    CLASSES,
    COLOUR,
    NUMBERS,
    PIXELS,
    TABLE,
    Kind,
    X,
    Y,
    column,
    folder,
    npz,
    picture,
    rda,
    rds,
    text,
)
from tests.inputs import bare as plain

FIRST = TABLE[["label", "a", "b", "c"]]  # the label first, as in letter-recognition.data
CSV = {"x": X, "y": NUMBERS}
LAST: dict[str, Any] = {**CSV, "settings": {"label": 4}}
COUNTED = pd.DataFrame(np.arange(36).reshape(12, 3), columns=["0", "1", "2"])
IMAGES = {"x": PIXELS, "y": CLASSES, "names": ["0", "1"]}
SPLIT = {"x_train": PIXELS[:4], "y_train": CLASSES[:4], "x_test": PIXELS[4:], "y_test": CLASSES[4:]}
KEEL = """@relation pets
@attribute a real [-3.0, 3.0]
@attribute b real[-3.0,3.0]
@ATTRIBUTE 'c' Real
@attribute label{cat, dog}
@inputs a, b, c
@outputs label
@data
"""
ARFF = (
    "% Pets.\n%\n@RELATION 'my pets'\n\n@attribute\ta NUMERIC\n@attribute \"b\" real % the second\n@attribute "
    "'c'\tinteger\n"
    "@attribute label {'cat', \"dog\"}\n\n@DATA\n% rows\n"
)
SPACED = plain().replace(b",", b", ")


def arff(cells: str = "", header: str = ARFF) -> bytes:
    return header.encode() + plain() + cells.encode()


READ = [
    Kind("no header, a class of words last", {"d.data": plain()}, **LAST, says="no header: columns 1 to 4"),
    Kind("no header, the class first", {"d.data": plain(FIRST)}, **CSV, settings={"label": "1"}),
    Kind("no header, classes of numbers", {"d.csv": plain(TABLE.assign(label=NUMBERS))}, x=X, y=NUMBERS,
         names=["0", "1"], settings={"label": 4}),
    Kind("no header, columns of words only", {"d.data": plain(pd.DataFrame({"a": ["p", "e"] * 6, "b": ["x", "y",
         "x"] * 4, "c": [0, 1, 1] * 4}))}, x=np.array([[0.0], [1], [1]] * 4), y=[1, 0] * 6, names=["e", "p"],
         settings={"label": 1, "ignore": [2]}),
    Kind("no header, gzipped", {"d.data.gz": gzip.compress(plain())}, **LAST),
    Kind("no header, semicolons and decimal commas", {"d.csv": plain(sep=";", decimal=",")}, **CSV,
         settings={"label": 4, "delimiter": ";"}),
    Kind("no header, a missing cell in the first row", {"d.csv": plain(column("d", None, 1).iloc[:, [4, 0, 1, 2, 3]])},
         **CSV, settings={"label": 5, "ignore": [1]}),
    Kind("no header, as it is set", {"d.csv": plain(TABLE.assign(label=[f"k{k}" for k in range(11)] + ["k0"])[:12])},
         x=X, y=[0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 2, 0], names=[f"k{k}" for k in (0, 1, 10, *range(2, 10))],
         settings={"label": 4, "header": False}),
    Kind("no header, a test file and unlabelled rows", {"d.trn": plain(), "d.tst": plain(TABLE[:4]), "u.data": plain(
         TABLE[["a", "b", "c"]][:2])}, x=np.concatenate([X, X[:2], X[:4]]), y=[*NUMBERS, -1, -1, 0, 1, 0, 1], n_test=4,
         settings={"label": 4, "test": "d.tst", "unlabelled": "u.data"}),
    Kind("names that are numbers, as it is set", {"d.csv": text(COUNTED.assign(label=Y))}, x=COUNTED.to_numpy(float),
         y=NUMBERS),
    Kind("counted names without a word, as it is set", {"d.csv": text(COUNTED.assign(**{"3": NUMBERS}))}, y=NUMBERS,
         x=COUNTED.to_numpy(float), names=["0", "1"], settings={"label": 3, "header": True}),
    Kind("blanks between columns, as in shuttle.trn", {"d.trn": plain(sep=" ")}, **LAST, says="blanks read as tabs"),
    Kind("blanks between columns, with a header", {"d.txt": text(sep=" ")}, **CSV),
    Kind("columns of a fixed width", {"d.txt": TABLE.to_string(index=False).encode()}, **CSV),
    Kind("columns of a fixed width, by Windows", {"d.txt": (TABLE.to_string(index=False, header=False) + " \n").replace(
         "\n", "\r\n").encode()}, **LAST),
    Kind("blanks between columns, one in quotes", {"d.txt": text(TABLE.assign(label=["a cat", "dog"] * 6), sep=" ")},
         x=X,
         y=NUMBERS, names=["a cat", "dog"], settings={"delimiter": " "}),
    Kind("blanks and tabs between columns", {"d.txt": text(sep=" ").replace(b" cat", b" \t cat")}, **CSV),
    Kind("comments above a header", {"d.csv": b"# made by X\n#\n\n% 2024\n" + text()}, **CSV, says="3 comment lines"),
    Kind("comments above rows", {"d.csv": b"# a, b\n" + plain()}, **LAST, says="1 comment line left out"),
    Kind("a header as a comment, as numpy.savetxt writes it", {"d.txt": b"# " + text(sep=" ")}, **CSV),
    Kind("a header as a comment, between commas", {"d.csv": b"# made by X\n#" + text()}, **CSV),
    Kind("KEEL", {"d.dat": KEEL.encode() + plain()}, **CSV, says="names of columns from @attribute"),
    Kind("KEEL with blanks behind commas", {"d.dat": KEEL.encode() + SPACED}, **CSV),
    Kind("ARFF", {"d.arff": arff()}, **CSV),
    Kind("ARFF with digits that are names", {"d.arff": b"@relation r\n@attribute a real\n@attribute c {0, 1, 2}\n"
         b"@attribute label {cat, dog}\n@data\n" + b"1.5,0,cat\n2.5,2,dog\n3.5,1,cat\n" * 4}, y=[0, 1, 0] * 4,
         x=pd.DataFrame({"a": [1.5, 2.5, 3.5] * 4, "c": pd.Series(["0", "2", "1"] * 4, dtype="str")})),
    Kind("ARFF with comments and quotes among rows", {"d.arff": arff("% end\n\n") .replace(b"cat\n", b"'cat'\n")},
         **CSV),
    Kind("ARFF by Windows", {"d.arff": arff().replace(b"\n", b"\r\n")}, **CSV),
    Kind("ARFF with a quoted comma and a quote", {"d.arff": b"@relation r\n@attribute 'a, \\'x\\'' real\n@attribute "
         b"label "
         b"{'c,d', \"it's\"}\n@data\n1,'c,d'\n2,\"it's\"\n"}, x=np.array([[1.0], [2]]), y=[0, 1], names=["c,d",
         "it's"]),
    Kind("ARFF with a missing class", {"d.arff": arff("1,2,3,?\n")}, x=np.concatenate([X, [[1, 2, 3]]]),
         y=[*NUMBERS, -1]),
    Kind(".rds of R", {"d.rds": rds()}, **CSV),
    Kind(".rda of R with a factor and whole numbers", {"d.rda": rda(d=TABLE.astype({"label": "category"}).assign(
         a=pd.array([5, 9, 7] * 4, "Int32")))}, y=NUMBERS, x=np.column_stack([[5, 9, 7] * 4, X[:, 1:]])),
    Kind(".RData of R with other objects", {"d.RData": rda(n=np.arange(3.0), d=TABLE)}, **CSV),
    Kind(".rda of R with a missing class", {"d.rda": rda(d=TABLE.assign(label=pd.Categorical(["cat", "dog",
         None] * 4)))},
         x=X, y=[0, 1, -1] * 4),
    Kind(".npz of Keras with test rows", {"mnist.npz": npz(**SPLIT)}, **IMAGES, n_test=2),
    Kind(".npz of Keras without test rows", {"mnist.npz": npz(x_train=PIXELS, y_train=CLASSES)}, **IMAGES),
    Kind(".npz of MedMNIST, its validation rows for training", {"m.npz": npz(train_images=PIXELS[:2],
         train_labels=np.array(CLASSES[:2])[:, None], val_images=PIXELS[2:4], val_labels=CLASSES[2:4],
         test_images=PIXELS[4:], test_labels=CLASSES[4:])}, **IMAGES, n_test=2),
    Kind("grey images among colour ones", {**folder(COLOUR), "d/dog/4.png": picture(PIXELS[4])}, y=[0, 0, 0, 1, 1, 1],
         x=np.stack([*COLOUR[:4], np.stack([PIXELS[4]] * 3, axis=-1), COLOUR[5]]), says="1 of 6 images are grey"),
]  # fmt: skip

REFUSED = [
    Kind("no header and no position as the label", {"d.csv": plain()}, r"no column 'label' for the labels, found: 1, "
         r"2, 3, 4 "
         r"\(no header: columns are named by position, the last one is '4'; else set fetch.header\)"),
    Kind("no header, semicolons or decimal commas", {"d.csv": plain(sep=";", decimal=",")}, "set fetch.delimiter",
         settings={"label": 4}),
    Kind("a position beyond the last column", {"d.csv": plain()}, "no column '5' for the labels, found: 1, 2, 3, 4",
         settings={"label": 5}),
    Kind("a header by its words, and a position as the label", {"d.csv": text()}, "no column '4' .* found: a, b, c, "
         "label; set fetch.label",
         settings={"label": 4}),
    Kind("names that are numbers, or data", {"d.csv": text(COUNTED.assign(**{"3": NUMBERS}))},
         r"the first row \(0, 1, 2, 3\)"
         " may name the columns or be data: set fetch.header to true or false", settings={"label": 3}),
    Kind("an index above numbers", {"d.csv": COUNTED.assign(**{"3": NUMBERS}).to_csv().encode()},
         r"row \(, 0, 1, 2, 3\) may",
         settings={"label": 3}),
    Kind("a first row of new words and numbers", {"d.csv": b"w,1990,2010\nx,3,4\ny,4,5\nx,2,2\n"},
         r"first row \(w, 1990, "
         r"2010\) may name", settings={"label": 1}),
    Kind("a header where none is said to be", {"d.csv": text()}, "row 1, column '1': expected a number, received 'a'",
         settings={"label": 4, "header": False}),
    Kind("unlabelled rows without the first column", {"d.csv": plain(FIRST), "u.csv": plain(TABLE[["a", "b", "c"]])},
         "u.csv: row 1: expected no labels in fetch.unlabelled", settings={"label": 1, "unlabelled": "u.csv"}),
    Kind("a comment, a header or a row", {"d.csv": b"#,1,2\nA,1,3\nB,1,4\n"}, "the line '#,1,2' may be a comment, a "
         "header or a",
         settings={"label": 1}),
    Kind("a line above the header", {"d.csv": b"Pets of 2024\n" + text()}, "row 1: expected the 1 columns of the "
         "header, "
         "received 4"),
    Kind("sparse ARFF", {"d.arff": ARFF.encode() + b"{0 1, 3 dog}\n"}, "row 1: sparse rows"),
    Kind("ARFF with a value that is not listed", {"d.arff": arff("1,2,3,cow\n")}, "row 13, column 'label': expected "
         "one of "
         "cat, dog, received 'cow'"),
    Kind("ARFF with a short row", {"d.arff": arff("1,2\n")}, "row 13: expected the 4 attributes, received 2 cells"),
    Kind("ARFF with a quote that is not closed", {"d.arff": arff("1,2,3,'cat\n")}, "row 13: a quote that is not "
         "closed"),
    Kind("ARFF without rows", {"d.arff": ARFF.encode()}, "no rows"),
    Kind("ARFF without @data", {"d.arff": b"@relation r\n@attribute a real\n"}, "expected a line @data"),
    Kind("ARFF without attributes", {"d.arff": b"@relation r\n@data\n1\n"}, "expected lines @attribute"),
    Kind("ARFF of bags of rows", {"d.arff": b"@relation r\n@attribute bag relational\n@end bag\n@data\n"},
         "line 2: expected "
         "@attribute NAME and"),
    Kind("two data frames of R", {"d.rda": rda(one=TABLE, two=TABLE)}, r"expected one data frame, received 2 among: "
         r"one \(data "
         r"frame\), two \(data frame\); saveRDS"),
    Kind("no data frame of R", {"d.rda": rda(m=X)}, r"received 0 among: m \(array of shape \(12, 3\)\)"),
    Kind("R's file cut short", {"d.rda": rda(d=TABLE)[:-9]}, "d.rda: damaged gzip file"),
    Kind("R's file of other bytes", {"d.rds": text()}, "not readable as a file of R"),
    Kind("R's lazy-load database", {"Rdata.rdb": b"x"}, "a part of R's lazy-load database: save the data frame with "
         "saveRDS"),
    Kind(".npz of Keras without test labels", {"d.npz": npz(**{k: v for k, v in SPLIT.items() if k != "y_test"})},
         "expected rows and labels of each split, .* received: x_train, y_train, x_test"),
    Kind(".npz of Keras with other arrays", {"d.npz": npz(**SPLIT, x=PIXELS)}, "and no other arrays, received: "
         "x_train"),
    Kind(".npz of Keras with test rows of another size", {"d.npz": npz(**{**SPLIT, "x_test": PIXELS[4:, 1:]})},
         r"x_test: expected rows as in fetch.path, uint8 of shape \(n, 5, 4\), received uint8 of shape \(n, 4, 4\)"),
    Kind(".npz of Keras as a test file", {"d.npz": npz(x=X, y=Y), "t.npz": npz(**SPLIT)},
         "t.npz: no array x and y, found:",
         settings={"test": "t.npz"}),
    Kind("test rows twice", {"d.npz": npz(**SPLIT), "t.npz": npz(x=PIXELS[4:], y=[2, 2])},
         "class '2' occurs in test rows only",
         settings={"test": "t.npz"}),
]  # fmt: skip

# What comes of dates is a matter of the columns' kinds: they are read, or refused in one line.
OPEN = [
    Kind("ARFF with dates", {"d.arff": arff().replace(b"a NUMERIC", b"a date 'yyyy-MM-dd'").replace(plain(), plain(
         TABLE.assign(a="2024-01-31")))}),
]  # fmt: skip
