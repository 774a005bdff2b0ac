"""Kinds of text that are odd: encodings, quotes, line ends, names, labels, files that are something else."""

from __future__ import annotations

import bz2
import gzip
import io
import re
import unicodedata
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import feather

from tests.inputs import NUMBERS, TABLE, Kind, X, Y, column, folder, labelled, npy, npz, text

CSV: dict[str, Any] = {"x": X, "y": NUMBERS}
THREE: dict[str, Any] = {"x": X, "y": [0, 1, 2] * 4}
T = text()
FIRST = text(TABLE[["label", "a", "b", "c"]])
MARK = b"\xef\xbb\xbf"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a" * 16 + b"\nsize 123\n"
ACCENT = unicodedata.normalize("NFD", "é")


def damaged(content: bytes, place: int) -> bytes:
    wrong = bytearray(content)
    wrong[place] ^= 1
    return bytes(wrong)


def arrow() -> bytes:
    stream = io.BytesIO()
    feather.write_feather(pa.table({"a": X[:, 0], "label": Y}), stream)
    return stream.getvalue()


READ = [
    Kind("UTF-16, the other way round", {"d.csv": b"\xfe\xff" + text(encoding="utf-16-be")}, **CSV, says="UTF-16"),
    Kind("a class that is NULL of a dump", {"d.csv": text(labelled(r"\N", "dog"))}, x=X, y=NUMBERS,
         names=[r"\N", "dog"], says=r"WARNING: '\\N' counts as a class"),
    Kind("codes with leading zeros", {"d.csv": text(column("zip", "02139", "10001", "00501"))},
         x=TABLE[["a", "b", "c"]].assign(zip=[2139, 10001, 501] * 4), y=NUMBERS,
         says="WARNING: '02139' in column 'zip' begins with a zero"),
    Kind("line ends of old Macs", {"d.csv": T.replace(b"\n", b"\r")}, **CSV),
    Kind("line ends of several kinds", {"d.csv": T.replace(b"\n", b"\r\n", 3)}, **CSV),
    Kind("no line end at the end", {"d.csv": T.rstrip()}, **CSV),
    Kind("blank lines first", {"d.csv": b"\n \r\n\t\n" + T}, **CSV),
    Kind("a delimiter at the end of every line", {"d.csv": T.replace(b"\n", b",\n")}, **CSV),
    Kind("a tab at the end of every line", {"d.tsv": text(sep="\t").replace(b"\n", b"\t\r\n")}, **CSV),
    Kind("blanks before quotes", {"d.csv": T.replace(b",cat", b', "cat"')}, **CSV),
    Kind("blanks around cells", {"d.csv": T.replace(b",", b" , ")}, **CSV),
    Kind("blanks before quotes with a comma", {"d.csv": T.replace(b",cat", b', "c, ""at"""')}, x=X, y=NUMBERS,
         names=['c, "at"', "dog"]),
    Kind("a line end in a cell", {"d.csv": text(labelled("a\nb", "dog"))}, x=X, y=NUMBERS, names=["a\nb", "dog"]),
    Kind("quotes in a cell", {"d.csv": text(labelled('a "b"', "dog"))}, x=X, y=NUMBERS, names=['a "b"', "dog"]),
    Kind("a delimiter in a cell", {"d.csv": text(labelled("a,b", "dog"))}, x=X, y=NUMBERS, names=["a,b", "dog"]),
    Kind("a line end in a name", {"d.csv": text(TABLE.rename(columns={"a": "a\nb"}))}, **CSV),
    Kind("single quotes around a class", {"d.csv": T.replace(b"cat", b"'cat'")}, x=X, y=NUMBERS, names=["'cat'",
         "dog"]),
    Kind("quotes around some cells of a class", {"d.csv": T.replace(b"cat", b"'cat'", 1)}, x=X, y=[0, 2, *[1, 2] * 5],
         names=["'cat'", "cat", "dog"], says="WARNING: \"'cat'\" and 'cat' are different classes"),
    Kind("blanks around a class", {"d.csv": text(labelled("cat", "cat ", " dog"))}, x=X, y=[0, 0, 1] * 4),
    Kind("a hard blank behind a class", {"d.csv": text(labelled("cat", "cat\u00a0", "dog"))}, x=X, y=[0, 0, 1] * 4),
    Kind("1 and 01", {"d.csv": text(labelled("1", "01", "2"))}, x=X, y=[1, 0, 2] * 4, names=["01", "1", "2"],
         says="WARNING: '01' and '1' are different classes"),
    Kind("1 and 1e0", {"d.csv": text(labelled("1", "1e0", "2"))}, **THREE, names=["1", "1e0", "2"],
         says="WARNING: '1' and '1e0' are different classes"),
    Kind("true and True", {"d.csv": text(labelled("True", "false", "true"))}, **THREE, names=["True", "false", "true"],
         says="WARNING: 'True' and 'true' are different classes"),
    Kind("a letter in two forms", {"d.csv": text(labelled("dog", ACCENT, "é"))}, **THREE, names=["dog", ACCENT, "é"],
         says="are different classes"),
    Kind("a mark of no width", {"d.csv": text(labelled("cat", "cat\u200b", "dog"))}, **THREE,
         names=["cat", "cat\u200b", "dog"], says="WARNING: 'cat' and 'cat\\u200b' are different classes"),
    Kind("numbers in powers of ten", {"d.csv": text(column("d", "1.5e3", "1E+05", "7"))}, y=NUMBERS,
         x=np.column_stack([X, [1500, 100000, 7] * 4])),
    Kind("numbers with signs, without digits before or behind the point",
         {"d.csv": text(column("d", "+.5", "-5.", "+7"))},
         x=np.column_stack([X, [0.5, -5, 7] * 4]), y=NUMBERS),
    Kind("one row of a class", {"d.csv": text(TABLE.assign(label=["emu", *Y[1:]]))}, x=X, y=[2, 1, *[0, 1] * 5],
         names=["cat", "dog", "emu"]),
    Kind("gzipped, without .gz", {"d.csv": gzip.compress(T)}, **CSV),
    Kind("not gzipped, with .gz", {"d.csv.gz": T}, **CSV),
    Kind("gzipped in two pieces", {"d.csv.gz": gzip.compress(T[:50]) + gzip.compress(T[50:])}, **CSV),
    Kind("a name with blanks and brackets", {"my data (1).csv": T}, **CSV),
    Kind("a name with a line end", {"my\ndata.csv": T}, **CSV),
    Kind("a name in other letters", {"dätä 猫.csv": T}, **CSV),
    Kind("a name with a dash in front", {"-d.csv": T}, **CSV),
    Kind("a name in capitals", {"D.CSV.GZ": gzip.compress(T)}, **CSV),
    Kind("a hidden file that is named", {".d.csv": T}, **CSV),
]  # fmt: skip

REFUSED = [
    Kind("UTF-16 of an odd length", {"d.csv": text(encoding="utf-16")[:-1]}, "not UTF-16 at byte 510, as its first"),
    Kind("UTF-32", {"d.csv": text(encoding="utf-32")}, "received a zero byte: save the table as UTF-8"),
    Kind("UTF-32 without a mark", {"d.csv": text(encoding="utf-32-le")}, "received a zero byte: save the table as "
         "UTF-8"),
    Kind("a zero byte", {"d.csv": T.replace(b"cat", b"c\0t", 1)}, "received a zero byte"),
    Kind("a byte order mark within the text", {"d.csv": FIRST + MARK + b"cat,1,2,3\n"},
         "line 14: a byte order mark within"),
    Kind("two byte order marks", {"d.csv": MARK + MARK + T}, "line 1: a byte order mark within the text"),
    Kind("a backslash before a quote", {"d.csv": T.replace(b"cat", b'"c\\"at"')}, "not readable as CSV, row 1"),
    Kind("a delimiter at the end of every row, not of the header", {"d.csv": T.replace(b"t\n", b"t,\n").replace(b"g\n",
         b"g,\n")}, "row 1: expected the 4 columns of the header, received 5"),
    Kind("a footer", {"d.csv": T + b"(12 rows)\n"}, "row 13: expected the 4 columns of the header, received 1"),
    Kind("a footer of totals", {"d.csv": T + b"Total,,,\n"}, "row 13"),
    Kind("a comment below", {"d.csv": T + b"\n# end\n"}, "row 13: expected the 4 columns of the header, received 1"),
    Kind("a name twice", {"d.csv": T.replace(b"a,b,c", b"a,a,c")}, "received these more than once: a"),
    Kind("the label's name twice", {"d.csv": T.replace(b"a,b,c", b"label,b,c")}, "received these more than once: "
         "label"),
    Kind("a name that is empty", {"d.csv": T.replace(b"a,b,c", b"a,,c")}, "column 2 has no name"),
    Kind("one row", {"d.csv": text(TABLE[:1])}, "expected 2 rows or more"),
    Kind("a header alone", {"d.csv": text(TABLE[:0])}, "no rows"),
    Kind("blank lines alone", {"d.csv": b"\n\n \n"}, "no rows"),
    Kind("an empty gzip file", {"d.csv.gz": gzip.compress(b"")}, "no rows"),
    Kind("a column of labels alone", {"d.csv": text(TABLE[["label"]])}, "no column besides the labels 'label'"),
    Kind("no label at all", {"d.csv": text(TABLE.assign(label=None))}, "received 0 in 0 labelled rows"),
    Kind("a cell of two million characters", {"d.csv": T + b"1,2,3," + b"x" * 2_000_000 + b"\n"},
         "row 13: field larger"),
    Kind("a number of 100,000 digits", {"d.csv": T + b"1,2," + b"3" * 100_000 + b",cat\n"},
         "row 13, column 'c': expected"),
    Kind("a gzip file in a gzip file", {"d.csv.gz": gzip.compress(gzip.compress(T))},
         "a gzip file in a gzip file: unpack"),
    Kind("a gzip file with a wrong checksum", {"d.csv.gz": damaged(gzip.compress(T), -6)}, "damaged gzip file"),
    Kind("rows of empty cells among others", {"d.csv": T + b",,,\n,,,\n" + T.partition(b"\n")[2]}, "row 13: .* only"
         " empty cells: remove"),
    Kind("columns without a name at the end", {"d.csv": T.replace(b"\n", b",,\n")}, "column 5 has no name; name it"),
    Kind("NULL of a dump, among numbers", {"d.csv": text(column("d", r"\N", *range(11)))}, r"fetch.missing: \['\\N'\]"),
    Kind("a row of units", {"d.csv": T.replace(b"label\n", b"label\nmm,,,\n")}, "row 1, column 'a': .* 'mm' .1 such"),
    Kind("names of rows, as R's write.table has them", {"d.csv": T.replace(b"\n", b"\nr,")[:-2]}, "row.names=FALSE"),
    Kind("numbers with Fortran's exponent", {"d.csv": text(column("d", *(f"{k}.5D+0{k % 3}" for k in range(12))))},
         "row 1, column 'd': expected a number, received '0.5D.00'"),
    Kind("a structured array", {"x.npy": npy(np.zeros(12, [("a", "f4"), ("b", "f4")])), "y.npy": npy([0, 1] * 6)},
         "a structured array of a, b: save numpy"),
    Kind("the test file is the data", {"d.csv": T}, "fetch.test: expected another file", settings={"test": "d.csv"}),
    Kind("the unlabelled rows are the data", {"x.npy": npy(X), "y.npy": npy([0, 1] * 6)},
         "fetch.unlabelled: expected another file", settings={"unlabelled": "x.npy"}),
    Kind("rows in the order of seconds", {"d.csv": text(column("ts", *range(0, 43_200, 3600)))}, "sorted by the times"),
    Kind("one group", {"d.csv": text(column("g", "p"))}, "column 'g': expected several groups to split",
         settings={"group": "g"}),
    Kind("another archive, named .csv", {"d.csv": bz2.compress(T)}, "an archive: unpack it"),
    Kind("an archive, by its name", {"d.tar.gz": b"x"}, "received .*d.tar.gz, an archive: unpack it"),
    Kind("a packed file of old Unix", {"d.tra.Z": b"x"}, "received .*d.tra.Z, an archive: unpack it"),
    Kind("an error page, named .csv", {"d.csv": b"\n<html><body>404</body></html>"}, "HTML or XML: download the table"),
    Kind("a PDF, named .csv", {"d.csv": b"%PDF-1.4\n1 0 obj\n"}, "a PDF: download the table itself"),
    Kind("lines of JSON, named .csv", {"d.csv": b'{"a": 1, "label": "x"}\n{"a": 2, "label": "y"}\n'}, "received JSON"),
    Kind("Feather, by its name", {"d.feather": arrow()}, "an Arrow, ORC or Avro file: save it as parquet"),
    Kind("Feather, named .csv", {"d.csv": arrow()}, "an Arrow or Feather file: save it as parquet"),
    Kind("Feather, named .parquet", {"d.parquet": arrow()}, "not readable as parquet"),
    Kind("a file of SPSS", {"d.sav": b"x"}, "a file of SPSS, Stata or SAS: save it as CSV"),
    Kind("a pointer of Git LFS", {"d.csv": LFS}, "d.csv is a pointer of Git LFS: fetch the file itself with git lfs "
         "pull"),
    Kind("a pointer of Git LFS, named .npz", {"d.npz": LFS}, "d.npz is a pointer of Git LFS"),
    Kind("a pointer of Git LFS among images", {**folder(), "d/cat/1.png": LFS}, "cat/1.png is a pointer of Git LFS"),
    Kind("a pointer of DVC, named .csv", {"d.csv": b"outs:\n- md5: ab\n  path: d.csv\n"}, "d.csv is a pointer of DVC"),
    Kind("a pointer of DVC", {"d.csv.dvc": b"outs:\n- md5: ab\n"}, "a pointer of DVC: fetch the file itself with dvc "
         "pull"),
    Kind("a table of another kind, named .npz", {"d.npz": T}, "not readable as .npz: not a zip archive"),
    Kind("arrays, named .csv", {"d.csv": npz(x=X, y=Y)}, "an archive: unpack it"),
    Kind("a folder, named .csv", {"d.csv/a.txt": b"x"}, "d.csv: expected a folder per class and nothing beside them"),
    Kind("a file without an ending", {"data": T}, "expected a folder, or a file ending in .csv, "),
    Kind("a bad file with a line end in its name", {"my\ndata.csv": T + b"1\n"}, "my data.csv: row 13"),
    Kind("a bad cell with marks of the terminal", {"d.csv": text(column("d", "\x1b[31m", 1)).replace(b"a,b,c,label,d",
         b"\x1b[31m,b,c,lable,d")}, r"found: \\x1b\[31m, b, c, lable, d"),
]  # fmt: skip

# Cells that are no plain numbers: what comes of them is a matter of the columns' kinds; they are read, or refused in
# one line with their row or column.
CELLS = {
    "a percentage": "12%", "a currency": "$1,200", "a currency behind": "5 €", "a negative in brackets": "(5)",
    "another minus": "−5", "thousands by a thin blank": "1\u2009200", "thousands by a hard blank": "1\u00a0200",
    "thousands by an apostrophe": "1'200", "thousands and a point": "1,234.5", "Indian thousands": "1,23,456",
    "Fortran's exponent": "1.5D3", "a hexadecimal": "0x1F", "NaN": "NaN", "NULL": "NULL", "NA": "NA", "?": "?",
    "a dash": "-", "infinity": "inf", "negative infinity": "-Infinity", "nothing": "", "a blank": " ", "a unit": "5 kg",
    "a limit": "<5", "a fraction": "1/2", "a complex number": "1+2j", "a list": "[1, 2]", "an underscore": "1_000",
    "Arabic digits": "١٢", "wide digits": "１２", "a superscript": "5²", "beyond a double": "1e400", "yes": "yes",
    "True": "True", "a time": "12:30", "a date": "2024-01-31", "a date in words": "31 Jan 2024", "a formula": "=1+1",
    "an identifier": "123e4567-e89b-12d3-a456-426614174000", "an address": "http://x.y/z", "a rule": "---",
}  # fmt: skip


def varied(cell: str) -> list[str]:
    """Return a cell with another number in the place of its first digit, for each row."""
    return [re.sub(r"\d", str(1 + 7 * k % 12), cell, count=1) for k in range(12)]


OPEN = [
    *(Kind(f"a column of: {words}", {"d.csv": text(column("d", *varied(cell)))}) for words, cell in CELLS.items()),
    *(Kind(f"among numbers: {words}", {"d.csv": text(column("d", "1", "2", cell))}) for words, cell in CELLS.items()),
    Kind("a constant column", {"d.csv": text(TABLE.assign(d=7))}),
    Kind("a column of empty cells", {"d.csv": text(TABLE.assign(d=None))}),
    Kind("a class of totals at the end", {"d.csv": T + b"1,2,3,Total\n"}),
    Kind("a table of Markdown", {"d.csv": b"| a | label |\n|---|---|\n| 1 | x |\n| 2 | y |\n"}),
    Kind("a page of YAML", {"d.csv": b"a: 1\nb: 2\n"}),
    Kind("a cell of 130,000 characters", {"d.csv": T + b"1,2," + b"x" * 130_000 + b",cat\n"}),
    Kind("Shift-JIS", {"d.csv": text(labelled("猫", "犬"), "shift-jis")}),
    Kind("GB 18030", {"d.csv": text(labelled("猫", "犬"), "gb18030")}),
    Kind("KOI8-R", {"d.csv": text(labelled("кот", "пёс"), "koi8-r")}),
]
