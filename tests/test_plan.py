"""`make plan`: a plan of the smoke experiment in a clone, and sizes that do not fit."""

from __future__ import annotations

import re

import clones
import pytest
import tiny

from flows import plan
from tasks.frame.errors import ConfigError


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a copy of this project that no other file's tests run in."""
    folder = tmp_path_factory.mktemp("project")
    clones.copy(folder)
    return folder


@pytest.mark.slow
def test_a_study_is_planned_without_a_test_row_and_a_second_plan_answers_at_once(project):
    done = clones.run(project, "flows", "plan", "smoke")
    assert done.returncode == 0, done.stderr
    assert "27 cells to compute on validation rows" in done.stdout and "test accuracy" not in done.stdout
    answer = done.stdout[done.stdout.index("Pilot: 3 runs with 60 labels, scored on 200 validation rows") :]
    assert len(re.findall(r"(?m)^The best use of the autoencoder against", answer)) in (1, 2)
    assert {path.name for path in (project / "data").iterdir()} == {"raw", "fetch", "prepare"}
    assert [path.name for path in (project / ".cells").iterdir() if path.name != "compiled"] == ["pilot"]
    again = clones.run(project, "flows", "plan")
    assert (again.returncode, again.stdout.strip()) == (0, answer.strip()), "of params.yaml as it is"


@pytest.mark.slow
def test_a_budget_beyond_the_labels_and_an_unknown_experiment_give_one_line(project):
    path = project / "experiments/large.yaml"
    path.write_text(
        (project / "experiments/smoke.yaml").read_text().replace("200]", "5000]").replace(": 60\n", ": 5000\n")
    )
    for name, words, n_lines in (("large", "n_labels: expected 10 to 1,297", 2), ("larg", "no experiment larg", 1)):
        done = clones.run(project, "flows", "plan", name)
        assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == n_lines


def test_a_budget_beyond_the_labels_is_refused_where_nothing_is_to_be_run(tmp_path, monkeypatch):
    from flows import planning
    from tasks.frame import config, files, stage

    data = tiny.prepare(tmp_path / "data")
    counts = {"n_train": 67, "n_train_labelled": 20, "n_valid": 45, "n_features": 16}
    files.write_json(data / "prepare/metrics.json", counts)
    manifest = files.read_json(data / "prepare/manifest.json")
    files.write_json(data / "prepare/manifest.json", manifest | {"splits": {"train": {"class_counts": [9, 9, 2]}}})
    monkeypatch.setattr(stage, "DATA", data)
    monkeypatch.setattr(planning, "begin", lambda targets: ({}, True))
    monkeypatch.setattr(config, "load", tiny.params)
    with pytest.raises(ConfigError, match=r"n_labels: expected 3 to 20"):
        plan.prepared()
