"""tasks/sources/parts.py: rows and labels that fit each other, and parts that fit together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tasks.sources import parts

X, Y = np.arange(6.0).reshape(3, 2), np.array(["u", "v", "u"])


def test_labels_may_be_a_column_bytes_or_none():
    for labels in (Y, Y[:, None], Y.astype("S")):
        assert parts.part(X, labels).labels.tolist() == ["u", "v", "u"]
    assert parts.part(X, None).labels.tolist() == [None] * 3


def test_images_are_bytes_with_three_axes_and_no_type_is_wider_than_float64():
    image = np.full((2, 3, 4), 9, np.uint8)
    assert parts.are_images(parts.part(image, None).x)
    for x in (image[:, 0], image.astype(np.int64), image.astype(np.float32)):
        assert parts.part(x, None).x.dtype == x.dtype and not parts.are_images(x)
    assert parts.part(image.astype(np.longdouble), None).x.dtype == np.float64


@pytest.mark.parametrize(
    ("shape", "is_refused"),
    [((2, 3, 9, 8), True), ((2, 4, 9, 8), True), ((2, 1, 9, 8), False), ((2, 9, 8, 3), False), ((2, 3, 8, 3), False),
     ((2, 4, 8, 3), False), ((2, 3, 9, 4), True), ((2, 3, 8, 1), False)],
)  # fmt: skip
def test_channels_stand_last(shape, is_refused):
    if not is_refused:
        assert parts.part(np.ones(shape), None).x.shape == shape
        return
    with pytest.raises(ValueError, match=r"expected channels last, .* received channels first, .*moveaxis\(x, 1, -1\)"):
        parts.part(np.ones(shape), None)


@pytest.mark.parametrize(
    ("x", "labels", "complaint"),
    [
        (X, np.eye(3), r"received \(3, 2\) and \(3, 3\); for one-hot labels, give the classes: y\.argmax"),
        (X, np.array([b"\xff"] * 3), "expected labels in UTF-8"),
        (np.ones((2, 1, 1, 1, 1)), None, r"expected x \(n, d\), \(n, h, w\) or"),
        (np.ones((2, 2, 9, 8)), None, "expected images of 1, 3 or 4 channels, the last axis of x"),
        (np.ones((2, 9, 8, 2)), None, "expected images of 1, 3 or 4 channels"),
        (np.ones((2, 3, 4), np.uint16), None, r"received 16-bit ones \(uint16\)"),
        (np.ones((2, 3, 4), ">i2"), None, "received 16-bit ones"),
        (np.array([[2**53 + 1]]), None, r"x: expected whole numbers up to 2\^53, received 9007199254740993"),
        (np.array([[-(2**60)], [1]]), None, "received -1152921504606846976"),
        (np.array([[1.0], [np.inf]]), None, "row 2, column 1: expected a finite number, received inf"),
        (np.ones(3), None, r"received \(3,\) and \(3,\)"),
        (np.ones(()), None, "received"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(x, labels, complaint):
    with pytest.raises(ValueError, match=complaint):
        parts.part(x, labels)


def test_the_greatest_whole_numbers_are_kept():
    assert parts.part(np.array([[2**53], [-(2**53)]]), None).x.tolist() == [[2.0**53], [-(2.0**53)]]
    assert parts.part(X[:0], None).x.shape == (0, 2)


def test_columns_are_put_into_the_main_parts_order():
    main, other = parts.part(X[:, :0], Y, ["a", "b"]), parts.part(X[:, :0], None, ["b", "a"])
    other = other._replace(table=pa.table([*X.T], names=["b", "a"]))
    assert parts.like(other, main).table.to_pandas().to_numpy().tolist() == X[:, ::-1].tolist()
    assert parts.like(other, main).columns == ["a", "b"]
    with pytest.raises(ValueError, match=r"expected the columns of fetch\.path: missing a; more c"):
        parts.like(parts.part(X, None, ["b", "c"]), main)
    with pytest.raises(ValueError, match=r"expected the same kind of file as fetch\.path"):
        parts.like(parts.part(X, None), main)


def test_images_and_floats_are_not_mixed():
    images = parts.part(np.full((2, 3, 4), 9, np.uint8), None)
    with pytest.raises(ValueError, match=r"uint8 of shape \(n, 3, 4\), received float64 of shape \(n, 3, 4\)"):
        parts.like(parts.part(np.ones((2, 3, 4)), None), images)


def test_parts_are_joined_with_the_test_rows_last():
    main = parts.part(X, Y)._replace(is_test=np.array([True, False, True]))
    joined = parts.joined([main, parts.part(X[:1] + 9, None)])
    assert joined.x[:][:, 0].tolist() == [2, 9, 0, 4]
    assert joined.labels.tolist() == ["v", None, "u", "u"]
    assert joined.is_test.tolist() == [False, False, True, True]


def test_numbers_of_several_types_are_joined_without_loss():
    wide = parts.part(np.array([[0.1, 2.0**60]]), None)
    joined = parts.joined([parts.part(np.array([[3, 2**53]]), None), wide])
    assert joined.x.dtype == np.float64 and joined.x[:].tolist() == [[3.0, 2.0**53], [0.1, 2.0**60]]
    parts.like(wide, parts.part(np.array([[3, 200]], np.uint8), None))
