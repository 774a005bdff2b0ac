"""One file with a study's finished cells, to take them to a machine that does not share the store's folder.

Nothing is believed that the file says: a cell is taken if its key is that of a cell of this study, its hash that of its
content, and an encoder's weights those of its cell.
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from tasks.frame.cells import Store
from tasks.frame.errors import DataError
from tasks.frame.sections import Params
from tasks.study import keys, proofs, rows
from tasks.study.keys import Cell, EncoderCell


def pack(params: Params, data: Path, file: Path) -> tuple[int, int]:
    """Write the study's finished cells into a tar file; return their number, and that of all cells."""
    store, everything = keys.store(params, data), keys.every(params, rows.size(data / "prepare"))
    finished = [cell for cell in everything if _is_kept(store, cell)]
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with tarfile.open(new, "w") as tar:
            for cell in finished:
                for path in _paths(store, cell):
                    content = path.read_bytes()
                    entry = tarfile.TarInfo(path.name)
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    return len(finished), len(everything)


def unpack(params: Params, data: Path, file: Path) -> tuple[int, int, int]:
    """Put a tar file's cells into the store; return the numbers of new ones, of known ones, and of files left out.

    A file is left out if it is damaged, or of another study, other data, code or versions.

    Raises:
        DataError: The file is no tar file.
    """
    store, everything = keys.store(params, data), keys.every(params, rows.size(data / "prepare"))
    try:
        with tarfile.open(file, "r:") as tar:
            found = {member.name: _content(tar, member) for member in tar.getmembers() if member.isfile()}
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{file}: expected a file that `python -m flows cells pack` wrote: {error}") from None
    new, known, used = 0, 0, set[str]()
    for cell in everything:
        paths = _paths(store, cell)
        given = [found.get(path.name, b"") for path in paths]
        if not _is_sound(store, cell, given):
            continue
        used |= {path.name for path in paths}
        if _is_kept(store, cell):
            known += 1
            continue
        for path, content in zip(paths, given, strict=True):
            store.write_bytes(path, content)
        new += 1
    return new, known, len(found.keys() - used)


def _paths(store: Store, cell: Cell) -> list[Path]:
    """Return the files of a cell in the order of writing: an encoder's weights before its cell."""
    return [store.path(cell.name, end) for end in ((".npz", ".json") if isinstance(cell, EncoderCell) else (".json",))]


def _is_kept(store: Store, cell: Cell) -> bool:
    return proofs.has(store, cell) if isinstance(cell, EncoderCell) else store.read(cell.name) is not None


def _is_sound(store: Store, cell: Cell, given: list[bytes]) -> bool:
    content = store.content(cell.name, given[-1])
    return content is not None and (not isinstance(cell, EncoderCell) or proofs.are_those(content, given[0]))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""
