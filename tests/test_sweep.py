"""Sweeps: the table, what is run and what is not, failures; a real one on scikit-learn's digits, killed and gone on."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import clones
import pytest
from typer.testing import CliRunner
from waiting import wait_until

from flows import checkout, grid, sweep
from flows.__main__ import app
from flows.sweep import Result
from tasks.frame.errors import Changed, RunError, UsageError
from tasks.tracking import swept

BASE = (clones.ROOT / "params.yaml").read_text(encoding="utf-8")


def combinations(text: str):
    return grid.combinations(BASE, grid.parse(text), most=64, stages=[])


def test_the_table_has_the_grids_values_and_the_metrics_that_are_there():
    one, other = combinations("pretrain.epochs=[10] network.shape.units=[[100,30],[64,16]]")
    study = {"label_curve.encoder_minus_best_500_mean": -0.00812345678, "label_curve.encoder_minus_best_20_mean": 0.1}
    results = [
        Result(one, "sweep-1", "ran", {"pretrain.val_loss": 0.28, "pretrain.loss": 0.27} | study),
        Result(other, "sweep-2", "failed", {}),
    ]
    assert sweep.table(results).splitlines() == [
        "pretrain  network      pretrain  label_curve",
        "epochs    shape.units  val_loss  encoder_minus_best_500_mean  experiment",
        "10        [100, 30]    0.28      -0.00812346                  sweep-1     ran",
        "10        [64, 16]     -         -                            sweep-2     failed",
    ]
    assert [line.split()[2] for line in sweep.table(results, ["pretrain.loss"]).splitlines()[1:3]] == ["loss", "30]"]


def test_a_metric_that_is_the_same_in_all_combinations_stands_below_the_table_unless_it_was_asked_for():
    metrics = [{"pretrain.val_loss": 0.25, "stack.val_loss": loss} for loss in (0.5, 0.75)]
    found = zip(combinations("stack.epochs=[1,2]"), metrics, strict=True)
    results = [Result(one, f"sweep-{i}", "ran", given) for i, (one, given) in enumerate(found)]
    assert sweep.table(results).splitlines() == [
        "stack   stack",
        "epochs  val_loss  experiment",
        "1       0.5       sweep-0     ran",
        "2       0.75      sweep-1     ran",
        "",
        "The same in all: pretrain.val_loss 0.25",
    ]
    assert "0.25" in sweep.table(results, ["pretrain.val_loss"]).splitlines()[2]


@pytest.fixture
def project(monkeypatch, here):
    """Let combinations run in no folder: those with 3 epochs fail; return what ran, by name, and what is recorded."""
    ran, recorded = [], {}

    def run(one, name, base, commit, targets):
        ran.append(one.params.pretrain.epochs)
        if ran[-1] == 3:
            raise RunError("training diverged; log: here")
        recorded[name] = {"pretrain.val_loss": 1 / ran[-1]}

    (here / "params.yaml").write_text(BASE)
    monkeypatch.setattr(sweep, "_run", run)
    monkeypatch.setattr(sweep, "_recorded", recorded.get)
    monkeypatch.setattr(sweep.records, "is_recorded", lambda name: name in recorded)
    monkeypatch.setattr(sweep.planning, "plan", lambda targets: [*targets])
    monkeypatch.setattr(sweep, "_in_mlflow", lambda results: "MLflow")
    monkeypatch.setattr(checkout, "head", lambda: "c" * 40)
    monkeypatch.setattr(checkout, "refuse_other_versions", lambda commit: None)
    monkeypatch.setattr(checkout, "changes", lambda *paths: [])
    return SimpleNamespace(ran=ran, recorded=recorded)


def test_a_combination_that_fails_is_listed_and_does_not_end_the_others_and_those_done_are_not_run_again(
    project, capsys
):
    with pytest.raises(RunError, match=r"^1 of 3 combinations failed; run again to try those only$"):
        sweep.sweep("pretrain.epochs=[2,3,4]", ["pretrain"])
    said = capsys.readouterr().out
    assert "3 combinations at commit cccccccccc, 3 to run\n" in said
    assert "2/3 pretrain.epochs=3: failed in 0 s: training diverged; log: here\n" in said
    assert "0.5" in said and "0.25" in said
    with pytest.raises(RunError):
        sweep.sweep("pretrain.epochs=[2,3,4]", ["pretrain"])
    assert project.ran == [2, 3, 4, 3]
    sweep.sweep("pretrain.epochs=[2,4,5]", ["pretrain"])
    assert "3 combinations at commit cccccccccc, 1 to run\n" in capsys.readouterr().out
    assert project.ran == [2, 3, 4, 3, 5]
    sweep.sweep("pretrain.epochs=[2]", ["tying"])
    assert project.ran[-1] == 2, "of other stages"


def test_a_bug_is_not_listed_but_raised(project, monkeypatch):
    monkeypatch.setattr(sweep, "_run", lambda *_: {}["bug"])
    with pytest.raises(KeyError):
        sweep.sweep("pretrain.epochs=[2]")


def test_nothing_runs_if_anything_is_wrong(project):
    for text, most in (("pretrain.epochs=[2,x]", 9), ("pretrain.epochs=[2,4]", 1)):
        with pytest.raises(UsageError):
            sweep.sweep(text, most=most)
    assert project.ran == []


def test_uncommitted_code_and_unknown_metrics_are_told_of(project, monkeypatch, capsys):
    monkeypatch.setattr(checkout, "changes", lambda *paths: ["tasks/a.py", "tasks/b.py"])
    sweep.sweep("pretrain.epochs=[2]", shown=["pretrain.val_lss"])
    assert capsys.readouterr().err.splitlines() == [
        "warning: tasks/a.py and 1 more files: not committed, so not in the sweep, which runs commit cccccccccc",
        "warning: --metric: no metric pretrain.val_lss; did you mean pretrain.val_loss?",
    ]


def test_what_is_recorded_but_no_longer_in_the_cache_is_run_again(monkeypatch):
    def metrics(stage):
        raise Changed("no file")

    record = SimpleNamespace(stages=["pretrain"], metrics=metrics)
    monkeypatch.setattr(sweep.records, "is_recorded", lambda name: True)
    monkeypatch.setattr(sweep.records, "find", lambda name: record)
    assert sweep._recorded("sweep-1") is None
    record.metrics = lambda stage: {f"{stage}.val_loss": 0.5}
    assert sweep._recorded("sweep-1") == {"pretrain.val_loss": 0.5}


def test_uncommitted_changes_of_some_paths_are_found(here):
    for name in ("ü b'x.py", "a.txt", "tasks/a.py"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text("")
    clones.commit(here)
    assert checkout.changes("tasks") == [] and len(checkout.head()) == 40
    for name in ("a.txt", "tasks/a.py", "tasks/ü b.py"):
        (here / name).write_text("new")
    assert checkout.changes("tasks", "no-such-folder") == ["tasks/a.py", "tasks/ü b.py"]


def test_a_wrong_grid_gives_its_lines_and_exit_code_2(tiny_project, monkeypatch):
    clones.commit(tiny_project)
    monkeypatch.setattr("flows.environment.ROOT", tiny_project)
    done = CliRunner().invoke(app, ["sweep", "pretrain.epochs=[x] seed=[-1]"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: GRID: seed: expected a number >= 0, received -1",
        "GRID: pretrain.epochs: expected a whole number, received 'x'",
    ]
    done = CliRunner().invoke(app, ["sweep", "pretrain.epochs=[1]", "nowhere"])
    assert (done.exit_code, done.stderr.partition(" nowhere")[0]) == (2, "error: dvc.yaml has no stage")


@pytest.mark.soak
def test_a_killed_sweep_goes_on_leaves_the_work_tree_alone_and_is_listed_by_dvc_and_in_mlflow(tmp_path):
    project = tmp_path / "ü b'x"
    clones.copy(project)
    (project / "params.yaml").write_text(BASE.replace("seed: 42", "seed: 7"))
    (project / "README.md").write_text("dirty")
    before = clones.git(project, "status", "--porcelain")
    words = ["flows", "sweep", "network.training.learning_rate=[0.5,0.25,1e12] pretrain.epochs=[1]", "pretrain"]
    killed = subprocess.Popen([sys.executable, "-m", *words, "--name", "smoke"], cwd=project,
                              env=clones.environment(), stdout=subprocess.DEVNULL)  # fmt: skip
    wait_until(lambda: killed.poll() is not None or clones.git(project, "for-each-ref", "refs/exps"), 300)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    done = clones.run(project, *words, "--name", "smoke")
    lines = [line for line in done.stdout.splitlines() if line.startswith(("1/3", "2/3", "3/3"))]
    hows = [line.partition("epochs=1: ")[2].split()[0] for line in lines]
    assert (done.returncode, hows) == (1, ["done", "ran", "failed"]), done.stdout + done.stderr
    assert "training diverged in epoch 1" in lines[2]
    assert done.stderr.splitlines()[-1] == "error: 1 of 3 combinations failed; run again to try those only"
    assert clones.git(project, "status", "--porcelain") == before
    assert not [*(project / "data").glob("pretrain")] and not [*(project / ".dvc/tmp/scheduled").iterdir()]

    rows = [line.split() for line in done.stdout.split("\n\n")[1].splitlines()[2:]]
    assert rows[2][-1] == "failed" and rows[0][2] != rows[1][2]
    clones.git(project, "checkout", "--quiet", "params.yaml")
    listed = json.loads(clones.run(project, "dvc", "exp", "show", "--json").stdout)
    found = {e["revs"][0]["name"]: e["revs"][0]["data"] for one in listed for e in one["experiments"] or []}
    rates = {name: data["params"]["params.yaml"]["data"]["network"]["training"] for name, data in found.items()}
    assert {row[3]: float(row[0]) for row in rows[:2]} == {k: v["learning_rate"] for k, v in rates.items()}
    assert all(not data["metrics"].get("metrics/report.json", {}).get("data") for data in found.values())

    with sqlite3.connect(project / "mlflow.db") as store:
        query = """
            select p.value, m.value from tags t join params p using (run_uuid) join latest_metrics m using (run_uuid)
            where t.key = ? and p.key = 'network.training.learning_rate' and m.key = 'pretrain.val_loss'"""
        logged = [store.execute(query, [f"sweep.{row[3]}"]).fetchall() for row in rows[:2]]
        runs = [run for (run,) in store.execute("select run_uuid from tags where key like 'sweep.%'")]
    assert [(rate, f"{loss:.6g}") for ((rate, loss),) in logged] == [(row[0], row[2]) for row in rows[:2]]
    assert len(runs) == 2 and all(run in done.stdout for run in runs), "in the address that compares them"


@pytest.mark.slow
def test_the_page_that_compares_runs_is_named_for_those_that_are_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PIPELINE_STORE", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert swept.compared("e", ["sweep-1"]) == ""
    store = swept.Store(Path(tmp_path))
    store.connect()
    home = store.experiment_id("e")
    run = store.client.create_run(home, tags={"sweep.sweep-1": "now"}).info.run_id
    store.client.create_run(home, tags={"sweep.sweep-3": "now"})
    page = swept.compared("e", ["sweep-1", "sweep-2"])
    assert page == f"#/compare-runs?runs=%5B%22{run}%22%5D&experiments=%5B%22{home}%22%5D"
