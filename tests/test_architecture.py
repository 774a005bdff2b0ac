"""The house rules: which way imports point, one name in six places, code dependencies complete, stages in order."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.frame import code
from tasks.frame.code import PACKAGES, ROOT, imports, is_code
from tasks.frame.sections import Params

MAY_IMPORT = {"autoencoders": {"autoencoders"}, "tasks": {"tasks", "autoencoders"}, "flows": {"flows", "tasks"}}
ONLY_IN = {
    "mlflow": "tasks/tracking/",
    "dvc": ("flows/engine.py", "flows/planning.py", "flows/repository.py"),
    "prefect": "flows/",
    "distributed": "tasks/study/cluster.py",
}
DECLARED = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
STAGES = {name: spec.get("do", spec) for name, spec in DECLARED.items()}  # a numbered stage by what stands under `do`


def wrong_imports(root: Path) -> list[str]:
    """Return every import under `root` that points the wrong way, as `file imports name`."""
    wrong = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            file = path.relative_to(root).as_posix()
            for top in {name.split(".")[0] for name in imports(path)}:
                foreign = top in PACKAGES and top not in MAY_IMPORT[package]
                if foreign or not file.startswith(ONLY_IN.get(top, "")):
                    wrong.append(f"{file} imports {top}")
    return wrong


def test_imports_point_one_way():
    assert wrong_imports(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("autoencoders/layers.py", "from tasks import files"),
        ("tasks/encode.py", "import flows.engine"),
        ("tasks/encode.py", "def f():\n    from mlflow import MlflowClient"),
        ("flows/pipeline.py", "from dvc.repo import Repo"),
        ("tasks/frame/stage.py", "import prefect"),
    ],
)
def test_an_import_that_points_the_wrong_way_is_found(tmp_path, file, line):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(line)
    assert [found.split(" ")[0] for found in wrong_imports(tmp_path)] == [file]


def missing_or_extra(name: str, deps: list[str]) -> set[str]:
    """Return the code files that stage `name` imports and does not declare, or declares and does not import."""
    return {dep for dep in deps if is_code(dep)} ^ code.of_stage(name)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_declares_exactly_the_code_it_imports(name):
    assert missing_or_extra(name, STAGES[name]["deps"]) == set(), "run `make deps`"


def test_a_missing_or_superfluous_code_dependency_is_found():
    deps = STAGES["encode"]["deps"]
    assert missing_or_extra("encode", [d for d in deps if d != "tasks/frame/files.py"]) == {"tasks/frame/files.py"}
    assert missing_or_extra("encode", [*deps, "tasks/tying.py"]) == {"tasks/tying.py"}


def test_the_code_dependencies_are_written_as_they_stand(tmp_path):
    for package in code.PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    (tmp_path / "dvc.yaml").write_text(text.replace(" autoencoders/models.py,", ""), encoding="utf-8")
    code.write(tmp_path)
    assert (tmp_path / "dvc.yaml").read_text(encoding="utf-8") == text


# What an edit of a file makes stale, as `python -m tasks.code FILE` says; two stages show the code's hash.
TRAINED = {"pca", "pretrain", "tying", "phase", "encode", "stack", "layerwise", "visualize"}
STALE = {
    "tasks/frame/code.py": set(),  # of results; the pages show what it says
    "tasks/frame/progress.py": set(),
    "tasks/frame/config.py": set(),
    "tasks/frame/sections.py": set(),
    "tasks/frame/stage.py": set(),
    "tasks/frame/sizes.py": set(),
    "tasks/frame/declared.py": set(),
    "autoencoders/vocabulary.py": set(),
    "autoencoders/sentences.py": set(),
    "autoencoders/verdict.py": {"label_curve"},
    "autoencoders/arms.py": {"finetune", "label_curve"},
    "autoencoders/learners/svm.py": {"label_curve"},
    "tasks/sources/own_data.py": {"fetch", "prepare"},
    "tasks/sources/images.py": {"fetch", "prepare"},
    "autoencoders/tuning.py": {"label_curve"},
    "autoencoders/standardisation.py": TRAINED | {"finetune", "label_curve"},
    "tasks/study/rows.py": {"label_curve"},
    "tasks/frame/network_section.py": set(),
    "autoencoders/training.py": TRAINED - {"encode", "visualize"} | {"finetune", "label_curve"},
    "tasks/reporting/figures.py": set(),
    "tasks/reporting/wording.py": set(),
    "tasks/reporting/page_figures.py": set(),
    "tasks/frame/determinism.py": {*STAGES},
}


@pytest.mark.parametrize("file", STALE)
def test_an_edit_makes_stale_what_it_must_and_no_more(file):
    assert (ROOT / file).exists()
    assert {*code.stale_after(file)} - {*code.showing()} == STALE[file] - {*code.showing()}


def test_which_stages_are_pages_which_show_results_and_which_run_per_phase_is_read_from_dvc_yaml(tmp_path):
    assert (code.pages(), code.showing()) == (["book", "report"], ["book", "track_book", "report", "track"])
    assert code.numbered() == ["phase", "encode"]
    assert (code.metrics("book"), code.metrics("pca"), code.metrics("none")) == ([Path("metrics/book.json")], [], [])
    text = "stages: {a: {cmd: x, deps: [data/b], outs: [data/a]}, b: {cmd: x, metrics: [m.json: {cache: false}]}}"
    (tmp_path / "dvc.yaml").write_text(text)
    assert (code.pages(tmp_path), code.showing(tmp_path), code.numbered(tmp_path)) == (["b"], ["a", "b"], [])


def test_what_is_logged_follows_a_page_which_shows_the_hash_of_all_that_computes():
    for page, logging in (("report", "track"), ("book", "track_book")):
        assert code.computing() <= code.of_stage(page)
        assert f"data/{page}" in STAGES[logging]["deps"]


def test_a_page_shows_a_word_or_a_colour_anew_and_no_stage_that_computes_is_run_for_it():
    assert {*code.stale_after("tasks/reporting/page_figures.py")} == {"report"}
    assert {*code.stale_after("tasks/reporting/figures.py")} == {"book", "report"}
    assert {*code.stale_after("tasks/reporting/wording.py")} == {"book", "report"}
    assert {*code.stale_after("autoencoders/sentences.py")} == {"book", "report"}
    assert code.stale_after("tasks/reporting/page_map.py") == ["book"]


SHOWS = (
    "report.py",
    "book.py",
    "frame/progress.py",
    *(f"reporting/{p.name}" for p in ROOT.glob("tasks/reporting/*.py")),
)


@pytest.mark.parametrize("file", [f"tasks/{name}" for name in SHOWS])
def test_an_edit_of_what_shows_results_is_no_other_experiment(file):
    assert file not in code.computing()


def test_files_in_a_folder_of_a_package_count(tmp_path):
    (tmp_path / "tasks/room").mkdir(parents=True)
    (tmp_path / "dvc.yaml").write_text("stages: {a: {cmd: python -m tasks.a}}")
    (tmp_path / "tasks/a.py").write_text("from tasks.room import b, config")
    (tmp_path / "tasks/room/b.py").write_text("import numpy")
    (tmp_path / code.TEMPLATES).mkdir(parents=True)
    (tmp_path / code.TEMPLATES / "b.page.j2").write_text("")
    files = {"tasks/a.py", "tasks/room/b.py", f"{code.TEMPLATES}/b.page.j2"}
    assert code.of_stage("a", tmp_path) == files | code.FOR_EVERY_STAGE
    assert {path.relative_to(tmp_path).as_posix() for path in code.everything(tmp_path)} == files


def test_a_module_that_is_loaded_by_name_counts_with_what_it_imports(tmp_path, monkeypatch):
    (tmp_path / "tasks/room").mkdir(parents=True)
    for file, text in {
        "a": "from tasks.room import table",
        "room/table": "",
        "room/b": "from tasks import c",
        "c": "",
    }.items():
        (tmp_path / f"tasks/{file}.py").write_text(text)
    monkeypatch.setattr(code, "BY_NAME", {"tasks/room/table.py": "tasks/room"})
    found = code.with_named(code.closure("tasks/a.py", root=tmp_path), tmp_path)
    assert found == {"tasks/a.py", "tasks/room/table.py", "tasks/room/b.py", "tasks/c.py"}


@pytest.mark.parametrize("name", STAGES)
def test_one_name_stands_in_six_places(name):
    spec = STAGES[name]
    key = " ${key}" if "${key}" in spec["cmd"] else ""
    assert spec["cmd"] == f"python -m tasks.{name}{key}"
    assert spec["outs"] == [f"data/{name}" + key.replace(" ", "/")]
    assert (ROOT / f"tests/test_{name}.py").exists(), f"tests/test_{name}.py"
    sections = {str(p).split(".")[0] for p in spec.get("params", []) if isinstance(p, str)}
    assert name in sections or spec["params"] == [{"params.yaml": None}]
    assert sections <= {*Params.model_fields}, "a section in tasks/frame/sections.py"


@pytest.mark.parametrize("name", [name for name in STAGES if name not in ("track", "track_book")])
def test_what_a_stage_writes_is_read_by_another(name):
    deps = {dep for spec in DECLARED.values() for dep in spec.get("do", spec)["deps"]}
    inputs = {phase["input"] for phase in YAML(typ="safe").load((ROOT / "params.yaml").read_text())["phase"].values()}
    found = [dep for dep in deps | inputs if re.match(rf"data/{name}(/|$)", dep)]
    assert found, f"data/{name} among the deps of a stage in dvc.yaml: of the page that shows it"


def test_stages_stand_in_running_order():
    outs = {out.split("/${")[0] for spec in STAGES.values() for out in spec["outs"]}
    done: set[str] = set()
    for name, spec in STAGES.items():
        read = {out for out in outs for dep in spec["deps"] if dep == out or dep.startswith(f"{out}/")}
        assert read <= done, name
        done |= {out.split("/${")[0] for out in spec["outs"]}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAMES = {"opentsne": "openTSNE", "scikit-learn": "sklearn", "pillow": "PIL", "vl-convert-python": "vl_convert"}
BOUND = {"fastapi"}  # declared for its version alone
WITH = {"dvc_data": "dvc"}  # a library's own part, which has its version


def declared(requirements: list[str]) -> set[str]:
    """Return the packages that requirements name, as Python imports them."""
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in requirements}
    return {NAMES.get(name, name.split(".")[0]) for name in names}


def imported(*packages: str) -> set[str]:
    """Return the packages that these packages of ours import, but for Python's own."""
    files = code.everything(packages=packages)
    names = {name.split(".")[0] for path in files if path.suffix == ".py" for name in imports(path)}
    return {WITH.get(name, name) for name in names} - {*sys.stdlib_module_names, *PACKAGES}


def test_declared_and_imported_packages_agree():
    library, extras = declared(PROJECT["dependencies"]), PROJECT["optional-dependencies"]
    pipeline = declared([*extras["pipeline"], *extras["cluster"]])
    assert imported("autoencoders") <= library | {"openTSNE"}, "openTSNE is imported where a map is asked for"
    assert imported(*PACKAGES) == (library | pipeline) - BOUND
    assert not library & pipeline


@pytest.mark.slow
def test_the_library_is_all_that_an_installation_holds_and_it_needs_nothing_else(tmp_path):
    build = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    source = tmp_path / "source"  # setuptools writes beside what it builds
    shutil.copytree(ROOT / "autoencoders", source / "autoencoders", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([*build, "--target", str(tmp_path / "there"), str(source)], check=True)
    there = {path.name for path in (tmp_path / "there").iterdir() if not path.name.endswith(".dist-info")}
    assert there == {"autoencoders"}
    installed, ours = ({path.relative_to(root) for path in root.glob("autoencoders/**/*.py")}
                       for root in (tmp_path / "there", ROOT))  # fmt: skip
    assert installed == ours
    allowed = declared(PROJECT["dependencies"])
    script = f"""
import importlib, importlib.abc, pathlib, sys
here = pathlib.Path({str(tmp_path / "there")!r})
sys.path.insert(0, str(here))
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {sorted(imported("tasks", "flows") - allowed - imported("autoencoders"))!r}:
            by = sys._getframe(1)
            while by and "importlib" in by.f_code.co_filename: by = by.f_back
            if by and str(here) in by.f_code.co_filename: raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
for path in sorted(here.glob("autoencoders/**/*.py")):
    name = ".".join(path.relative_to(here).with_suffix("").parts).removesuffix(".__init__")
    assert str(here) in importlib.import_module(name).__file__
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)


def test_folders_of_the_packages_do_nothing_when_imported():
    for path in [path for package in PACKAGES for path in (ROOT / package).glob("*/**/__init__.py")]:
        (docstring,) = ast.parse(path.read_text()).body  # no stage declares this file
        assert isinstance(docstring, ast.Expr), path


def test_tasks_holds_the_stages_at_its_top_and_nothing_else():
    assert {path.stem for path in ROOT.glob("tasks/*.*")} == {"__init__", *STAGES}, "an entry in dvc.yaml for each"


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_do_nothing_when_imported(package):
    docstring, *others = ast.parse((ROOT / package / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)
    # No stage declares this file: nothing in it may change a result. A process asks first to end with its parent.
    asked = ["import time", "from tasks.frame import parent", "STARTED = time.time()", "parent.follow()"]
    assert [ast.unparse(node) for node in others] == (asked if package == "tasks" else [])


def test_only_evaluating_stages_read_the_test_set():
    readers = {n for n, s in STAGES.items() if {"data/prepare", "data/prepare/test.npy"} & set(s["deps"])}
    assert readers == {"finetune", "label_curve", "track", "track_book"}  # these only name the data by their hash


def test_a_file_is_ours_that_stands_in_no_hidden_folder_of_this_repository():
    assert code.is_ours(ROOT / "tasks/encode.py")
    assert not any(code.is_ours(path) for path in (ROOT / ".venv/lib/a.py", ROOT.parent / "a.py", Path("/a.py")))


def test_files_that_change_no_result_are_there_and_are_no_others():
    assert [name for name in sorted(code.CANNOT_CHANGE_RESULTS) if not (ROOT / name).exists()] == []
    assert {name.split("/")[-1].removesuffix(".py") for name in code.CANNOT_CHANGE_RESULTS - code.SENTENCES} == {
        "addresses", "code", "compiled", "config", "declared", "errors", "fields", "network_section", "parent",
        "processes", "progress", "sections", "sizes", "stage", "study_section", "view", "workers",
    }  # fmt: skip
    assert {"autoencoders/arms.py"} == code.TABLES and {"tasks/frame/determinism.py"} == code.FOR_EVERY_STAGE


def test_a_hash_of_code_is_that_of_names_and_contents_in_order(tmp_path):
    for name in ("b.py", "a.py"):
        (tmp_path / name).write_text(name)
    lines = "".join(f"{name} {sha256(name.encode()).hexdigest()}\n" for name in ("a.py", "b.py"))
    assert code.digest(["b.py", "a.py"], tmp_path) == sha256(lines.encode()).hexdigest()


def test_imports_are_the_dotted_names_wherever_they_stand(tmp_path):
    (tmp_path / "a.py").write_text("import a.b, c\nfrom d.e import f as g\nfrom . import h\ndef i():\n    import j\n")
    assert [*imports(tmp_path / "a.py")] == ["a.b", "c", "d.e", "d.e.f", "j"]


def test_no_file_has_more_than_300_lines():
    paths = [path for package in code.PACKAGES for path in (code.ROOT / package).rglob("*.py")]
    sizes = {str(path.relative_to(code.ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {name: n for name, n in sizes.items() if n > 300} == {}
