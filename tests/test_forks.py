"""What forks get: GitHub's workflow, the Dockerfile and the hooks; linted here, and the workflow's longest job run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import clones
import pytest
from pathspec import GitIgnoreSpec
from ruamel.yaml import YAML

WORKFLOW = clones.ROOT / ".github/workflows/ci.yml"
HOOKS = clones.ROOT / ".pre-commit-config.yaml"
DOCKERFILE = clones.ROOT / "Dockerfile"
BIN = Path(sys.executable).parent
LINTS = {
    WORKFLOW: ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
    DOCKERFILE: ["hadolint"],
    HOOKS: ["pre-commit", "validate-config"],
}


def read(path: Path):
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def lint(path: Path, program: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    told = {"PRE_COMMIT_HOME": str(home), "XDG_CACHE_HOME": str(home)}
    return subprocess.run([BIN / program[0], *program[1:], path], env=os.environ | told, capture_output=True, text=True,
                          check=False)  # fmt: skip


@pytest.mark.parametrize("path", LINTS, ids=lambda path: path.name)
def test_each_file_passes_its_linter(path, tmp_path):
    done = lint(path, LINTS[path], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (WORKFLOW, "runs-on:", "run-on:"),
        (DOCKERFILE, "FROM python:3.11-slim", "FROM python"),
        (HOOKS, "entry:", "entr:"),
    ],
    ids=["workflow", "Dockerfile", "hooks"],
)
def test_a_wrong_file_does_not(tmp_path, path, old, new):
    wrong = tmp_path / path.name
    wrong.write_text(path.read_text(encoding="utf-8").replace(old, new, 1))
    assert lint(wrong, LINTS[path], tmp_path).returncode != 0


@pytest.mark.parametrize("path", [WORKFLOW, DOCKERFILE, HOOKS, clones.ROOT / ".ci/run"], ids=lambda path: path.name)
def test_every_command_of_make_is_there(path):
    makefile = (clones.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {*re.findall(r"^([\w./-]+)(?: [^:=]*)?:(?!=)", makefile, re.MULTILINE)}
    (checks,) = read(WORKFLOW)["jobs"]["checks"]["strategy"]["matrix"].values()
    text = path.read_text(encoding="utf-8").replace("make ${{ matrix.check }}", "; ".join(f"make {c}" for c in checks))
    named = re.findall(r'\bmake"?,? "?([\w./-]+)', text)
    assert [name for name in named if name not in targets] == []
    assert named or path == HOOKS


def test_the_workflow_may_only_read_uses_actions_at_commits_and_needs_no_secret():
    text = WORKFLOW.read_text(encoding="utf-8")
    workflow = read(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"} and "secrets" not in text.replace("without secrets", "")
    assert all("permissions" not in job and job["timeout-minutes"] <= 30 for job in workflow["jobs"].values())
    used = re.findall(r"uses: (.*)", text)
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} +# v[\d.]+", name) for name in used) and len(used) == 4
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert all(step["with"]["persist-credentials"] is False for step in steps if "checkout" in step.get("uses", ""))
    assert "pull_request_target" not in text
    filled_in = re.findall(r"\$\{\{ *(\w+)", "".join(step.get("run", "") for step in steps))
    assert {*filled_in} == {"matrix"}, "what others write is not put into a shell"


def test_the_hooks_call_programs_of_the_environment():
    hooks = [hook for repo in read(HOOKS)["repos"] for hook in repo["hooks"]]
    assert [repo["repo"] for repo in read(HOOKS)["repos"]] == ["local"]
    for hook in hooks:
        program = hook["entry"].split()[0]
        assert program.startswith(".venv/bin/") and (BIN / Path(program).name).exists()
        assert hook["language"] == "unsupported", "which installs nothing"


def test_the_image_has_every_file_of_a_clone_and_nothing_that_was_made_in_it():
    ignored = GitIgnoreSpec.from_lines((clones.ROOT / ".dockerignore").read_text().splitlines())
    tracked = filter(None, clones.git(clones.ROOT, "ls-files", "-z").split("\0"))
    assert [name for name in tracked if ignored.match_file(name)] == []
    made = [".venv/bin/python", "data/fetch/a", "data/raw/mine.csv", "data/.fetch.7/a", ".cells/a", ".dvc/cache/a",
            ".dvc/tmp/a", ".dvc/config.local", "mlflow.db", "mlflow.db-wal", "mlartifacts/a", ".prefect/password",
            "logs/a", "tasks/__pycache__/a.pyc", ".mypy_cache/a"]  # fmt: skip
    assert [name for name in made if not ignored.match_file(name)] == []
    assert not ignored.match_file(".git/HEAD"), "without it DVC refuses"


@pytest.mark.soak
def test_the_job_summary_has_the_verdict_and_the_metrics_that_the_change_moves(tmp_path):
    project, summary = tmp_path / "ü b'x", tmp_path / "summary"
    clones.copy(project)
    smoke = project / "experiments/smoke.yaml"
    smoke.write_text(smoke.read_text().replace("stack:\n  epochs: 2", "stack:\n  epochs: 1"))
    clones.git(project, "commit", "--quiet", "--all", "--message", "The change")
    (project / ".venv").symlink_to(BIN.parent)
    for name in ("requirements.lock", "flows/plots.py"):
        os.utime(project / name, (0, 0))  # so `make setup` has nothing to do
    told = {
        "GITHUB_SHA": clones.git(project, "rev-parse", "HEAD").strip(), "GITHUB_STEP_SUMMARY": str(summary),
    }  # fmt: skip
    for step in read(WORKFLOW)["jobs"]["smoke"]["steps"]:
        if "run" in step:
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(command, cwd=project, env=clones.environment() | told, capture_output=True, text=True,
                                  check=False)  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
    text = summary.read_text()
    assert re.search(r"^With 60 labels, .*cross-validation", text, re.MULTILINE)
    table = text.split("### Metrics that this change moves\n")[1]
    moved = re.findall(r"^\| *\S+ *\| *(\S+) *\|", table, re.MULTILINE)[1:]
    assert moved and all(name.startswith(("stack.", "book.", "---")) for name in moved), table
