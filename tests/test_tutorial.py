"""The tutorial's commands, as its page has them: from a clone to a file, and to an answer."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import clones
import pytest
from ruamel.yaml import YAML

PAGE = (clones.ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
KEPT = clones.ROOT / "docs/results/breast-cancer.yaml"
MAKES_AGAIN = ("requirements.lock", "flows/plots.py")  # if they were newer than .venv, make would set it up anew
FEW = {
    "n_runs": 2, "pretrain_epochs": 5, "choices": [], "n_labels": [10, 100],
    "arms": ["SVM", "random features", "frozen encoder", "fine-tuned", "from scratch"],
    "tuning": {"n_configurations": 1},
}  # fmt: skip


def step(number: int, language: str = "sh") -> str:
    """Return the code of a step of the page."""
    section = re.split(rf"^## {number}\. .*$", PAGE, flags=re.MULTILINE)[1].split("\n## ")[0]
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))


def shell(lines: str, folder: Path, name: str) -> str:
    """Run lines in bash, in a folder; return what they print."""
    lines = f"set -e\n{lines}"
    done = subprocess.run(["bash", "-c", lines], cwd=folder, env=clones.environment(), capture_output=True, text=True,
                          check=False, timeout=1800)  # fmt: skip
    assert done.returncode == 0, f"{name}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Do steps 1 to 3 in a clone of this project as it stands, with its own environment; return the clone."""
    if not (environment := clones.ROOT / ".venv").exists():
        pytest.skip("no .venv: `make setup`")
    folder = tmp_path_factory.mktemp("tutorial")
    clones.copy(folder / "origin")
    cloning, inside, *rest = step(1).splitlines()
    shell(cloning.replace("ADDRESS", "origin"), folder, "git clone")
    there = folder / inside.removeprefix("cd ")
    (there / ".venv").symlink_to(environment.resolve())
    for name in MAKES_AGAIN:
        os.utime(there / name, (0, 0))
    made = ["python - <<'END'", step(2, "python"), "END"]
    said = shell("\n".join([inside, *rest, *made, step(3)]), folder, "step 3")
    assert "breast-cancer.yaml is written" in said and "Setting up" not in said
    return there


@pytest.mark.slow
def test_the_first_steps_give_the_file_that_the_page_shows(project):
    written = (project / "experiments/breast-cancer.yaml").read_text(encoding="utf-8")
    kept = KEPT.read_text(encoding="utf-8")
    assert without_minutes(written) == without_minutes(kept), "run `make readme ARGS=breast-cancer` after the tutorial"
    other = step(3).replace("ARGS", "NAME=other ARGS")
    assert "experiments/other.yaml is written" in shell(f"source .venv/bin/activate\n{other}", project, "NAME=other")


@pytest.mark.soak
def test_the_other_steps_give_an_answer_a_plan_and_the_same_cells(project):
    file = project / "experiments/breast-cancer.yaml"
    values = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    values["label_curve"] |= FEW
    with file.open("w", encoding="utf-8") as text:
        YAML().dump(values, text)
    said = shell(f"source .venv/bin/activate\n{step(4)}", project, "step 4")
    assert re.search(r"^With 100 labels, ", said, re.MULTILINE) and "The page is data/report/report.html" in said
    more = [line for line in step(5).splitlines() if line != "make ui"]  # it serves until Ctrl-C
    assert len(more) == 3
    said = shell("\n".join(["source .venv/bin/activate", *more]), project, "step 5")
    assert "Pilot: 3 runs with 100 labels" in said and "breast-cancer" in said


def without_minutes(text: str) -> str:
    return re.sub(r"About \d+ minutes? on this machine", "", text)
