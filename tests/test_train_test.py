"""tasks/sources/train_test.py: arrays of training, validation and test rows in one file."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.sources import train_test

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1] * 3)


def part(**arrays):
    return train_test.part([*arrays], arrays.__getitem__)


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train", "x_test", "y_test"), ("X_train", "Y_train", "X_test", "y_test"),
     ("train_images", "train_labels", "test_images", "test_labels"), ("train_x", "train_y", "test_x", "test_y")],
)  # fmt: skip
def test_test_rows_are_marked_and_come_last(names):
    arrays = dict(zip(names, (X[:4], Y[:4], X[4:], Y[4:]), strict=True))
    for order in (names, names[::-1]):
        found = part(**{name: arrays[name] for name in order})
        assert (found.x[np.arange(6)].tolist(), found.labels.tolist()) == (X.tolist(), Y.tolist())
        assert found.is_test.tolist() == [False] * 4 + [True] * 2


def test_validation_rows_join_the_training_rows(monkeypatch):
    said = []
    monkeypatch.setattr(train_test, "say", said.append)
    found = part(x_test=X[4:], y_test=Y[4:], x_val=X[2:4], y_val=Y[2:4], x_train=X[:2], y_train=Y[:2])
    assert found.x[np.arange(6)].tolist() == X.tolist() and found.is_test.sum() == 2
    assert said == ["x_val: 2 rows join the training rows; prepare.n_valid is drawn from both"]
    assert not part(x_train=X, y_train=Y).is_test.any()


def test_only_training_or_test_rows_make_splits():
    assert train_test.has_splits(["x_train"]) and train_test.has_splits(["y", "test_images"])
    assert not train_test.has_splits(["x", "y", "y_train", "x_val"])


@pytest.mark.parametrize(
    "names", [("x_train",), ("x_test", "y_test"), ("x_train", "y_train", "x_test"), ("x_train", "y_train", "x"),
              ("x_train", "y_train", "X_train", "y_test")],
)  # fmt: skip
def test_missing_and_other_arrays_are_refused(names):
    with pytest.raises(ValueError, match=rf"and no other arrays, received: {', '.join(names)}"):
        part(**dict.fromkeys(names, X))


def test_rows_of_another_kind_are_named():
    with pytest.raises(
        ValueError, match=r"x_test: expected rows as in fetch\.path, float64 of shape \(n, 2\), received"
    ):
        part(x_train=X, y_train=Y, x_test=X[:, :1], y_test=Y)
