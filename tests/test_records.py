"""Records of experiments, and their verification, without a run."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from toys import md5

from flows import (
    engine,
    experiments,
    records,
    verify,
)  # fmt: skip
from tasks.frame.errors import Changed, Refused, RunError, UsageError


@pytest.mark.parametrize("known", [True, False])
def test_an_experiment_is_recorded_by_its_user_or_where_git_knows_none_by_nobody(monkeypatch, known):
    told, asked = [], []

    def save(name, stages, untracked):
        assert (stages, untracked) == (["track"], ["experiments/mine.yaml"])
        told.append((name, {key: value for key, value in os.environ.items() if key.startswith("GIT_")}))

    def git(*words):
        asked.append(words)
        return SimpleNamespace(returncode=int(not known), stdout="experiments/mine.yaml\n")

    for key in [key for key in os.environ if key.startswith("GIT_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "me")
    monkeypatch.setattr(experiments, "_git", git)
    monkeypatch.setattr(experiments.engine, "save_experiment", save)
    experiments.record("mine", ["track"])
    nobody = {
        "GIT_AUTHOR_EMAIL": "experiment@localhost", "GIT_COMMITTER_NAME": "experiment",
        "GIT_COMMITTER_EMAIL": "experiment@localhost",
    }  # fmt: skip
    assert asked == [("config", "user.email"), ("ls-files", "--others", "--exclude-standard", "experiments/")]
    assert told == [("mine", {"GIT_AUTHOR_NAME": "me"} | ({} if known else nobody))]


def test_an_experiment_takes_an_earlier_ones_place(monkeypatch):
    told = []
    repo = SimpleNamespace(experiments=SimpleNamespace(save=lambda **options: told.append(options)))
    monkeypatch.setattr(engine, "Repo", lambda: nullcontext(repo))
    engine.save_experiment("mine")
    engine.save_experiment("mine", ["a"], ["b"])
    both = {"name": "mine", "force": True}
    assert told == [{"targets": None, "include_untracked": [], **both},
                    {"targets": ["a"], "include_untracked": ["b"], **both}]  # fmt: skip


def test_without_git_experiments_say_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Refused, match=r"^git: not found; experiments need it: install git$"):
        experiments._git("status")


@pytest.mark.parametrize(
    ("old", "changes", "expected"),
    [
        ("a: 1  # one\nb: 2\n", "b: 3\n", "a: 1  # one\nb: 3\n"),
        ("a:\n  b: 1  # one\n  c: 2\n", "a: {b: 7}\n", "a:\n  b: 7  # one\n  c: 2\n"),
        ("a: [1, 2]  # one\nb: 2\n", "a:\n    - 3\n    - 4\n", "a:  # one\n  - 3\n  - 4\nb: 2\n"),
        ("a:  # one\n  - 1\n  - 2\n# two\nb: 2\n", "a: [3]\n", "a: [3]  # one\n# two\nb: 2\n"),
        ("a:\n  - 1\nb: 2\n", "a:\n- 3\n- 4\n", "a:\n  - 3\n  - 4\nb: 2\n"),
        ("phase:\n  '1': {a: 1}\n  '2': {a: 2}\nb: 2\n", "phase:\n  '1': {a: 3}\n", "phase:\n  '1': {a: 3}\nb: 2\n"),
    ],
)
def test_a_change_replaces_a_value_where_it_stands_and_leaves_the_comments(old, changes, expected):
    text = old
    found = experiments._edits(old, experiments._compose(old), changes, experiments._compose(changes))
    for start, end, new in sorted(found, reverse=True):
        text = text[:start] + new + text[end:]
    assert text == expected


@pytest.fixture
def recorded():
    """Return a record of stages, in which two write no metric."""
    return records.Record(
        "c" * 40, "seed: 1", {name: {} for name in ("fetch", "label_curve", "track", "track_book")}, Path("x")
    )


def judged(monkeypatch, recorded, metrics, *, elsewhere=False, files=""):
    monkeypatch.setattr(verify, "_metrics", lambda record, name, clone: metrics.get(name, ({}, {})))
    monkeypatch.setattr(verify, "_bytes", lambda record, name, clone: files)
    return verify._judge(recorded, Path("clone"), elsewhere=elsewhere)


def test_of_what_differs_three_are_named_and_of_files_too(recorded, monkeypatch, capsys):
    old = dict.fromkeys("abcd", 1.0) | {"e": 5.0}
    for n, end in ((4, " ..."), (3, "")):
        new = {"e": 5.0, **dict.fromkeys("abcd"[:n], 2.0), **dict.fromkeys("abcd"[n:], 1.0)}
        with pytest.raises(RunError) as error:
            judged(monkeypatch, recorded, {"fetch": (old, new)}, files="; files")
        assert error.value.exit_code == 1
        where = "; --elsewhere where the machine or versions are others"
        assert str(error.value) == f"not reproduced: {n} of 5 metrics differ{where}"
        named = "; ".join(f"{name}: recorded 1, now 2" for name in "abc")
        assert capsys.readouterr().out.splitlines() == [
            f"fetch          5 metrics, {n} differ; {named}{end}; files", "label_curve    0 metrics, the same; files"
        ]  # fmt: skip


def test_elsewhere_a_metric_may_move_and_a_lost_one_may_not(recorded, monkeypatch, capsys):
    judged(monkeypatch, recorded, {"fetch": ({"a": 1.0}, {"a": 2.0})}, elsewhere=True)
    moved = "fetch          1 metrics, 1 moved, none out of its interval; a: recorded 1, now 2"
    assert capsys.readouterr().out.splitlines() == [
        moved, "label_curve    0 metrics, the same",
        "Reproduced: all 1 metrics of 2 stages agree within their intervals, where they have one.",
    ]  # fmt: skip
    with pytest.raises(RunError, match=r"^not reproduced: 1 of 1 metrics differ$"):
        judged(monkeypatch, recorded, {"fetch": ({"a": 1 / 3}, {})}, elsewhere=True)
    assert "a: recorded 0.3333333333, now none" in capsys.readouterr().out


def test_a_metric_on_an_intervals_end_lies_in_it_and_half_an_interval_is_none():
    recorded = {"d_low": 1.0, "d_mean": 2.0, "d_high": 3.0}
    assert [verify._agrees("d_mean", recorded, {"d_mean": x}) for x in (0.9, 1.0, 3.0, 3.1)] == [
        False,
        True,
        True,
        False,
    ]
    assert verify._agrees("d_mean", {"d_mean": 1.0, "d_low": 2.0}, {"d_mean": 1.0})
    assert verify._agrees("d_mean", {"d_mean": 3.0, "d_high": 2.0}, {"d_mean": 3.0})
    assert not verify._agrees("new", {}, {"new": 1.0})


@pytest.mark.parametrize(
    ("n", "text"), [(0, ""), (3, "; other bytes in f0, f1, f2"), (4, "; other bytes in f0, f1, f2 ...")]
)
def test_files_with_other_bytes_are_named(recorded, monkeypatch, n, text):
    monkeypatch.setattr(
        records.Record, "outputs", lambda self, name: [(f"f{k}", "new" if k >= n else "old") for k in range(5)]
    )
    monkeypatch.setattr(verify.objects, "md5", lambda path: "new" if path.parent == Path("clone") else "old")
    assert verify._bytes(recorded, "fetch", Path("clone")) == text


def test_nothing_that_points_to_the_work_tree_goes_to_the_clone(monkeypatch):
    mine = {f"{name}X": "1" for name in ("DVC_", "MLFLOW_", "PREFECT_", "GIT_", "PYTHONPATH")}
    monkeypatch.setattr(os, "environ", {**mine, "HOME": "h"})
    assert verify._environment() == {"HOME": "h", "DVC_NO_ANALYTICS": "true", "PIPELINE_WATCHERS": ""}


@pytest.fixture
def cells(monkeypatch):
    """Have finished cells a, b and c, of which those that are wrong come out otherwise."""
    import tasks.study

    runs = SimpleNamespace()  # the module itself imports TensorFlow
    monkeypatch.setitem(sys.modules, "tasks.study.runs", runs)
    monkeypatch.setattr(tasks.study, "runs", runs, raising=False)

    def of(names, wrong=()):
        monkeypatch.setattr(verify.config, "load", lambda: SimpleNamespace(threads=1))
        monkeypatch.setattr(verify.determinism, "set_threads", lambda n: None)
        monkeypatch.setattr(verify.determinism, "fixed", lambda n: nullcontext())
        monkeypatch.setattr(verify.stage, "quiet", nullcontext)
        runs.kept_names = lambda params, data: names
        runs.recompute = lambda params, data, drawn: [(name, name not in wrong) for name in drawn]

    return of


def test_drawn_cells_are_said_to_be_the_same(cells, capsys):
    cells(["a", "b", "c"])
    verify.verify_cells(2)
    *lines, verdict = capsys.readouterr().out.splitlines()
    assert len(set(lines)) == 2 and {line[1:] for line in lines} == {"  the same"}
    assert verdict == "Reproduced: 2 of 3 finished cells, drawn at random, are the same."
    verify.verify_cells(9)
    assert capsys.readouterr().out.splitlines()[-1].startswith("Reproduced: 3 of 3 finished")


def test_a_cell_that_differs_and_a_study_without_cells_are_errors(cells, capsys):
    cells(["a", "b", "c"], wrong="bc")
    with pytest.raises(RunError, match=r"^not reproduced: 2 of 3 cells differ$") as error:
        verify.verify_cells(3)
    assert error.value.exit_code == 1
    assert sorted(capsys.readouterr().out.splitlines()) == ["a  the same", "b  DIFFERS", "c  DIFFERS"]
    cells([])
    with pytest.raises(UsageError, match=r"^no finished cells of these parameters, data and code; `make repro` first$"):
        verify.verify_cells(3)


def test_an_edited_output_is_named_and_a_deleted_one_is_none_to_check(here):
    stages = {"a": {"outs": [{"path": "there", "md5": md5("x")}, {"path": "away", "md5": md5("y")}]}}
    record = records.Record("c", "", stages, here)
    Path("there").write_text("x")
    record.check_outputs()
    Path("there").write_text("z")
    with pytest.raises(Changed) as error:
        record.check_outputs()
    what = f"expected MD5 {md5('x')}, which stage a wrote, received {md5('z')}"
    assert str(error.value) == f"there: {what}; delete it, and `make repro` restores it"


def test_code_is_that_of_the_record_and_data_are_not_code(here):
    (here / "tasks").mkdir()
    (here / "tasks/a.py").write_text("x")
    right = [{"path": "tasks/a.py", "md5": md5("x")}, {"path": "tasks", "md5": records.files.data_hash(here / "tasks")}]
    deps = [{"path": "data/a", "md5": "other"}, *right]
    records.Record("c" * 40, "", {"none": {}, "a": {"deps": deps}}, here).check_code(here)
    for dep in right:
        wrong = [{**dep, "md5": "other"}]
        with pytest.raises(UsageError) as error:
            records.Record("c" * 40, "", {"a": {"deps": wrong}}, here).check_code(here)
        at = f"{dep['path']} at commit {10 * 'c'}"
        assert str(error.value) == f"{at} is not the one that a was made with; commit it"


def test_the_latest_record_of_a_name_is_found_and_an_unknown_name_is_told_the_others(monkeypatch):
    asked, there = [], [True]

    def git(*words):
        asked.append(words)
        if words[0] == "show":
            return {"params.yaml": "seed: 1", "dvc.lock": "stages: {a: {}}", "dvc.yaml": "stages: {a: {}}"}[
                words[1].partition(":")[2]
            ]
        return "1 refs/exps/ab/mine\n2 refs/exps/ab/exec/mine\n3 refs/exps/cd/mine\n4 refs/exps/cd/other\n" * len(there)

    monkeypatch.setattr(records, "_git", git)
    monkeypatch.setattr(records.engine, "cache_folder", lambda: Path("cache"))
    assert records.find("mine") == records.Record("1", "seed: 1", {"a": {}}, Path("cache"))
    refs = ("for-each-ref", "--sort=-creatordate", "--format=%(objectname) %(refname)", "refs/exps")
    assert asked == [refs, *(("show", f"1:{path}") for path in ("params.yaml", "dvc.lock", "dvc.yaml"))]
    for known in ("mine, other", "none"):
        with pytest.raises(UsageError) as error:
            records.find("min")
        end = "`make experiment` records one"
        assert str(error.value) == f"no recorded experiment min; there are {known}; {end}"
        there.clear()


@pytest.mark.parametrize(("finished", "ready"), [(True, True), (False, False)])
def test_the_record_of_the_work_tree_is_its_files_at_the_last_commit(here, monkeypatch, finished, ready):
    for name, text in (("params.yaml", "seed: 1"), ("dvc.lock", "stages: {a: {}}"), ("dvc.yaml", "stages: {a: {}}")):
        Path(name).write_text(text)
    monkeypatch.setattr(records.engine, "cache_folder", lambda: Path("cache"))
    monkeypatch.setattr(records.planning, "is_up_to_date", lambda: ready)
    monkeypatch.setattr(records, "_git", lambda *words: " ".join(words) + "\n")
    found = records.find("", finished=finished)
    assert found == records.Record("rev-parse HEAD", "seed: 1", {"a": {}}, Path("cache"))


def test_metrics_that_dvc_does_not_keep_are_no_output():
    entry = {"cmd": "a", "outs": [{"path": "data/a"}, {"path": "m.json"}, {"path": "n.json"}]}
    metrics = ["plain.json", {"m.json": {"cache": False}}, {"n.json": {"cache": True}}]
    assert records._cached(entry, metrics) == {"cmd": "a", "outs": [{"path": "data/a"}, {"path": "n.json"}]}
    assert records._cached(entry, ["plain.json"]) is entry


def test_git_that_fails_is_one_line(here):
    with pytest.raises(UsageError, match=r"^git show: fatal: .*not a git repository"):
        records._git("show", "HEAD")
    with pytest.raises(Refused, match=r"^git: fatal: .*not a git repository"):
        verify._git("show", "HEAD")
