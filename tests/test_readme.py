"""README.md says what is there: the DAG as dvc.yaml has it, the kept results, files and commands that exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
spec = importlib.util.spec_from_file_location("refresh", ROOT / "docs" / "refresh.py")
refresh = importlib.util.module_from_spec(spec)
spec.loader.exec_module(refresh)


def test_the_dag_and_the_results_are_current():
    for page in refresh.PAGES:
        text = page.read_text(encoding="utf-8")
        assert refresh.fill(text) == text, f"{page.relative_to(ROOT)}: run `make readme`"


@pytest.mark.slow
def test_an_outdated_block_is_noticed():
    outdated = README.replace('["prepare"]', '["prepared"]')
    assert outdated != README == refresh.fill(outdated)


def test_every_file_and_command_that_readme_names_exists():
    for page in refresh.PAGES:
        linked = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
        assert [name for name in linked if "://" not in name and not (page.parent / name).exists()] == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = set(re.findall(r"`?make ([a-z-]+)", README)) - {"a"}
    assert [c for c in commands if not re.search(rf"^{c}:", makefile, re.MULTILINE)] == []


@pytest.mark.parametrize("package", ["autoencoders", "tasks", "flows"])
def test_the_tree_names_every_module(package):
    tree = README[README.index(f"\n{package}/ ") :].split("\n", 2)[2]
    section = re.split(r"\n(?=\S)", tree)[0]
    named = re.findall(r"([a-z_]+\.py)", section)
    assert sorted(named) == sorted({p.name for p in (ROOT / package).glob("*.py")} - {"__init__.py", "__main__.py"})


def test_the_best_classifier_without_pretraining_is_held_against_fine_tuning(tmp_path, monkeypatch):
    scores = {"fine-tuned": (0.50, 0.60), "fine-tuned - tied": (0.56, 0.59), "linear probe": (0.2, 0.3),
              "SVM": (0.55, 0.58), "from scratch": (0.4, 0.62)}  # fmt: skip
    rows = [f"{arm},{n},{score}" for arm, pair in scores.items() for n, score in zip((20, 1000), pair, strict=True)]
    (tmp_path / "label-study.csv").write_text("\n".join(["arm,n_labels,accuracy", *rows]))
    monkeypatch.setattr(refresh, "RESULTS", tmp_path)
    assert refresh.without_pretraining() == (
        "The best of 2 classifiers without pretraining is ahead of fine-tuning at all 2 label budgets, in points of "
        "test accuracy: 5.0 with 20 (SVM) and 2.0 with 1,000 (from scratch) labels. Each budget's best is picked "
        "by its mean test accuracy. The best of 3 arms with pretraining, picked in the same way, is ahead with 20 "
        "labels."
    )


def test_the_first_screen_says_what_a_review_found():
    first = README[: README.index("![")]
    assert "**Not shown so far.**" in first and "<!-- without-pretraining -->" in first
    assert "*A review*" in first and "## 2026-11-21 A review" in (ROOT / "docs/log.md").read_text(encoding="utf-8")
