"""Which files of the repository a stage imports, and the command that writes them into dvc.yaml.

DVC does not follow imports, so every stage lists the modules it runs; tests/test_architecture.py holds the lists
against this closure, and `make deps` brings them up to date.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("autoencoders", "tasks", "flows")


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a source file imports: `from a import b` gives `a` and `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def closure(path: Path, root: Path = ROOT) -> set[str]:
    """Return the repository's files that running `path` imports, itself and the files beside them that they read."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        path = todo.pop()
        seen.add(path)
        names = [name for name in imports(path) if name.split(".")[0] in PACKAGES]
        files = [(root / name.replace(".", "/")).with_suffix(".py") for name in names]
        todo += [file for file in files if file.exists() and file not in seen]
    templates = {f for s in seen for f in s.parent.glob(f"{s.stem}.*.j2")}
    return {file.relative_to(root).as_posix() for file in seen | templates}


def code(name: str, root: Path = ROOT) -> set[str]:
    """Return the code that stage `name` depends on: what it imports; two stages name the hash of all that counts."""
    packages = ("autoencoders", "tasks") if name in ("report", "track") else ()
    read = {file.relative_to(root).as_posix() for package in packages for file in (root / package).glob("*.*")}
    return closure(root / f"tasks/{name}.py", root) | read


def stages(root: Path = ROOT) -> dict[str, dict]:
    """Return the stages of dvc.yaml by name; a numbered stage by what stands under `do`."""
    declared = YAML(typ="safe").load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: spec.get("do", spec) for name, spec in declared.items()}


def is_code(dependency: str) -> bool:
    """Return whether a dependency of a stage is a file of one of the packages."""
    return dependency.split("/")[0] in PACKAGES


def write() -> None:
    """Bring the code dependencies of every stage in dvc.yaml up to date."""
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    declared = yaml.load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    for name, spec in declared["stages"].items():
        spec = spec.get("do", spec)
        deps = [d for d in spec["deps"] if not is_code(d)] + sorted(code(name))
        spec["deps"] = CommentedSeq(deps)
        spec["deps"].fa.set_flow_style()
    text = io.StringIO()
    yaml.dump(declared, text)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]  # the writer leaves blanks where it folds
    (ROOT / "dvc.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
