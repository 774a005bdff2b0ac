"""What configurations on the same rows share: the answers are the same to the bit with it and without it."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from autoencoders.arms import LEARNERS
from autoencoders.learners import knn
from autoencoders.learners.nearest import MOST, nearest
from autoencoders.learners.sharing import shared_keywords

RNG = np.random.default_rng(1)
LABELS = np.arange(120) % 3
X = np.round(RNG.normal(size=(120, 6)) + LABELS[:, None]).astype(np.float32)  # rounded: many distances are equal
GIVEN = X[:60], LABELS[:60], X[90:]
UNLABELLED = X[60:90]
CONFIGURATIONS = {
    "svm": ({}, [{"c": 0.3}, {"c": 30.0}]),
    "knn": ({}, [{"k": 1}, {"k": 4}, {"k": 33}, {"k": 99}]),
    "nystroem": ({"n_components": 20, "seed": 3}, [{"c": 1.0}, {"c": 300.0}]),
    "label_spreading": ({"unlabelled": UNLABELLED}, [{"n_neighbors": 2}, {"n_neighbors": 9}, {"n_neighbors": 50}]),
}


def learner(name):
    return importlib.import_module(f"autoencoders.learners.{name}")


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_answers_are_the_same_to_the_bit_with_shared_work_and_without(name):
    fixed, configurations = CONFIGURATIONS[name]
    further = shared_keywords(learner(name), GIVEN[0], GIVEN[2], fixed | configurations[0])
    for own in configurations:
        alone, together = (learner(name).answers(*GIVEN, **fixed, **own, **more) for more in ({}, further))
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_what_is_shared_serves_other_labels(name):
    fixed, configurations = CONFIGURATIONS[name]
    further = shared_keywords(learner(name), GIVEN[0], GIVEN[2], fixed | configurations[0])
    other = (LABELS[:60] + 1) % 3
    alone, together = (
        learner(name).answers(GIVEN[0], other, GIVEN[2], **fixed, **configurations[0], **more) for more in ({}, further)
    )
    np.testing.assert_array_equal(alone.guesses, together.guesses)


def test_shared_work_is_used(monkeypatch):
    further = shared_keywords(knn, GIVEN[0], GIVEN[2], {"k": 1})
    monkeypatch.setattr(knn, "nearest", None)
    assert len(knn.answers(*GIVEN, k=MOST, **further).guesses) == 30


def test_learners_that_share_are_those_tested_here():
    assert {name for name in LEARNERS if hasattr(learner(name), "shared")} == {*CONFIGURATIONS}
    assert shared_keywords(learner("logistic"), GIVEN[0], GIVEN[2], {"c": 1.0}) == {}


def test_fewer_neighbours_are_the_first_of_more():
    found = nearest(X[:60], X[90:])
    assert found.shape == (30, MOST)
    distances = np.linalg.norm(X[90:, None] - X[:60], axis=2)
    np.testing.assert_allclose(np.take_along_axis(distances, found, 1), np.sort(distances, axis=1)[:, :MOST], atol=1e-5)
    assert nearest(X[:5], X[90:]).shape == (30, 5)
