"""Kinds of input as they leave other programs: Excel, databases, R's write.table, pandas, writers of parquet."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd

from tests.inputs import NUMBERS, PIXELS, TABLE, Kind, X, column, folder, labelled, npz, parquet, picture, text

T = text()
FIRST, *ROWS = T.decode().splitlines()
ABC = TABLE.drop(columns="label")
CSV = {"x": X, "y": NUMBERS}
DIGITS = {**CSV, "names": ["0", "1"]}
HEADS = {"an HDF5 or MATLAB file": b"\x89HDF\r\n\x1a\n\0", "an HDF5 or MATLAB": b"MATLAB 5.0 MAT-file\0",
         "a file of SPSS or Stata": b"$FL2@(#) \0", "a file of SPSS or": b"<stata_dta><header>\0"}  # fmt: skip
SPLIT = TABLE.assign(part=["train", "test", "train"] * 4)
ORDER = [*(k for k in range(12) if k % 3 != 1), *range(1, 12, 3)]  # its test rows last


def lines(*given: str) -> bytes:
    return "\n".join([*given, ""]).encode()


def in_r(line: str, *row_name: str) -> str:
    """Return a line as R's write.table has it: between blanks, words in quotes."""
    given = [*row_name, *line.split(",")]
    return " ".join(cell if cell.strip("-").replace(".", "").isdigit() else f'"{cell}"' for cell in given)


def of_labels(*labels: object) -> dict[str, bytes]:
    """Return a parquet file whose labels have a type of parquet."""
    return {"d.parquet": parquet(TABLE.assign(label=[labels[k % len(labels)] for k in range(len(TABLE))]))}


READ = [
    Kind("R's write.table without names of rows", {"d.txt": lines(in_r(FIRST), *map(in_r, ROWS))}, **CSV,
         says="blanks read as tabs"),
    Kind("a word with blanks in R's write.table", {"d.txt": lines(in_r(FIRST), *map(in_r, ROWS)).replace(b"cat",
         b"a cat")}, **CSV, names=["a cat", "dog"]),
    Kind("decimals as classes", of_labels(Decimal("0.00"), Decimal("1.00")), **DIGITS),
    Kind("decimals as classes, one missing", of_labels(Decimal(0), Decimal(1), None), x=X, y=[0, 1, -1] * 4,
         names=["0", "1"]),
    Kind("bytes as classes", of_labels(b"cat", b"dog"), **CSV),
    Kind("classes as a named index", {"d.parquet": parquet(TABLE.set_index("label"))}, **CSV),
    Kind("an index that counts the rows, with a name", {"d.parquet": parquet(TABLE.set_index(pd.Index(range(7, 19),
         name="customer")))}, **CSV, says="column 'customer' is left out: an identifier"),
    Kind("categories that are numbers", {"d.parquet": parquet(column("d", 11, 12, 13).astype({"d": "category"}))},
         y=NUMBERS, x=ABC.assign(d=["11", "12", "13"] * 4), says="1 category ('d')"),
    Kind("classes that are categories of numbers", {"d.parquet": parquet(TABLE.assign(
         label=pd.Categorical([0, 1] * 6)))}, **DIGITS),
    Kind("an index that pandas wrote and another program kept", {"d.parquet": parquet(TABLE.assign(
         __index_level_0__=[7 * k for k in range(12)]))}, **CSV, says="'__index_level_0__' is left out"),
    Kind("sizes in order", {"d.parquet": parquet(column("d", "S", "M", "L").astype({"d": pd.CategoricalDtype(["S", "M",
         "L"], ordered=True)}))}, y=NUMBERS, x=ABC.assign(d=["S", "M", "L"] * 4)),
    Kind("Ja and Nein", {"d.csv": text(column("d", "Ja", "Nein", "Ja"))}, y=NUMBERS,
         x=ABC.assign(d=["Ja", "Nein", "Ja"] * 4)),
    Kind("pandas' index, left out", {"d.csv": text(TABLE.assign(**{"Unnamed: 0": range(12)}))}, **CSV,
         settings={"ignore": ["Unnamed: 0"]}),
    Kind("pandas' index", {"d.csv": TABLE.to_csv().encode()}, **CSV,
         says="column 1 is left out: a row index, it has no name and another value in each row"),
    Kind("names of rows in R's write.csv", {"d.csv": TABLE.set_axis([f"r{k}" for k in range(12)]).to_csv().encode()},
         **CSV, says="column 1 is left out: a row index"),
    Kind("pandas' index of a file that was read and written", {"d.parquet": parquet(TABLE.assign(z=0).reset_index(
         names="Unnamed: 0")[["Unnamed: 0", *TABLE]])}, **CSV, says="column 1 is left out: a row index"),
    Kind("pandas' index in two files", {"d.csv": TABLE.to_csv().encode(), "t.csv": TABLE[:4].to_csv().encode()},
         n_test=4, x=[*X, *X[:4]], y=[*NUMBERS, 0, 1, 0, 1], settings={"test": "t.csv"}),
    Kind("a column that names the split", {"d.csv": text(SPLIT)}, y=NUMBERS, x=ABC.assign(part=[*SPLIT["part"]]),
         says="column 'part' is read as a feature, and the rows are divided by seed: if it says which rows are for"
         " testing, set fetch.split: part"),
    Kind("a split in capitals", {"d.csv": text(SPLIT.assign(part=["Train", "TEST ", "Train"] * 4))}, n_test=4,
         x=[X[k] for k in ORDER], y=[NUMBERS[k] for k in ORDER], settings={"split": "part"}),
    Kind("empty rows at the end, as Excel writes them", {"d.csv": T + b",,,\r\n,,,\r\n,,,"}, **CSV,
         says="3 empty rows at the end left out"),
    Kind("scikit-learn's names in .npz", {"d.npz": npz(data=X, target=NUMBERS)}, **DIGITS),
    Kind("NULL of a dump by its setting", {"d.csv": text(column("a", "\\N", "1.5", "2"))}, y=NUMBERS,
         says="4 of 12 values", x=ABC.assign(a=[None, 1.5, 2] * 4).astype({"a": float}), settings={"missing": ["\\N"]}),
    Kind("names that YAML reads otherwise", {"d.csv": text(TABLE.set_axis(["null", "yes", "1e3", "{a: b}"], axis=1))},
         **CSV, settings={"label": "{a: b}"}),
    Kind("a test file between tabs", {"d.csv": T, "t.csv": text(TABLE[:4], sep="\t")}, n_test=4, x=[*X, *X[:4]],
         y=[*NUMBERS, 0, 1, 0, 1], settings={"test": "t.csv"}),
    Kind("a folder of a notebook's checkpoints", folder(**{".ipynb_checkpoints/x.png": b"x"}), x=PIXELS,
         y=[0, 0, 0, 1, 1, 1]),
    Kind("a folder of images without a label", {**folder(), "d/unlabeled/1.png": picture(PIXELS[0])},
         x=PIXELS[[*range(6), 0]], y=[0, 0, 0, 1, 1, 1, 2], names=["cat", "dog", "unlabeled"],
         says="WARNING: 'unlabeled' counts as a class"),
]  # fmt: skip

REFUSED = [
    Kind("R's write.table with names of rows", {"d.txt": lines(in_r(FIRST), *(in_r(row, str(k)) for k, row in
         enumerate(ROWS)))}, "row 1: expected the 4 columns .* received 5; if the first is .*row.names=FALSE"),
    Kind("a title alone above the header", {"d.csv": b"Report of 2024\n\n" + T}, "row 1: .*; remove a title above the "
         "header"),
    Kind("rows in the order of days as numbers", {"d.csv": text(column("d", *range(2024_01_26, 2024_01_32),
         *range(2024_02_01, 2024_02_07)))}, "sorted by the times in column 'd', from 20240126 to 20240206"),
    Kind("rows in the order of milliseconds", {"d.csv": text(column("when",
         *range(170 * 10**10, 182 * 10**10, 10**10)))},
         "sorted by the times in column 'when', from 1700000000000"),
    Kind("a line of groups above the header", {"d.csv": b"Size,,Colour,\n" + T}, "no column 'label' .*; row 1 has it: "
         "if that is the header, remove the line above$"),
    Kind("a title above the header", {"d.csv": b"Report,,,\nof 2024,,,\n" + T}, "row 2 has it: .* remove the lines "
         "above$"),
    Kind("two levels of names", {"d.csv": b"a,a,b,label\nx,y,x,\n" + b"\n".join(T.splitlines()[1:])},
         "these more than once: a$"),
    Kind("a line of units", {"d.csv": lines(FIRST, "cm,kg,s,", *ROWS)}, "row 1, column 'a': .* received 'cm'"),
    Kind("millions between commas", {"d.csv": text(column("d", "1,234,567", "2,345,678"))}, "column 'd': '1,234,567' "
         "has a decimal mark or a thousands separator"),
    Kind("percentages", {"d.csv": text(TABLE.assign(d=[f"{k}%" for k in range(12)]))}, "received '0%'"),
    Kind("lists of several lengths as classes", of_labels([1, 2], [3]), "row 1, column 'label': expected a class .*, "
         "received several"),
    Kind("bytes as classes that are no text", of_labels(b"\xff", b"x"), "row 1, column 'label': .* other bytes"),
    Kind("decimals that are measured", of_labels(Decimal("0.5"), Decimal(1)), "such as 0.5: a regression target"),
    Kind("two levels of names in parquet", {"d.parquet": parquet(TABLE.set_axis(pd.MultiIndex.from_product([["a"],
         TABLE]), axis=1))}, r"no column 'label' for the labels, found: \('a', 'a'\)"),
    *(Kind(f"{what}, named .csv", {"d.csv": head + bytes(99)}, f"received {what}") for what, head in HEADS.items()),
    Kind("a split with validation rows", {"d.csv": text(SPLIT.assign(part=["Train", "val"] * 6))}, "row 2, .* received"
         " 'val' .6 such values.: write one of the two; validation rows are drawn", settings={"split": "part"}),
    Kind("a test file without a label", {"d.csv": T, "t.csv": text(TABLE[:4].assign(label=""))}, "t.csv: row 1 of the "
         "test rows: expected a label", settings={"test": "t.csv"}),
    Kind("a test file with a new class", {"d.csv": T, "t.csv": text(labelled("cat", "dog", "emu"))}, "t.csv: class "
         "'emu' occurs in test rows only", settings={"test": "t.csv"}),
    Kind("a test file with a column more", {"d.csv": T, "t.csv": text(TABLE.assign(z=1))}, "t.csv: expected the "
         "columns of fetch.path: more z: give both files the same", settings={"test": "t.csv"}),
    Kind("a test file without its header", {"d.csv": T, "t.csv": text(header=False)}, "t.csv: no column 'label' .*no "
         "header: columns are named by position", settings={"test": "t.csv"}),
    Kind("a folder of tables", {"d/a.csv": T, "d/b.csv": T}, "a table in several files is not read: join them"),
    Kind("a wrapped folder of classes", {f"d/all/{name[2:]}": content for name, content in folder().items()},
         "received the folder all/cat"),
    Kind("a TIFF among images", folder(**{"cat/x.tiff": picture(PIXELS[0], "TIFF")}), "received cat/x.tiff"),
]  # fmt: skip
