"""The parameter check: read params.yaml and check all of it before anything runs (sections: tasks/frame/sections.py).

Each wrong entry gives one line: file, key, expected value, received value.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tasks.frame.errors import ConfigError
from tasks.frame.fields import nearest, shown
from tasks.frame.sections import Params

PARAMS = "params.yaml"
WRITTEN = Path(".dvc/tmp/experiments")  # the params.yaml of each experiment, as it was written

# The expected value for each of pydantic's error types; names in braces come from pydantic's context.
EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "finite_number": "a finite number",
    "greater_than": "a number > {gt:.15g}",
    "greater_than_equal": "a number >= {ge:.15g}",
    "less_than": "a number < {lt:.15g}",
    "less_than_equal": "a number <= {le:.15g}",
    "too_short": "{min_length} or more entries",
    "string_too_short": "{min_length} or more characters",
    "string_too_long": "at most {max_length} character",
    "recursion_loop": "entries that do not contain themselves",
}
UNKNOWN = ("extra_forbidden", "invalid_key")


def load(path: Path = Path(PARAMS)) -> Params:
    """Read and check a parameter file, as YAML 1.2 like DVC; ConfigError has one line per wrong entry."""
    return check(read(path), path)


def origin() -> str:
    """Return the file in which to edit a parameter: the experiment's that params.yaml was written from, or itself."""
    now = Path(PARAMS)
    copies = sorted(WRITTEN.glob("*.yaml")) if now.is_file() else []
    return next((f"experiments/{c.name}" for c in copies if c.read_bytes() == now.read_bytes()), PARAMS)


def read(path: Path) -> Any:
    """Read a YAML file; ConfigError names the line that is not valid."""
    try:
        return copy.deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        byte = error.object[error.start]
        raise ConfigError(f"{path}:{line}: expected text in UTF-8, received byte {byte:#x}") from None
    except MarkedYAMLError as error:
        mark = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{mark}: not readable as YAML: {error.problem}") from None
    except (YAMLError, ValueError, RecursionError) as error:  # a character, a number or a depth beyond YAML
        raise ConfigError(f"{path}: not readable as YAML: {str(error).partition(chr(10))[0]}") from None


def parsed(text: str, name: str) -> Any:
    """Return a value that is written as YAML; ConfigError begins with `name`."""
    try:
        return _parsed(text)
    except (YAMLError, ValueError, RecursionError):
        raise ConfigError(f"{name}: expected YAML, received {text!r}") from None


@lru_cache(maxsize=8)  # parsing takes 0.1 s for params.yaml, 0.2 s for dvc.yaml; a stage reads both twice
def _parsed(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def check(values: Any, path: Path) -> Params:
    """Check the content of a parameter file; ConfigError has one line per wrong entry."""
    try:
        return Params.model_validate({} if values is None else values)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in _lines(error.errors()))) from None


def _lines(errors: list[Any]) -> Iterator[str]:
    """Yield `key: expected ..., received ...` for each of pydantic's errors."""
    meant = {(*e["loc"][:-1], nearest(e["loc"][-1], _keys(e["loc"][:-1]))) for e in errors if e["type"] in UNKNOWN}
    for e in errors:
        if e["type"] != "missing" or e["loc"] not in meant:  # report a misspelt key once, not as missing too
            yield (f"{_dotted(e['loc'])}: " if e["loc"] else "") + _complaint(e)


def _complaint(error: Any) -> str:
    kind, place = error["type"], error["loc"]
    if kind == "missing":
        return "missing key"
    if kind in UNKNOWN:
        near = nearest(place[-1], known := _keys(place[:-1]))
        return "unknown key, " + (f"did you mean {near}?" if near else f"expected {', '.join(known)}")
    if kind == "value_error":  # our own message, complete
        return error["msg"].removeprefix("Value error, ")
    if kind == "model_type":
        expected = f"the keys {', '.join(_keys(place))}"
    else:
        expected = EXPECTED[kind].format(**error.get("ctx", {})) if kind in EXPECTED else error["msg"]
    return f"expected {expected}, received {shown(error['input'])}"


def _keys(place: tuple[Any, ...]) -> list[str]:
    """Return the valid keys of the section at `place`."""
    section: Any = Params
    for part in place:  # into a section's field, or an entry of dict[str, Section] or list[Section]
        section = section.model_fields[part].annotation if hasattr(section, "model_fields") else get_args(section)[-1]
        if isinstance(section, UnionType):  # an optional block
            section = next(kind for kind in get_args(section) if hasattr(kind, "model_fields"))
    return list(section.model_fields)


def _dotted(place: tuple[Any, ...]) -> str:
    """Return a place as `dvc exp run -S` writes it: report.claims[0].holds."""
    dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    return dotted if dotted.isprintable() else repr(dotted)
