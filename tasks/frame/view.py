"""What a stage sees of the project: the parameters and files that dvc.yaml declares for it, and no others.

A stage that read more would be up to date when it is not. So it gets parameters without the sections that it does not
declare, and a folder below which nothing opens that it does not declare.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.frame.declared import Declared
from tasks.frame.fields import Undeclared
from tasks.frame.sections import Params


@dataclass(frozen=True)
class Folder(os.PathLike[str]):
    """A file or folder, or one below it by `/`, which opens only if it is declared.

    Args:
        path: Where it is.
        stage: Who asks.
        declared: Files and folders that may be opened, with all below them.
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
        """Return whether the stage may open it."""
        path = Path(os.path.normpath(self.path))
        return any(path.is_relative_to(place) for place in self.declared)

    def __str__(self) -> str:
        return str(self.path)


Place = Path | Folder


def folder(path: Path, stage: str, declared: Declared) -> Folder:
    """Return the stages' folder as one stage sees it."""
    return Folder(path, stage, tuple(Path(dep) for dep in declared.deps))


def params(given: Params, declared: Declared) -> Params:
    """Return the parameters without those that a stage does not declare; to read one of these raises Undeclared."""
    return _part(given, [place.split(".") for place in declared.params])


def is_there(place: Place) -> bool:
    """Return whether there is a file or folder, and it may be opened."""
    return unchecked(place).exists() and (not isinstance(place, Folder) or place.is_declared())


def unchecked(place: Place) -> Path:
    """Return where something is, for what lies beside it and is no stage's output."""
    return place.path if isinstance(place, Folder) else place


def _part(value: Any, places: Sequence[Sequence[str]]) -> Any:
    """Return of a section, or of a mapping of sections, what stands at these places."""
    if not all(places):  # one of them is the whole
        return value
    values = dict(value) if isinstance(value, BaseModel) else value
    below: dict[str, list[Sequence[str]]] = {}
    for first, *others in places:
        below.setdefault(first, []).append(others)
    found = {name: _part(values[name], others) for name, others in below.items()}
    return type(value).model_construct(_fields_set={*found}, **found) if isinstance(value, BaseModel) else found
