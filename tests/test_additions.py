"""What was forgotten of an addition is named: an arm, a learner, a parameter, a section of a page (CONTRIBUTING)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autoencoders.arms import ARMS, BASELINES, LEARNERS, PRETRAININGS, slug
from tasks.frame import sections
from tasks.frame.code import TEMPLATES
from tasks.reporting import wording

ROOT = Path(__file__).resolve().parents[1]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / TEMPLATES).glob("*.j2"))}
SECTIONS = {
    name: kind for name, kind in vars(sections).items() if isinstance(kind, type) and kind.__module__ != "typing"
}
CHECKS = ("fields.py", "sections.py", "study_section.py")


def test_every_arm_has_its_words():
    assert [arm.name for arm in ARMS if arm.name not in wording.ARMS] == [], "ARMS of tasks/reporting/wording.py"


SHARED = ("nearest", "sharing")  # what learners have in common


def test_every_module_of_learners_is_in_the_table_and_an_arm_uses_it():
    modules = {path.stem for path in (ROOT / "autoencoders/learners").glob("*.py")} - {"__init__", "answers", *SHARED}
    assert modules == {*LEARNERS}, "LEARNERS of autoencoders/arms.py"
    assert {arm.learner for arm in BASELINES} == {*LEARNERS}, "BASELINES of autoencoders/arms.py"


def unread(section: type, sources: str) -> list[str]:
    """Return the keys of a section that stand nowhere in these sources."""
    return [name for name in getattr(section, "model_fields", {}) if not re.search(rf"\b{name}\b", sources)]


@pytest.fixture(scope="module")
def sources() -> str:
    paths = [path for package in ("autoencoders", "tasks") for path in (ROOT / package).rglob("*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths if path.name not in CHECKS)


@pytest.mark.parametrize("name", [name for name, kind in SECTIONS.items() if hasattr(kind, "model_fields")])
def test_every_parameter_is_read_somewhere(name, sources):
    assert unread(SECTIONS[name], sources) == [], "its keyword where it is used"


def test_every_template_is_included_by_another_or_is_a_page():
    used = {name for text in PAGES.values() for name in re.findall(r'\{% (?:include|extends|from) "([^"]+)"', text)}
    pages = {"book.html.j2", "report.html.j2"} | {name for name in PAGES if name.startswith("paper.")}
    assert {*PAGES} - used - pages == set(), "an {% include %} in the page's template"


@pytest.mark.parametrize("page", ["book", "report"])
def test_every_section_of_a_page_is_linked_at_its_top(page):
    texts = [text for name, text in PAGES.items() if name.split(".")[0] in (page, "page")]
    ids = {found for text in texts for found in re.findall(r'<section id="([^"]+)"', text)}
    links = {found for text in texts for found in re.findall(r'<a href="#([^"]+)"', text)}
    assert ids - links == set() and ids, f"a link in {page}.html.j2"


def test_arms_are_what_their_names_say():
    """Other tests take an arm by its entry, and would follow a wrong one."""
    trained = {arm.name: (arm.encoder, arm.trains) for arm in ARMS}
    assert trained == {
        "frozen encoder": ("pretrained", (0,)), "top layer fine-tuned": ("pretrained", (1,)),
        "LP-FT": ("pretrained", (0, -1)), "fine-tuned": ("pretrained", (-1,)), "from scratch": ("random", (-1,)),
        "random features": ("random", (0,)),
    }  # fmt: skip
    fitted = {arm.name: (arm.features, arm.learner, arm.most_labels) for arm in BASELINES}
    opponents = {
        "kNN": ("raw", "knn", None), "Nystroem + logistic regression": ("raw", "nystroem", None),
        "extra trees": ("raw", "extra_trees", None), "gradient boosting": ("raw", "gradient_boosting", None),
        "self-training": ("raw", "self_training", None), "label spreading": ("raw", "label_spreading", None),
    }  # fmt: skip
    assert fitted == opponents | {
        "logistic regression": ("raw", "logistic", None), "SVM": ("raw", "svm", 5000),
        "PCA + logistic regression": ("pca", "logistic", None), "linear probe": ("codings", "logistic", None),
    }  # fmt: skip
    kinds = {kind.name: (kind.way, kind.networks, kind.tied, kind.noise, {*kind.settings}) for kind in PRETRAININGS}
    assert kinds == {
        "untied": ("end_to_end", "one", False, None, set()), "tied": ("end_to_end", "one", True, None, set()),
        "greedy": ("greedy", "phases", False, None, set()),
        "denoising gaussian": ("greedy", "phases", False, "gaussian", {"noise"}),
        "denoising masking": ("greedy", "phases", False, "masking", {"noise"}),
        "few rows": ("fewer_rows", "one", False, None, {"n_rows"}),
        "some rows": ("fewer_rows", "one", False, None, {"n_rows"}),
        "shuffled columns": ("shuffled_columns", "one", False, None, set()),
    }  # fmt: skip
    assert [slug(name) for name in ("PCA + logistic regression", "(A b)")] == ["pca_logistic_regression", "a_b"]
