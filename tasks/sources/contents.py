"""The user's files: each is pinned by its SHA-256, read whole or in pieces, and named if it cannot be read."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tasks.frame.config import origin
from tasks.frame.errors import ConfigError, DataError
from tasks.frame.files import FULL, sha256
from tasks.frame.progress import one_line

GZIP = b"\x1f\x8b"
COPIED = 2**20  # bytes at a time
HIDDEN = ("Thumbs.db", "desktop.ini", "__MACOSX")  # besides names with a dot in front


class Given(NamedTuple):
    """A file or a folder whose content was hashed; what is read later must be the same.

    Attributes:
        path: Its path.
        files: The SHA-256 of each file by its name, relative to the folder; of a file, by its own name.
        folders: The folders in it, by relative names; none for a file.
        room: A folder for what is unpacked.
    """

    path: Path
    files: dict[str, str]
    folders: list[str]
    room: Path

    def read(self, name: str) -> bytes:
        """Return the content of a file; DataError if it has changed since it was hashed."""
        content = self._place(name).read_bytes()
        self._check(name, hashlib.sha256(content).hexdigest())
        return content

    @property
    def content(self) -> bytes:
        """Return the content of the only file, unpacked if it is gzipped."""
        (name,) = self.files
        content = self.read(name)
        return gunzip(content) if content.startswith(GZIP) else content

    def unpacked(self) -> Path:
        """Return the path of the only file's content, which is unpacked in `room` if it is gzipped."""
        with self.path.open("rb") as packed:
            if packed.read(len(GZIP)) != GZIP:
                return self.path
            packed.seek(0)
            with gzip.open(packed) as content, damage_named("damaged gzip file"):
                return kept(content, self.room)

    def check_unchanged(self) -> None:
        """Raise DataError if a file has changed since it was hashed: after reading it in pieces."""
        for name in self.files:
            self._check(name, sha256(self._place(name)))

    @property
    def digest(self) -> str:
        """Return the SHA-256 of a file; of a folder, of one line `NAME SHA-256` per file, sorted by name."""
        return _of_lines(dict(sorted(self.files.items()))) if self.path.is_dir() else next(iter(self.files.values()))

    def _place(self, name: str) -> Path:
        return self.path / name if self.path.is_dir() else self.path

    def _check(self, name: str, received: str) -> None:
        if received != self.files[name]:
            where = f"{name}: " if self.path.is_dir() else ""
            raise DataError(
                f"{where}expected the SHA-256 {self.files[name]}, as when the run began, received {received}: it has"
                " changed meanwhile; run again"
            )


def read(path: Path, key: str, room: Path) -> Given:
    """Hash a file, or all files of a folder but hidden ones; ConfigError names the key if there is none."""
    if path.is_file():
        return Given(path, {path.name: sha256(path)}, [], room)
    if not path.is_dir():
        hint = " (~ and $NAME are not replaced: write the path out)" if str(path).startswith(("~", "$")) else ""
        raise ConfigError(one_line(f"{origin()}: fetch.{key}: no file {path}{hint}"))
    below = {p.relative_to(path).as_posix(): p for p in sorted(path.rglob("*")) if not _is_hidden(p.relative_to(path))}
    for folder in (path, *(p for p in below.values() if p.is_dir())):
        os.scandir(folder).close()  # raises PermissionError, where rglob finds no files
    if lost := [name for name, p in below.items() if not p.exists()]:
        raise DataError(f"{path / lost[0]}: a link to a file that does not exist")
    if linked := [name for name, p in below.items() if p.is_symlink() and p.is_dir()]:
        raise DataError(f"{path / linked[0]}: a link to a folder: put the folder itself there")
    files = {name: sha256(p) for name, p in below.items() if p.is_file()}
    return Given(path, files, [name for name, p in below.items() if p.is_dir()], room)


def kept(stream: IO[bytes] | gzip.GzipFile, room: Path) -> Path:
    """Return the path of a new file in `room` with the content of a stream."""
    with tempfile.NamedTemporaryFile(dir=room, delete=False) as file:
        shutil.copyfileobj(stream, file, COPIED)
    return Path(file.name)


@contextmanager
def damage_named(what: str) -> Iterator[None]:
    """Raise DataError, which begins with `what`, for an error of a damaged archive; a full disk is another error."""
    try:
        yield
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError,
            KeyError) as error:  # fmt: skip
        if getattr(error, "errno", None) in FULL:
            raise
        raise DataError(f"{what}: {' '.join(str(error).split())}") from None


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part in HIDDEN for part in path.parts)


def digest(given: Mapping[str, Given]) -> str:
    """Return the hash of the user's data: of the one file or folder, or of one line `KEY SHA-256` for each."""
    digests = {key: one.digest for key, one in given.items()}
    return _of_lines(digests) if len(digests) > 1 else next(iter(digests.values()))


def _of_lines(digests: Mapping[str, str]) -> str:
    lines = "".join(f"{name} {found}\n" for name, found in digests.items())
    return hashlib.sha256(os.fsencode(lines)).hexdigest()


def check_pinned(given: Mapping[str, Given], expected: str | None) -> None:
    """Raise ConfigError with the hash to set, and the file to set it in, if the data are not the pinned ones."""
    if (received := digest(given)) != expected:
        what = ", ".join(str(one.path) for one in given.values())
        raise ConfigError(
            f"{origin()}: fetch.sha256: expected the SHA-256 of {what}, {received}, received {expected};"
            f" if these are the data you mean, set `sha256: {received}` under `fetch` in {origin()}, so that the run"
            " is tied to them"
        )


def gunzip(content: bytes) -> bytes:
    """Return the unpacked content of a gzip file; DataError if it is damaged, cut short or followed by other bytes."""
    with damage_named("damaged gzip file"):
        return gzip.decompress(content)


# How the content of files looks that are no tables, and what to do with them.
LOOKS = {
    rb"\xd0\xcf\x11\xe0": "an Excel file: save it as CSV",
    rb"(?s)PAR1.*PAR1\Z": "a parquet file: let its name end in .parquet",
    rb"\x93NUMPY": "a .npy file: let its name end in .npy",
    rb"\x89PNG|\xff\xd8\xff": "an image: give a folder with a folder of images per class",
    rb"[\[{]\s*[\[{\"]": "JSON: save it as CSV or parquet",
    rb"\$FL[23]@|<stata_dta>": "a file of SPSS or Stata: save it as CSV or parquet",
    rb"\x89HDF|MATLAB 5": "an HDF5 or MATLAB file: save it as CSV or parquet",
    rb"<[!?A-Za-z]": "HTML or XML: download the table itself",
    rb"SQLite format 3\0": "a database: save the table as CSV",
    rb"\x1f\x8b": "a gzip file in a gzip file: unpack it once",
    rb"BZh[1-9]1AY&SY|\xfd7zXZ\0|\x28\xb5\x2f\xfd|7z\xbc\xaf": "an archive: unpack it",
    rb"%PDF-": "a PDF: download the table itself",
    rb"ARROW1|FEA1": "an Arrow or Feather file: save it as parquet",
    rb"\x80[\x02-\x05]": "a pickle, which could run any code: save it as CSV or parquet",
}
ENDINGS = {
    "an Excel file: save it as CSV": (".xlsx", ".xls", ".xlsm", ".ods"),
    "JSON: save it as CSV or parquet": (".json", ".jsonl", ".ndjson"),
    "HTML: download the table itself": (".html", ".htm"),
    "an archive: unpack it": (".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst", ".z"),
    "a pickle, which could run any code: save it as CSV, parquet or .npz": (".pkl", ".pickle", ".joblib", ".pt"),
    "a single image: give a folder with a folder of images per class": (
        ".png",
        ".jpg",
        ".jpeg",
        ".tif",
        ".tiff",
        ".gif",
        ".bmp",
        ".webp",
        ".heic",
    ),
    "an HDF5 or MATLAB file: save it as CSV, parquet or .npz": (".h5", ".hdf5", ".mat"),
    "a part of R's lazy-load database: save the data frame with saveRDS": (".rdb", ".rdx"),
    "a file of SPSS, Stata or SAS: save it as CSV or parquet": (".sav", ".dta", ".sas7bdat"),
    "an Arrow, ORC or Avro file: save it as parquet": (".feather", ".arrow", ".orc", ".avro"),
    "a pointer of DVC: fetch the file itself with dvc pull": (".dvc",),
}

POINTERS = {
    b"version https://git-lfs.github.com/": "a pointer of Git LFS: fetch the file itself with git lfs pull",
    b"outs:\n- ": "a pointer of DVC: fetch the file itself with dvc pull",
}


def refuse_pointers(given: Given) -> None:
    """Raise DataError if a file is not the data but says where they are stored."""
    for name in given.files:
        with (given.path / name if given.path.is_dir() else given.path).open("rb") as file:
            start = file.read(max(map(len, POINTERS)))
        if found := next((what for mark, what in POINTERS.items() if start.startswith(mark)), None):
            raise DataError(f"{name} is {found}")


def refuse_no_text(content: bytes) -> None:
    """Raise DataError, which names the kind of file, if the content is no text with columns."""
    if content.startswith(b"PK\x03\x04"):
        kind = ENDINGS_OF["xlsx"] if b"xl/" in content or b"[Content_Types]" in content else ENDINGS_OF["zip"]
        raise DataError(f"expected text with columns, received {kind}")
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if found := next((kind for look, kind in LOOKS.items() if re.match(look, start)), None):
        raise DataError(f"expected text with columns, received {found}")


ENDINGS_OF = {ending.removeprefix("."): kind for kind, endings in ENDINGS.items() for ending in endings}


def unreadable(path: Path) -> str | None:
    """Return what a file is, by the ending of its name, if it is of a kind that cannot be read."""
    return ENDINGS_OF.get(PurePosixPath(path.name.lower().removesuffix(".gz")).suffix.removeprefix("."))
