"""The user's own data: tables, arrays or a folder of images, pinned by SHA-256, read, checked and put into one form.

tables.py, arrays.py and images.py read each kind of file; data/raw/README.md describes them for users. Messages count
rows and columns from 1, without a table's header.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np

from autoencoders import rows
from tasks.frame.config import origin
from tasks.frame.datasets import Record
from tasks.frame.errors import ConfigError, DataError
from tasks.frame.progress import say
from tasks.frame.sections import Fetch
from tasks.sources import arrays, contents, features, images, labelling, parts, tables
from tasks.sources.contents import Given
from tasks.sources.parts import Part

FILE = "data.npz"
KEYS = ("path", "labels", "unlabelled", "test", "test_labels")  # of files, in the order of their hashes
GZIPPED = (".csv", ".tsv", ".txt", ".npy")  # of these, a name may end in .gz, too
KINDS: dict[str, ModuleType] = {
    ".csv": tables, ".tsv": tables, ".txt": tables, ".parquet": tables, ".npz": arrays, ".npy": arrays,
}  # fmt: skip


def obtain(options: Fetch, raw: Path, out: Path) -> dict[str, bytes]:
    """Return the data of the files that `options` names, checked: an .npz file, and another with a table's columns."""
    return packed(options)


def read(folder: Path, dataset: str) -> Record:
    """Return the data set; images of uint8 have pixels up to 255, other features have any range."""
    with np.load(folder / FILE, allow_pickle=False) as archive:
        y, names = archive["y"], archive["names"].tolist()
        x = archive["x"] if "x" in archive.files else np.empty((len(y), 0))
        n_test = int(archive["n_test"]) if "n_test" in archive.files else 0
        groups = archive["groups"] if "groups" in archive.files else None
    shape = [size for size in x.shape[1:] if size > 1]  # a channel axis of size 1 is dropped
    greatest = 255 if x.dtype == np.uint8 else None
    image = shape if len(shape) > 1 else None
    table = features.unpacked(folder / features.FILE) if (folder / features.FILE).exists() else (None, None)
    return Record(
        x.reshape(len(x), np.prod(x.shape[1:], dtype=int)), y, names, image, greatest, n_test, True, groups, *table
    )


def packed(options: Fetch) -> dict[str, bytes]:
    """Read and check the files that `options` names.

    Returns: Bytes of an .npz file: x (n, ...) uint8 for images, else float64, none for a table; y int64 (n,),
        UNLABELLED for rows without a label; names (k,) of the classes; n_test, the number of test rows at the end, if
        there are any; groups, int64 (n,), if fetch.group names them. And of a parquet file with a table's columns.
    Raises: ConfigError if a setting of `fetch` is wrong; DataError, with the path, if the content is not valid.
    """
    given = {key: contents.read(path, key) for key, path in _paths(options).items()}
    contents.check_pinned(given, options.sha256)
    found = {"path": (main := _part(given, "path", options))}
    if main.kinds is not None:
        ignore = [*options.ignore, *(name for name in main.ignored or {} if name not in options.ignore)]
        options = options.model_copy(update={"kinds": main.kinds, "ignore": ignore})
    for key in ("unlabelled", "test"):
        if key in given:
            found[key] = _like(_part(given, key, options), main, given[key].path)
    with _named(given["path"].path):
        data = parts.joined([*found.values()])
        return _saved(data, options.label if data.columns else "y")


def _like(part: Part, main: Part, path: Path) -> Part:
    """Return the part of another file, its columns as in the main part; DataError names its path."""
    with _named(path):
        part = parts.like(part, main)
        if part.table is not None and main.table is not None:
            features.tell_new(part.table, main.table, str(path))
        return part


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the path before an error, in one line: names and cells may hold line ends."""
    try:
        yield
    except ValueError as error:
        raise DataError(" ".join(f"{path}: {error}".split())) from None


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
    if options.labels is not None:
        if kinds["path"] is not arrays or _is_npz(paths["path"]):
            what = "its folders name the classes" if kinds["path"] is images else "it holds the labels itself"
            raise _wrong("labels", f"null with {paths['path']}, since {what}", options.labels)
        if kinds["labels"] is not arrays or _is_npz(paths["labels"]):
            raise _wrong("labels", "a .npy or an IDX file", options.labels)
    for key in ("split", "group", "delimiter", "decimal", "ignore", "kinds"):
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
    return ConfigError(f"{origin()}: fetch.{key}: expected {expected}, received {received}")


def _part(given: Mapping[str, Given], key: str, options: Fetch) -> Part:
    """Read one part; its missing labels are None. DataError names its path."""
    path = given[key].path
    module = images if path.is_dir() else _kind(path, key)
    with _named(path):
        part = module.read(given, key, options)
        shape = " x ".join(map(str, part.x.shape[1:]))
        what = f"{shape} {part.x.dtype}" if part.table is None else features.told(part.table)
        say(f"{path}: {len(part.x):,} rows of {what}")
        part = labelling.marked(part, options.missing_labels, str(path))
        if part.table is not None and key == "path":
            part = part._replace(ignored=dict.fromkeys(options.ignore, "fetch.ignore"))
            part = features.chosen(part, options.kinds, str(path))
        if key == "unlabelled" and (labelled := np.flatnonzero(part.labels != None)).size:  # noqa: E711
            raise DataError(
                f"row {labelled[0] + 1}: expected no labels in fetch.unlabelled, received"
                f" {part.labels[labelled[0]]!r} ({labelled.size} such): empty them, or leave their column out"
            )
        return part._replace(is_test=np.full(len(part.x), True)) if key == "test" else part


def _saved(data: Part, label: str) -> dict[str, bytes]:
    """Check all rows together, and return them as the bytes of an .npz file, and those of a table's columns."""
    if len(data.x) < 2 or (data.x.size == 0 and data.table is None):
        raise DataError(f"expected 2 rows or more with 1 feature or more, received x of shape {data.x.shape}")
    labelling.refuse_measured(data.labels, label)
    n_test = int(data.is_test.sum())
    if n_test:
        labelling.check_parts(data.labels[:-n_test], data.labels[-n_test:])
    content = {"n_test": np.array(n_test)} if n_test else {}
    if data.groups is not None:
        content["groups"] = _numbered(data.groups, data.is_test)
    y, names = rows.classes(data.labels)
    labelling.warn_of(names)
    content |= {"y": y, "names": np.array(names)}
    if data.table is None:
        content["x"] = data.x
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **content)
    kept = {} if data.table is None else {features.FILE: features.packed(data.table, data.ignored or {})}
    return {FILE: buffer.getvalue(), **kept}


def _numbered(groups: np.ndarray, is_test: np.ndarray) -> np.ndarray:
    """Return the numbers 0, 1, ... of groups (n,); DataError if a group has training and test rows."""
    if both := sorted({*groups[is_test]} & {*groups[~is_test]}):
        raise DataError(f"group {both[0]!r} has training and test rows ({len(both)} such): expected every group in one")
    return np.unique(groups.astype(str), return_inverse=True)[1]
