"""A commit in a folder of its own: what it shares with the repository, what it refuses, and what is left of it."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import clones
import pytest
from ruamel.yaml import YAML

from flows import checkout
from flows.checkout import Checkout
from tasks.frame.errors import Refused, RunError, UsageError


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Make a DVC project of one commit, whose requirements.lock is what is installed, and go there."""
    folder = tmp_path / "ü b'x"
    (folder / ".dvc").mkdir(parents=True)
    (folder / "data/raw").mkdir(parents=True)
    files = {
        ".dvc/config": "[core]\n    remote = shared\n['remote \"shared\"']\n    url = ../../shared\n",
        ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
        ".gitignore": "/.cells/\n/data/raw/*\n!/data/raw/README.md\n",
        "data/raw/README.md": "", "dvc.lock": "committed", "metrics/report.json": "{}",
        "requirements.lock": f"# by make lock\nnumpy=={version('numpy')} \\\n    --hash=sha256:0\n",
    }  # fmt: skip
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    clones.commit(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    return folder


def test_a_commit_stands_in_a_folder_that_shares_what_is_computed_and_nothing_else(project):
    Path("dvc.lock").write_text("a person's own")
    Path("data/raw/mine.csv").write_text("a,b")
    head = clones.git(project, "rev-parse", "HEAD").strip()
    with checkout.checked_out("pipeline-20260101T000000", "HEAD") as made:
        assert (made.commit, made.has_remote) == (head, True)
        assert made.folder == project / ".dvc/tmp/scheduled/pipeline-20260101T000000"
        assert (made.folder / "dvc.lock").read_text() == "committed"
        assert (made.folder / ".cells").resolve() == project / ".cells"
        assert (made.folder / "data/raw/mine.csv").read_text() == "a,b"
        assert clones.git(made.folder, "status", "--porcelain") == "", "the run's commit is not dirty"
        config = configparser.ConfigParser()
        config.read(made.folder / ".dvc/config.local", encoding="utf-8")
        places = config["cache"]["dir"], config["'remote \"shared\"'"]["url"]
        assert [(made.folder / ".dvc" / place).resolve() for place in places] == [
            project / ".dvc/cache", project.parent / "shared"
        ]  # fmt: skip
        assert clones.git(project, "status", "--porcelain") == " M dvc.lock\n"
    assert [*Path(".dvc/tmp/scheduled").iterdir()] == []
    assert Path("dvc.lock").read_text() == "a person's own" and Path("data/raw/mine.csv").exists()


def test_the_folder_is_deleted_after_a_failure_too_and_that_of_a_killed_run_by_the_next(project):
    with suppress(KeyError), checkout.checked_out("a-1", "HEAD") as made:
        (made.folder / "locked").mkdir()
        (made.folder / "locked").chmod(0o500)
        raise KeyError
    assert not made.folder.exists()
    with checkout.checked_out("a-2", "HEAD") as living:
        dead = Path(".dvc/tmp/scheduled/a-3")
        (dead / "data").mkdir(parents=True)
        dead.with_name("a-3.lock").touch()
        checkout.clear()
        assert living.folder.exists() and not dead.exists()


@pytest.mark.parametrize(
    ("commit", "words"), [("nowhere", "no commit nowhere here"), ("--help", "no commit --help here")]
)
def test_a_commit_that_is_not_there_is_refused(project, commit, words):
    with pytest.raises(UsageError, match=f"^{words}$"), checkout.checked_out("a-1", commit):
        pass
    assert not Path(".dvc/tmp/scheduled").exists()


@pytest.mark.parametrize(
    ("line", "found"),
    [("numpy==1.0", version("numpy")), ("no-such-package==1.0 ; python_version >= '3'", "none")],
)
def test_a_commit_of_other_versions_is_refused_in_one_line(project, line, found):
    Path("requirements.lock").write_text(f"{line} \\\n    --hash=sha256:0\n")
    clones.git(project, "commit", "-qam", "other versions")
    what = f"requirements.lock: expected {line.split()[0]}, installed is {found}; `make setup`"
    with pytest.raises(Refused, match=what) as error, checkout.checked_out("a-1", "HEAD"):
        pass
    assert "\n" not in str(error.value)
    with checkout.checked_out("a-1", "HEAD~1"):
        pass


def test_a_package_of_another_system_is_not_missed_and_a_commit_without_a_lock_is_told_of(project):
    Path("requirements.lock").write_text("no-such-package==1.0 ; sys_platform == 'win32'\n")
    clones.git(project, "commit", "-qam", "of Windows")
    checkout.refuse_other_versions("HEAD")
    clones.git(project, "rm", "--quiet", "requirements.lock")
    clones.git(project, "commit", "-qm", "none")
    with pytest.raises(UsageError, match=r"^commit HEAD has no requirements\.lock$"):
        checkout.refuse_other_versions("HEAD")


def test_this_projects_lock_is_what_is_installed(monkeypatch):
    monkeypatch.chdir(clones.ROOT)
    checkout.refuse_other_versions("HEAD")


def test_the_second_run_of_a_commit_knows_what_the_first_recorded(project):
    head = clones.git(project, "rev-parse", "HEAD").strip()
    with checkout.checked_out("pipeline-1", "HEAD") as first:
        (first.folder / "dvc.lock").write_text("of the first")
        clones.git(first.folder, "commit", "-qam", "as `dvc exp save` does")
        ref = f"refs/exps/{head[:2]}/{head[2:]}/pipeline-1"
        clones.git(first.folder, "update-ref", ref, "HEAD")
        clones.git(project, "fetch", "--quiet", str(first.folder), f"{ref}:{ref}")
        clones.git(project, "update-ref", ref.replace("pipeline-1", "study-3e-1"), ref)
    for name, known in (("pipeline-2", "of the first"), ("study-2", "committed")):
        with checkout.checked_out(name, "HEAD") as again:
            assert (again.commit, (again.folder / "dvc.lock").read_text()) == (head, known)


@pytest.fixture
def made(project, monkeypatch):
    """Return a checkout that is this project, and runs plain programs."""
    monkeypatch.setattr(checkout.experiments, "identity", dict)
    (project / "flows").mkdir()
    (project / "flows/__init__.py").touch()
    (project / "flows/processes.py").write_text("import runpy, sys\ndef become(pid):\n"
        "    del sys.argv[0]\n    runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)")  # fmt: skip
    return Checkout("name-1", "c" * 40, project, project / "log", has_remote=False)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('error: params.yaml: no'); raise SystemExit(2)", "params.yaml: no"),
        ("print('ERROR: failed to push'); raise SystemExit(255)", "failed to push"),
        ("raise SystemExit(3)", "`program` failed: 3"),
    ],
)
def test_a_program_that_fails_is_told_of_by_its_own_line_and_its_log(made, code, words):
    (made.folder / "program.py").write_text("print('error: of an earlier one')")
    made.do("program")
    (made.folder / "program.py").write_text(code)
    with pytest.raises(RunError, match=f"^{words}; log: {made.log}$"):
        made.do("program")
    assert "of an earlier one" in made.log.read_text()


def test_programs_get_the_repositorys_store_and_nothing_that_points_to_its_work_tree(made, monkeypatch):
    for name in ("DVC_ROOT", "GIT_DIR", "PREFECT__FLOW_RUN_ID", "PYTHONPATH"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("PREFECT_API_URL", "http://here")
    found = made._environment()
    assert not {"DVC_ROOT", "GIT_DIR", "PREFECT__FLOW_RUN_ID", "PYTHONPATH"} & {*found}
    assert found["PREFECT_API_URL"] == "http://here" and found["PIPELINE_STORE"] == str(Path.cwd())
    assert found["DVC_SITE_CACHE_DIR"] == str(made.folder / ".dvc/tmp/site")


def test_what_is_pulled_and_pushed_where_there_is_a_remote_and_where_there_is_none(made, monkeypatch):
    told = []
    monkeypatch.setattr(Checkout, "do", lambda self, *command, **more: told.append((*command, *more.items())))
    alone = made.pull(), made.push()
    shared = Checkout(made.name, made.commit, made.folder, made.log, has_remote=True)
    together = shared.pull(), shared.push()
    made.pipeline("--workers", "2", parent="7")
    assert [command[:2] for command in told] == [
        ("dvc", "checkout"), ("dvc", "pull"), ("dvc", "push"), ("flows", "flow")
    ]  # fmt: skip
    assert alone == ("no remote: from the cache", "no remote: nothing is sent")
    assert together == ("pulled from the remote", "pushed to the remote")
    assert told[-1] == ("flows", "flow", "--workers", "2", ("PIPELINE_TASK_RUN", "7"))
    assert "does not note" in made.note()


NAP = """
stages:
  nap:
    cmd: mkdir -p data/nap && date > data/nap/now && date >> {calls}
    outs: [data/nap]
"""


@pytest.mark.slow
def test_a_run_in_a_folder_is_listed_here_and_the_next_one_skips_what_it_did_while_the_work_tree_is_dirty(tmp_path):
    project, calls = tmp_path / "ü b'x", tmp_path / "calls"
    clones.copy(project)
    (project / "dvc.yaml").write_text(NAP.format(calls=calls))
    for words in (["init", "--quiet", "--bare", str(tmp_path / "unused")], ["commit", "-qam", "nap"]):
        clones.git(project, *words)
    clones.run(project, "dvc", "remote", "add", "--local", "--default", "shared", "../shared")
    (project / "README.md").write_text("dirty")
    (project / "dvc.yaml").write_text("broken")
    before = clones.git(project, "status", "--porcelain")
    code = """
from flows import checkout, environment; environment.settle()
import sys
with checkout.checked_out(sys.argv[1], "HEAD") as run:
    print(run.pull()); run.do("flows", "repro"); print(run.push()); print(run.record())
"""
    for name in ("pipeline-1", "pipeline-2"):
        done = subprocess.run([sys.executable, "-c", code, name], cwd=project, env=clones.environment(),
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "pulled from the remote", "pushed to the remote", f"recorded as DVC experiment {name}"
        ]  # fmt: skip
    assert len(calls.read_text().splitlines()) == 1
    assert "Nothing to do" in (project / ".prefect/scheduled/pipeline-2.log").read_text()
    assert any((tmp_path / "shared").rglob("*"))
    assert clones.git(project, "status", "--porcelain") == before
    clones.git(project, "checkout", "--", "dvc.yaml")
    listed = clones.run(project, "dvc", "exp", "list", "--name-only").stdout
    assert {*listed.split()} >= {"pipeline-1", "pipeline-2"}
    rows = clones.run(project, "dvc", "exp", "show", "--all-commits", "--csv").stdout
    assert "pipeline-1" in rows and "pipeline-2" in rows
    clones.git(project, "checkout", "--", "README.md")
    assert clones.run(project, "dvc", "exp", "apply", "pipeline-2").returncode == 0
    assert clones.run(project, "dvc", "exp", "remove", "pipeline-1").returncode == 0
    left = clones.run(project, "dvc", "exp", "list", "--name-only").stdout.split()
    assert "pipeline-1" not in left and "pipeline-2" in left
    assert not os.listdir(project / ".dvc/tmp/scheduled")


def test_every_deployment_is_a_scheduled_run_with_a_time_zone_tags_and_a_limit_of_one():
    declared = YAML(typ="safe").load((clones.ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert {deployment["name"] for deployment in declared} == {"nightly", "study"}
    for deployment in declared:
        assert deployment["entrypoint"] == "flows/scheduled.py:scheduled" and "scheduled" in deployment["tags"]
        assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
        assert all(schedule["timezone"] for schedule in deployment["schedules"])
    named = [deployment["parameters"].get("experiment") for deployment in declared]
    assert named == [None, "label-study"] and (clones.ROOT / f"experiments/{named[1]}.yaml").exists()
