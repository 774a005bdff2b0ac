"""Copies of this project, and its commands run in them as a stranger would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = ("DVC_", "MLFLOW_", "PREFECT_", "PIPELINE_", "PYTHONPATH", "COV_", "GIT_")


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody in a folder; return what it printed."""
    somebody = ["-c", "user.name=Somebody", "-c", "user.email=somebody@localhost"]
    return subprocess.run(["git", *somebody, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def commit(folder: Path) -> None:
    """Make a folder a git repository with one commit of all that is in it."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "As it stands")


def copy(folder: Path) -> None:
    """Copy this project as it stands, what is not committed too, into a new folder; commit it there."""
    for name in filter(None, git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")):
        if (ROOT / name).exists() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    commit(folder)


def environment() -> dict[str, str]:
    """Return the environment without what belongs to this test run, or to somebody's own set-up."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def python(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder to its end."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment() | variables, capture_output=True, text=True,
        check=False, timeout=900,
    )  # fmt: skip


def run(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m COMMAND` in a folder to its end."""
    return python(folder, "-m", *command, **variables)
