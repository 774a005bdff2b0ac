"""Verification on a project of two stages: what is reproduced, what is not, and records that cannot be trusted."""

from __future__ import annotations

import os
import re
import shutil
import sys

import clones
import pytest
from typer.testing import CliRunner

from flows import environment, planning, records, verify
from flows.__main__ import app
from tasks.frame.errors import RunError

DVC_YAML = """
stages:
  fetch:
    cmd: mkdir data/fetch && cp tasks/raw.txt data/fetch/
    deps: [tasks/raw.txt]
    outs: [data/fetch]
  pca:
    cmd: sh tasks/pca.sh
    deps: [tasks/pca.sh, data/fetch]
    params: [seed]
    outs: [data/pca]
    metrics: [metrics.json: {cache: false}]
"""
PCA = """
mkdir data/pca
echo '{"d_low": 1, "d_high": 3, "d_mean": '${NUMBER:-2}', "rows": '$(cat data/fetch/raw.txt)} > data/pca/metrics.json
echo '{"d": 2}' > metrics.json
"""
PROGRAM = (
    f"import sys; sys.path.insert(0, {str(clones.ROOT)!r}); from pathlib import Path; from flows import environment;"
    "environment.ROOT = Path.cwd(); from flows.__main__ import app; app()"
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return where the first test leaves its finished project to the others."""
    return tmp_path_factory.mktemp("kept") / "project"


@pytest.fixture
def project(tiny_project, kept, monkeypatch):
    """Make a project of two stages, committed, run, and recorded as experiment `mine`."""
    before = dict(os.environ)
    monkeypatch.setattr(environment, "ROOT", tiny_project)
    monkeypatch.setattr(verify, "PROGRAM", [sys.executable, "-c", PROGRAM])
    shutil.rmtree(tiny_project / "tasks")
    if kept.exists():
        shutil.rmtree(tiny_project / ".git")
        shutil.copytree(kept, tiny_project, dirs_exist_ok=True)
    else:
        for name, text in {
            "dvc.yaml": DVC_YAML,
            "tasks/pca.sh": PCA,
            "tasks/raw.txt": "7",
            ".gitignore": "/data/",
        }.items():
            (tiny_project / name).parent.mkdir(exist_ok=True)
            (tiny_project / name).write_text(text)
        (tiny_project / "experiments/mine.yaml").write_text("seed: 43")
        (tiny_project / "data").mkdir()
        (tiny_project / "data/raw").mkdir()
        clones.commit(tiny_project)
        for key in (
            "name",
            "email",
        ):  # DVC looks once a process, perhaps in another test's home
            clones.git(tiny_project, "config", f"user.{key}", "test")
        assert invoke("experiment", "mine").exit_code == 0
        shutil.copytree(tiny_project, kept)
    yield tiny_project
    os.environ.clear()
    os.environ.update(before)


def invoke(*arguments: str):
    """Run a command in this process."""
    return CliRunner().invoke(app, arguments)


def cached(project, md5: str):
    return project / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mine", ""])
def test_what_is_reproduced_is_said_stage_by_stage_and_the_work_tree_stays_as_it_is(project, name, capfd):
    before = clones.git(project, "status", "--porcelain"), (project / "dvc.lock").read_bytes()
    done = invoke("verify", *filter(None, [name]))
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "recorded files sound" in lines[0]
    assert lines[1:] == [
        "fetch    0 metrics, the same",
        "pca      4 metrics, the same",
        "Reproduced: all 4 metrics of 2 stages are the same.",
    ]
    table = capfd.readouterr().out  # of the run in the clone: the raw data are taken over, the rest is computed
    assert [line.split()[:2] for line in table.splitlines()[1:3]] == [["fetch", "restored"], ["pca", "ran"]]
    assert (clones.git(project, "status", "--porcelain"), (project / "dvc.lock").read_bytes()) == before


@pytest.mark.slow
def test_a_metric_that_differs_is_named_with_exit_code_1(project, monkeypatch):
    monkeypatch.setenv("NUMBER", "2.5")
    done = invoke("verify")
    assert done.exit_code == 1
    assert "pca      4 metrics, 1 differ; pca.d_mean: recorded 2, now 2.5; other bytes in data/pca/m" in done.stdout
    assert done.stderr.startswith("error: not reproduced: 1 of 4 metrics differ")


@pytest.mark.parametrize(
    ("now", "agrees"),
    [({"d_mean": 2.9}, True), ({"d_mean": 3.1}, False), ({}, False), ({"d_mean": float("nan")}, False)],
)
def test_elsewhere_a_metric_has_to_lie_in_its_recorded_interval(now, agrees):
    recorded = {"d_low": 1.0, "d_mean": 2.0, "d_high": 3.0}
    assert verify._agrees("d_mean", recorded, now) == agrees


def test_elsewhere_a_metric_without_an_interval_is_not_judged_but_has_to_be_there():
    assert verify._agrees("loss", {"loss": 1.0}, {"loss": 2.0})
    assert not verify._agrees("loss", {"loss": 1.0}, {})


@pytest.mark.parametrize("arguments", [["--cache"], [], ["mine"]])
def test_a_damaged_file_of_the_cache_which_dvc_does_not_see_is_named_with_its_stage(project, arguments):
    (file, md5), *_ = records.find("").outputs("pca")
    path = cached(project, md5)
    path.chmod(0o644)
    path.write_text("other bytes")
    path.chmod(0o444)
    done = invoke("verify", *arguments)
    assert done.exit_code == 6
    assert f"{path}: damaged: expected {file} of stage pca, received MD5 " in done.stderr


def test_an_output_that_was_edited_with_its_size_and_time_kept_is_named(project):
    (file, _), *_ = records.find("").outputs("pca")
    path, before = project / file, (project / file).stat()
    path.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert planning.is_up_to_date()  # as DVC sees it
    for arguments in (["--cache"], []):
        done = invoke("verify", *arguments)
        assert done.exit_code == 6
        assert f"{file}: expected MD5 " in done.stderr
    assert invoke("verify", "--cache", "mine").exit_code == 0


def test_a_file_that_the_cache_lacks_is_named_with_its_stage(project):
    (file, md5), *_ = records.find("").outputs("pca")
    cached(project, md5).unlink()
    done = invoke("verify", "--cache")
    assert done.exit_code == 6
    assert f"expected {file} of stage pca, received no file" in done.stderr


def test_a_sound_cache_is_said_to_be_so(project):
    assert invoke("verify", "--cache").stdout == "All 2 recorded files are sound.\n"


def test_an_unknown_experiment_is_answered_with_the_recorded_ones(project):
    done = invoke("verify", "min")
    assert done.exit_code == 2
    assert "no recorded experiment min; there are mine;" in done.stderr


def test_what_is_not_finished_is_not_verified(project):
    (project / "params.yaml").write_text((project / "params.yaml").read_text().replace("seed: 43", "seed: 44"))
    with pytest.raises(RunError, match="make repro"):
        records.find("")


def test_code_that_was_never_committed_is_named(project):
    (project / "tasks/raw.txt").write_text("8")
    assert invoke("repro").exit_code == 0
    done = invoke("verify")
    assert done.exit_code == 2
    assert "error: tasks/raw.txt at commit " in done.stderr
    assert "is not the one that fetch was made with; commit it" in done.stderr


def test_stages_of_a_removed_phase_which_dvc_lock_keeps_are_no_part_of_the_record():
    lock = "stages: {fetch: {}, phase@1: {}, phase@2: {}, gone: {}}"
    dag = "stages: {fetch: {cmd: a}, phase: {foreach: '${phase}', do: {cmd: a}}}"
    assert list(records._stages(lock, dag, "phase: {'1': {}}")) == ["fetch", "phase@1"]
    older = dag.replace("${phase}", "${network.layers}")  # the record's own dvc.yaml says where its instances are
    assert list(records._stages(lock, older, "network: {layers: {'1': {}}}")) == ["fetch", "phase@1"]


@pytest.fixture(scope="module")
def renamed(tmp_path_factory):
    """Return a project with code of its own that recorded `mine`, and in which a parameter has another name since."""
    folder = tmp_path_factory.mktemp("renamed")
    clones.copy(folder)
    shutil.rmtree(folder / "experiments")
    (folder / "experiments/printed").mkdir(parents=True)
    (folder / "experiments/mine.yaml").write_text("seed: 43\nbook: {printed: null}\n")
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "tasks/pca.sh").write_text(PCA)
    (folder / "tasks/raw.txt").write_text("7")
    now = {name: (folder / name).read_text() for name in ("params.yaml", "tasks/frame/sections.py")}
    for name, text in now.items():
        before = re.sub(r"(?m)^(track:\n|class Track.*\n\n?.*\n\n?)(.*) experiment:", r"\1\2 folder:", text)
        assert before != text
        (folder / name).write_text(before)
    for key in ("name", "email"):
        clones.git(folder, "config", f"user.{key}", "test")
    clones.git(folder, "add", "--all")
    clones.git(folder, "commit", "--quiet", "--message", "Before")
    done = clones.run(folder, "flows", "experiment", "mine")
    assert done.returncode == 0, done.stderr
    kept = (folder / "params.yaml").read_text()
    for name, text in now.items():
        (folder / name).write_text(text)
    clones.git(folder, "commit", "--quiet", "--all", "--message", "A parameter is renamed")
    (folder / "params.yaml").write_text(kept)  # as the experiment has left it
    return folder


@pytest.mark.slow
def test_a_record_is_checked_and_run_by_the_code_of_its_own_commit(renamed):
    done = clones.run(renamed, "flows", "verify", "mine")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "Reproduced: all 4 metrics of 2 stages are the same."
    assert clones.run(renamed, "flows", "verify", "--cache", "mine").stdout == "All 2 recorded files are sound.\n"


@pytest.mark.slow
def test_records_with_a_parameter_that_was_renamed_since_are_listed_and_left_behind(renamed):
    shown = clones.run(renamed, "dvc", "exp", "show", "--all-commits", "--csv")
    assert "mine" in shown.stdout and shown.returncode == 0
    done = clones.run(renamed, "flows", "verify", "other")
    assert "there are mine;" in done.stderr
    refused = clones.run(renamed, "flows", "repro")
    assert (refused.returncode, "track.folder: unknown key" in refused.stderr) == (2, True)
    done = clones.run(renamed, "flows", "experiment", "mine")  # writes params.yaml anew
    assert done.returncode == 0, done.stderr
