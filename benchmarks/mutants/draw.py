"""Which mutants are tried: a file by its lines of code, a line of it, an operator there; all by the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.mutants.operators import Change, changes, is_another_program


@dataclass(frozen=True)
class Mutant:
    """A change of one file, named from the repository's root."""

    file: str
    change: Change
    before: str

    @property
    def module(self) -> str:
        """The file's name without folders and ending."""
        return Path(self.file).stem

    def row(self) -> dict[str, Any]:
        """Return what says which mutant this is."""
        return {"file": self.file, "before": self.before, **asdict(self.change)}


def draw(root: Path, files: list[str], n: int, seed: int) -> Iterator[Mutant]:
    """Yield n different mutants of files below root, or all there are; the first of n are the first of more."""
    chance = random.Random(seed)
    texts = {file: (root / file).read_text(encoding="utf-8") for file in files}
    left = {file: found for file, text in texts.items() if (found := _by_line(changes(text)))}
    sizes = {file: sum(bool(line.strip()) for line in texts[file].splitlines()) for file in left}
    while n and left:
        file = chance.choices([*left], [sizes[name] for name in left])[0]
        change = _take(left[file], chance)
        if not left[file]:
            del left[file]
        if is_another_program(texts[file], change.apply(texts[file])):
            yield Mutant(file, change, texts[file][change.start : change.end])
            n -= 1


def _by_line(found: list[Change]) -> dict[int, dict[str, list[Change]]]:
    lines: dict[int, dict[str, list[Change]]] = {}
    for change in found:
        lines.setdefault(change.line, {}).setdefault(change.operator, []).append(change)
    return lines


def _take(lines: dict[int, dict[str, list[Change]]], chance: random.Random) -> Change:
    line = chance.choice([*lines])
    operator = chance.choice([*lines[line]])
    found = lines[line][operator]
    change = found.pop(chance.randrange(len(found)))
    if not found:
        del lines[line][operator]
    if not lines[line]:
        del lines[line]
    return change
