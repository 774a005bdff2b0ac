"""Stage `label_curve`: a study that fails, is stopped, killed, damaged or forged goes on, or says what is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import tiny
from studies import FEW, UNTUNED, contents, settings

from autoencoders import evaluation
from autoencoders.arms import COMPARED
from tasks.frame import files
from tasks.frame.errors import Forged, StudyFailed
from tasks.study import keys, rows, runs
from tasks.study.worker import Worker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return tiny.run("label_curve", tiny.prepare(tmp_path_factory.mktemp("few") / "data"), settings=settings(**FEW))


def scores(params, data):
    """Return a study's score cells."""
    return keys.score_cells(params, rows.size(data / "prepare"))


def test_a_study_that_was_stopped_goes_on_and_ends_in_the_same_bytes(tmp_path, few, monkeypatch):
    data = tiny.prepare(tmp_path / "data")
    computed: list[str] = []
    score = Worker.score

    def stop_at_the_tenth(worker, cell):
        computed.append(cell.name)
        if len(computed) == 10:
            raise KeyboardInterrupt
        return score(worker, cell)

    monkeypatch.setattr(Worker, "score", stop_at_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        tiny.run("label_curve", data, settings=settings(**FEW))
    shutil.rmtree(data / "label_curve")
    out = tiny.run("label_curve", data, settings=settings(**FEW))
    assert contents(out) == contents(few)
    assert len(computed) == 24 + 1 and len(set(computed)) == 24


@pytest.mark.parametrize("n", ["2", "3"])
def test_a_study_has_the_same_bytes_with_any_number_of_workers(tmp_path, monkeypatch, n):
    three = settings(**FEW | {"n_runs": 3, "choices": ["random", "uncertainty"]})
    written = []
    for number in ("1", n):
        monkeypatch.setenv("PIPELINE_WORKERS", number)
        written.append(contents(tiny.run("label_curve", tiny.prepare(tmp_path / number / "data"), settings=three)))
    assert written[0] == written[1]


def test_a_failed_cell_is_listed_whichever_worker_it_failed_in_and_the_others_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PIPELINE_WORKERS", "2")
    data = tiny.prepare(tmp_path / "data")
    params = settings(
        arms=["logistic regression", *COMPARED],
        n_runs=2,
        choices=[],
        classifier={"learning_rate": 1e30},
        tuning=UNTUNED,
    )
    with pytest.raises(StudyFailed, match=r"18 of 26 cells failed, first .* - run 0: .* training diverged"):
        runs.compute(params, data)
    store = keys.store(params, data)
    failed = [row["cell"] for row in files.read_json(store.folder / "failed.json")]
    assert len(failed) == 18 and {name.split(" - run ")[1] for name in failed} == {"0", "1"}
    kept = [cell.name for cell in scores(params, data) if store.read(cell.name)]
    assert {name.split(" - ")[0] for name in kept} == {"logistic regression"} and len(kept) == 6


@pytest.mark.parametrize(("n_cells", "workers"), [(1, "1"), (5, "1"), (14, "1"), (3, "2"), (12, "2")])
def test_a_study_killed_at_any_moment_ends_in_the_same_bytes(tmp_path, few, n_cells, workers):
    data = tiny.prepare(tmp_path / "data")
    script = f"import sys; sys.path[:0] = {[str(tiny.ROOT / 'tests'), str(tiny.ROOT)]!r}; import tiny; "
    script += f"from pathlib import Path; p = tiny.params(label_curve={FEW!r}); "
    script += f"tiny.run('label_curve', Path({str(data)!r}), settings=p)"
    study = subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True, stderr=subprocess.PIPE,
        env=os.environ | {"PIPELINE_WORKERS": workers},
    )  # fmt: skip
    while study.poll() is None and len(list((tmp_path / ".cells").rglob("*.json"))) < n_cells:
        time.sleep(0.02)
    os.kill(study.pid, signal.SIGKILL)
    assert study.wait() == -signal.SIGKILL, study.stderr.read()
    study.stderr.close()
    shutil.rmtree(data / "label_curve")
    assert contents(tiny.run("label_curve", data, settings=settings(**FEW))) == contents(few)


def test_a_failing_proof_fails_the_study_and_names_the_cell(tmp_path, monkeypatch):
    """The textbook's bug: a classifier that was never given the pretrained weights."""
    monkeypatch.setattr(evaluation, "transfer", lambda source, target: None)
    data = tiny.prepare(tmp_path / "data")
    few = settings(arms=["fine-tuned", "random features", "from scratch"], n_runs=2, choices=[])
    with pytest.raises(StudyFailed, match=r"18 of 20 cells failed, first .* transfer proof failed"):
        runs.compute(few, data)
    failed = files.read_json(keys.store(few, data).folder / "failed.json")
    assert len(failed) == 18


def test_a_proof_that_its_encoders_file_does_not_bear_out_is_refused(tmp_path, few):
    data = tiny.prepare(tmp_path / "data")
    shutil.copytree(few.parents[1] / ".cells", tmp_path / ".cells")
    store = keys.store(settings(**FEW), data)
    name = next(cell.name for cell in scores(settings(**FEW), data) if cell.pretraining)
    result = store.kept(name)
    for before in (["0" * 64] * len(result["proof"]["before"]), result["proof"]["before"][::-1], []):
        store.write(name, result | {"proof": result["proof"] | {"before": before}})
        with pytest.raises(Forged, match="expected a proof of the weights in encoder - untied - run 0"):
            runs.compute(settings(**FEW), data)


def test_drawn_cells_come_out_as_they_are_kept_and_one_that_was_edited_does_not(tmp_path, few):
    data, params = tiny.prepare(tmp_path / "data"), settings(**FEW)
    shutil.copytree(few.parents[1] / ".cells", tmp_path / ".cells")
    names = runs.kept_names(params, data)
    assert len(names) == 2 + 24
    drawn = [
        "encoder - untied - run 1",
        "fine-tuned - untied - 15 labels - run 1",
        "logistic regression - 6 labels - run 0",
    ]
    assert [*runs.recompute(params, data, drawn)] == [(name, True) for name in drawn]
    store = keys.store(params, data)
    for name, key in zip(drawn, ("loss", "loss", "n_trials"), strict=True):
        store.write(name, store.kept(name) | {key: 0.5})
    assert [*runs.recompute(params, data, drawn)] == [(name, False) for name in drawn]


EXCHANGED = {
    "encoder": [f"encoder - untied - run {run}" for run in (1, 0)],
    "score": [f"fine-tuned - untied - 6 labels - run {run}" for run in (1, 0)],
}


@pytest.mark.parametrize("names", EXCHANGED.values(), ids=EXCHANGED)
def test_a_cell_exchanged_with_another_one_is_computed_anew(tmp_path, few, names):
    data = tiny.prepare(tmp_path / "data")
    shutil.copytree(few.parents[1] / ".cells", tmp_path / ".cells")
    store = keys.store(settings(**FEW), data)
    for suffix in (".json", *([".npz"] if "encoder" in names[0] else [])):
        shutil.copy(store.path(names[0], suffix), store.path(names[1], suffix))
    assert contents(tiny.run("label_curve", data, settings=settings(**FEW))) == contents(few)


def test_an_encoder_that_is_damaged_is_trained_again(tmp_path, few):
    data = tiny.prepare(tmp_path / "data")
    shutil.copytree(few.parents[1] / ".cells", tmp_path / ".cells")
    store = keys.store(settings(**FEW), data)
    path = store.path("encoder - untied - run 1", ".npz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] + bytes(100))
    assert contents(tiny.run("label_curve", data, settings=settings(**FEW))) == contents(few)
    assert path.read_bytes() == whole
