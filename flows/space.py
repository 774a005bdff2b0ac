"""Disk space: a check of the free space before a run, and the name of the full disk after a failed write."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.frame import files, stage
from tasks.frame.errors import FullDisk


def check(needs: Iterable[tuple[Path, int]]) -> None:
    """Compare the bytes that folders need with the free space on their disks; folders on one disk share it.

    Raises:
        FullDisk: A disk has too little free space.
    """
    disks: dict[int, dict[Path, int]] = {}
    for folder, size in needs:
        if size:
            of_disk = disks.setdefault(_existing(folder).stat().st_dev, {})
            of_disk[folder] = of_disk.get(folder, 0) + size
    for of_disk in disks.values():
        needed, free = sum(of_disk.values()), shutil.disk_usage(_existing(next(iter(of_disk)))).free
        if needed > free:
            names = " and ".join(os.path.relpath(folder) for folder in of_disk)
            sizes = f"expected {_megabytes(needed)} free, as the last run took (dvc.lock), received {_megabytes(free)}"
            raise FullDisk(f"{names}: {sizes}; free some space; nothing was started")


def full(error: BaseException, *folders: Path) -> FullDisk | None:
    """Return an error that names the full disk, if a full disk caused an error; DVC may hide this cause."""
    if isinstance(error, FullDisk):
        return None
    places = [stage.DATA, *folders, Path(), Path(tempfile.gettempdir())]
    found = (files.full_disk(behind, *places) for behind in _causes(error))
    return next((one for one in found if one), None)


def raise_hidden(record: logging.LogRecord) -> bool:
    """Raise the error of a log record: DVC only logs that a file did not reach the cache, and goes on."""
    if record.exc_info and (error := record.exc_info[1]):
        raise error
    return True


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the causes of an error, the first cause first, then the error itself."""
    if before := error.__cause__ or error.__context__:
        yield from _causes(before)
    yield error


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
