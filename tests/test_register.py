"""`make register`: what it writes once, what it refuses, and a registered study in a clone from plan to page."""

from __future__ import annotations

import re

import clones
import pytest
from made_up import make, settings

from flows import experiments, plan, register, traces
from tasks.frame import stage
from tasks.frame.errors import UsageError
from tasks.reporting import registration


class Study:
    """A study whose parameters a test changes."""

    def __init__(self):
        self.params, self.traces = settings(), []


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Go to a repository with an empty file of registrations and made-up data."""
    given, path = Study(), tmp_path / registration.NAME
    path.write_text("# A comment.\n")
    monkeypatch.chdir(tmp_path)
    clones.commit(tmp_path)
    monkeypatch.setattr(registration, "FILE", path)
    monkeypatch.setattr(stage, "DATA", make(tmp_path / "data"))
    monkeypatch.setattr(plan, "prepared", lambda name: given.params)
    monkeypatch.setattr(experiments, "current", lambda: "mine")
    monkeypatch.setattr(traces, "find", lambda params: iter(given.traces))
    return given


def commit():
    clones.git(registration.FILE.parent, "commit", "--quiet", "--all", "--message", "Registered")


def test_a_study_is_registered_once_and_told_to_be_until_it_is_committed_and_then_since_when(study, capsys):
    register.register()
    said = capsys.readouterr().out
    assert said.startswith("Registered mine in registered.yaml. registered.yaml is not committed: `git add registered")
    assert "one that was deleted, or made in another clone, cannot be known" in said
    text = registration.FILE.read_text()
    entry = registration.read()["mine"]
    assert {name: value for name, value in entry.items() if name != "written"} == registration.of(
        study.params, stage.DATA / "prepare"
    )
    study.traces = ["a cell is there"]  # of its own run
    register.register("mine")
    said = capsys.readouterr().out
    assert said.startswith(f"mine is registered since {entry['written']}, unchanged. registered.yaml is not committed")
    register.warn("mine")
    assert capsys.readouterr().err.startswith("warning: registered.yaml is not committed")
    commit()
    register.register()
    assert re.search(r"unchanged\. Commit [0-9a-f]{7,} of 20\d\d-", capsys.readouterr().out)
    register.warn("mine")
    register.warn("other")
    assert capsys.readouterr().err == "" and registration.FILE.read_text() == text


def refused(words, **arguments):
    before = registration.FILE.read_text()
    with pytest.raises(UsageError, match=words) as error:
        register.register(**arguments)
    assert "\n" not in str(error.value) and registration.FILE.read_text() == before


def test_other_content_is_refused_with_what_differs(study):
    register.register()
    study.params = settings(label_curve={"n_runs": 9})
    refused(r"mine: label_curve\.n_runs is registered as 3, now 9; to register anew, delete mine from registered\.yaml")
    study.params = settings(label_curve={"n_runs": 9, "margin": 0.02})
    refused(r"label_curve\.margin is registered as 0\.01, now 0\.02 \(1 more\)")
    study.params = settings()
    refused("hypothesis is registered as With 15 labels, .*, now It pays", hypothesis="It pays.")


def test_a_second_registration_of_the_same_data_and_headline_is_refused_and_one_of_another_headline_is_not(study):
    register.register("mine")
    study.params = settings(label_curve={"n_runs": 9}, report={"title": "Another", "source": ""})
    refused("expected no registration of these data with 15 labels, there is mine", name="other")
    study.params = settings(label_curve={"headline": 30})
    register.register("other")
    assert [*registration.read()] == ["mine", "other"]


def test_a_study_whose_test_scores_exist_is_refused(study):
    study.traces = ["dvc.lock has a run of stage label_curve on these data", "another"]
    refused("a registration comes before the first test score with 15 labels, and dvc.lock has a run .*; register anot")


def test_a_hypothesis_of_ones_own_takes_the_place_of_the_verdicts(study):
    register.register(hypothesis="It pays.")
    assert registration.read()["mine"]["hypothesis"] == "It pays."
    register.register()  # the settings are the same


def test_the_experiment_in_params_yaml_is_known_by_its_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("seed: 42\n")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/mine.yaml").write_text("seed: 43\n")
    (tmp_path / "experiments/broken.yaml").write_text("- 3\n")
    clones.commit(tmp_path)
    with pytest.raises(UsageError, match=r"params\.yaml holds no experiment of experiments: move its changes to"):
        experiments.current()
    (tmp_path / "params.yaml").write_text("seed: 43\n")
    assert experiments.current() == "mine"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a copy of this project that no other file's tests run in."""
    folder = tmp_path_factory.mktemp("project")
    clones.copy(folder)
    return folder


@pytest.mark.slow
def test_a_study_is_registered_run_and_shown_with_what_has_changed_since(project):
    def page():
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", (project / "data/report/report.html").read_text()))
        return text[text.index("Registered as") :][:120]

    done = clones.run(project, "flows", "register", "smoke")
    assert done.returncode == 0, done.stderr
    clones.git(project, "commit", "--quiet", "--message", "Register smoke", "registered.yaml")
    assert clones.run(project, "flows", "repro", "report").returncode == 0
    assert re.match(r"Registered as smoke, written 20.* UTC; unchanged since\.", page())
    again = clones.run(project, "flows", "register")
    assert again.returncode == 0 and re.search(r"smoke is registered since .*, unchanged\. Commit ", again.stdout)
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("margin: 0.01", "margin: 0.02"))
    assert clones.run(project, "flows", "repro", "report").returncode == 0
    assert re.match(r"Registered as smoke, written 20.* UTC; 1 of its \d+ frozen values has changed since\.", page())
    path.write_text(path.read_text().replace("margin: 0.02", "margin: 0.01"))
    clones.git(project, "revert", "--no-edit", "HEAD")
    done = clones.run(project, "flows", "register")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert (
        "error: a registration comes before the first test score with 60 labels, and .cells/label_curve" in done.stderr
    )
