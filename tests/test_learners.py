"""Baselines: the fast support vector machine is scikit-learn's own; what cannot be fitted says so."""

from __future__ import annotations

import importlib
import inspect

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from autoencoders.arms import BASELINES, LEARNERS
from autoencoders.learners import logistic, svm

RNG = np.random.default_rng(0)
LABELS = np.arange(90) % 3
X = (RNG.normal(size=(90, 5)) + LABELS[:, None]).astype(np.float32)


def test_the_kernel_machine_answers_as_scikit_learns_does():
    answers = svm.answers(X[:60], LABELS[:60], X[60:], c=10.0)
    reference = SVC(C=10.0, kernel="rbf", gamma="scale").fit(X[:60], LABELS[:60])
    np.testing.assert_array_equal(answers.guesses, reference.predict(X[60:]))
    assert answers.probabilities is None


def test_logistic_regression_gives_probabilities_and_the_likeliest_class():
    answers = logistic.answers(X[:60], LABELS[:60], X[60:], c=1.0)
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(answers.guesses, answers.probabilities.argmax(axis=1))
    assert np.mean(answers.guesses == LABELS[60:]) > 0.6


def test_a_regression_that_does_not_end_is_an_error_and_no_result(monkeypatch):
    monkeypatch.setattr(logistic, "MAX_ITERATIONS", 1)
    with pytest.raises(ValueError, match="expected convergence within 1 iterations"):
        logistic.answers(X[:60], LABELS[:60], X[60:], c=1.0)


def test_every_learner_of_the_table_is_a_module_that_takes_its_settings_and_what_its_arm_says():
    assert {arm.learner for arm in BASELINES} <= {*LEARNERS}
    for arm in BASELINES:
        learner = importlib.import_module(f"autoencoders.learners.{arm.learner}")
        keywords = [p.name for p in inspect.signature(learner.answers).parameters.values() if p.kind is p.KEYWORD_ONLY]
        own = [*(name for name in LEARNERS[arm.learner] if name != "n_unlabelled"), *arm.takes]
        assert keywords == [*own, *(["shared"] if hasattr(learner, "shared") else [])]
        assert ("n_unlabelled" in LEARNERS[arm.learner]) == ("unlabelled" in arm.takes)


def test_what_is_fitted_is_scikit_learns_with_the_same_c():
    machine = SVC(C=0.3, kernel="rbf", gamma="scale").fit(X[:60], LABELS[:60])
    np.testing.assert_allclose(svm.answers(X[:60], LABELS[:60], X, c=0.3).fitted, machine.dual_coef_, atol=1e-3)
    regression = LogisticRegression(C=0.3, max_iter=2000).fit(X[:60], LABELS[:60])
    np.testing.assert_array_equal(logistic.answers(X[:60], LABELS[:60], X, c=0.3).fitted, regression.coef_)
    assert logistic.MAX_ITERATIONS == 5000


def test_classes_keep_their_numbers_and_many_rows_are_answered_as_few_are():
    many = np.tile(X, (50, 1))[:4001]
    for module in (svm, logistic):
        few = module.answers(X[:60], LABELS[:60] + 4, X, c=1.0).guesses
        assert {*few} <= {4, 5, 6}
        np.testing.assert_array_equal(
            module.answers(X[:60], LABELS[:60] + 4, many, c=1.0).guesses, np.tile(few, 50)[:4001]
        )


def test_rows_that_do_not_vary_can_be_answered():
    assert len(svm.answers(np.zeros((6, 2), np.float32), np.arange(6) % 3, X[:4, :2], c=1.0).guesses) == 4
