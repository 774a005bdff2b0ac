"""A store for the small results of a study (cells), so that a study that was killed resumes where it stopped.

A cell is one unit of work with a name. Its result is a JSON file, whose name holds a hash of the inputs: parameters,
data, code, versions. Other inputs give another file. A stage that is forced to run reuses the finished cells, and says
so; to compute them again, delete .cells.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
import secrets
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from tasks.frame import code
from tasks.frame.errors import StudyFailed, is_users
from tasks.frame.sections import Params
from tasks.frame.view import Place, unchecked

VARIABLE = "PIPELINE_CELLS"  # a folder for all stages' cells, which machines may share
# Variables that change the last bits of a result.
SETTINGS = ("TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS", "TF_XLA_FLAGS", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE")
KEPT = re.compile(r"--tf_xla_persistent_cache_directory=\S+")  # changes no bit (tasks/frame/compiled.py)
FEW = 20  # cells that are left, from which every one is counted
PACKAGES = ("keras", "numpy", "scikit-learn", "scipy", "tensorflow")


class Cell(Protocol):
    """One unit of work; its name is also the start of a file name."""

    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=Cell)


class Failure(NamedTuple):
    """The name of a cell that failed, and the reason in one line."""

    cell: str
    reason: str


def study_failed(failures: Sequence[Failure], n_cells: int, folder: Path, listed: str = "failed.json") -> StudyFailed:
    """Return the error for a study in which some cells failed; the results of the others are kept."""
    first = failures[0]
    details = "" if len(failures) == 1 else f"; all of them are listed in {folder / listed}"
    return StudyFailed(f"{len(failures)} of {n_cells} cells failed, first {first.cell}: {first.reason}{details}")


class Store:
    """A folder of finished cells: one file per cell, named by the cell and the hash of its inputs.

    Args:
        folder: The folder of one stage's cells; it is created.
        given: The inputs of each cell, by the cell's name, as JSON.
    """

    def __init__(self, folder: Path, given: Mapping[str, Any]) -> None:
        self.folder, self.given = folder, given
        self.stems = {name: f"{name} {digest(depends)[:16]}" for name, depends in given.items()}
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str, suffix: str = ".json") -> Path:
        """Return the path of a cell's file."""
        return self.folder / f"{self.stems[name]}{suffix}"

    def read(self, name: str) -> Any | None:
        """Return a cell's result; None if its file is missing, damaged, or belongs to other inputs."""
        try:
            return self.content(name, self.path(name).read_bytes())
        except OSError:
            return None

    def content(self, name: str, file: bytes) -> Any | None:
        """Return the result in a cell's file; None if the file is damaged, or belongs to other inputs."""
        try:
            kept = json.loads(file.decode())
            content = kept["content"]
            is_this = kept["sha256"] == digest(content) and digest(kept["given"]) == digest(self.given[name])
            return content if is_this else None
        except (ValueError, KeyError, TypeError):
            return None

    def kept(self, name: str) -> Any:
        """Return the result of a finished cell; OSError if its file has disappeared."""
        if (content := self.read(name)) is None:
            raise OSError(f"{self.path(name)}: expected a finished cell, found none; run again to compute it")
        return content

    def n_missing(self, names: Sequence[str]) -> int:
        """Return the number of these cells that have no file; other processes may add files meanwhile."""
        there = {path.name for path in self.folder.iterdir()}
        return sum(self.path(name).name not in there for name in names)

    def write(self, name: str, content: Any, seconds: float | None = None) -> None:
        """Write a cell's result, as JSON in the given order of keys, with its hash and the cell's inputs.

        The processor's seconds that it took stand beside the result, and no output of a stage holds them.
        """
        kept = {"sha256": digest(content), "content": content, "given": self.given[name], "seconds": seconds}
        self.write_bytes(self.path(name), json.dumps(kept).encode())

    def seconds(self, name: str) -> float | None:
        """Return the processor's seconds that a cell took; None if they are not known."""
        try:
            return json.loads(self.path(name).read_text(encoding="utf-8")).get("seconds")
        except (OSError, ValueError, AttributeError):
            return None

    def write_bytes(self, path: Path, content: bytes) -> None:
        """Write a file atomically: whole or not at all, even if this process is killed, or another writes it, too.

        Processes of other machines that share the folder may have this one's number.
        """
        new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)


class Left:
    """The number of cells that are left, for progress: counted in the folder at most once a second, and near the end.

    A look into a folder with thousands of cells takes as long as many a cell.

    Args:
        store: The cells' store, to which other processes may write, too.
        names: The cells that are wanted.
    """

    def __init__(self, store: Store, names: Sequence[str]) -> None:
        self._store, self._names = store, names
        self._n, self._counted = 0, -math.inf

    def after_one(self) -> int:
        """Return the number after this process has finished one more."""
        self._n -= 1
        if self._n < FEW or time.monotonic() - self._counted >= 1:
            self._n, self._counted = self._store.n_missing(self._names), time.monotonic()
        return self._n


def folder(stage: str, data: Place) -> Path:
    """Return the folder of a stage's cells: next to `data`, where DVC does not track it, or below PIPELINE_CELLS."""
    return Path(os.environ.get(VARIABLE) or unchecked(data).parent / ".cells") / stage


def shared(params: Params, *computed_by: str, glue: Sequence[str] = ()) -> dict[str, Any]:
    """Return the inputs that all cells share: number of threads, versions, hash of the code.

    Args:
        params: The parameters.
        glue: Source files that hand parameters and rows to the code; without the files that they import.
        computed_by: Source files that compute the cells. Tables are left out of the hash: each cell's own inputs hold
            the entries that it uses.
    """
    files = code.closure(*computed_by) - code.TABLES
    files |= code.FOR_EVERY_STAGE | {*glue}
    return {"threads": params.threads, "code": code.digest(files), "versions": versions()}


def run(
    cells: Sequence[C], store: Store, compute: Callable[[C], Any], done: Callable[[C, Any], None] = lambda *_: None
) -> tuple[dict[str, Any], list[Failure]]:
    """Compute the cells that have no result yet; return every result by name, and the failures.

    Args:
        cells: The cells, in the order of computation.
        store: Receives each result as soon as it is computed.
        compute: Returns a cell's result as JSON.
        done: Called with each newly computed cell and its result.
    """
    results: dict[str, Any] = {}
    failures = []
    for cell in cells:
        result = store.read(cell.name)
        if result is None:
            start = time.process_time()
            try:
                result = compute(cell)
            except Exception as error:  # noqa: BLE001 - the study goes on with the other cells, and lists this one
                line = (str(error).splitlines() or [""])[0]
                failures.append(Failure(cell.name, line if is_users(error) else f"{type(error).__name__}: {line}"))
                store.write_bytes(store.path(cell.name, ".error.txt"), traceback.format_exc().encode())
                continue
            store.write(cell.name, result, round(time.process_time() - start, 3))
            done(cell, result)
        results[cell.name] = result
    return results, failures


def versions() -> dict[str, str]:
    """Return the versions and settings that can change the last bits of a result."""
    found = _packages() | {"python": platform.python_version(), "machine": platform.machine(), "cpu": _cpu()}
    return found | {name: value for name in SETTINGS if (value := KEPT.sub("", os.environ.get(name, "")).strip())}


@cache  # reading them takes milliseconds, and every cell asks
def _packages() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


@cache
def _cpu() -> str:
    """Return a hash of the processor's instruction sets: oneDNN and OpenBLAS choose their code by them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    return hashlib.sha256(" ".join(sorted(flags.split())).encode()).hexdigest()[:12]


def digest(content: Any) -> str:
    """Return the SHA-256 of JSON, independent of the order of its keys: 64 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
