"""The rows of a study's run: nothing varies but what is asked for, and what varies is in the keys."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from autoencoders.choosing import random_rows
from autoencoders.label_efficiency import stream
from autoencoders.pieces import Stack
from autoencoders.standardisation import Standardisation
from tasks.frame import files, study_section
from tasks.frame.errors import DataError
from tasks.study import keys, rows

ARMS = {
    "arms": ["logistic regression", "self-training", "fine-tuned", "from scratch", "random features"],
    "beforehand": {"with_encoder": "fine-tuned", "without": "from scratch"}, "n_runs": 2, "choices": [],
}  # fmt: skip


def study(*vary, **changes):
    return tiny.params(label_curve={**ARMS, "vary": ["labels", "weights", *vary], **changes})


@pytest.fixture
def prepared(tmp_path):
    """Return data/prepare with 67 training rows, of which 7 have no label, and 30 test rows."""
    folder = tiny.prepare(tmp_path / "data") / "prepare"
    labels = np.load(folder / "train_labels.npy")
    labels[60:] = -1
    np.save(folder / "train_labels.npy", labels)
    return folder


def as_set(x):
    return {row.tobytes() for row in x[:]}


def test_a_new_split_has_the_sizes_and_classes_of_the_old_one_and_every_row_once(prepared):
    before = rows.of_run(study(), prepared, 1)
    found = rows.of_run(study("split"), prepared, 1)
    assert (found.x.shape, found.x_test.shape) == ((67, 16), (30, 16))
    assert (len(found.labels), np.bincount(found.labels_test).tolist()) == (67, [10, 10, 10])
    assert as_set(found.x) | as_set(found.x_test) == as_set(before.x) | as_set(before.x_test)
    assert len(as_set(found.x) | as_set(found.x_test)) == 97 and not as_set(found.x) & as_set(found.x_test)
    assert len(as_set(found.x_test) - as_set(before.x_test)) > 5, "some test rows were training rows"
    assert as_set(before.x[60:]) <= as_set(found.x), "a row without a label is no test row"
    assert (found.labels == -1).sum() == 7
    of_row = {row.tobytes(): label for x, labels in ((before.x, before.labels), (before.x_test, before.labels_test))
              for row, label in zip(x[:], labels, strict=True)}  # fmt: skip
    for x, labels in ((found.x, found.labels), (found.x_test, found.labels_test)):
        assert [of_row[row.tobytes()] for row in x[:]] == labels.tolist()


def test_a_split_is_the_same_in_a_run_and_another_in_another(prepared):
    first, again, other = (rows.of_run(study("split"), prepared, run) for run in (0, 0, 1))
    np.testing.assert_array_equal(first.x_test, again.x_test)
    np.testing.assert_array_equal(first.x, again.x)
    assert as_set(first.x_test) != as_set(other.x_test)


def test_unlabelled_rows_are_drawn_in_order_anew_only_where_they_vary():
    fixed, varying = study(n_unlabelled=30), study("unlabelled", n_unlabelled=30)
    for run in (0, 1):
        of_run = np.sort(random_rows(67, 30, seed=stream(fixed.seed, run, "unlabelled")))
        np.testing.assert_array_equal(rows.unlabelled(varying, 67, run), of_run)
        np.testing.assert_array_equal(rows.unlabelled(fixed, 67, run), rows.unlabelled(varying, 67, 0))
    assert rows.unlabelled(varying, 67, 0).tolist() != rows.unlabelled(varying, 67, 1).tolist()
    assert rows.unlabelled(study(), 67, 1) is None


def test_more_rows_than_are_held_in_memory_are_drawn_unless_their_number_is_given(prepared, monkeypatch):
    monkeypatch.setattr(study_section, "MOST_HELD", 40)
    of_run = np.sort(random_rows(67, 40, seed=stream(study().seed, 0, "unlabelled")))
    np.testing.assert_array_equal(rows.unlabelled(study(), 67, 1), of_run)
    assert rows.unlabelled(study(), 40, 0) is None and rows.unlabelled(study(n_unlabelled=67), 67, 0) is None
    assert len(rows.unlabelled(study(n_unlabelled=50), 67, 0)) == 50
    assert rows.drawn(study(), 67, 0) == rows.drawn(study(n_unlabelled=40), 67, 0) != rows.drawn(study(), 40, 0)
    assert len(rows.taken(study(), "self_training", 67, 0)) == 40
    for vary in ((), ("split",)):
        found = rows.of_run(study(*vary), prepared, 0)
        np.testing.assert_array_equal(found.unlabelled, found.x[:][of_run])
        assert not isinstance(found.unlabelled, np.memmap) and found.x.shape == (67, 16)


def test_rows_are_read_when_they_are_taken_and_not_before(prepared):
    plain, varied = rows.of_run(study(), prepared, 0), rows.of_run(study("split"), prepared, 0)
    assert isinstance(plain.x, np.memmap) and isinstance(plain.x_test, np.memmap) and plain.unlabelled is plain.x
    for found in (varied.x, varied.x_test, varied.train.x, varied.test.x, plain.train.x, plain.test.x):
        assert isinstance(found, Stack)
    np.testing.assert_array_equal(varied.unlabelled, varied.x[:])


def test_a_learner_takes_as_many_unlabelled_rows_as_the_study_has():
    sizes = [
        len(rows.taken(params, "self_training", n, 1))
        for params, n in ((study(), 67), (study(), 5000), (study(n_unlabelled=30), 67))
    ]
    assert sizes == [67, 2000, 30]
    few = study("unlabelled", n_unlabelled=30)
    assert rows.taken(few, "self_training", 67, 1).tolist() == rows.unlabelled(few, 67, 1).tolist()


def test_nothing_varies_that_is_not_named(prepared):
    params = study(n_unlabelled=30)
    first, other = (rows.of_run(params, prepared, run) for run in (0, 1))
    for name in ("x", "labels", "x_test", "labels_test", "chosen"):
        np.testing.assert_array_equal(getattr(first, name), getattr(other, name))
    np.testing.assert_array_equal(first.x, np.load(prepared / "train.npy"))
    assert rows.drawn(params, 67, 0) == rows.drawn(params, 67, 1) and rows.drawn(params, 67, 0)["split"] is None
    for role, varies in (("labels", True), ("order", False), ("split", False), ("choice", False)):
        assert (rows.seed(params, 0, role) != rows.seed(params, 1, role)) is varies


def test_every_arm_sees_rows_standardised_by_those_to_pretrain_on(prepared):
    found = rows.of_run(study(n_unlabelled=30), prepared, 0)
    assert found.images and found.unlabelled.shape == (30, 16) and found.unlabelled.dtype == np.uint8
    given = Standardisation.of_images(found.x[:][found.chosen], 255)
    assert found.standardisation == given
    np.testing.assert_array_equal(found.train.x, given(files.floats(found.x, 255)))
    np.testing.assert_array_equal(found.test.x, given(files.floats(found.x_test, 255)))
    assert found.train.labels is found.labels and found.test.labels is found.labels_test
    plain = rows.of_run(study(standardised=False), prepared, 0)
    assert plain.standardisation is None and plain.unlabelled is plain.x
    np.testing.assert_array_equal(plain.train.x, files.floats(plain.x, 255))


def test_a_table_is_standardised_by_column(prepared):
    files.write_json(prepared / "manifest.json", {"image_shape": None, "class_names": ["a", "b", "c"]})
    found = rows.of_run(study(), prepared, 0)
    assert not found.images and found.standardisation == Standardisation.of_columns(found.x, 255)
    assert rows.inputs(study(), prepared)["images"] is False


def given(prepared, *vary, **changes):
    """Return the keys of the cells of each run: encoder, fine-tuned arm, fitted arm, arm with unlabelled rows."""
    found = keys.store(study(*vary, **changes), prepared.parent).given
    ends = ("encoder - untied", "fine-tuned - untied - 6 labels", "logistic regression - 6 labels",
            "self-training - 6 labels")  # fmt: skip
    return [[found[f"{name} - run {run}"] for name in ends] for run in (0, 1)]


def test_keys_hold_what_varies(prepared):
    for vary, changes, name in ((["split"], {}, "split"), (["unlabelled"], {"n_unlabelled": 30}, "unlabelled")):
        first, other = given(prepared, *vary, **changes)
        assert all(a["rows"][name] != b["rows"][name] for a, b in zip(first, other, strict=True))
        first, other = given(prepared, **changes)
        assert all(a["rows"] == b["rows"] for a, b in zip(first, other, strict=True))
    first, other = given(prepared, "unlabelled", n_unlabelled=30)
    assert first[3]["taken"][0] == other[3]["taken"][0] == 30 and first[3]["taken"] != other[3]["taken"]
    assert given(prepared, "unlabelled")[0][0]["rows"]["unlabelled"] is None, "all rows are the same in every run"


@pytest.mark.parametrize("changed", ["train", "train_labels", "test", "test_labels"])
def test_an_encoder_depends_on_labels_and_test_rows_only_where_the_split_varies(prepared, changed):
    """A split is stratified by the labels, and its training rows may come from the test file."""
    before = [given(prepared, *vary)[0] for vary in ([], ["split"])]
    content = np.load(prepared / f"{changed}.npy")
    np.save(prepared / f"{changed}.npy", content[::-1])
    after = [given(prepared, *vary)[0] for vary in ([], ["split"])]
    (fixed, varying) = ([a != b for a, b in zip(*pair, strict=True)] for pair in zip(before, after, strict=True))
    assert fixed == [changed == "train", True, True, True] and varying == [True] * 4


def counted(tmp_path, *, train, test, names=("a", "b")):
    splits = {"train": {"class_counts": train}, "test": {"class_counts": test}}
    files.write_json(tmp_path / "manifest.json", {"class_names": [*names], "splits": splits})
    return tmp_path


@pytest.mark.parametrize(
    ("train", "expected"),
    [([9, 80], "accuracy"), ([8, 90], "balanced accuracy"), ([8, 70], "accuracy"), ([50, 50], "accuracy")],
)
def test_the_metric_is_balanced_where_a_class_has_under_a_tenth_of_all_labelled_rows(tmp_path, train, expected):
    assert rows.metric(study(), counted(tmp_path, train=train, test=[2, 10])) == expected
    assert rows.metric(study(metric="accuracy"), counted(tmp_path, train=[1, 99], test=[2, 10])) == "accuracy"
    own = study(metric="balanced accuracy")
    assert rows.metric(own, counted(tmp_path, train=[50, 50], test=[2, 2])) == "balanced accuracy"


def test_ten_classes_of_exactly_a_tenth_have_accuracy_although_their_training_rows_differ(tmp_path):
    train = [5400, 5600, *[5500] * 8]
    folder = counted(tmp_path, train=train, test=[7000 - n for n in train], names="abcdefghij")
    assert rows.metric(study(), folder) == "accuracy"


def test_one_test_row_of_a_class_is_too_few_for_balanced_accuracy_and_the_message_names_it(tmp_path):
    folder = counted(tmp_path, train=[100, 3], test=[20, 1])
    with pytest.raises(
        DataError, match=r"test rows of class 'b': expected 2 or more for balanced accuracy, received 1"
    ):
        rows.metric(study(), folder)
    assert rows.metric(study(metric="accuracy"), folder) == "accuracy"
