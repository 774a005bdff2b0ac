"""Projects to run: a tiny one of three stages, and a copy of this one, as a stranger would clone it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

DVC_YAML = """
stages:
  last:
    cmd: python -m tasks.last
    deps: [tasks/last.py, data/phase]
    params: [threads]
    outs: [data/last]
  phase:
    foreach: ${phase}
    do:
      cmd: python -m tasks.phase ${key}
      deps: [tasks/phase.py, data/first]
      params: ["phase.${key}"]
      outs: ["data/phase/${key}"]
  first:
    cmd: python -m tasks.first
    deps: [tasks/first.py]
    params: [seed]
    outs: [data/first]
"""

STAGE = """
import os, sys
from pathlib import Path

def run(params, data, out, key):
    if Path("broken").exists():
        raise ValueError("no rows")
    (out / "value.txt").write_text(f"{Path('params.yaml').read_text()} {key}")
    with Path("calls").open("a") as calls:
        calls.write(f"{os.environ['DVC_STAGE']} {os.getpid()} {os.environ['DVC_ROOT']}\\n")

if __name__ == "__main__":
    out = Path("data", sys.argv[0].split("/")[-1].removesuffix(".py"), *sys.argv[1:])
    out.mkdir(parents=True)
    try:
        run(None, Path("data"), out, " ".join(sys.argv[1:]))
    except ValueError as error:
        sys.exit(print(f"error: {error}", file=sys.stderr) or 3)
"""


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody in a folder; return what it printed."""
    somebody = ["-c", "user.name=Somebody", "-c", "user.email=somebody@localhost"]
    return subprocess.run(["git", *somebody, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def tiny_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a DVC project of stages first, phase@1, phase@2 and last, and go there; each call is a line in `calls`."""
    project = tmp_path / "project"
    (project / ".dvc").mkdir(parents=True)
    (project / ".dvc/config").write_text("[core]\n    analytics = false\n")
    (project / "tasks").mkdir()
    shutil.copy(ROOT / "params.yaml", project)
    (project / "dvc.yaml").write_text(DVC_YAML)
    git(project, "init", "--quiet")
    for name in ("first", "phase", "last"):
        path = project / f"tasks/{name}.py"
        path.write_text(STAGE)
        module = types.ModuleType(f"tasks.{name}")
        exec(compile(STAGE, path, "exec"), module.__dict__)
        monkeypatch.setitem(sys.modules, f"tasks.{name}", module)
    monkeypatch.chdir(project)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("PIPELINE_WATCHERS", "")
    return project


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a committed copy of this project as it stands, at a path that needs quoting."""
    project = tmp_path_factory.mktemp("clone") / "ü b'x"
    files = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, files):
        if (ROOT / name).exists():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, project / name)
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "As it stands")
    return project


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs `python -m ...` in a folder as a stranger would, to its end."""

    def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments], cwd=folder, env=strangers_environment() | variables,
            capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip

    return run


def strangers_environment() -> dict[str, str]:
    """Return the environment without what belongs to this test run or to somebody's own set-up."""
    ours = ("DVC_", "MLFLOW_", "PREFECT_", "PIPELINE_", "PYTHONPATH", "COV_", "GIT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
