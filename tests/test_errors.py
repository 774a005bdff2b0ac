"""Errors for a person: a class and an exit code for each kind, in the tree, in the docs; faults are no one's line."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

from autoencoders import errors as library
from tasks.frame import errors

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/decisions/0019-one-pool-one-tree-of-errors.md"
OURS = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.RunError)]
CLASSES = [*OURS, *(value for value in vars(library).values() if isinstance(value, type))]


def tree() -> dict[str, int]:
    """Return the names and exit codes in the tree of the module's docstring."""
    found = re.findall(r"^[|' -]*(\w+) +(\d+)  ", errors.__doc__ or "", re.M)
    return {name: int(code) for name, code in found}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_stands_in_the_tree_and_in_the_docs_with_its_exit_code(cls):
    assert tree()[cls.__name__] == cls.exit_code
    assert f"| `{cls.__name__}` | {cls.exit_code} |" in PAGE.read_text(encoding="utf-8")


def test_the_tree_names_no_class_that_is_gone():
    assert tree().keys() - {"MemoryError", "FileNotFoundError"} == {cls.__name__ for cls in CLASSES}


@pytest.mark.parametrize(
    ("error", "code"),
    [*((cls("x"), cls.exit_code) for cls in CLASSES), (errors.RunError("x", exit_code=9), 9), (OSError("x"), 7),
     (MemoryError("x"), 7), (PermissionError(13, "no", "data/x"), 7), (FileNotFoundError(2, "no", "data/x"), 3)],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_a_users_error_keeps_its_class_line_and_exit_code_on_its_way_from_a_worker(error, code):
    there = pickle.loads(pickle.dumps(error))
    assert (type(there), str(there)) == (type(error), str(error))
    assert errors.is_users(there)
    assert errors.exit_code(there) == code


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), TypeError("x"), RuntimeError("x")])
def test_an_ordinary_error_is_a_fault(error):
    assert not errors.is_users(error)


def bare(source: str) -> list[int]:
    """Return the lines that raise a plain ValueError in a function that pydantic does not run.

    Pydantic runs what is decorated as a validator or given to BeforeValidator, and what these call in the same module.
    """
    module = ast.parse(source)
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    named = {a.id for call in calls(module, "BeforeValidator") for a in call.args if isinstance(a, ast.Name)}
    run = [f for f in functions if f.name in named or any("validator" in ast.unparse(d) for d in f.decorator_list)]
    for function in run:  # which grows meanwhile
        run += [f for f in functions if f not in run and calls(function, f.name)]
    allowed = {id(node) for function in run for node in ast.walk(function)}
    raising = [
        node for node in ast.walk(module) if isinstance(node, ast.Raise) and node.exc and id(node) not in allowed
    ]
    return [node.lineno for node in raising if re.match(r"ValueError\b", ast.unparse(node.exc))]


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """Return the calls of a name."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == name]


@pytest.mark.parametrize("package", ["tasks", "flows"])
def test_what_a_person_can_reach_has_a_class_of_its_own(package):
    paths = {*(ROOT / package).rglob("*.py")} - {ROOT / "tasks/frame/fields.py"}  # which validators elsewhere call
    found = {path.relative_to(ROOT): bare(path.read_text(encoding="utf-8")) for path in paths}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def f():\n    raise ValueError('no')", [2]),
        ("def f():\n    raise ValueError", [2]),
        ("@field_validator('a')\ndef f():\n    check()\n\ndef check():\n    raise ValueError('no')", []),
        ("def f():\n    def check(value):\n        raise ValueError('no')\n    return BeforeValidator(check)", []),
        ("def f():\n    raise DataError('no')", []),
    ],
)
def test_a_plain_value_error_outside_of_a_validator_is_found(source, lines):
    assert bare(source) == lines
