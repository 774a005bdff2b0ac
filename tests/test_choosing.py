"""Rows chosen for labelling: without their labels, all different, central or doubtful."""

from __future__ import annotations

import numpy as np

from autoencoders import choosing
from autoencoders.choosing import central_rows, doubtful_rows, random_rows

RNG = np.random.default_rng(0)
CENTRES = np.array([[0, 0], [10, 0], [0, 10]], np.float32)
GROUP = np.repeat([0, 1, 2], [200, 40, 10])
CODINGS = (CENTRES[GROUP] + RNG.normal(0, 0.5, (250, 2))).astype(np.float32)


def test_random_rows_are_different_and_smaller_draws_begin_larger_ones():
    rows = random_rows(50, 20, seed=1)
    assert len(set(rows)) == 20 and rows.max() < 50
    assert (random_rows(50, 7, seed=1) == rows[:7]).all()
    assert (random_rows(50, 20, seed=2) != rows).any()
    assert random_rows(20, 5, seed=3).tolist() == [16, 12, 18, 8, 3], "as in every run before"


def test_central_rows_are_one_of_every_cluster_however_small_and_near_its_centre():
    rows = central_rows(CODINGS, 3, seed=0)
    assert sorted(GROUP[rows]) == [0, 1, 2]
    assert np.abs(CODINGS[rows] - CENTRES[GROUP[rows]]).max() < 0.7


def test_central_rows_are_as_many_as_asked_for_and_different_even_where_rows_repeat():
    codings = np.repeat(CODINGS[:4], 5, axis=0)
    rows = central_rows(codings + np.arange(20, dtype=np.float32)[:, None] * 1e-6, 12, seed=0)
    assert len(set(rows)) == 12
    assert (rows == central_rows(codings + np.arange(20, dtype=np.float32)[:, None] * 1e-6, 12, seed=0)).all()


def test_doubtful_rows_have_the_smallest_margin_and_are_not_known_yet():
    probabilities = np.array([[0.9, 0.05, 0.05], [0.4, 0.38, 0.22], [0.34, 0.33, 0.33], [0.5, 0.3, 0.2]])
    assert doubtful_rows(probabilities, 2, known=np.array([0])).tolist() == [2, 1]
    assert doubtful_rows(probabilities, 2, known=np.array([1])).tolist() == [2, 3]


def test_clusters_are_fitted_once_to_some_of_many_rows_with_their_seed(monkeypatch):
    asked = []

    class Noted(choosing.KMeans):
        def __init__(self, n_clusters, **settings):
            asked.append((n_clusters, settings))
            super().__init__(n_clusters, **settings)

        def fit(self, x):
            asked.append(len(x))
            return super().fit(x)

    monkeypatch.setattr(choosing, "KMeans", Noted)
    monkeypatch.setattr(choosing, "N_FITTED", 100)
    assert len(central_rows(CODINGS, 3, seed=7)) == 3 and len(central_rows(CODINGS, 120, seed=7)) == 120
    settings = {"n_init": 1, "max_iter": 50, "random_state": 7}
    assert asked == [(3, settings), 100, (120, settings), 120]


def test_fewer_different_rows_than_clusters_are_no_warning_and_random_rows_fill_the_gap():
    rows = central_rows(np.zeros((9, 2), np.float32), 4, seed=5)
    others = [row for row in random_rows(9, 9, seed=5) if row != 0][:3]
    assert rows.tolist() == sorted([0, *others])


def test_rows_of_one_margin_come_in_their_order():
    rows = doubtful_rows(np.tile([[0.5, 0.2, 0.3]], (300, 1)), 40, known=np.array([3]))
    assert rows.tolist() == [0, 1, 2, *range(4, 41)]
