"""autoencoders/pieces.py: rows in pieces are the rows, whatever the size of a piece."""

from __future__ import annotations

import numpy as np
import pytest

from autoencoders import pieces
from autoencoders.pieces import Stack, place

X = np.random.default_rng(0).integers(0, 256, (50, 3)).astype(np.uint8)
PICKS = {
    "all": np.arange(50), "mixed": np.random.default_rng(1).permutation(50), "backwards": np.arange(50)[::-1],
    "some": np.random.default_rng(2).permutation(50)[:17], "in order": np.arange(20, 41), "one": np.array([49]),
    "some twice": np.array([3, 1, 3, 40, 1]),
}  # fmt: skip


def half(rows):
    return rows.astype(np.float32) / 2


@pytest.mark.parametrize("n_rows", [1, 4, 7, 50, 1000])
@pytest.mark.parametrize("picks", PICKS.values(), ids=PICKS)
def test_picked_rows_are_placed_in_their_order(picks, n_rows):
    for x in (X, Stack(X[:9], X[9:])):
        target = np.full((len(picks), 3), -1, np.float32)
        place(x, picks, target, half, piece_bytes=24 * n_rows)
        np.testing.assert_array_equal(target, X[picks] / np.float32(2))


def test_rows_are_placed_with_few_in_memory_and_none_read_out_of_order():
    class Watched:
        shape, read = X.shape, []

        def __getitem__(self, pick):
            assert len(pick) <= 4 and (np.diff(pick) > 0).all()
            self.read += pick.tolist()
            return X[pick]

    target = np.zeros((50, 3), np.uint8)
    place(Watched(), PICKS["mixed"], target, lambda rows: rows, piece_bytes=24 * 4)
    np.testing.assert_array_equal(target, X[PICKS["mixed"]])
    assert Watched.read == [*range(50)], "each row is read once"


def test_pieces_cover_all_rows_once():
    for piece_bytes in (1, 24 * 7, 2**20):
        parts = [*range(50)]
        assert [k for piece in pieces.pieces((50, 3), piece_bytes) for k in parts[piece]] == parts
    assert [*pieces.pieces((0, 3))] == [] and pieces.piece_rows((2, 0)) == pieces.PIECE_BYTES // 8


@pytest.mark.parametrize("at_a_time", [1, 4, 50, 5000])
def test_a_stack_has_the_rows_of_its_arrays_whenever_they_are_taken(monkeypatch, at_a_time):
    monkeypatch.setattr(pieces, "AT_A_TIME", at_a_time)
    numbers, picks = PICKS["some"], np.arange(17)
    for stack, x in (
        (Stack(X), X), (Stack(X[:9], X[9:10], X[10:]), X), (Stack(X[:9], X[9:], numbers=numbers), X[numbers]),
        (Stack(X, function=half), half(X)), (Stack(X, function=half).at(numbers).at(picks[:5]), half(X[numbers[:5]])),
        (Stack(X, numbers=numbers).mapped(half), half(X[numbers])), (Stack(X[:9], X[9:].astype(np.float64)), X * 1.0),
        (Stack(X, numbers=np.arange(0), function=half), half(X[:0])),
    ):  # fmt: skip
        assert (len(stack), stack.shape) == (len(x), x.shape)
        for pick in (slice(None), slice(2, 5), np.arange(len(x))[::-2]):
            np.testing.assert_array_equal(stack[pick], x[pick])
            assert stack[pick].dtype == x.dtype


def test_spaced_rows_are_all_or_at_most_as_many_as_are_held(monkeypatch):
    for most, expected in ((50, range(50)), (49, range(0, 50, 2)), (5, range(0, 50, 10)), (60, range(50))):
        monkeypatch.setattr(pieces, "MOST_HELD", most)
        np.testing.assert_array_equal(pieces.spaced(X), X[[*expected]])
    assert pieces.spaced(X[:0]).shape == (0, 3)
