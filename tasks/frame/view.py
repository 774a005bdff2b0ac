"""A stage's view: only the parameters and files that dvc.yaml declares for it.

If a stage read undeclared inputs, DVC would miss their changes and treat the stage as up to date. So a stage gets
parameters without undeclared sections, and a folder that opens declared files only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.frame.declared import Declared
from tasks.frame.errors import Undeclared
from tasks.frame.sections import Params


@dataclass(frozen=True)
class Folder(os.PathLike[str]):
    """A path to a file or folder that opens only if it is declared; `/` gives paths below it.

    Args:
        path: The path.
        stage: The stage that opens it.
        declared: Files and folders that may be opened, with everything below them.
    """

    path: Path
    stage: str
    declared: tuple[Path, ...]

    def __truediv__(self, name: str | Path) -> Folder:
        return Folder(self.path / name, self.stage, self.declared)

    def __fspath__(self) -> str:
        if not self.is_declared():
            raise Undeclared(f"dvc.yaml: stage {self.stage} opens {self.path}: expected it among the stage's deps")
        return str(self.path)

    def is_declared(self) -> bool:
        """Return whether the stage may open this path."""
        path = Path(os.path.normpath(self.path))
        return any(path.is_relative_to(place) for place in self.declared)

    def __str__(self) -> str:
        return os.fspath(self)


Place = Path | Folder


def folder(path: Path, stage: str, declared: Declared) -> Folder:
    """Return a stage's view of the folder of all outputs."""
    return Folder(path, stage, tuple(Path(dep) for dep in declared.deps))


def params(given: Params, declared: Declared) -> Params:
    """Return a stage's view of the parameters; reading an undeclared one raises Undeclared."""
    return _part(given, [place.split(".") for place in declared.params])


def is_there(place: Place) -> bool:
    """Return whether a file or folder exists and may be opened."""
    return unchecked(place).exists() and (not isinstance(place, Folder) or place.is_declared())


def unchecked(place: Place) -> Path:
    """Return the plain path, to reach files next to the stages' outputs that are no outputs themselves."""
    return place.path if isinstance(place, Folder) else place


def _part(value: Any, places: Sequence[Sequence[str]]) -> Any:
    """Return a section, or a mapping of sections, reduced to these places."""
    if not all(places):  # one of them is the whole
        return value
    values = dict(value) if isinstance(value, BaseModel) else value
    below: dict[str, list[Sequence[str]]] = {}
    for first, *others in places:
        below.setdefault(first, []).append(others)
    found = {name: _part(values[name], others) for name, others in below.items()}
    return type(value).model_construct(_fields_set={*found}, **found) if isinstance(value, BaseModel) else found
