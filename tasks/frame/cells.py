"""Keep the small results of a study (cells) on disk as they finish, so that a killed study goes on where it was.

A cell is named, and computed by a plain function of the cell. What it depends on (parameters, data, code, versions) is
hashed into the name of its file: with other parameters it is another file. A stage that is forced to run takes the
cells that are there, and says so; to have them computed anew, delete .cells.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from tasks.frame import code
from tasks.frame.errors import StudyFailed, is_users
from tasks.frame.sections import Params
from tasks.frame.view import Place, unchecked

SETTINGS = ("TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS", "TF_XLA_FLAGS")  # variables that last bits depend on
PACKAGES = ("keras", "numpy", "scikit-learn", "scipy", "tensorflow")


class Cell(Protocol):
    """Something to compute, with a name that is a file's name too."""

    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=Cell)


class Failure(NamedTuple):
    """A cell that could not be computed, and why, in one line."""

    cell: str
    reason: str


def study_failed(failures: Sequence[Failure], n_cells: int, folder: Path) -> StudyFailed:
    """Return the error of a study of which these cells failed; the others are kept."""
    first = failures[0]
    details = "" if len(failures) == 1 else f"; all of them are listed in {folder / 'failed.json'}"
    return StudyFailed(f"{len(failures)} of {n_cells} cells failed, first {first.cell}: {first.reason}{details}")


class Store:
    """Where finished cells are kept: each in a file of its own, named by the cell and the hash of what it depends on.

    Args:
        folder: Of a stage's cells.
        given: For each cell's name what it depends on, as JSON.
    """

    def __init__(self, folder: Path, given: Mapping[str, Any]) -> None:
        self.folder, self.given = folder, given
        self.stems = {name: f"{name} {digest(depends)[:16]}" for name, depends in given.items()}
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str, suffix: str = ".json") -> Path:
        """Return the file that a cell of that name is kept in."""
        return self.folder / f"{self.stems[name]}{suffix}"

    def read(self, name: str) -> Any | None:
        """Return what was kept under that name; None where nothing was, or it is damaged or another cell's."""
        try:
            kept = json.loads(self.path(name).read_text(encoding="utf-8"))
            content = kept["content"]
            is_this = kept["sha256"] == digest(content) and digest(kept["given"]) == digest(self.given[name])
            return content if is_this else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def kept(self, name: str) -> Any:
        """Return what was kept under that name; OSError where something has taken it away meanwhile."""
        if (content := self.read(name)) is None:
            raise OSError(f"{self.path(name)}: expected a finished cell, found none; has it been moved?")
        return content

    def n_missing(self, names: Sequence[str]) -> int:
        """Return how many of these cells have no file, whichever process wrote the others."""
        there = {path.name for path in self.folder.iterdir()}
        return sum(self.path(name).name not in there for name in names)

    def write(self, name: str, content: Any) -> None:
        """Keep JSON under a name, its keys in their order, with its hash and what it depends on."""
        text = json.dumps({"sha256": digest(content), "content": content, "given": self.given[name]})
        self.write_bytes(self.path(name), text.encode())

    def write_bytes(self, path: Path, content: bytes) -> None:
        """Write a file whole or not at all, whatever kills this process."""
        new = path.with_name(f".{path.name}.{os.getpid()}")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)


def folder(stage: str, data: Place) -> Path:
    """Return where a stage's cells are kept: beside `data`, out of DVC's sight."""
    return unchecked(data).parent / ".cells" / stage


def shared(params: Params, *computed_by: str) -> dict[str, Any]:
    """Return what every cell depends on: threads, versions, and the code that computes it.

    Args:
        params: The parameters.
        computed_by: Files of code; tables do not count, for each entry that is used stands in its cell's own key.
    """
    files = code.closure(*computed_by) - code.TABLES
    return {"threads": params.threads, "code": code.digest(files | code.FOR_EVERY_STAGE), "versions": versions()}


def run(
    cells: Sequence[C], store: Store, compute: Callable[[C], Any], done: Callable[[C, Any], None] = lambda *_: None
) -> tuple[dict[str, Any], list[Failure]]:
    """Compute the cells that are not kept yet; return every result by name, and the failures.

    Args:
        cells: In the order to compute.
        store: Where results are kept as soon as they are there.
        compute: Returns a cell's result as JSON.
        done: Called with each newly computed cell and its result.
    """
    results: dict[str, Any] = {}
    failures = []
    for cell in cells:
        result = store.read(cell.name)
        if result is None:
            try:
                result = compute(cell)
            except Exception as error:  # noqa: BLE001 - the other cells are worth having, and this one is listed
                line = (str(error).splitlines() or [""])[0]
                failures.append(Failure(cell.name, line if is_users(error) else f"{type(error).__name__}: {line}"))
                store.write_bytes(store.path(cell.name, ".error.txt"), traceback.format_exc().encode())
                continue
            store.write(cell.name, result)
            done(cell, result)
        results[cell.name] = result
    return results, failures


def versions() -> dict[str, str]:
    """Return the versions and settings that the last bits of a result depend on."""
    found = {name: version(name) for name in PACKAGES}
    found |= {"python": platform.python_version(), "machine": platform.machine()}
    return found | {name: os.environ[name] for name in SETTINGS if name in os.environ}


def digest(content: Any) -> str:
    """Return the hash of JSON, whatever the order of its keys: 64 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
