"""The grid of a sweep, such as `pretrain.epochs=[10,20] network.shape.units=[[100,30],[64,16]]`: read and checked.

Every combination is checked before any runs, as params.yaml is: types, ranges, and sizes against the prepared data if
those are there.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from flows import experiments
from tasks.frame import config, declared, parallel, sizes, stage
from tasks.frame.errors import ConfigError, Edited, UsageError
from tasks.frame.fields import shown
from tasks.frame.sections import Params
from tasks.study import effort, rows

GRID = Path("GRID")  # where the user wrote the values
FORM = "KEY=[VALUE, ...], such as pretrain.epochs=[10,20]"
BETWEEN = re.compile(r"(?<=\])\s+(?=[^=\[\]]+=)")  # the blanks between two entries
STUDY = "label_curve"
PREPARED = ("seed", "threads", "fetch", "prepare")  # the parameters of data/prepare


@dataclass(frozen=True)
class Combination:
    """One combination of a grid.

    Args:
        values: Its value of every key of the grid.
        changes: The changes to params.yaml, as the text of an experiment's file.
        params: The checked parameters.
    """

    values: Mapping[str, Any]
    changes: str
    params: Params

    def __str__(self) -> str:
        return " ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in self.values.items())


def parse(text: str) -> dict[str, list[Any]]:
    """Return the values of every key.

    Raises:
        ConfigError: One line per wrong entry.
    """
    found, wrong = dict[str, list[Any]](), list[str]()
    for entry in BETWEEN.split(text.strip()):
        key, equals, values = (part.strip() for part in entry.partition("="))
        try:
            given = config.parsed(values, f"{GRID}: {key}") if key and equals else None
        except ConfigError as error:
            wrong.append(str(error))
            continue
        if not key or not equals:
            wrong.append(f"{GRID}: expected {FORM}, received {entry or 'nothing'}")
        elif not isinstance(given, list):
            wrong.append(f"{GRID}: {key}: expected a list of values, such as [10, 20], received {shown(given)}")
        elif not given:
            wrong.append(f"{GRID}: {key}: expected one value or more, received an empty list")
        elif inside := next((known for known in found if _overlap(known, key)), None):
            wrong.append(f"{GRID}: {key}: expected every parameter once, received {inside}, too")
        else:
            found[key] = given
    if wrong:
        raise ConfigError("\n".join(wrong))
    return found


def combinations(
    base: str, grid: Mapping[str, Sequence[Any]], *, most: int, stages: Collection[str]
) -> list[Combination]:
    """Return every combination of a grid; the values of the last key change first.

    Args:
        base: The text of params.yaml, whose other values all combinations share.
        grid: The values of every key.
        most: The largest number of combinations that is not refused.
        stages: The stages that each combination runs.

    Raises:
        ConfigError: One line per error.
        UsageError: There are too many.
    """
    common = config.check(given := config.parsed(base, config.PARAMS), Path(config.PARAMS))
    if (n := math.prod(map(len, grid.values()))) > most:
        took = told(n * minutes(common, stages))
        raise UsageError(
            f"{GRID}: expected at most {most:,} combinations, received {n:,}{took}; --at-most {n} allows them"
        )
    found, wrong = [], list[str]()
    for values in product(*grid.values()):
        try:
            found.append(_combination(copy.deepcopy(given), dict(zip(grid, values, strict=True))))
        except ConfigError as error:
            wrong += str(error).splitlines()
    if lines := [*dict.fromkeys(wrong or [*_twice(found), *_wrong_sizes(found, stages)])]:
        raise ConfigError("\n".join(lines))
    return found


def minutes(params: Params, stages: Collection[str]) -> float:
    """Return the minutes that a combination's study takes on this machine; 0 without a study or prepared data."""
    if STUDY not in stages or not _is_prepared(params):
        return 0.0
    seconds = effort.of_run(params, rows.size(stage.DATA / "prepare")) * params.label_curve.n_runs
    return seconds / parallel.n_workers(params.threads, seconds * effort.PER_SECOND) / 60


def told(n_minutes: float) -> str:
    """Return a phrase with an estimate; empty for none."""
    n = math.ceil(n_minutes)
    return f", about {n:,} minute{'s' if n > 1 else ''} for their studies" if n else ""


def _overlap(one: str, other: str) -> bool:
    """Return whether two dotted keys name the same parameter, or one a part of the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _combination(whole: dict[str, Any], values: Mapping[str, Any]) -> Combination:
    """Return a combination, and set its values in the content of params.yaml."""
    changes: dict[str, Any] = {}
    for key, value in values.items():
        for tree in (changes, whole):
            _set(tree, key, copy.deepcopy(value))
    params = config.check(whole, GRID)
    changes |= {name: whole[name] for name in experiments.REPLACED if name in changes}
    return Combination(values, json.dumps(changes), params)


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set the value of a dotted key; ConfigError if a part of the key is no section."""
    *parents, last = key.split(".")
    for i, parent in enumerate(parents, start=1):
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"{GRID}: {key}: expected a section {'.'.join(parents[:i])}, it is {shown(tree)}")
    tree[last] = value


def _twice(found: Iterable[Combination]) -> Iterator[str]:
    """Yield a line for each combination that has the parameters of an earlier one, such as 1 and 1.0."""
    seen: dict[str, Combination] = {}
    for one in found:
        first = seen.setdefault(one.params.model_dump_json(), one)
        if first is not one:
            yield f"{GRID}: expected every combination once, received {one} twice"


def _wrong_sizes(found: Iterable[Combination], stages: Collection[str]) -> Iterator[str]:
    """Yield a line for each size that the prepared data do not allow, if they are there."""
    for one in found:
        if _is_prepared(one.params):
            try:
                sizes.check(one.params, stage.DATA / "prepare", trains=False, book=bool({*stages} - {*sizes.STUDY}))
            except ConfigError as error:
                yield from (f"{GRID}: {line.partition(': ')[2]}" for line in str(error).splitlines())


def _is_prepared(params: Params) -> bool:
    """Return whether data/prepare is there and is of these parameters."""
    values = params.model_dump(include={*PREPARED})
    return (stage.DATA / "prepare/manifest.json").exists() and _was_prepared(json.dumps(values))


@cache
def _was_prepared(values: str) -> bool:
    """Return whether dvc.lock has the stages above `pca`, which are those up to `prepare`, with these values."""
    try:
        declared.refuse_stale("pca", {"phase": {}, **json.loads(values)})
    except Edited:
        return False
    return True
