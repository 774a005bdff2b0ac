"""The labelled rows: balanced, nested, the same for every arm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoencoders.labels import UNLABELLED, draw_labelled, labelled_rows

LABELS = np.random.default_rng(0).permutation(np.arange(200) % 5)


@given(st.integers(5, 200), st.integers(5, 200), st.integers(0, 50))
def test_a_smaller_draw_is_contained_in_a_larger_one_and_both_are_balanced(n, m, seed):
    small, large = (draw_labelled(LABELS, size, seed=seed) for size in sorted((n, m)))
    assert set(small) <= set(large)
    assert len(set(large)) == max(n, m)
    for drawn in (small, large):
        counts = np.bincount(LABELS[drawn], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_draws_differ_and_repeat():
    assert not np.array_equal(draw_labelled(LABELS, 20, seed=0, draw=0), draw_labelled(LABELS, 20, seed=0, draw=1))
    np.testing.assert_array_equal(draw_labelled(LABELS, 20, seed=3), draw_labelled(LABELS, 20, seed=3))


def test_a_seeds_rows_are_those_of_every_run_before():
    assert draw_labelled(np.arange(12) % 3, 6, seed=1).tolist() == [0, 10, 11, 3, 1, 2]
    assert draw_labelled(np.arange(12) % 3, 6, seed=1, draw=1).tolist() == [6, 4, 8, 0, 7, 11]


def test_a_class_that_runs_out_leaves_its_turn_to_the_others():
    labels = np.array([0] * 10 + [1] * 2)
    assert np.bincount(labels[draw_labelled(labels, 8, seed=0)]).tolist() == [6, 2]


def test_rows_without_a_label_are_never_drawn():
    some = np.where(np.arange(200) % 3 == 0, UNLABELLED, LABELS)
    n = len(labelled_rows(some))
    drawn = draw_labelled(some, n, seed=0)
    assert sorted(drawn) == labelled_rows(some).tolist()
    with pytest.raises(ValueError, match=rf"expected 5 \(one per class\) to {n}, received {n + 1}"):
        draw_labelled(some, n + 1, seed=0)


@pytest.mark.parametrize("n_labels", [0, 4, 201])
def test_a_budget_out_of_range_names_the_range(n_labels):
    with pytest.raises(ValueError, match=rf"expected 5 \(one per class\) to 200, received {n_labels}"):
        draw_labelled(LABELS, n_labels, seed=0)
