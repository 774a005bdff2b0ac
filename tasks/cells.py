"""Cells of a study: small results kept on disk as soon as they are there, so that a killed study goes on where it was.

A cell is named, and computed by a plain function of the cell. What it depends on beside its name (parameters, data,
code, versions) is the fingerprint of the folder that it is kept in: other parameters are another folder. A stage that
is forced to run takes the cells that are there, and says so; to have them computed anew, delete .cells.
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

from tasks import code
from tasks.sections import Params
from tasks.view import Place, unchecked

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


class StudyFailed(RuntimeError):
    """A study of which some cells failed; the others are kept."""

    exit_code = 4

    def __init__(self, failures: Sequence[Failure], n_cells: int, folder: Path) -> None:
        first = failures[0]
        details = "" if len(failures) == 1 else f"; all of them are listed in {folder / 'failed.json'}"
        super().__init__(f"{len(failures)} of {n_cells} cells failed, first {first.cell}: {first.reason}{details}")


class Store:
    """Where the cells of one fingerprint are kept.

    Args:
        root: Of the study's cells.
        given: What the cells depend on, as JSON.
    """

    def __init__(self, root: Path, given: Any) -> None:
        text = json.dumps(given, indent=2, sort_keys=True)
        self.folder = root / hashlib.sha256(text.encode()).hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_bytes("fingerprint.json", text.encode())

    def read(self, name: str) -> Any | None:
        """Return what was kept under that name; None where nothing was, or where it is damaged."""
        try:
            kept = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            content = kept["content"]
            return content if kept["sha256"] == _digest(content) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def kept(self, name: str) -> Any:
        """Return what was kept under that name; OSError where something has taken it away meanwhile."""
        if (content := self.read(name)) is None:
            raise OSError(f"{self.folder / name}.json: expected a finished cell, found none; has it been moved?")
        return content

    def n_missing(self, names: Sequence[str]) -> int:
        """Return how many of these cells have no file, whichever process wrote the others."""
        there = {path.name for path in self.folder.iterdir()}
        return sum(f"{name}.json" not in there for name in names)

    def write(self, name: str, content: Any) -> None:
        """Keep JSON under a name, with its hash; keys stay in their order, which a table's columns take over."""
        text = json.dumps({"sha256": _digest(content), "content": content})
        self.write_bytes(f"{name}.json", text.encode())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all, whatever kills this process."""
        new = self.folder / f".{name}.{os.getpid()}"
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.folder / name)


def of_stage(
    stage: str,
    params: Params,
    data: Place,
    *,
    sections: Sequence[str] = ("network",),
    plan: set[str],
    computed_by: str,
    hashes: Mapping[str, Any],
) -> Store:
    """Return where a stage's cells are kept: beside `data`, out of DVC's sight.

    Args:
        stage: Whose cells; its section of the parameters counts.
        params: The parameters.
        data: The stages' folder.
        sections: Other sections that count, beside `seed` and `threads`.
        plan: Keys of the stage's section that say which cells there are, and change none of them.
        computed_by: The file that computes the cells.
        hashes: Of what is read from `data`.
    """
    given = params.model_dump(include={"seed", "threads", *sections, stage}, exclude={stage: plan})
    given |= {**hashes, "code": code.digest(code.closure(computed_by)), "versions": versions()}
    return Store(unchecked(data).parent / ".cells" / stage, given)


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
                lines = str(error).splitlines() or [""]
                known = hasattr(error, "exit_code") or isinstance(error, ValueError | OSError)
                failures.append(Failure(cell.name, lines[0] if known else f"{type(error).__name__}: {lines[0]}"))
                store.write_bytes(f"{cell.name}.error.txt", traceback.format_exc().encode())
                continue
            store.write(cell.name, result)
            done(cell, result)
        results[cell.name] = result
    return results, failures


def versions() -> dict[str, str]:
    """Return the versions and settings that the last bits of a result depend on."""
    found = {name: version(name) for name in PACKAGES}
    found |= {"python": platform.python_version(), "machine": platform.machine()}
    return found | {"onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "")}


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
