"""What a stage reads, held against what it was when the stage began; and what dvc.lock says of the stages before."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
from toys import content, write

import tasks
from tasks.frame import code, config, declared, errors, stage
from tasks.frame.errors import Edited

DAG = """
stages:
  toy: {cmd: python -m tasks.toy, deps: [data/raw, code.py, 'data/${finetune.encoder}'], params: [seed, pretrain.tied]}
  phase:
    foreach: ${phase}
    do:
      cmd: python -m tasks.phase ${key}
      deps: ["${item.input}"]
      params: [seed, "phase.${key}"]
      outs: ["data/phase/${key}"]
  report: {cmd: python -m tasks.report, deps: [data/phase, data/toy/a.txt], params: [seed, report]}
  track: {cmd: python -m tasks.track, deps: [data/report], params: [params.yaml: null]}
"""
LARGE = "x" * (declared.SMALL + 1)


@pytest.fixture(autouse=True)
def dag(fresh_repository, monkeypatch):
    monkeypatch.setattr(declared, "PAUSE", 0.0)
    for name, text in {"dvc.yaml": DAG, "data/raw/a.csv": "1", "data/raw/large.csv": LARGE, "code.py": "1"}.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def values():
    return config.read(Path("params.yaml"))


def edit(old: str, new: str) -> None:
    text = Path("params.yaml").read_text()
    assert text.count(old) == 1
    Path("params.yaml").write_text(text.replace(old, new))


def test_names_in_braces_are_filled_in_from_the_parameters():
    assert declared.find("toy", "", values()) == (["data/raw", "code.py", "data/pretrain"], ["seed", "pretrain.tied"])
    assert declared.find("phase", "2", values()) == (["data/encode/1"], ["seed", "phase.2"])
    assert declared.find("track", "", values()).params == list(values())
    assert declared.find("none", "", values()) is None


@pytest.mark.slow
def test_every_stage_of_this_project_is_found_and_what_it_reads_stands_in_its_folder_or_in_the_repository():
    root = code.ROOT
    Path("dvc.yaml").write_text((root / "dvc.yaml").read_text())
    for name in declared._stages():
        found = declared.find(name, "1" if name in code.numbered() else "", values())
        assert not [dep for dep in found.deps if "$" in dep or not (dep.startswith("data/") or (root / dep).exists())]
        assert not [key for key in found.params if declared._value(values(), key) is None]


EDITS = {
    "its own parameter": (lambda: edit("seed: 42", "seed: 43"), "params.yaml: seed: 42 when toy began, now 43"),
    "a small file": (lambda: Path("code.py").write_text("2"), "code.py: edited while toy ran"),
    "a file of a folder": (lambda: Path("data/raw/a.csv").write_text("2"), "data/raw/a.csv: edited"),
    "a large file": (lambda: Path("data/raw/large.csv").write_text("y" * len(LARGE)), "data/raw/large.csv: edited"),
    "one file more": (lambda: Path("data/raw/b.csv").touch(), "data/raw/b.csv: edited"),
    "one file less": (lambda: Path("data/raw/a.csv").unlink(), "data/raw/a.csv: edited"),
    "an encoder": (lambda: (Path("data/pretrain").mkdir(), Path("data/pretrain/m").touch()), "data/pretrain/m: edited"),
}


@pytest.mark.parametrize("what", EDITS)
def test_a_stage_whose_input_is_edited_while_it_runs_is_not_recorded(as_stage, what):
    change, message = EDITS[what]
    as_stage(write("first"))
    stage.execute("toy")
    as_stage(lambda params, data, out, key: (write("second")(params, data, out, key), change()))
    with pytest.raises(Edited, match=message) as raised:
        stage.execute("toy")
    assert errors.exit_code(raised.value) == 6
    assert content("data/toy") == {"a.txt": "first"}


def test_an_edit_of_another_section_or_one_taken_back_or_a_touched_file_stops_nothing(as_stage):
    def run(params, data, out, key):
        edit("epochs: 20                # passes over the training", "epochs: 21  # passes over the training")
        Path("code.py").write_text("2")
        Path("code.py").write_text("1")
        os.utime("data/raw/a.csv")
        (out / "a.txt").write_text("whole")

    as_stage(run)
    stage.execute("toy")
    assert content("data/toy") == {"a.txt": "whole"}


def test_code_edited_while_its_process_starts_is_refused(as_stage, monkeypatch, capsys):
    monkeypatch.setattr(tasks, "STARTED", Path(stage.__file__).stat().st_mtime - 1)
    monkeypatch.setattr("sys.argv", ["tasks/toy.py"])
    as_stage(write("never"))
    assert stage.start("tasks/toy.py") == 6
    assert "edited while the stage started" in capsys.readouterr().err


LOCK = """
schema: '2.0'
stages:
  prepare:
    outs: [{path: data/prepare}]
    params: {params.yaml: {seed: 42, prepare.n_valid: 5000}}
  phase@1:
    deps: [{path: data/prepare}]
    outs: [{path: data/phase/1}]
    params: {params.yaml: {seed: 42}}
  phase@3:
    outs: [{path: data/phase/3}]
    params: {params.yaml: {seed: 7}}
  other:
    outs: [{path: data/other}]
    params: {params.yaml: {seed: 7}}
"""


@pytest.fixture
def locked():
    Path("dvc.yaml").write_text(DAG + "  prepare: {outs: [data/prepare]}\n  other: {outs: [data/other]}\n")
    Path("dvc.lock").write_text(LOCK)


@pytest.mark.usefixtures("locked")
def test_what_shows_results_refuses_parameters_that_they_were_not_made_with(as_stage):
    as_stage(lambda params, data, out, key: (out / "final.json").write_text("{}"), "report")
    stage.execute("report")  # neither a phase that was removed nor a stage that it does not show counts
    edit("n_valid: 5000", "n_valid: 4000")
    with pytest.raises(Edited, match=r"prepare\.n_valid: prepare was made with 5000 \(dvc\.lock\), now 4000"):
        stage.execute("report")
    as_stage(write("other"), "toy")
    stage.execute("toy")


@pytest.mark.usefixtures("locked")
def test_a_lock_file_that_dvc_is_writing_is_read_again(monkeypatch):
    Path("dvc.lock").write_text(LOCK.replace("5000", "5"))
    monkeypatch.setattr(declared, "PAUSE", 0.2)
    threading.Timer(0.1, lambda: Path("dvc.lock").write_text(LOCK)).start()
    declared.refuse_stale("report", values())


def test_without_a_lock_file_nothing_is_stale():
    declared.refuse_stale("report", values())
    declared.refuse_stale("none", values())


def test_what_stands_upstream_in_the_lock_file_is_followed_through_every_stage():
    Path("dvc.yaml").write_text(DAG + "  prepare: {outs: [data/prepare]}\n")
    Path("dvc.lock").write_text(LOCK)
    assert {*declared._above(["data/phase"], values())} == {"phase@1", "prepare"}
    assert {*declared._above(["data/phase/1/model.json"], values())} == {"phase@1", "prepare"}
    assert {*declared._above(["data/prepared", "data/other", "data/phase/3"], values())} == set()


@pytest.mark.parametrize(("place", "value"), [("a.b", 1), ("a", {"b": 1}), ("a.b.c", None), ("x", None), ("a.x", None)])
def test_a_dotted_name_leads_to_a_value_or_to_none(place, value):
    assert declared._value({"a": {"b": 1}}, place) == value


def test_a_parameter_that_differs_is_told_with_both_values():
    entries = {"a": {"params": {"params.yaml": {"seed": 1, "x.y": None}}}, "b": {}}
    assert [*declared._stale(entries, {"seed": 1, "x": {"y": 2}})] == ["x.y: a was made with nothing (dvc.lock), now 2"]


@pytest.mark.parametrize(("later", "refused"), [(1, True), (0, False), (-1, False)])
def test_only_code_that_is_younger_than_the_process_is_refused(monkeypatch, later, refused):
    paths = [Path(getattr(module, "__file__", None) or "/") for module in [*sys.modules.values()]]
    youngest = max(path.stat().st_mtime for path in paths if path.suffix == ".py" and code.is_ours(path))
    monkeypatch.setattr(tasks, "STARTED", youngest - later)
    if refused:
        with pytest.raises(Edited, match=r"\.py: edited while the stage started; not recorded: run again$"):
            declared.refuse_code_edited_since_start()
    else:
        declared.refuse_code_edited_since_start()


def test_the_instance_of_an_edited_stage_is_named():
    with (
        pytest.raises(Edited, match=r"^params\.yaml: seed: 42 when phase@1 began, now 43; not recorded: run again$"),
        declared.unchanged("phase", "1", values()),
    ):
        edit("seed: 42", "seed: 43")
    with pytest.raises(ZeroDivisionError), declared.unchanged("none", "", values()):
        raise ZeroDivisionError


def test_a_large_file_is_compared_by_its_time_and_a_small_one_by_its_content():
    for name, same in (("data/raw/large.csv", False), ("data/raw/a.csv", True)):
        before = declared._content(Path(name))
        os.utime(name, (1, 1))
        assert (declared._content(Path(name)) == before) is same
