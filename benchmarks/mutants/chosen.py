"""A pytest plugin: of the files named, run only the tests that stand in the file MUTANT_TESTS, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def base(test: str) -> str:
    """Return a test's name without its parameters, which a mutant may change."""
    return test.split("[")[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests named, and all of a file that is named itself."""
    if not (path := os.environ.get("MUTANT_TESTS")):
        return
    named = set(Path(path).read_text(encoding="utf-8").splitlines())
    keep = [item for item in items if {base(item.nodeid), item.nodeid.split("::")[0]} & named]
    if len(keep) < len(items):
        kept = set(keep)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = keep
