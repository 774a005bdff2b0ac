"""What identifies an experiment, and what its files hold."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

from tasks.frame import code, experiment, files
from tasks.frame.experiment import Point
from tasks.frame.sections import Params


@pytest.mark.slow
def test_the_data_hash_is_the_one_that_dvc_writes(tmp_path: Path) -> None:
    folder = tmp_path / "data/prepare"
    (folder / "a").mkdir(parents=True)
    np.save(folder / "train.npy", np.arange(9))
    (folder / "manifest.json").write_text("{}\n")
    (folder / "a-b.txt").write_text("x\r\n")
    (folder / "a/ü b.txt").write_text("y")
    for arguments in (["init", "--no-scm"], ["add", "data/prepare"]):
        subprocess.run([sys.executable, "-m", "dvc", *arguments, "-q"], cwd=tmp_path, check=True)
    assert f"md5: {files.data_hash(folder)}\n" in (tmp_path / "data/prepare.dvc").read_text()


def test_the_key_is_one_for_the_same_parameters_data_and_code_and_another_for_any_change() -> None:
    def key_of(params: Params, data: str, code: str) -> str:
        return experiment.Identity(params, data, code).key

    key = key_of(tiny.params(), "data", "code")
    assert key == key_of(tiny.params(), "data", "code")
    assert key == key_of(tiny.params(track={"experiment": "elsewhere"}), "data", "code")
    changed = [
        (tiny.params(stack={"epochs": 3}), "data", "code"),
        (tiny.params(), "d", "code"),
        (tiny.params(), "data", "c"),
    ]
    assert len({key, *(key_of(*given) for given in changed)}) == 4


def test_the_key_holds_the_code_that_computes(tmp_path: Path) -> None:
    for package in ("autoencoders", "tasks"):
        shutil.copytree(tiny.ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    computing = code.computing()
    hashes = {code.digest(computing, tmp_path)}
    for file in ("README.md", "tasks/reporting/page_figures.py", "tasks/report.py", "tasks/frame/stage.py"):
        (tmp_path / file).write_text("# changed")
        assert {code.digest(computing, tmp_path)} == hashes
    for file in ("tasks/encode.py", "autoencoders/layers.py"):
        (tmp_path / file).write_text("# changed")
        hashes.add(code.digest(computing, tmp_path))
    assert len(hashes) == 3


def test_parameters_are_flat_and_written_as_in_yaml() -> None:
    claims = [{"question": "a", "paper": "b", "ours": "c", "holds": "a.x < 1", "note": "d"}]
    given = experiment.parameters(tiny.params(report={"claims": claims}))
    expected = {"network.shape.units": "[8, 4]", "pretrain.tied": "false", "phase.2.units": "4", "fetch.path": "null"}
    assert {name: given[name] for name in expected} == expected
    assert given["report.claims.0.holds"] == "a.x < 1"
    assert given["report.title"] == tiny.params().report.title


def test_a_stage_is_told_with_its_own_parameters_and_those_of_its_network() -> None:
    phase = experiment.stage_parameters(tiny.params(), "phase@1")
    assert {"seed", "threads", "phase.1.units"} <= set(phase)
    assert {name.split(".")[0] for name in phase} == {"seed", "threads", "phase"}
    assert "phase.2.units" not in phase
    assert "network.shape.units" in experiment.stage_parameters(tiny.params(), "pretrain")


def test_metrics_are_those_of_all_present_stages_and_of_no_removed_phase(tmp_path: Path) -> None:
    for folder in ("pretrain", "phase/1", "phase/2", "phase/3", "encode/1", "track", "strange"):
        (tmp_path / folder).mkdir(parents=True)
        files.write_json(
            tmp_path / folder / "metrics.json", {"val_loss": 1, "arms": {"tied": 0.5}, "verdict": "within"}
        )
    values = experiment.metrics(tiny.params(), tmp_path)
    stages = ["pretrain", "phase.1", "phase.2", "encode.1"]
    assert values == {
        f"{stage}.{name}": v for stage in stages for name, v in {"val_loss": 1.0, "arms.tied": 0.5}.items()
    }


def test_a_history_of_several_trainings_has_a_curve_for_each(tmp_path: Path) -> None:
    rows = [
        {"arm": "tied", "run": 3, "epoch": 1, "loss": 0.5, "val_loss": ""},
        {"arm": "from scratch", "run": 4, "epoch": 1, "loss": 1e-3, "val_loss": 0.25},
    ]
    files.write_table(tmp_path / "history.csv", rows)
    assert experiment.history(tmp_path / "history.csv") == [
        Point("tied run 3/loss", 1, 0.5),
        Point("from_scratch run 4/loss", 1, 1e-3),
        Point("from_scratch run 4/val_loss", 1, 0.25),
    ]


def test_a_history_over_labels_has_their_number_as_its_step(tmp_path: Path) -> None:
    rows = [{"arm": "fine-tuned", "n_labels": n, "accuracy": a} for n, a in ((20, 0.5), (100, 0.625))]
    files.write_table(tmp_path / "history.csv", rows)
    points = [Point("fine_tuned/accuracy", 20, 0.5), Point("fine_tuned/accuracy", 100, 0.625)]
    assert experiment.history(tmp_path / "history.csv") == points


def test_a_history_without_epochs_is_refused_with_its_name(tmp_path: Path) -> None:
    files.write_table(tmp_path / "history.csv", [{"k": 1, "loss": 0.5}])
    with pytest.raises(
        ValueError, match=r"history.csv: expected a column `epoch`, `step` or `n_labels` .* received columns k, loss"
    ):
        experiment.history(tmp_path / "history.csv")


def test_git_tags_say_dirty_for_a_changed_file_but_not_for_dvcs_lock(tmp_path: Path) -> None:
    assert experiment.git_tags(tmp_path) == {}
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-qb", "trunk"], check=True)
    assert experiment.git_tags(tmp_path) == {}
    for name in ("dvc.lock", "params.yaml"):
        (tmp_path / name).write_text("a: 1\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    (tmp_path / "dvc.lock").write_text("a: 2\n")
    tags = experiment.git_tags(tmp_path)
    assert len(tags["mlflow.source.git.commit"]) == 40
    assert tags["mlflow.source.git.branch"] == "trunk"
    assert tags["mlflow.source.git.dirty"] == "False"
    (tmp_path / "params.yaml").write_text("a: 2\n")
    assert experiment.git_tags(tmp_path)["mlflow.source.git.dirty"] == "True"


def test_without_git_there_are_no_tags_and_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert experiment.git_tags(tmp_path) == {}


def test_an_experiment_has_a_key_of_32_digits_and_a_title_that_fits_mlflows_column(tmp_path: Path) -> None:
    (tmp_path / "prepare").mkdir()
    (tmp_path / "prepare/a.txt").write_text("a")
    found = experiment.Identity.of(tiny.params(), tmp_path, "code")
    assert found.data == files.data_hash(tmp_path / "prepare") and found.code == "code"
    assert re.fullmatch("[0-9a-f]{32}", found.key)
    assert found.title == f"fashion-mnist {found.key[:4]}" and len(found.title) <= 18


@pytest.mark.parametrize(
    ("dataset", "path", "name"),
    [("digits", None, "digits"), ("file", "data/raw/my table (2).csv", "my-table-2-"), ("file", None, "file")],
)
def test_the_data_are_named_after_the_data_set_or_the_users_file(dataset: str, path: str, name: str) -> None:
    params = tiny.params()
    fetch = params.fetch.model_copy(update={"dataset": dataset, "path": path})
    assert experiment.data_name(params.model_copy(update={"fetch": fetch})) == name


def test_curves_and_figures_are_those_of_the_stages_that_have_them(tmp_path: Path) -> None:
    for folder in ("pretrain", "phase/1", "track", "strange"):
        (tmp_path / folder).mkdir(parents=True)
        files.write_table(tmp_path / folder / "history.csv", [{"step": 250, "loss": 0.5, "n_labels": 3}])
        for name in ("b.png", "a.png", "c.svg"):
            (tmp_path / folder / name).touch()
    points = [Point("loss", 250, 0.5), Point("n_labels", 250, 3.0)]
    assert experiment.histories(tiny.params(), tmp_path) == {"pretrain": points, "phase@1": points}
    stages = [("pretrain", "pretrain"), ("phase@1", "phase/1")]
    assert experiment.figures(tiny.params(), tmp_path) == [
        (stage, tmp_path / folder / name) for stage, folder in stages for name in ("a.png", "b.png")
    ]


def test_a_history_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch,loss\n")
    with pytest.raises(ValueError, match=r"one row or more, received no rows$"):
        experiment.history(tmp_path / "history.csv")


def test_metrics_are_numbers_under_dotted_names_and_lists_of_sections_are_counted() -> None:
    content = {"a": True, "b": [1, 2], "c": [{"d": 2}, {"d": "x"}], "e": None}
    assert experiment.stage_metrics("phase@1", content) == {"phase.1.a": 1.0, "phase.1.c.0.d": 2.0}
    assert "network.shape.l2" not in experiment.stage_parameters(tiny.params(), "label_curves")
    assert {"seed", "threads"} == {*experiment.stage_parameters(tiny.params(), "label")}
