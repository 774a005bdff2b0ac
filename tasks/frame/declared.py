"""The inputs that dvc.yaml declares for a stage, and a check that nobody edited them while the stage ran.

DVC hashes the inputs of a stage after the stage has ended. If a parameter or file was edited meanwhile, DVC would
record it with results of the earlier version, and its cache of runs would restore them from then on. So a stage
compares its inputs at its beginning and at its end, under any runner, and fails if they differ.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import tasks
from tasks.frame import code, config
from tasks.frame.errors import Edited
from tasks.frame.fields import shown

DAG, LOCK = Path("dvc.yaml"), Path("dvc.lock")
SMALL = 2**20  # bytes; a larger file is compared by inode, size and time, at least one of which every editor changes
TRIES, PAUSE = 4, 0.3  # dvc.lock is written in place: an error counts only if it persists for a second
FILLED_IN = re.compile(r"\$\{([\w.]+)\}")

Values = Mapping[str, Any]


class Declared(NamedTuple):
    """The inputs of a stage in dvc.yaml: files and folders, and dotted keys of params.yaml."""

    deps: list[str]
    params: list[str]


def find(name: str, key: str, values: Values, dag: Path = DAG) -> Declared | None:
    """Return the declared inputs of a stage; None if dvc.yaml has no such stage.

    Args:
        name: The stage.
        key: The instance, for a stage with one instance per entry of `phase`.
        values: The content of params.yaml, which replaces `${...}`.
        dag: The path of dvc.yaml.
    """
    stage = _stages(dag).get(name)
    if not stage:
        return None
    stage, known = stage.get("do", stage), {**values, "key": key, "item": values.get("phase", {}).get(key)}
    params = stage.get("params", [])
    keys = [*values] if {config.PARAMS: None} in params else params  # the whole file, or some of its keys
    return Declared(*([_filled_in(text, known) for text in texts] for texts in (stage.get("deps", []), keys)))


@contextmanager
def unchanged(name: str, key: str, values: Values) -> Iterator[None]:
    """Raise Edited at the end of the block if an input of the stage has changed since its beginning.

    Args:
        name, key: As in `find`.
        values: The content of params.yaml that the stage was given.
    """
    declared = find(name, key, values)
    if declared is None:
        yield
        return
    before = _files(declared.deps)
    yield
    name = f"{name}@{key}" if key else name
    now = config.read(Path(config.PARAMS))
    for place in declared.params:
        if (was := _value(values, place)) != (is_now := _value(now, place)):
            place, was, is_now = _first_difference(place, was, is_now)
            where = f"{config.PARAMS}: {place}"
            raise Edited(f"{where}: {shown(was)} when {name} began, now {shown(is_now)}; not recorded: run again")
    after = _files(declared.deps)
    if edited := sorted(path for path, _ in before.items() ^ after.items()):
        raise Edited(f"{edited[0]}: edited while {name} ran; not recorded: run again")


def refuse_code_edited_since_start() -> None:
    """Raise Edited if a module of this project was edited after this process, which runs one stage, was started."""
    for module in list(sys.modules.values()):
        path = Path(getattr(module, "__file__", None) or "/")
        if path.suffix == ".py" and code.is_ours(path) and path.stat().st_mtime > tasks.STARTED:
            raise Edited(f"{path.relative_to(code.ROOT)}: edited while the stage started; not recorded: run again")


def refuse_stale(name: str, values: Values) -> None:
    """Raise Edited if an upstream stage of `name` was run with other parameters than those in params.yaml.

    Otherwise a page could show a parameter, edited while a later stage ran, next to results of its earlier value.

    Args:
        name: A stage without instances.
        values: The content of params.yaml.
    """
    declared = find(name, "", values)
    for _ in range(TRIES if declared else 0):
        stale = next(_stale(_above(declared.deps, values), values), "")  # type: ignore[union-attr]
        if not stale:
            return
        time.sleep(PAUSE)
    if declared:
        raise Edited(f"{config.PARAMS}: {stale}; run again")


def _above(deps: Iterable[str], values: Values) -> dict[str, Any]:
    """Return the entries of dvc.lock for all stages upstream of these files."""
    kept = (config.read(LOCK) if LOCK.exists() else None) or {}
    declared, found, todo = _stages(), dict[str, Any](), [*deps]
    while todo:
        path = Path(todo.pop())
        for name, entry in kept.get("stages", {}).items():
            stage, _, key = name.partition("@")
            outs = [Path(out["path"]) for out in entry.get("outs", [])]
            is_there = stage in declared and (not key or key in values["phase"])  # dvc.lock keeps removed stages
            if is_there and name not in found and any(o.is_relative_to(path) or path.is_relative_to(o) for o in outs):
                found[name] = entry
                todo += [dep["path"] for dep in entry.get("deps", [])]
    return found


def _stale(entries: Mapping[str, Any], values: Values) -> Iterator[str]:
    """Yield one line per parameter whose value in params.yaml differs from these entries of dvc.lock."""
    for name, entry in entries.items():
        for place, was in entry.get("params", {}).get(config.PARAMS, {}).items():
            if (now := _value(values, place)) != was:
                place, was, now = _first_difference(place, was, now)
                yield f"{place}: {name} was made with {shown(was)} (dvc.lock), now {shown(now)}"


def _first_difference(place: str, was: Any, is_now: Any) -> tuple[str, Any, Any]:
    """Return the dotted name and the values of the first parameter that differs inside of two different values."""
    while isinstance(was, Mapping) and isinstance(is_now, Mapping):
        key = next((key for key in {**was, **is_now} if was.get(key) != is_now.get(key)), None)
        if key is None:  # one has it as null, the other lacks it
            break
        place, was, is_now = f"{place}.{key}", was.get(key), is_now.get(key)
    return place, was, is_now


def _stages(dag: Path = DAG) -> dict[str, Any]:
    return ((config.read(dag) if dag.exists() else None) or {}).get("stages") or {}


def _files(deps: Iterable[str]) -> dict[str, Any]:
    """Return an identifier of the content of every existing file, by path."""
    paths = [Path(dep) for dep in deps]
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return {file.as_posix(): _content(file) for file in files}


def _content(file: Path) -> Any:
    stat = file.stat()
    if stat.st_size > SMALL:
        return stat.st_ino, stat.st_size, stat.st_mtime_ns
    return hashlib.sha256(file.read_bytes()).digest()


def _filled_in(text: str, values: Values) -> str:
    return FILLED_IN.sub(lambda found: str(_value(values, found[1])), text)


def _value(values: Any, place: str) -> Any:
    """Return the value under a dotted name; None if there is none."""
    for part in place.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
