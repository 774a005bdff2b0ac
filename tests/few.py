"""A clone with a study of few cells on scikit-learn's digits."""

from __future__ import annotations

from pathlib import Path

import clones
import pytest
from studies import contents

WRITE = """
from flows import environment, experiments
environment.settle()
experiments.write("few")
"""
FEW = {
    "  n_labels: [20, 60, 200]\n": "  n_labels: [20, 60]\n"
    "  arms: [logistic regression, fine-tuned, random features, from scratch]\n"
    "  choices: [random]\n  beforehand: {with_encoder: fine-tuned, without: from scratch}\n",
    "  n_runs: 3\n  pretrain_epochs": "  n_runs: 2\n  pretrain_epochs",
}


@pytest.fixture(scope="session")
def project(clone: Path) -> Path:
    """Return a clone with the data prepared."""
    text = (clone / "experiments/smoke.yaml").read_text(encoding="utf-8")
    for before, after in FEW.items():
        assert before in text
        text = text.replace(before, after)
    (clone / "experiments/few.yaml").write_text(text, encoding="utf-8")
    for command in (["-c", WRITE], ["-m", "flows", "repro", "prepare"]):
        done = clones.python(clone, *command)
        assert done.returncode == 0, done.stderr
    return clone


def study_of(project: Path, cells: Path) -> dict[str, bytes]:
    """Run the study with the cells of a folder; return the files of data/label_curve."""
    done = clones.run(project, "flows", "repro", "label_curve", "--force", PIPELINE_CELLS=str(cells))
    assert done.returncode == 0, done.stderr
    return contents(project / "data/label_curve")
