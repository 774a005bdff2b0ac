"""Scores of a classifier: by hand, and against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, log_loss, roc_auc_score

from autoencoders.metrics import calibration_error, class_weights, confusion, roc_auc, scores

RNG = np.random.default_rng(0)


def test_scores_are_those_of_scikit_learn():
    labels = RNG.integers(0, 4, 200)
    probabilities = RNG.dirichlet([2] * 4, 200)
    guesses = probabilities.argmax(axis=1)
    found = scores(labels, guesses, probabilities)
    assert found["accuracy"] == np.mean(guesses == labels)
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, guesses))
    assert found["log_loss"] == pytest.approx(log_loss(labels, probabilities))


def test_a_classifier_without_probabilities_has_no_log_loss():
    assert scores(np.array([0, 1]), np.array([0, 0])) == {"accuracy": 0.5, "balanced_accuracy": 0.5}


def test_a_class_that_no_label_has_is_not_in_the_balanced_accuracy():
    assert scores(np.array([0, 0, 0, 2]), np.array([0, 1, 0, 2]))["balanced_accuracy"] == (2 / 3 + 1) / 2


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_an_answer_that_is_surely_wrong_costs_as_much_as_in_keras(kind):
    found = scores(np.array([0, 1]), np.array([0, 0]), np.array([[1, 0], [1, 0]], kind))
    assert found["log_loss"] == -np.log(1e-7) / 2


def test_calibration_error_by_hand():
    right, confidence = np.array([True, False, True, True]), np.array([0.9, 0.9, 1.0, 0.5])
    # Two answers at 0.9: half of them right; one at 1.0, right; one at 0.5, right.
    assert calibration_error(right, confidence) == pytest.approx((2 * 0.4 + 0 + 0.5) / 4)


def test_answers_of_one_in_fifteen_of_the_range_share_a_bin():
    right, confidence = np.array([True, False]), np.array([0.61, 0.66])  # between 9 and 10 fifteenths
    assert calibration_error(right, confidence) == pytest.approx(abs(1 - 0.61 - 0.66) / 2)


def test_sure_answers_are_in_the_last_bin_with_nearly_sure_ones():
    right, confidence = np.array([False, True, True]), np.array([1.0, 0.95, 0.9])  # the last from 13 to 14 fifteenths
    assert calibration_error(right, confidence) == pytest.approx((abs(1 - 1.95) + abs(1 - 0.9)) / 3)


def test_one_who_is_as_often_right_as_he_says_has_hardly_any_calibration_error():
    confidence = RNG.uniform(0.3, 1, 50_000)
    assert calibration_error(RNG.random(50_000) < confidence, confidence) < 0.01


def test_the_calibration_error_of_a_score_is_that_of_the_given_answers():
    labels, probabilities = RNG.integers(0, 3, 50), RNG.dirichlet([2] * 3, 50)
    guesses = probabilities.argmax(axis=1)
    expected = calibration_error(guesses == labels, probabilities.max(axis=1))
    assert scores(labels, guesses, probabilities)["calibration_error"] == expected


@pytest.mark.parametrize("k", [2, 4])
def test_the_area_under_the_curve_is_scikit_learns_and_tied_probabilities_count_half(k):
    labels, probabilities = RNG.integers(0, k, 300), RNG.dirichlet([2] * k, 300)
    for given in (probabilities, np.round(probabilities, 1) / np.round(probabilities, 1).sum(axis=1, keepdims=True)):
        expected = roc_auc_score(labels, given[:, 1] if k == 2 else given, multi_class="ovr")
        assert roc_auc(labels, given) == pytest.approx(expected) == scores(labels, given.argmax(1), given)["roc_auc"]


def test_a_class_without_a_row_has_no_area_and_one_class_alone_neither():
    labels, probabilities = np.array([0, 2, 2, 0]), RNG.dirichlet([2] * 3, 4)
    areas = [roc_auc_score(labels == c, probabilities[:, c]) for c in (0, 2)]
    assert roc_auc(labels, probabilities) == pytest.approx(np.mean(areas))
    assert "roc_auc" not in scores(np.zeros(4, int), labels, probabilities)


def test_confusions_are_the_entries_of_the_matrix_that_are_not_zero():
    labels, guesses = RNG.integers(0, 5, 40), RNG.integers(0, 5, 40)
    matrix = np.zeros((5, 5), int)
    for true, guess, n in confusion(labels, guesses):
        assert n > 0
        matrix[true, guess] = n
    np.testing.assert_array_equal(matrix, confusion_matrix(labels, guesses, labels=range(5)))


def test_bits_weighted_by_class_have_the_balanced_accuracy_as_their_mean():
    labels = RNG.choice(4, 200, p=[0.7, 0.2, 0.06, 0.04])
    guesses = np.where(RNG.random(200) < 0.6, labels, 0)
    weighted = (class_weights(labels) * (guesses == labels)).mean()
    assert weighted == pytest.approx(scores(labels, guesses)["balanced_accuracy"], abs=1e-12)
    assert (class_weights(np.arange(12) % 3) == 1).all()
