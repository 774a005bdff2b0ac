"""DVC's cache, which names each file by its MD5, and stores a folder as a list of files.

DVC trusts the name of a file in its cache; this module hashes the content.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tasks.frame import files


def place(cache: Path, name: str) -> Path:
    """Return the path of an MD5 in the cache; the MD5 of a folder's list ends in `.dir`."""
    return cache / name[:2] / name[2:]


def md5(path: Path) -> str:
    """Return a file's MD5, in hex digits; empty if there is no file."""
    return files.md5(path) if path.is_file() else ""


def listed(out: str, name: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Yield (file, MD5) for an output: each file of a folder, from the content of its list, or the file itself."""
    if name.endswith(".dir"):
        yield from ((f"{out}/{entry['relpath']}", entry["md5"]) for entry in json.loads(content))
    else:
        yield out, name


def put_right(cache: Path, out: str, name: str, tmp: Path) -> bool:
    """Return whether a restored output has the MD5 that DVC recorded; if not, delete it.

    Args:
        cache: The cache.
        out: The output's path.
        name: The recorded MD5.
        tmp: A folder for damaged files of the cache.
    """
    entries = [*listed(out, name, place(cache, name).read_bytes() if name.endswith(".dir") else b"")]
    wrong = [kept for file, kept in entries if md5(Path(file)) != kept]
    for kept in wrong:
        if md5(place(cache, kept)) not in (kept, ""):
            (tmp / "damaged").mkdir(exist_ok=True)
            shutil.move(place(cache, kept), to := tmp / "damaged" / kept)
            where = f"{os.path.relpath(place(cache, kept))}, of {out}"
            print(f"warning: {where}: damaged in DVC's cache; moved to {os.path.relpath(to)}", file=sys.stderr)
    if wrong:
        shutil.rmtree(out) if Path(out).is_dir() else Path(out).unlink(missing_ok=True)
    return not wrong
