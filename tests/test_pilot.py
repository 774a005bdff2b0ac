"""A study's pilot: validation rows in the test rows' place, seeds and cells of its own, and the parts of its errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny

from autoencoders.power import parts
from autoencoders.study import packed
from tasks.frame import files
from tasks.frame.errors import DataError, StudyFailed
from tasks.study import effort, keys, pilot
from tasks.study import rows as of_run
from tasks.study.pilot import RUNS, SCRATCH, WITHOUT
from tasks.study.rows import Size

FEW = {"arms": ["logistic regression", "frozen encoder", "fine-tuned", "random features", "from scratch"], "n_runs": 2}


def study(**changes):
    return tiny.params(label_curve=FEW | changes)


@pytest.fixture
def data(tmp_path):
    return tiny.prepare(tmp_path / "data")


def test_the_validation_rows_stand_in_the_test_rows_place_and_the_test_rows_nowhere(data):
    with pilot.opened(study(), data) as given:
        seen = of_run.of_run(given.params, given.view / "prepare", RUNS[0])
        names = {path.name: path.resolve().name for path in (given.view / "prepare").iterdir()}
    np.testing.assert_array_equal(seen.x_test, np.load(data / "prepare/valid.npy"))
    np.testing.assert_array_equal(seen.labels_test, np.load(data / "prepare/valid_labels.npy"))
    np.testing.assert_array_equal(seen.x, np.load(data / "prepare/train.npy"))
    assert names == {
        "train.npy": "train.npy", "train_labels.npy": "train_labels.npy", "test.npy": "valid.npy",
        "test_labels.npy": "valid_labels.npy", "scale.json": "scale.json", "manifest.json": "manifest.json",
    }  # fmt: skip


def test_a_tables_blocks_are_seen_too(tmp_path):
    data = tiny.table(tmp_path / "data")
    with pilot.opened(study(**tiny.BY_COLUMN), data) as given:
        assert of_run.by_column(given.params, given.view / "prepare", 8).width == 8


def test_a_split_that_varies_is_drawn_from_training_and_validation_rows(data):
    with pilot.opened(study(vary=["split"]), data) as given:
        seen = of_run.of_run(given.params, given.view / "prepare", RUNS[0])
    pool = np.concatenate([np.load(data / f"prepare/{split}.npy") for split in ("train", "valid")])
    drawn = np.concatenate([seen.x[:], seen.x_test[:]])
    assert (len(seen.x), len(seen.x_test)) == (67, 45)
    np.testing.assert_array_equal(np.unique(drawn, axis=0), np.unique(pool, axis=0))


def test_what_varies_has_seeds_that_no_study_has_and_what_does_not_has_the_studys(data):
    params = study(vary=["labels", "pretraining order"])
    its, others = (
        [
            {**keys.seeds(params, run), "pretraining order": keys.pretraining_streams(params, run)["order"]}
            for run in runs
        ]
        for runs in (RUNS, range(200))
    )
    for name in ("labels", "pretraining order"):
        found = {seeds[name] for seeds in its}
        assert len(found) == 3 and not found & {seeds[name] for seeds in others}
    for name in ("weights", "order"):
        assert {seeds[name] for seeds in its} == {seeds[name] for seeds in others}


def test_its_cells_are_those_of_the_arms_at_the_headline_and_none_of_the_study(data):
    params = study(pretrainings=["untied", "tied"])
    with pilot.opened(params, data) as given:
        assert [cell.name for cell in given.encoders] == [f"encoder - untied - run {run}" for run in RUNS]
        assert {cell.n_labels for cell in given.scores} == {15}
        assert [cell.arm for cell in given.scores] == [*params.label_curve.arms] * 3
        assert [cell.pretraining for cell in given.scores][:5] == ["", "untied", "untied", "", ""]
        assert given.store.folder == data.parent / ".cells/pilot" and given.n_missing == 3 + 15
        own = given.store.given
    theirs = keys.store(params, data).given
    key = own[f"from scratch - 15 labels - run {RUNS[0]}"]
    assert key["rows"]["test"] == files.md5(data / "prepare/valid.npy") != files.md5(data / "prepare/test.npy")
    assert not own.keys() & theirs.keys()


def test_an_arm_that_the_study_leaves_out_at_the_headline_is_left_out(data, monkeypatch):
    monkeypatch.setattr(keys, "budgets", lambda params, arm, size: [6] if arm == "logistic regression" else [6, 15])
    with pilot.opened(study(), data) as given:
        assert {cell.arm for cell in given.scores} == {*FEW["arms"][1:]}


def test_too_few_validation_rows_give_one_line(data):
    np.save(data / "prepare/valid_labels.npy", np.zeros(1, np.int64))
    said = r"expected 2 validation rows or more, received 1: raise prepare\.n_valid"
    with pytest.raises(DataError, match=said), pilot.opened(study(), data):
        pass


RIGHT = {arm: np.random.default_rng(k).random((3, 45)) < 0.5 + k / 20 for k, arm in enumerate(FEW["arms"])}
CHOSEN = {  # validated scores by arm; the best with the encoder and without it by run
    "logistic regression": [0.9, 0.1, 0.1],
    "frozen encoder": [0.8, 0.2, 0.8],
    "fine-tuned": [0.7, 0.3, 0.7],
    "random features": [0.0, 0.0, 0.0],
    "from scratch": [0.5, 0.5, 0.5],
}
ENCODER = ["frozen encoder", "fine-tuned", "frozen encoder"]
OPPONENT = ["logistic regression", "from scratch", "from scratch"]


def results(validated):
    return {(arm, run): {"validated": values[k]} for arm, values in validated.items() for k, run in enumerate(RUNS)}


def test_the_best_are_chosen_in_each_run_by_cross_validation_and_else_named_beforehand():
    assert pilot.chosen(study(), results(CHOSEN)) == (ENCODER, OPPONENT)
    unchosen = dict.fromkeys(CHOSEN, [None] * 3)
    beforehand = {"with_encoder": "fine-tuned", "without": "logistic regression"}
    params = study(beforehand=beforehand)
    assert pilot.chosen(params, results(unchosen)) == (["fine-tuned"] * 3, ["logistic regression"] * 3)
    there = {arm: values for arm, values in unchosen.items() if arm != "logistic regression"}
    assert pilot.chosen(params, results(there)) == (["fine-tuned"] * 3, ["from scratch"] * 3)


def fill(given, validated, seconds=1.0):
    """Write made-up results of every score."""
    for cell in given.scores:
        k = RUNS.index(cell.run)
        content = {"right": packed(RIGHT[cell.arm][k]), "validated": validated[cell.arm][k]}
        given.store.write(cell.name, content, seconds)


def test_the_parts_are_those_of_the_chosen_arms_bits(data):
    with pilot.opened(study(), data) as given:
        fill(given, CHOSEN)
        found = given.compared()
    best, other = (np.array([RIGHT[arm][k] for k, arm in enumerate(arms)]) for arms in (ENCODER, OPPONENT))
    assert found == {SCRATCH: parts(best, RIGHT["from scratch"]), WITHOUT: parts(best, other)}


def test_an_opponent_that_is_the_network_from_scratch_is_compared_once(data):
    with pilot.opened(study(), data) as given:
        fill(given, dict.fromkeys(CHOSEN, [None] * 3))
        assert [*given.compared()] == [SCRATCH]


def test_runs_that_share_no_test_row_leave_the_rows_no_part_of_their_own(data):
    with pilot.opened(study(vary=["split"]), data) as given:
        fill(given, CHOSEN)
        found = given.compared()
    with pilot.opened(study(), data) as given:
        fill(given, CHOSEN)
        assert found == {name: replace(one, row=one.rest) for name, one in given.compared().items()}
    assert found[SCRATCH].floor(30) == 0


def test_a_runs_seconds_are_the_tables_times_what_this_machine_took_for_the_pilot(data):
    params = study()
    with pilot.opened(params, data) as given:
        assert given.seconds_per_run() == effort.of_run(params, Size(67, 16, 3))
        for cell in given.scores:
            given.store.write(cell.name, {}, 3 * effort.seconds(params, cell, given.size))
        assert given.seconds_per_run() == pytest.approx(3 * effort.of_run(params, given.size))


@pytest.mark.slow
def test_a_pilot_is_computed_once_and_writes_nothing_into_the_studys_data(data):
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    with pilot.opened(study(), data) as given:
        given.compute()
        assert given.n_missing == 0 and {*given.compared()} == {SCRATCH, WITHOUT}
        for cell in given.scores:
            kept = given.store.kept(cell.name)
            n_right = pilot._unpacked(kept["right"], 45).sum()
            assert kept["scores"]["accuracy"] == pytest.approx(n_right / 45), "of the validation rows"
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before
    with pilot.opened(study(), data) as again:
        assert again.n_missing == 0
        again.store.path(again.encoders[0].name, ".npz").unlink()
        assert again.n_missing == 1


@pytest.mark.slow
def test_a_cell_that_fails_is_named(data, monkeypatch):
    from tasks.study.worker import Worker

    def fail(self, cell):
        raise DataError("no labels")

    monkeypatch.setattr(Worker, "score", fail)
    with pilot.opened(study(), data) as given, pytest.raises(StudyFailed, match=r"15 of 18 cells failed, first .* no"):
        given.compute()


def test_a_pilot_of_balanced_accuracy_has_the_parts_of_the_classes_means(data):
    with pilot.opened(study(metric="balanced accuracy"), data) as given:
        fill(given, CHOSEN)
        found, classes = given.compared()[SCRATCH], np.load(data / "prepare/valid_labels.npy")
        results = {(cell.arm, cell.run): given.store.kept(cell.name) for cell in given.scores}
        encoder, _ = pilot.chosen(given.params, results)
        a, b = (np.array([pilot._unpacked(results[arm, run]["right"], 45) for arm, run in zip(arms, RUNS, strict=True)])
                for arms in (encoder, ["from scratch"] * 3))  # fmt: skip
    assert found == parts(a, b, classes) != parts(a, b)


def test_balanced_accuracy_takes_two_validation_rows_of_every_class(data):
    labels = np.where(np.arange(45) == 0, 0, 1 + np.arange(45) % 2)
    np.save(data / "prepare/valid_labels.npy", labels)
    said = (
        r"expected 2 validation rows or more of every class for balanced accuracy, received 1: raise prepare\.n_valid"
    )
    with pytest.raises(DataError, match=said), pilot.opened(study(metric="balanced accuracy"), data):
        pass
    with pilot.opened(study(metric="accuracy"), data):
        pass
