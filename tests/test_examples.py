"""The examples in docstrings, and the six lines of README, work as written."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
MODULES = ("layers", "models", "statistics", "training")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_print_what_they_say(name):
    found = doctest.testmod(importlib.import_module(f"autoencoders.{name}"))
    assert found.attempted > 0 and found.failed == 0


def test_the_six_lines_of_readme_train_a_tied_autoencoder_and_return_codings():
    lines = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert len(list(filter(str.strip, lines.splitlines()))) == 6
    assert set(re.findall(r"^(?:from|import) (\w+)", lines, re.MULTILINE)) <= {"autoencoders", "numpy", "sklearn"}
    names = {}
    exec(lines, names)
    assert names["model"].tied and names["log"][-1]["loss"] < names["log"][0]["loss"]
    assert isinstance(names["codings"], np.ndarray) and names["codings"].shape == (1797, 8)
