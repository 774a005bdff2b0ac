"""Baselines: the fast support vector machine is scikit-learn's own; what cannot be fitted says so."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import SVC

from autoencoders import baselines

RNG = np.random.default_rng(0)
LABELS = np.arange(90) % 3
X = (RNG.normal(size=(90, 5)) + LABELS[:, None]).astype(np.float32)


def test_the_kernel_machine_answers_as_scikit_learns_does():
    answers = baselines.svm(X[:60], LABELS[:60], X[60:], c=10.0)
    reference = SVC(C=10.0, kernel="rbf", gamma="scale").fit(X[:60], LABELS[:60])
    np.testing.assert_array_equal(answers.guesses, reference.predict(X[60:]))
    assert answers.probabilities is None


def test_a_kernel_machine_refuses_more_labels_than_its_kernel_has_room_for(monkeypatch):
    monkeypatch.setattr(baselines, "MAX_SVM_LABELS", 50)
    with pytest.raises(ValueError, match="expected up to 50 labels, received 60"):
        baselines.svm(X[:60], LABELS[:60], X[60:], c=10.0)


def test_logistic_regression_gives_probabilities_and_the_likeliest_class():
    answers = baselines.logistic(X[:60], LABELS[:60], X[60:], c=1.0)
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(answers.guesses, answers.probabilities.argmax(axis=1))
    assert np.mean(answers.guesses == LABELS[60:]) > 0.6


def test_a_regression_that_does_not_end_is_an_error_and_no_result(monkeypatch):
    monkeypatch.setattr(baselines, "MAX_ITERATIONS", 1)
    with pytest.raises(ValueError, match="expected an end within 1 iterations"):
        baselines.logistic(X[:60], LABELS[:60], X[60:], c=1.0)
