"""The contract of the two runners, on scikit-learn's digits: what one did the other skips, and nothing runs twice."""

from __future__ import annotations

import json
import re
import shutil

import clones
import pytest

from flows import verify
from tasks.frame import code

pytestmark = pytest.mark.slow

PER_PHASE = len(code.numbered())
N_STAGES = len(code.stages()) + PER_PHASE  # smoke has two phases


@pytest.fixture(scope="module")
def project(clone):
    """Run the smoke experiment in a clone, with this project's runner."""
    done = clones.run(clone, "flows", "experiment", "smoke")
    assert done.returncode == 0, done.stderr
    return clone


def how(done) -> dict[str, str]:
    """Return what became of each stage, from the table that a run prints."""
    assert done.returncode == 0, done.stderr
    if "Nothing to do: all" in done.stdout:
        return {}
    return dict(re.findall(r"^(\S+) +(ran|restored|skipped) +[\d.]+ s$", done.stdout, re.MULTILINE))


def dvc_skips_all(project) -> bool:
    """Return whether DVC finds everything up to date and its own runner skips every stage."""
    status = clones.run(project, "dvc", "status", "--json")
    repro = clones.run(project, "dvc", "repro")
    assert (status.returncode, repro.returncode) == (0, 0), status.stderr + repro.stderr
    skipped = re.findall(r"Stage '\S+' didn't change, skipping", repro.stdout)
    return json.loads(status.stdout) == {} and len(skipped) == N_STAGES and "Running stage" not in repro.stdout


def test_after_the_runner_dvc_is_clean_and_skips_every_stage(project):
    assert dvc_skips_all(project)
    assert how(clones.run(project, "flows", "repro")) == {}


def test_after_dvc_the_flow_skips_every_stage(project):
    path = project / "params.yaml"
    path.write_text(re.sub(r"perplexity: [\d.]+", "perplexity: 6", path.read_text()))
    done = clones.run(project, "dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"Running stage '(\S+)'", done.stdout) == ["visualize", "book", "track_book", "track"]
    assert how(clones.run(project, "flows", "flow")) == {}
    assert dvc_skips_all(project)


def test_after_the_flow_dvc_skips_every_stage_and_parameters_put_back_are_restored(project):
    before = results(project)
    set_learning_rate(project, "0.03")
    done = how(clones.run(project, "flows", "flow"))
    assert (done["phase@1"], done["phase@2"], done["book"]) == ("skipped", "ran", "ran")
    assert dvc_skips_all(project)
    set_learning_rate(project, "0.05")
    done = how(clones.run(project, "flows", "flow"))
    assert set(done.values()) == {"skipped", "restored"}
    assert results(project) == before
    assert dvc_skips_all(project)


def test_isolated_stages_write_the_same_bytes(project):
    before = (project / "dvc.lock").read_text()
    assert how(clones.run(project, "flows", "repro", "stack", "--force", "--isolated"))["stack"] == "ran"
    assert (project / "dvc.lock").read_text() == before


def test_all_forced_gives_the_same_lock_file_and_leaves_git_clean(project):
    before = (project / "dvc.lock").read_text()
    shutil.rmtree(project / ".cells")  # a forced stage, too, takes the trainings that are kept there
    assert set(how(clones.run(project, "flows", "repro", "--force")).values()) == {"ran"}
    assert (project / "dvc.lock").read_text() == before
    assert dvc_skips_all(project)
    changed = clones.git(project, "status", "--porcelain").splitlines()
    assert {line[3:] for line in changed} == {"params.yaml", "dvc.lock", "metrics/book.json", "metrics/report.json"}


def test_stages_beside_each_other_give_the_same_bytes_and_the_same_lock_file(project):
    lock, before = (project / "dvc.lock").read_bytes(), results(project)
    (project / "dvc.lock").unlink()
    shutil.rmtree(project / ".cells")
    assert set(how(clones.run(project, "flows", "repro", "--force", "--workers", "2")).values()) == {"ran"}
    assert (project / "dvc.lock").read_bytes() == lock
    assert results(project) == before
    assert dvc_skips_all(project)


def test_a_recorded_experiment_is_verified_and_the_work_tree_stays_as_it_is(project):
    before = clones.git(project, "status", "--porcelain")
    done = clones.run(project, "flows", "verify", "smoke")
    assert done.returncode == 0, done.stderr
    n = N_STAGES - len(verify.LEFT_OUT)
    assert re.search(rf"^Reproduced: all \d{{3}} metrics of {n} stages are the same\.$", done.stdout, re.MULTILINE)
    assert "other bytes" not in done.stdout
    assert clones.git(project, "status", "--porcelain") == before


def test_experiments_are_compared(project):
    shown = clones.run(project, "dvc", "exp", "show", "--json")
    assert "smoke" in shown.stdout


def test_a_clone_that_has_pulled_the_data_skips_every_stage(project, tmp_path):
    remote, copy = tmp_path / "remote", tmp_path / "copy"
    clones.git(project, "add", "params.yaml", "dvc.lock", "metrics")
    clones.git(project, "commit", "--quiet", "--message", "What was run")
    clones.git(tmp_path, "clone", "--quiet", str(project), str(copy))
    for folder, command in ((project, "push"), (copy, "pull")):
        assert clones.run(folder, "dvc", "remote", "add", "--local", "--default", "here", str(remote)).returncode == 0
        assert clones.run(folder, "dvc", command).returncode == 0
    assert how(clones.run(copy, "flows", "repro")) == {}
    assert dvc_skips_all(copy)
    assert results(copy) == results(project)


def test_the_metrics_of_two_commits_are_compared_in_a_clone_without_a_cache(project, tmp_path):
    set_learning_rate(project, "0.03")
    assert how(clones.run(project, "flows", "repro", "book"))["book"] == "restored"
    clones.git(project, "commit", "--quiet", "--all", "--message", "Another rate")
    clones.git(tmp_path, "clone", "--quiet", str(project), str(tmp_path / "copy"))
    compared = json.loads(clones.run(tmp_path / "copy", "dvc", "metrics", "diff", "HEAD~1", "--json").stdout)
    assert list(compared) == ["metrics/book.json"], "each page's metrics stand in one file"
    moved = compared["metrics/book.json"]["phase.2.val_loss"]
    assert moved["old"] != moved["new"] and moved["diff"] == moved["new"] - moved["old"]
    assert json.loads((project / "metrics/book.json").read_text())["phase.2.val_loss"] == moved["new"]


def set_learning_rate(project, value: str) -> None:
    """Change the learning rate of phase 2."""
    path = project / "params.yaml"
    start, phase_2 = path.read_text().split("'2':")
    path.write_text(start + "'2':" + re.sub(r"learning_rate: [\d.]+", f"learning_rate: {value}", phase_2, count=1))


def results(project) -> dict[str, bytes]:
    """Return every file that the stages wrote."""
    files = sorted(path for path in [*(project / "data").rglob("*"), project / "metrics.json"] if path.is_file())
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in files}
