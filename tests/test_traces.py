"""Traces of test scores: finished cells, DVC's records in the work tree, the cache and git, and kept results."""

from __future__ import annotations

import json
import shutil

import clones
import pytest
import tiny

from flows import traces
from tasks.frame import files, stage

PARAMS = tiny.params()
LOCK = """schema: '2.0'
stages:
  label_curve:
    cmd: python -m tasks.label_curve
    deps:
    - path: data/prepare
      md5: {data}
    params:
      params.yaml:
        label_curve:
          n_labels: [6, {n}]
          choices: {choices}
          choice_labels: 12
  report:
    cmd: python -m tasks.report
"""
RUN = """cmd: python -m tasks.finetune
deps:
- path: data/prepare
  md5: {data}
params:
  params.yaml:
    finetune:
      n_labels: {n}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Go to a repository with tiny data, and params.yaml committed."""
    tiny.prepare(tmp_path / "data")
    (tmp_path / "experiments").mkdir()
    shutil.copy(clones.ROOT / "params.yaml", tmp_path)
    (tmp_path / ".gitignore").write_text("data\n.cells\nruns\n")
    clones.commit(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(traces.engine, "cache_folder", lambda: tmp_path / "cache/files/md5")
    return tmp_path


def data_hash():
    return files.data_hash(stage.DATA / "prepare")


def cell(folder, given):
    path = folder / "a cell 0123.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"given": given}))


def test_a_project_without_scores_has_no_trace(project):
    assert [*traces.find(PARAMS)] == []


@pytest.mark.parametrize(("stage_name", "n", "changes", "n_found"), [
    ("label_curve", 15, {}, 1),
    ("label_curve", 30, {}, 0),
    ("label_curve", 15, {"test": "0"}, 0),
    ("label_curve", 15, {"test_labels": "0"}, 0),
    ("label_curve", 15, {"train": "0"}, 1),
    ("finetune", 15, {}, 1),
    ("finetune", 30, {}, 0),
    ("finetune", 15, {"test": "0"}, 0),
    ("pilot", 15, {}, 0),
])  # fmt: skip
def test_a_finished_cell_of_these_test_rows_at_the_headline_is_one_whatever_else_differs(
    project, stage_name, n, changes, n_found
):
    names = ("train", "train_labels", "test", "test_labels")
    rows = {name: files.md5(project / f"data/prepare/{name}.npy") for name in names} | changes
    given = {"rows": rows, "n_labels": n}
    if stage_name == "finetune":
        given = {"rows": [*rows.values(), "scale"], "recipe": {"n_labels": n}}
    cell(project / ".cells" / stage_name, given)
    found = [*traces.find(PARAMS)]
    assert len(found) == n_found and all(f".cells/{stage_name}/a cell" in trace for trace in found)


@pytest.mark.parametrize("given", [{"rows": {"train": "a"}}, {}, []])
def test_a_cell_without_a_score_is_none(project, given):
    cell(project / ".cells/label_curve", given)
    (project / ".cells/label_curve/broken.json").write_text("{")
    assert [*traces.find(PARAMS)] == []


@pytest.mark.parametrize(("n", "choices", "headline", "n_found"), [
    (15, "[]", 15, 1), (30, "[]", 15, 0), (30, "[]", 6, 1), (30, "[random]", 12, 1), (30, "[]", 12, 0),
])  # fmt: skip
def test_a_run_of_the_study_in_dvc_lock_is_one_at_its_budgets(project, n, choices, headline, n_found):
    (project / "dvc.lock").write_text(LOCK.format(data=data_hash(), n=n, choices=choices))
    params = tiny.params(label_curve={"n_labels": [6, 12, 15, 30], "headline": headline})
    expected = ["dvc.lock has a run of stage label_curve on these data"] * n_found
    assert [*traces.find(params)] == expected


def test_a_run_on_other_data_is_none(project):
    (project / "dvc.lock").write_text(LOCK.format(data="0" * 32 + ".dir", n=15, choices="[]") + f"# {data_hash()}\n")
    assert [*traces.find(PARAMS)] == []


def test_a_run_that_only_gits_history_knows_is_one_also_on_a_branch_and_where_it_was_reset(project):
    lock = project / "dvc.lock"
    clones.git(project, "checkout", "--quiet", "-b", "other")
    lock.write_text(LOCK.format(data=data_hash(), n=15, choices="[]"))
    clones.git(project, "add", "dvc.lock")
    clones.git(project, "commit", "--quiet", "--message", "Scored")
    commit = clones.git(project, "rev-parse", "HEAD")[:10]
    clones.git(project, "checkout", "--quiet", "-")
    expected = [f"dvc.lock of commit {commit} has a run of stage label_curve on these data"]
    assert not lock.exists() and [*traces.find(PARAMS)] == expected
    clones.git(project, "update-ref", "refs/exps/aa/mine", "other")
    clones.git(project, "branch", "--quiet", "-D", "other")
    assert [*traces.find(PARAMS)] == expected, "a recorded experiment"
    clones.git(project, "update-ref", "-d", "refs/exps/aa/mine")
    assert [*traces.find(PARAMS)] == expected, "in the reflog"


def test_a_run_that_only_dvcs_cache_knows_is_one(project):
    path = project / "cache/runs/ab/abc/def"
    path.parent.mkdir(parents=True)
    path.write_text(RUN.format(data=data_hash(), n=15))
    assert [*traces.find(PARAMS)] == ["cache/runs/ab/abc/def has a run of stage finetune on these data"]
    path.write_text(RUN.format(data=data_hash(), n=16))
    assert [*traces.find(PARAMS)] == []


@pytest.mark.parametrize(("changes", "n_found"), [
    ("label_curve: {n_labels: [6, 15]}", 1), ("label_curve: {n_labels: [6, 30]}", 0),
    ("seed: 43\nlabel_curve: {n_labels: [6, 15]}", 0), ("fetch: {dataset: digits}\nlabel_curve: {n_labels: [15]}", 0),
])  # fmt: skip
@pytest.mark.parametrize("name", ["mine.md", "mine.json"])
def test_results_in_docs_are_one_if_their_experiment_has_the_same_data_and_budget(project, name, changes, n_found):
    (project / "experiments/mine.yaml").write_text(changes)
    (project / "docs/results").mkdir(parents=True)
    assert [*traces.find(PARAMS)] == []
    (project / "docs/results" / name).touch()
    assert [*traces.find(PARAMS)] == [f"docs/results/{name} has results of these data"] * n_found


def test_the_default_runs_results_in_docs_are_one(project):
    (project / "docs/results").mkdir(parents=True)
    (project / "docs/results/label-curve.json").touch()
    assert [*traces.find(PARAMS)] == []
    params = tiny.params(label_curve={"n_labels": [6, 500], "headline": 500})
    assert [*traces.find(params)] == ["docs/results/label-curve.json has results of these data"]
