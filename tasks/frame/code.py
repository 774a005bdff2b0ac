"""Code dependencies: the source files that compute a result, without those that only check or show it.

DVC does not follow imports, so dvc.yaml lists the source files of each stage. `make deps` writes these lists, and
tests/test_architecture.py compares them with the imports. `python -m tasks.frame.code FILE ...` lists the stages
that an edit of a file makes stale.
"""

from __future__ import annotations

import ast
import hashlib
import io
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("autoencoders", "tasks", "flows")
SUFFIXES = (".py", ".j2", ".csv")
TEMPLATES = "tasks/reporting/templates"  # NAME.*.j2 belong to NAME.py
# These files can stop or show a run, but change no result: an edit makes no stage stale (docs/decisions/0006, 0017).
FRAME = (
    "addresses", "code", "compiled", "config", "declared", "errors", "fields", "network_section", "parent", "processes",
    "progress", "sections", "sizes", "stage", "study_section", "view", "workers",
)  # fmt: skip
SENTENCES = frozenset({"autoencoders/sentences.py"})  # only the pages depend on it
CANNOT_CHANGE_RESULTS = frozenset(f"tasks/frame/{name}.py" for name in FRAME) | SENTENCES
TABLES = frozenset({"autoencoders/arms.py"})  # the key of a cell holds the entries that it uses
BY_NAME = {  # files that import modules of a folder by name; a cell's key holds the module that it uses
    "autoencoders/study.py": "autoencoders/learners",
    "tasks/study/worker.py": "autoencoders/pretrainings",
    "tasks/frame/datasets.py": "tasks/sources",
}
FOR_EVERY_STAGE = frozenset({"tasks/frame/determinism.py"})  # imported by the frame, and part of every result


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a source file imports: `from a import b` gives `a` and `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def closure(*start: str, root: Path = ROOT) -> frozenset[str]:
    """Return these files, the files that they import, directly or not, and their templates and tables.

    Args:
        start: Paths relative to the repository's root, such as `tasks/encode.py`.
        root: The repository's root.
    """
    seen: set[str] = set()
    todo = [*start]
    while todo:
        file = todo.pop()
        seen.add(file)
        names = [name for name in imports(root / file) if name.split(".")[0] in PACKAGES]
        found = {f"{name.replace('.', '/')}.py" for name in names} - CANNOT_CHANGE_RESULTS - seen
        todo += [name for name in sorted(found) if (root / name).exists()]
    templates = {path for file in seen for path in (root / TEMPLATES).glob(f"{Path(file).stem}.*.j2")}
    tables = {path for file in seen if (path := (root / file).with_suffix(".csv")).exists()}  # NAME.csv beside NAME.py
    return frozenset(seen | {path.relative_to(root).as_posix() for path in templates | tables})


def with_named(files: frozenset[str], root: Path = ROOT) -> frozenset[str]:
    """Return files, all modules that they can import by name, and the imports of these modules."""
    folders = [folder for file, folder in BY_NAME.items() if file in files]
    named = {path.relative_to(root).as_posix() for folder in folders for path in (root / folder).glob("*.py")}
    return files | closure(*sorted(file for file in named if not file.endswith("__init__.py")), root=root)


def of_stage(name: str, root: Path = ROOT) -> frozenset[str]:
    """Return the source files that a stage depends on.

    The pages show the hash of all code that computes results, so they depend on all of it, and on this file, which
    says what that is. The stages that log this hash read a page.
    """
    files = with_named(closure(f"tasks/{name}.py", root=root), root) | FOR_EVERY_STAGE
    return files | computing(root) | SENTENCES | {"tasks/frame/code.py"} if name in pages(root) else files


def computing(root: Path = ROOT) -> frozenset[str]:
    """Return the source files of all stages that compute results."""
    names = [name for name in stages(root) if name not in showing(root)]
    return with_named(closure(*(f"tasks/{name}.py" for name in names), root=root), root) | FOR_EVERY_STAGE


def digest(files: Iterable[str], root: Path = ROOT) -> str:
    """Return the SHA-256 of the names and contents of files: 64 hex digits."""
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(f"{file} {hashlib.sha256((root / file).read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def everything(root: Path = ROOT, packages: Iterable[str] = PACKAGES) -> list[Path]:
    """Return every source file and template of some packages, sorted."""
    return sorted(p for name in packages for p in (root / name).rglob("[!.]*") if p.suffix in SUFFIXES and p.is_file())


@cache
def stages(root: Path = ROOT) -> dict[str, Any]:
    """Return the stages of dvc.yaml by name, in their order; `foreach` stages with the content of `do`."""
    declared = YAML(typ="safe", pure=True).load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: {"foreach": None, **spec, **spec.get("do", {})} for name, spec in declared.items()}


def numbered(root: Path = ROOT) -> list[str]:
    """Return the stages that have one instance per phase."""
    return [name for name, spec in stages(root).items() if spec["foreach"]]


def pages(root: Path = ROOT) -> list[str]:
    """Return the stages that write a page; they also write the final metrics, which git tracks."""
    return [name for name, spec in stages(root).items() if "metrics" in spec]


def metrics(name: str, root: Path = ROOT) -> list[Path]:
    """Return a stage's metrics files, which git tracks; empty if dvc.yaml has no such stage."""
    return [Path(file) for files in stages(root).get(name, {}).get("metrics", []) for file in files]


def showing(root: Path = ROOT) -> list[str]:
    """Return the stages that show results and the hash of the code: the pages, and the stages that log a page."""
    written = {f"data/{name}" for name in pages(root)}
    return [name for name, spec in stages(root).items() if "metrics" in spec or written & {*spec.get("deps", [])}]


def is_ours(path: Path) -> bool:
    """Return whether a file belongs to this project, and not to a library in a folder such as .venv."""
    return path.is_relative_to(ROOT) and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)


def is_code(dependency: str) -> bool:
    """Return whether a dependency of a stage is a source file of this project."""
    return dependency.split("/")[0] in PACKAGES


def write(root: Path = ROOT) -> None:
    """Update the code dependencies of every stage in dvc.yaml."""
    yaml = YAML()
    yaml.width = 120
    yaml.indent(sequence=4, offset=2)
    declared = yaml.load((root / "dvc.yaml").read_text(encoding="utf-8"))
    for name, spec in declared["stages"].items():
        spec = spec.get("do", spec)
        deps = [dep for dep in spec["deps"] if not is_code(dep)] + sorted(of_stage(name, root))
        spec["deps"] = CommentedSeq(deps)
        spec["deps"].fa.set_flow_style()
    text = io.StringIO()
    yaml.dump(declared, text)
    lines = [
        line.rstrip() for line in text.getvalue().splitlines()
    ]  # the YAML writer leaves trailing blanks where it folds
    (root / "dvc.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def stale_after(file: str, root: Path = ROOT) -> list[str]:
    """Return the stages that an edit of a file makes stale, in dvc.yaml's order."""
    return [name for name in stages(root) if file in of_stage(name, root)]


if __name__ == "__main__":
    for given in sys.argv[1:]:
        print(f"{given}: {', '.join(stale_after(given)) or 'nothing'}")
    if not sys.argv[1:]:
        write()
