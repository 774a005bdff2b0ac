"""Experiments: merge a file of experiments/ into the committed params.yaml, and record the finished run.

Mappings are merged; lists and single values are replaced, and so is `phase`, whose number of entries is a parameter.
"""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import CollectionNode, MappingNode

from flows import engine, planning
from flows.environment import variables
from tasks.frame import config
from tasks.frame.errors import ConfigError, Refused, UsageError

FOLDER = Path("experiments")
PARAMS = Path(config.PARAMS)
WRITTEN = config.WRITTEN  # an experiment's file may have changed since
REPLACED = ("phase",)
NOBODY = {"NAME": "experiment", "EMAIL": "experiment@localhost"}  # the author if git has no user configured


def names() -> list[str]:
    """Return the names of the files in experiments/."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def write(name: str) -> None:
    """Write the parameters of an experiment into params.yaml.

    Raises:
        UsageError: There is no such experiment, or params.yaml has changes that would be lost.
        ConfigError: The experiment's parameters are not valid.
    """
    if name not in names():
        raise UsageError(f"no experiment {name}; there are {', '.join(names())}")
    committed = committed_text()
    text = merged(committed, name)
    now = config.read(PARAMS) if PARAMS.exists() else None
    known = [merged_values(committed, other) for other in names()]
    if now not in [None, _values(committed), *known, *_written()]:
        ways = f"move them to {FOLDER / name}.yaml, commit them, or drop them with `git checkout {PARAMS}`"
        raise UsageError(f"{PARAMS} holds changes of your own, which {name} would overwrite: {ways}")
    planning.make_ready()  # fails while another run reads params.yaml
    if now != _values(text):
        new = PARAMS.with_name(f".{PARAMS.name}.{os.getpid()}")
        new.write_text(text, encoding="utf-8")
        WRITTEN.mkdir(parents=True, exist_ok=True)
        (WRITTEN / f"{name}.yaml").write_text(text, encoding="utf-8")
        new.replace(PARAMS)


def merged(committed: str, name: str) -> str:
    """Return the text of the committed params.yaml with an experiment's changes, and no other change.

    Raises:
        ConfigError: The experiment's parameters are not valid.
    """
    path, values = FOLDER / f"{name}.yaml", merged_values(committed, name)
    config.check(values, path)
    return changed(committed, path.read_text(encoding="utf-8"), path)


def changed(committed: str, changes: str, path: Path) -> str:
    """Return the text of a params.yaml with the changes in the text of an experiment's file, and no other change.

    Raises:
        ConfigError: A text has an alias or a merge key; `path` names the changes.
    """
    text = committed
    for where, given in ((path, changes), (PARAMS, committed)):
        for event in YAML(typ="safe", pure=True).parse(given):
            if isinstance(event, AliasEvent) or getattr(event, "value", "") == "<<":
                what = "an alias (*)" if isinstance(event, AliasEvent) else "a merge key (<<)"
                raise ConfigError(f"{where}: expected values written out where they belong, received {what}")
    if root := _compose(changes):
        for start, end, new in sorted(_edits(committed, _compose(committed), changes, root), reverse=True):
            text = text[:start] + new + text[end:]
    same = _values(text) == with_changes(committed, _values(changes) or {})
    assert same, f"{path}: the changes were not written as they were read"
    return text


def current() -> str:
    """Return the name of the experiment whose parameters are in params.yaml; UsageError if there is none."""
    now, text = config.read(PARAMS), committed_text()
    for name in names():
        with suppress(ConfigError):
            if merged_values(text, name) == now:
                return name
    raise UsageError(
        f"{PARAMS} holds no experiment of {FOLDER}: move its changes to {FOLDER}/NAME.yaml, and name that one"
    )


def merged_values(committed: str, name: str) -> Any:
    """Return the values of the committed params.yaml with an experiment's changes."""
    changes = config.read(path := FOLDER / f"{name}.yaml")
    if not isinstance(changes, dict):
        raise ConfigError(f"{path}: expected sections, received {json.dumps(changes, default=str):.80}")
    return with_changes(committed, changes)


def with_changes(committed: str, changes: Mapping[str, Any]) -> Any:
    """Return the values of the committed params.yaml with changes: mappings merged, other values replaced."""
    values = _values(committed)
    _merge(values, changes)
    return values


def committed_text() -> str:
    """Return the committed text of params.yaml."""
    shown = _git("show", f"HEAD:./{PARAMS}")
    if shown.returncode:
        why = " ".join(shown.stderr.split())
        raise UsageError(f"an experiment starts from the committed {PARAMS}, and git says: {why}")
    return shown.stdout


def record(name: str, stages: Sequence[str] = ()) -> None:
    """Record the work tree as DVC experiment `name`, even if git has no user configured.

    Args:
        name: Its name.
        stages: The stages that belong to it; empty for all.
    """
    untracked = _git("ls-files", "--others", "--exclude-standard", f"{FOLDER}/").stdout.splitlines()
    with variables(**identity()):
        engine.save_experiment(name, stages, untracked)


def identity() -> dict[str, str]:
    """Return git's variables for an author if git has no user configured."""
    if _git("config", "user.email").returncode == 0:
        return {}
    given = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in NOBODY.items()}
    return {name: value for name, value in given.items() if name not in os.environ}


def _merge(values: Any, changes: Mapping[str, Any]) -> None:
    for key, change in changes.items():
        if isinstance(change, Mapping) and isinstance(values.get(key), Mapping) and key not in REPLACED:
            _merge(values[key], change)
        else:
            values[key] = change


def _edits(text: str, old: Any, source: str, changes: Any) -> Iterator[tuple[int, int, str]]:
    """Yield the edits (start, end, new text) of `text` that apply the mapping `changes` to the mapping `old`.

    The edits replace text, because a YAML library drops comments with the value before them.

    Args:
        text, source: The texts of `old` and `changes`.
        old, changes: Nodes of these texts.
    """
    there = {key.value: (key, value) for key, value in old.value}
    for key, change in changes.value:
        name, value = there[key.value]
        is_merged = isinstance(change, MappingNode) and isinstance(value, MappingNode) and key.value not in REPLACED
        if not is_merged and old.flow_style and _is_block(change):
            yield value.start_mark.index, _end(value), json.dumps(_values(_block(source, change)), ensure_ascii=False)
        elif not is_merged:
            yield from _replacement(text, name, value, source, change)
        elif _keys(change) <= _keys(value):
            yield from _edits(text, value, source, change)
        else:  # a new key, such as a column of fetch.kinds: the mapping is written anew
            whole = _content(text, value)
            _merge(whole, _content(source, change))
            written = json.dumps(whole, ensure_ascii=False)
            yield from _replacement(text, name, value, written, _compose(written))


def _keys(mapping: Any) -> set[str]:
    return {key.value for key, _ in mapping.value}


def _content(text: str, node: Any) -> Any:
    """Return the values of a node of `text`."""
    return _values(textwrap.dedent(" " * node.start_mark.column + text[node.start_mark.index : _end(node)]))


def _replacement(text: str, key: Any, old: Any, source: str, new: Any) -> Iterator[tuple[int, int, str]]:
    """Yield the edits that replace the value of `key`; comments on its line, or between it and a block, stay."""
    colon, start, end = text.index(":", key.end_mark.index) + 1, old.start_mark.index, _end(old)
    if _is_block(new):
        indent = " " * (key.start_mark.column + 2)
        block = "\n" + textwrap.indent(_block(source, new), indent)
        if _is_block(old):
            yield start - old.start_mark.column - 1, end, block
        else:
            yield colon, end, ""
            line_end = end + len(text[end:].partition("\n")[0])
            yield line_end, line_end, block
    else:
        if _is_block(old):
            yield start - old.start_mark.column - 1, end, ""
            start = end = colon
        yield start, end, (" " if start == colon else "") + source[new.start_mark.index : _end(new)]


def _block(source: str, node: Any) -> str:
    """Return the lines of a block, without their indentation."""
    return textwrap.dedent(source[node.start_mark.index - node.start_mark.column : _end(node)])


def _is_block(node: Any) -> bool:
    return isinstance(node, CollectionNode) and not node.flow_style


def _end(node: Any) -> int:
    """Return the end of a node's text; a block's own end mark is behind the comments that follow it."""
    while _is_block(node) and node.value:
        node = node.value[-1][1] if isinstance(node, MappingNode) else node.value[-1]
    return int(node.end_mark.index)


def _compose(text: str) -> Any:
    return YAML(typ="safe", pure=True).compose(text)


def _values(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _written() -> Iterator[Any]:
    """Yield the parameters that `write` last wrote for each experiment."""
    for path in (WRITTEN / f"{name}.yaml" for name in names()):
        with suppress(ConfigError):
            yield config.read(path)


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        raise Refused("git: not found; experiments need it: install git") from None
