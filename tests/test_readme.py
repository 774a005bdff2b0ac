"""README.md says what is there: dvc.yaml's stages in boxes, the kept results, files and commands that exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tasks.frame import code

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
spec = importlib.util.spec_from_file_location("refresh", ROOT / "docs" / "refresh.py")
refresh = importlib.util.module_from_spec(spec)
spec.loader.exec_module(refresh)


def test_the_dag_and_the_results_are_current():
    for page in refresh.PAGES:
        text = page.read_text(encoding="utf-8")
        assert refresh.fill(text) == text, f"{page.relative_to(ROOT)}: run `make readme`"


def test_results_are_kept_of_the_experiment_that_they_are_of_whatever_it_leaves_as_it_was():
    whole = {"tuning": {"n_folds": 2, "n_configurations": 8}, "n_runs": 10}
    assert refresh.holds(whole, {"n_runs": 10, "tuning": {"n_configurations": 8}})
    assert not refresh.holds(whole, {"tuning": {"n_configurations": 3}}) and not refresh.holds(whole, {"choices": []})
    with pytest.raises(SystemExit, match="make experiment NAME=planner-check"):
        refresh.check_experiment("planner-check")


def test_every_stage_is_in_one_box_and_every_arrow_is_one_of_dvc_yaml():
    drawing = README.split("```mermaid")[1].split("```")[0]
    boxes = {box: label.split(": ")[1].split(", ") for box, label in re.findall(r'(box\d+)\["(.*)"\]', drawing)}
    arrows = re.findall(r"(box\d+) --> (box\d+)", drawing)
    assert sorted(stage for stages in boxes.values() for stage in stages) == sorted(code.stages()) and len(boxes) < 11
    box = {stage: name for name, stages in boxes.items() for stage in stages}
    pairs = {(box[a], box[b]) for a, b in refresh.reads() if box[a] != box[b]}
    assert {*arrows} <= pairs
    assert [pair for pair in pairs if not refresh.leads(*pair, arrows)] == []


def test_a_stage_that_a_stage_reads_from_is_found():
    reads = refresh.reads()
    for pair in (("fetch", "prepare"), ("encode", "phase"), ("phase", "stack"), ("pretrain", "finetune")):
        assert pair in reads
    assert ("prepare", "fetch") not in reads


def test_a_stage_in_no_box_is_named(monkeypatch):
    monkeypatch.setattr(refresh, "BOXES", {name: stages for name, stages in refresh.BOXES.items() if name != "data"})
    with pytest.raises(SystemExit, match=r"each in one box: .*fetch, prepare"):
        refresh.dag()


def test_every_file_and_command_that_readme_names_exists():
    for page in refresh.PAGES:
        linked = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
        files = [name.partition("#")[0] for name in linked if "://" not in name]
        assert [name for name in files if not (page.parent / name).exists()] == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = set(re.findall(r"`?make ([a-z-]+)", README)) - {"a"}
    assert [c for c in commands if not re.search(rf"^{c}:", makefile, re.MULTILINE)] == []


def links(page: Path) -> set[Path]:
    """Return the pages of this repository that a page links to."""
    found = re.findall(r"\]\(([^)#]+\.md)", page.read_text(encoding="utf-8"))
    return {(page.parent / name).resolve() for name in found if "://" not in name}


def test_every_page_can_be_reached_from_readme():
    seen, todo = set(), {ROOT / "README.md"}
    while todo:
        seen |= todo
        todo = {page for one in todo for page in links(one)} - seen
    pages = {*(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "data/raw/README.md"}
    assert pages - seen == set()


def test_every_command_of_the_makefile_has_its_line_in_make_help():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    public = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    assert public == set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))


def test_every_file_and_test_that_contributing_names_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = set(re.findall(r"\b(?:autoencoders|tasks|docs|flows|benchmarks|data)/[\w/]+\.\w+", text))
    tests = {f"tests/{name}.py" for name in re.findall(r"\b(test_\w+)", text)} - {"tests/test_NAME.py"}
    assert [name for name in files | tests if "NAME" not in name and not (ROOT / name).exists()] == []
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    assert [name for name in re.findall(r"\*(every_\w+)\*", text) if f"def test_{name}" not in code] == []


def test_the_tree_has_35_lines_at_most_and_names_every_room_and_every_module_of_the_library():
    tree = README.split("## The tree\n\n```\n")[1].split("```")[0]
    assert len(tree.splitlines()) <= 35
    rooms = {path.parent for package in code.PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert [room.name for room in rooms if not re.search(rf"(?<![\w/]){room.name}/ ", tree)] == []
    section = {
        package: re.split(r"\n(?=\S)", tree[tree.index(f"\n{package}/ ") :].lstrip())[0] for package in code.PACKAGES
    }
    named = {package: {*re.findall(r"(\w+\.py)", text)} for package, text in section.items()}
    there = {package: {path.name for path in (ROOT / package).glob("*.py")} for package in code.PACKAGES}
    assert [name for package in code.PACKAGES for name in named[package] - there[package]] == []
    assert named["autoencoders"] == there["autoencoders"] - {"__init__.py"}, "the library's modules"


def test_the_first_screen_is_the_tuned_study_and_says_where_the_old_claim_is():
    first = README[: README.index("## ")]
    assert "chosen within the labels" in first, "the study on the first screen is tuned"
    assert "*The old claim*" in first and "The old claim, and why it fell" in (ROOT / "docs/log.md").read_text("utf-8")
    assert "few-labels" not in first, "system 10 of the book is untuned"
