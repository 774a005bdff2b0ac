"""Write an experiment's file of experiments/: each value with its reason as a comment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.study.proposal import Choice

OPENED = ("phase",)  # written with a line for each entry


def write(file: Path, header: str, chosen: Iterable[Choice]) -> None:
    """Write a file whole or not at all: the header's lines as comments, then the values, section by section."""
    comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    sections = ["\n".join(_lines({name: section})) for name, section in tree(chosen).items()]
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.write_text(f"{comment}\n" + "\n\n".join(sections) + "\n", encoding="utf-8")
    new.replace(file)


def tree(chosen: Iterable[Choice]) -> dict[str, Any]:
    """Return choices as nested mappings, by the parts of their keys."""
    found: dict[str, Any] = {}
    for choice in chosen:
        *parents, last = choice.key.split(".")
        at = found
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = choice
    return found


def values(chosen: Iterable[Choice]) -> dict[str, Any]:
    """Return choices as nested mappings of plain values."""

    def plain(node: Any) -> Any:
        return node.value if isinstance(node, Choice) else {key: plain(value) for key, value in node.items()}

    return {name: plain(section) for name, section in tree(chosen).items()}


def _lines(section: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for key, node in section.items():
        if not isinstance(node, Choice):
            yield f"{indent}{key}:"
            yield from _lines(node, f"{indent}  ")
        elif key in OPENED:
            yield f"{indent}{key}:"
            yield from (f"{indent}  {json.dumps(k)}: {_yaml(entry)}" for k, entry in node.value.items())
        else:
            yield f"{indent}{key}: {_yaml(node.value)}" + (f"  # {node.reason}" if node.reason else "")


def _yaml(value: Any) -> str:
    """Return a value on one line; JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
