"""The user's own data: tables, arrays or a folder of images, pinned by SHA-256, read, checked and put into one form.

tables.py, arrays.py and images.py read each kind of file; docs/own-data.md describes them for users. Messages count
rows and columns from 1, without a table's header.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import pandas as pd

from autoencoders import rows
from autoencoders.pieces import pieces
from tasks.frame import files
from tasks.frame.config import origin
from tasks.frame.datasets import Record
from tasks.frame.errors import ConfigError, DataError
from tasks.frame.progress import one_line, say
from tasks.frame.sections import Fetch
from tasks.sources import arrays, contents, features, images, labelling, parts, r_data, remarks, tables
from tasks.sources.contents import Given
from tasks.sources.parts import Part

ROWS, LABELS, GROUPS, ABOUT = "rows.npy", "labels.npy", "groups.npy", "about.json"
KEYS = ("path", "labels", "unlabelled", "test", "test_labels")  # of files, in the order of their hashes
TEXT = (  # the endings of the UCI repository, KEEL's and Weka's among them
    ".csv", ".tsv", ".txt", ".tab", ".data", ".dat", ".arff", ".train", ".trn", ".tra", ".test", ".tst", ".tes",
)  # fmt: skip
GZIPPED = (*TEXT, ".npy")  # of these, a name may end in .gz, too
KINDS: dict[str, ModuleType] = {
    **dict.fromkeys((*TEXT, ".parquet", *r_data.ENDINGS), tables), ".npz": arrays, ".npy": arrays,
}  # fmt: skip


def obtain(options: Fetch, raw: Path, out: Path) -> None:
    """Read and check the files that `options` names; write them in one form.

    Rows are copied in pieces, and no link is made: what DVC keeps must not change with the user's file.

    Writes: rows.npy (n, ...), uint8 with 3 axes or more for images, else any numbers that float64 holds; or, for a
        table, table.parquet; labels.npy, int64 (n,), UNLABELLED for rows without one; groups.npy, int64 (n,), if
        fetch.group names them; about.json: the names of the classes, and the number of test rows at the end.
    Raises: ConfigError if a setting of `fetch` is wrong; DataError, with the path, if the content is not valid.
    """
    with TemporaryDirectory(dir=out) as room:
        given = _given(options, Path(room))
        contents.check_pinned(given, options.sha256)
        found = {"path": (main := _part(given, "path", options))}
        if main.kinds is not None:
            ignore = [*options.ignore, *(name for name in main.ignored or {} if name not in options.ignore)]
            options = options.model_copy(update={"kinds": main.kinds, "ignore": ignore})
        if options.test is None and options.unlabelled is None:
            remarks.tell_test(given["path"].path)
        for key in ("unlabelled", "test"):
            if key in given:
                found[key] = _like(_part(given, key, options), main, given[key].path)
        with _named(given["path"].path):
            data = parts.joined([*found.values()])
            _check(data, options.label if data.columns else "y")
        with _named(given.get("test", given["path"]).path):
            if n_test := int(data.is_test.sum()):
                labelling.check_parts(data.labels[:-n_test], data.labels[-n_test:])
        with _named(given["path"].path):
            _write(out, data)
        for one in given.values():
            with _named(one.path):
                one.check_unchanged()


def read(folder: Path, dataset: str) -> Record:
    """Return the data set, its rows mapped; images of uint8 have pixels up to 255, other features have any range."""
    about, y = files.read_json(folder / ABOUT), files.read_array(folder / LABELS)
    groups = files.read_array(folder / GROUPS) if (folder / GROUPS).exists() else None
    if (folder / features.FILE).exists():
        x, table = np.empty((len(y), 0)), features.Table(folder / features.FILE)
        return Record(x, y, about["names"], None, None, about["n_test"], True, groups, table, table.ignored)
    x = files.read_array(folder / ROWS, "r")
    shape = [size for size in x.shape[1:] if size > 1]  # a channel axis of size 1 is dropped
    image, greatest = shape if len(shape) > 1 else None, 255 if parts.are_images(x) else None
    return Record(x.reshape(len(x), -1), y, about["names"], image, greatest, about["n_test"], True, groups)


def digest(options: Fetch) -> str:
    """Return the hash of the files that `options` names, as `fetch.sha256` pins it; ConfigError if there is none."""
    return contents.digest(_given(options, Path()))


def _given(options: Fetch, room: Path) -> dict[str, Given]:
    return {key: contents.read(path, key, room) for key, path in _paths(options).items()}


def _like(part: Part, main: Part, path: Path) -> Part:
    """Return the part of another file, its columns as in the main part; DataError names its path."""
    with _named(path):
        part = parts.like(part, main)
        if part.table is not None and main.table is not None:
            remarks.tell_new(part.table, main.table, str(path))
        return part


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the path before an error, in one line."""
    try:
        yield
    except ValueError as error:
        raise DataError(one_line(f"{path}: {error}")) from None


def _paths(options: Fetch) -> dict[str, Path]:
    """Return the files to read by their key, with those of labels that lie beside arrays."""
    named = {key: Path(name) for key in KEYS if (name := getattr(options, key, None)) is not None}
    kinds = {key: _kind(path, key) for key, path in named.items()}
    _check_settings(options, named, kinds)
    for key, labels in (("path", "labels"), ("test", "test_labels")):
        if kinds.get(key) is arrays and not _is_npz(named[key]) and labels not in named:
            if (beside := arrays.labels_of(named[key])) is None:
                expected = f"a file of labels beside {named[key]} (y.npy for x.npy, labels-idx1 for images-idx3)"
                raise _wrong("labels" if key == "path" else "test", expected, "none")
            named[labels] = beside
    return {key: named[key] for key in KEYS if key in named}


def _check_settings(options: Fetch, paths: Mapping[str, Path], kinds: Mapping[str, ModuleType]) -> None:
    """Raise ConfigError for a setting that has no meaning with these files."""
    for key in ("unlabelled", "test"):
        if key in paths and paths[key].resolve() == paths["path"].resolve():
            raise _wrong(key, "another file or folder than fetch.path", paths[key])
    if options.labels is not None:
        if kinds["path"] is not arrays or _is_npz(paths["path"]):
            what = "its folders name the classes" if kinds["path"] is images else "it holds the labels itself"
            raise _wrong("labels", f"null with {paths['path']}, since {what}", options.labels)
        if kinds["labels"] is not arrays or _is_npz(paths["labels"]):
            raise _wrong("labels", "a .npy or an IDX file", options.labels)
    for key in ("split", "group", "header", "delimiter", "decimal", "ignore", "kinds", "missing"):
        if kinds["path"] is not tables and (value := getattr(options, key)) not in (None, [], {}):
            raise _wrong(key, f"none with {paths['path']}, which is no table", value)


def _kind(path: Path, key: str) -> ModuleType:
    """Return the module that reads a file or folder, by its name."""
    if path.is_dir():
        return images
    name = path.name.lower()
    ending = Path(name.removesuffix(".gz")).suffix
    if ending in KINDS and (ending in GZIPPED or not name.endswith(".gz")):
        return KINDS[ending]
    if "idx" in name:
        return arrays
    if kind := contents.unreadable(path):
        raise _wrong(key, "a table, arrays or a folder of images", f"{path}, {kind}")
    raise _wrong(key, f"a folder, or a file ending in {', '.join(KINDS)} or -idx3-ubyte", path)


def _is_npz(path: Path) -> bool:
    return path.suffix.lower() == ".npz"


def _wrong(key: str, expected: str, received: object) -> ConfigError:
    return ConfigError(one_line(f"{origin()}: fetch.{key}: expected {expected}, received {received}"))


def _part(given: Mapping[str, Given], key: str, options: Fetch) -> Part:
    """Read one part; its missing labels are None. DataError names its path."""
    path = given[key].path
    module = images if path.is_dir() else _kind(path, key)
    with _named(path):
        contents.refuse_pointers(given[key])
        part = module.read(given, key, options)
        shape = " x ".join(map(str, part.x.shape[1:]))
        what = f"{shape} {part.x.dtype.name}" if part.table is None else features.told(part.table)
        say(f"{path}: {len(part.x):,} rows of {what}")
        part = labelling.marked(part, options.missing_labels, str(path))
        if part.table is not None and key == "path":
            part = features.chosen(part, options.kinds, str(path))
        if key == "unlabelled" and (labelled := np.flatnonzero(part.labels != None)).size:  # noqa: E711
            raise DataError(
                f"row {labelled[0] + 1}: expected no labels in fetch.unlabelled, received"
                f" {part.labels[labelled[0]]!r} ({labelled.size} such): empty them, or leave their column out"
            )
        return part._replace(is_test=np.full(len(part.x), True)) if key == "test" else part


def _check(data: Part, label: str) -> None:
    """Raise an error if all rows together are too few, or their labels are measured."""
    if len(data.x) < 2 or (0 in data.x.shape and data.table is None):
        raise DataError(f"expected 2 rows or more with 1 feature or more, received x of shape {data.x.shape}")
    labelling.refuse_measured(data.labels, label)


def _write(out: Path, data: Part) -> None:
    """Number the groups and the classes of all rows, and write them."""
    groups = None if data.groups is None else _numbered(data.groups, data.is_test)
    y, names = rows.classes(data.labels)
    labelling.tell_classes(y, names)
    labelling.warn_of(names)
    if data.table is not None:
        features.write(out / features.FILE, data.table, data.ignored or {}, data.order)
    else:
        written = files.new_array(out / ROWS, data.x.shape, data.x.dtype)
        for piece in pieces(data.x.shape):
            written[piece] = data.x[piece]
    np.save(out / LABELS, y)
    if groups is not None:
        np.save(out / GROUPS, groups)
    files.write_json(out / ABOUT, {"names": names, "n_test": int(data.is_test.sum())})


def _numbered(groups: np.ndarray, is_test: np.ndarray) -> np.ndarray:
    """Return the numbers 0, 1, ... of groups (n,); DataError if a group has training and test rows."""
    if both := sorted({*groups[is_test]} & {*groups[~is_test]}):
        raise DataError(f"group {both[0]!r} has training and test rows ({len(both)} such): expected every group in one")
    return pd.factorize(groups, sort=True)[0]
