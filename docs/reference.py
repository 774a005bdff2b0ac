"""docs/reference.md: every parameter, stage, command, exit code and variable, read from where each is defined.

`make readme` writes the page; tests/test_docs.py says when it is out of date. A parameter's meaning is its comment in
params.yaml, or the description of its field in tasks/frame; its values follow from the field's type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import typer
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from autoencoders.arms import CURVE_ARMS
from autoencoders.blocks import BY_COLUMN
from autoencoders.vocabulary import ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS
from flows.__main__ import app
from tasks.frame import errors
from tasks.frame.sections import Params

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference.md"
CODE = ("autoencoders/", "tasks/")
LARGEST = 2**31  # of a seed or a size in TensorFlow; no limit for a reader
COMMENT = re.compile(r"(?<=\s)#\s+(.*)$")
NAMES = {
    "activation": ACTIVATIONS, "initializer": INITIALIZERS, "loss": LOSSES, "optimizer": OPTIMIZERS, "arm": CURVE_ARMS,
}  # fmt: skip
VARIABLES = {  # of the environment: what a user sets
    "PIPELINE_WORKERS": "The number of processes, as `--workers`. By default it follows from the cores and the work.",
    "PIPELINE_CELLS": "The folder of finished cells, which machines may share. By default `.cells`.",
    "PIPELINE_DASK": "The address of a Dask scheduler, as `--dask`.",
    "PIPELINE_WEBHOOK": "The address that is told of failed scheduled runs, for `make serve`.",
    "MLFLOW_TRACKING_URI": "MLflow's server, such as the one of `make serve`. By default mlflow.db in the project.",
    "PREFECT_API_URL": "Prefect's server, such as the one of `make serve`. By default `make flow` starts its own.",
}
INTERNAL = {  # what one process of the pipeline tells another
    "PIPELINE_MLFLOW",
    "PIPELINE_PARENT", "PIPELINE_POSITION", "PIPELINE_ROOT", "PIPELINE_STORE", "PIPELINE_TASK_RUN", "PIPELINE_WATCHERS",
}  # fmt: skip
HEADER = """# Reference

Written by `make readme` from the files that define each entry.
"""


class Row(NamedTuple):
    """A parameter: its key from the file's root, default, values and meaning."""

    key: str
    default: str
    values: str
    meaning: str


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


# Parameters


class Parameters:
    """The parameters of params.yaml, with what their comments and their types say of them."""

    def __init__(self, text: str, schema: Mapping[str, Any]) -> None:
        self.lines, self.values = text.splitlines(), YAML().load(text)
        self.classes, self.schema, self.known = schema["$defs"], schema, {}

    def sections(self) -> Iterator[tuple[str, str, list[Row]]]:
        """Yield each section's name, sentence and rows; the keys without a section come first."""
        plain = [key for key, value in self.values.items() if not isinstance(value, dict)]
        yield "Of all stages", "Keys at the top of the file.", [
            row for key in plain for row in self._rows(key, key, self.values, self.schema["properties"][key])
        ]  # fmt: skip
        for key in self.values:
            if key not in plain:
                kind = self._resolved(self.schema["properties"][key])
                of = kind if "properties" in kind else self._resolved(kind["additionalProperties"])
                yield key, of["description"], [*self._rows(key, key, self.values, kind)]

    def _rows(self, key: str, path: str, parent: CommentedMap, field: Mapping[str, Any]) -> Iterator[Row]:
        value, kind = parent[key], self._resolved(field)
        if "properties" in kind:
            for name in value:
                yield from self._rows(name, f"{path}.{name}", value, kind["properties"][name])
        elif isinstance(value, dict) and not value.fa.flow_style() and path == "phase":
            yield from self._phases(value, self._resolved(kind["additionalProperties"]))
        elif isinstance(value, dict) and value and not value.fa.flow_style():
            yield Row(path, "", self.values_of(kind), self.meaning(key, parent, field))
            for name in value:
                yield Row(f"{path}.{name}", shown(value[name]), "", self._comment(name, value))
        else:
            yield Row(path, shown(value), self.values_of(kind), self.meaning(key, parent, field))

    def _phases(self, phases: CommentedMap, kind: Mapping[str, Any]) -> Iterator[Row]:
        for name, field in kind["properties"].items():
            default = ", ".join(dict.fromkeys(shown(phase[name]) for phase in phases.values()))
            yield Row(f"phase.N.{name}", default, self.values_of(field), self.meaning(name, None, field))

    def meaning(self, key: str, parent: CommentedMap | None, field: Mapping[str, Any]) -> str:
        """Return a field's description, else its comment, else what the same key means in an earlier section."""
        beside = "" if parent is None or parent.fa.flow_style() else self._comment(key, parent)
        if not (found := field.get("description") or beside or self.known.get(key, "")):
            raise SystemExit(f"error: params.yaml: {key}: expected a comment that says what it means")
        self.known.setdefault(key, found)
        return found

    def _comment(self, key: str, parent: CommentedMap) -> str:
        """Return the comment beside a key, with its further lines."""
        first, _ = parent.lc.key(key)
        words = []
        for k, line in enumerate(self.lines[first:]):
            found = COMMENT.search(line)
            if k and (not line.strip() or re.match(r"\s*['\w]+[^:]*:(\s|$)", line)):
                break
            if found and (found.start() > 8 or k == 0):
                words.append(found[1])
        return " ".join(words)

    def values_of(self, kind: Mapping[str, Any]) -> str:
        """Return the values that a type allows, in words."""
        kind = self._resolved(kind)
        if "anyOf" in kind:
            return " or ".join(dict.fromkeys(self.values_of(one) for one in kind["anyOf"]))
        if "properties" in kind:
            return "`{" + ", ".join(kind["properties"]) + "}`"
        if "enum" in kind:
            return _names(kind["enum"])
        if kind["type"] == "array":
            least = f"{kind['minItems']} or more, " if kind.get("minItems") else ""
            one = self.values_of(kind["items"])
            return f"a list, {least}each {'one of ' if one.startswith('`') and '{' not in one else ''}{one}"
        if kind["type"] in ("integer", "number"):
            return " ".join(["a whole number" if kind["type"] == "integer" else "a number", *_range(kind)])
        return {"string": "a character" if kind.get("maxLength") == 1 else "text", "boolean": "`true` or `false`",
                "null": "`null`", "object": "a mapping"}[kind["type"]]  # fmt: skip

    def _resolved(self, kind: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.classes[kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind


def _names(names: list[str]) -> str:
    """Return names, or a link to a long list of them."""
    rest = [name for name in names if name != BY_COLUMN]
    for what, known in NAMES.items():
        if rest == [*known]:
            more = f" or `{BY_COLUMN}`" if rest != names else ""
            return f"{'an' if what[0] in 'aeiou' else 'a'} [{what}](#names){more}"
    return ", ".join(f"`{name}`" for name in names)


def _range(kind: Mapping[str, Any]) -> list[str]:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    ends = [f"{sign} {kind[name]:g}" for name, sign in signs.items() if kind.get(name, LARGEST) != LARGEST]
    return [" and ".join(ends)] if ends else []


def shown(value: Any) -> str:
    """Return a value as a user writes it in params.yaml."""
    if isinstance(value, dict):
        return "`{" + ", ".join(f"{key}: {_plain(one)}" for key, one in value.items()) + "}`"
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return str(value)


def parameters() -> str:
    """Return the part on params.yaml."""
    found = Parameters((ROOT / "params.yaml").read_text(encoding="utf-8"), Params.model_json_schema())
    parts = ["## Parameters", "Every key must stand in params.yaml; unknown keys are errors. A file in experiments/ "
             "holds only what differs. The defaults are those of params.yaml."]  # fmt: skip
    for name, said, rows in found.sections():
        cells = [(f"`{row.key}`", row.default, row.values, row.meaning) for row in rows]
        parts += [f"### {name}", said, table(("key", "default", "values", "meaning"), cells)]
    lists = [(what, ", ".join(f"`{name}`" for name in names)) for what, names in NAMES.items()]
    parts += ["### names", "Long lists of values; all but the arms are Keras' names.", table(("kind", "names"), lists)]
    return "\n\n".join(parts)


# Stages, commands, exit codes, variables


def stages() -> str:
    """Return the part on dvc.yaml."""
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    rows = []
    for name, stage in YAML(typ="safe").load(text)["stages"].items():
        one = stage.get("do", stage)
        reads = [dep for dep in one["deps"] if not dep.startswith(CODE)]
        metrics = [path for entry in one.get("metrics", []) for path in entry]
        params = ["all"] if one["params"] == [{"params.yaml": None}] else one["params"]
        cells = (reads, params, one["outs"] + metrics)
        rows.append((f"`{name}`", one["desc"], *(", ".join(f"`{cell}`" for cell in each) for each in cells)))
    head = ("stage", "what it gives", "reads", "parameters", "writes")
    said = "In running order, from [dvc.yaml](../dvc.yaml), which also lists each stage's code. `python -m tasks.STAGE`"
    return "\n\n".join(["## Stages", f"{said} runs one alone. Files in metrics/ are in git.", table(head, rows)])


def commands() -> str:
    """Return the part on the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rows = [(f"`make {name}`", said) for name, said in re.findall(r"^([a-z-]+):.*?## (.*)$", text, re.MULTILINE)]
    said = 'ARGS takes the options of the program that a command starts, as in `make repro ARGS="--workers 4"`.'
    return "\n\n".join(["## Commands", said, table(("command", "what it does"), rows)])


def options() -> str:
    """Return the part on `python -m flows`."""
    parts = ["## python -m flows", "The program behind most commands; `python -m flows COMMAND --help` shows the same."]
    for name, command in _leaves("", typer.main.get_command(app)):
        rows = [_option(one) for one in command.params]
        parts += [f"### {name}", command.help or ""] + ([table(("option", "default", "meaning"), rows)] if rows else [])
    return "\n\n".join(parts)


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands") and not command.hidden:
        yield name, command
    for below, one in getattr(command, "commands", {}).items():
        yield from _leaves(f"{name} {below}".strip(), one)


def _option(one: Any) -> tuple[str, str, str]:
    takes = one.metavar or {int: "N", Path: "FILE"}.get(one.type_descriptor.annotation, "TEXT")
    if one.param_type_name == "argument":
        name = one.name.upper() + (" ..." if one.nargs == -1 else "")
    else:
        name = ", ".join([*one.opts, *one.secondary_opts]) + ("" if one.is_flag else f" {takes}")
    default = "" if one.default in (None, "", False) else f"`{_plain(one.default)}`"
    return f"`{name}`", "required" if one.required else default, one.help or ""


def exit_codes() -> str:
    """Return the part on exit codes, from the tree of errors."""
    tree = re.search(r"```\n(.*?)```", errors.__doc__ or "", re.DOTALL)
    assert tree, "tasks/frame/errors.py shows its tree"
    said = "An error of the user or the machine ends a command with one line and one of these codes; 0 is success."
    return f"## Exit codes\n\n{said} Any other error is a bug, and keeps its traceback.\n\n```text\n{tree[1]}```"


def variables() -> str:
    """Return the part on environment variables."""
    rows = [(f"`{name}`", said) for name, said in VARIABLES.items()]
    said = "Variables are no parameters: no result depends on them."
    return "\n\n".join(["## Environment variables", said, table(("variable", "meaning"), rows)])


def page() -> str:
    """Return the whole page."""
    parts = [HEADER.strip(), parameters(), stages(), commands(), options(), exit_codes(), variables()]
    return "\n\n".join(parts) + "\n"


def write() -> None:
    """Write docs/reference.md."""
    PAGE.write_text(page(), encoding="utf-8")
