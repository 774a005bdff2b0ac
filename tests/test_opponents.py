"""Fitted classifiers without pretraining: by hand on rows that can be seen through, and beside scikit-learn's own."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from threadpoolctl import threadpool_limits

from autoencoders import metrics
from autoencoders.arms import BASELINES
from autoencoders.learners import extra_trees, gradient_boosting, knn, label_spreading, nystroem, self_training
from benchmarks import opponents

RNG = np.random.default_rng(0)
LABELS = np.arange(90) % 3
X = (RNG.normal(size=(90, 5)) + 2 * LABELS[:, None]).astype(np.float32)
GIVEN = X[:30], LABELS[:30], X[60:]
UNLABELLED = X[30:60]
NEW = [arm for arm in BASELINES if arm.learner not in ("logistic", "svm")]
OWN = {
    "knn": {"k": 3},
    "nystroem": {"n_components": 20, "c": 10.0},
    "extra_trees": {"n_trees": 20, "min_samples_leaf": 1, "max_features": 0.5},
    "gradient_boosting": {"min_samples_leaf": 20, "max_iter": 20, "learning_rate": 0.1},
    "self_training": {"c": 1.0, "threshold": 0.8},
    "label_spreading": {"n_neighbors": 5},
}
NAMES = [arm.name for arm in NEW]


def answer(arm, x, labels, rows):
    """Return what an arm's learner answers, with seed 0 and the unlabelled rows where it takes them."""
    besides = {"seed": 0, "unlabelled": UNLABELLED}
    learner = importlib.import_module(f"autoencoders.learners.{arm.learner}")
    return learner.answers(x, labels, rows, **OWN[arm.learner], **{name: besides[name] for name in arm.takes})


@pytest.mark.parametrize("arm", NEW, ids=NAMES)
def test_a_learner_tells_classes_apart_that_lie_apart(arm):
    found = answer(arm, *GIVEN)
    assert np.mean(found.guesses == LABELS[60:]) > 0.7 and found.fitted.size
    if found.probabilities is not None:
        np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_array_equal(found.guesses, found.probabilities.argmax(axis=1))


@pytest.mark.parametrize("arm", NEW, ids=NAMES)
def test_one_label_a_class_is_enough(arm):
    found = answer(arm, X[:3], LABELS[:3], X[60:])
    assert found.guesses.shape == (30,) and {*found.guesses} <= {0, 1, 2}


@pytest.mark.parametrize("arm", NEW, ids=NAMES)
def test_a_class_that_no_row_is_guessed_to_be_of_has_a_recall_of_zero(arm):
    found = answer(arm, X[:30], LABELS[:30], X[60:][LABELS[60:] == 0])
    truth = np.array([2, *found.guesses[1:]])
    assert 2 not in found.guesses
    scores = metrics.scores(truth, found.guesses, found.probabilities)
    recalls = [0.0, *(1.0 if k else (truth[1:] == 0).mean() for k in {*truth[1:]})]
    assert scores["balanced_accuracy"] == pytest.approx(np.mean(recalls))


@pytest.mark.parametrize("arm", NEW, ids=NAMES)
def test_other_rows_to_answer_for_change_nothing_of_what_is_fitted(arm):
    whole, part = answer(arm, *GIVEN), answer(arm, X[:30], LABELS[:30], X[60:65])
    np.testing.assert_array_equal(whole.fitted, part.fitted)
    np.testing.assert_array_equal(whole.guesses[:5], part.guesses)


def test_the_nearest_row_answers_and_more_neighbours_than_labels_all_vote():
    x, labels = np.array([[0.0], [1.0], [5.0]], np.float32), np.array([0, 1, 1])
    asked = np.array([[0.4], [0.6], [-9.0], [9.0]], np.float32)
    assert knn.answers(x, labels, asked, k=1).guesses.tolist() == [0, 1, 0, 1]
    assert knn.answers(x, labels, asked, k=100).guesses.tolist() == [1, 1, 1, 1]
    assert knn.answers(x, labels, asked, k=1).probabilities is None


@pytest.mark.parametrize(
    ("found", "model"),
    [
        (lambda: knn.answers(*GIVEN, k=5), KNeighborsClassifier(5)),
        (
            lambda: nystroem.answers(*GIVEN, n_components=20, c=10.0, seed=3),
            make_pipeline(
                Nystroem(gamma=1 / (5 * X[:30].var()), n_components=20, random_state=3),
                LogisticRegression(C=10.0, max_iter=2000),
            ),
        ),
        (
            lambda: extra_trees.answers(*GIVEN, n_trees=20, min_samples_leaf=2, max_features=0.5, seed=3),
            ExtraTreesClassifier(20, min_samples_leaf=2, max_features=0.5, random_state=3),
        ),
        (
            lambda: gradient_boosting.answers(*GIVEN, min_samples_leaf=4, max_iter=9, learning_rate=0.2),
            HistGradientBoostingClassifier(min_samples_leaf=4, max_iter=9, learning_rate=0.2),
        ),
    ],
    ids=NAMES[:4],
)
def test_a_learner_answers_as_scikit_learns_does(found, model):
    np.testing.assert_array_equal(found().guesses, model.fit(*GIVEN[:2]).predict(GIVEN[2]))


@pytest.mark.parametrize(
    ("found", "model"),
    [
        (
            lambda: self_training.answers(*GIVEN, c=1.0, threshold=0.9, unlabelled=UNLABELLED),
            SelfTrainingClassifier(LogisticRegression(max_iter=2000, warm_start=True), threshold=0.9),
        ),
        (
            lambda: label_spreading.answers(*GIVEN, n_neighbors=4, unlabelled=UNLABELLED),
            LabelSpreading("knn", n_neighbors=4, max_iter=100),
        ),
    ],
    ids=NAMES[4:],
)
def test_a_learner_of_unlabelled_rows_answers_as_scikit_learns_does(found, model):
    model.fit(np.concatenate([X[:30], UNLABELLED]), np.concatenate([LABELS[:30], np.full(30, -1)]))
    np.testing.assert_allclose(found().probabilities, model.predict_proba(GIVEN[2]), atol=1e-6)


@pytest.mark.parametrize("arm", [arm for arm in NEW if "seed" in arm.takes], ids=lambda arm: arm.name)
def test_another_seed_is_another_fit_and_the_same_seed_the_same(arm):
    learner = importlib.import_module(f"autoencoders.learners.{arm.learner}")
    first, again, other = (learner.answers(*GIVEN, **OWN[arm.learner], seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.fitted, again.fitted)
    assert first.fitted.shape != other.fitted.shape or (first.fitted != other.fitted).any()


def test_kernel_features_are_no_more_than_labels():
    found = nystroem.answers(X[:6], LABELS[:6], X[60:], n_components=500, c=1.0, seed=0)
    assert found.fitted.shape == (3, 6)


def test_equal_labelled_rows_leave_kernel_features_finite():
    x = np.repeat(X[:3], 5, axis=0)
    found = nystroem.answers(x, np.repeat(LABELS[:3], 5), X[:3], n_components=500, c=10.0, seed=0)
    assert found.guesses.tolist() == [0, 1, 2]


def test_a_warm_start_of_self_training_ends_where_a_cold_one_does():
    model = SelfTrainingClassifier(LogisticRegression(max_iter=2000), threshold=0.9)
    model.fit(np.concatenate([X[:30], UNLABELLED]), np.concatenate([LABELS[:30], np.full(30, -1)]))
    found = self_training.answers(*GIVEN, c=1.0, threshold=0.9, unlabelled=UNLABELLED)
    np.testing.assert_allclose(found.probabilities, model.predict_proba(GIVEN[2]), atol=0.01)


@pytest.mark.parametrize(("n", "least"), [(3, 1), (6, 1), (12, 2), (60, 10), (90, 15), (300, 20)])
def test_a_leaf_of_boosting_holds_half_a_class_or_the_setting_and_one_row_at_least(n, least):
    assert gradient_boosting.leaf(20, np.arange(n) % 3) == least


def test_boosting_learns_from_twenty_labels_and_not_with_leaves_as_scikit_learn_has_them():
    x, labels, rows = X[:20], LABELS[:20], X[60:]
    model = HistGradientBoostingClassifier(max_iter=20).fit(x, labels)
    assert len({*model.predict(rows)}) == 1
    assert np.mean(answer(NEW[3], x, labels, rows).guesses == LABELS[60:]) > 0.7


def test_boosting_is_the_same_with_any_number_of_threads():
    found = []
    for n in (1, 2):
        with threadpool_limits(n):
            found.append(answer(NEW[3], *GIVEN).fitted)
    np.testing.assert_array_equal(*found)


def test_self_training_takes_over_the_rows_that_it_is_sure_of():
    x, labels = np.array([[-3.0], [3.0]]), np.array([0, 1])
    far = np.array([[-2.5], [-2.6], [2.5]])
    base = LogisticRegression().fit(x, labels).coef_[0, 0]
    sure = self_training.answers(x, labels, x, c=1.0, threshold=0.8, unlabelled=far)
    unsure = self_training.answers(x, labels, x, c=1.0, threshold=0.8, unlabelled=np.zeros((3, 1)))
    assert unsure.fitted[0, 0] == pytest.approx(base) and abs(sure.fitted[0, 0] - base) > 1e-3


def test_labels_spread_along_a_chain_and_what_none_reaches_goes_to_its_nearest_label():
    chain = np.arange(0, 8, 1.0)[:, None]  # from the label at 0; the other label lies nearer to the chain's end
    x, labels = np.array([[0.0], [11.0]]), np.array([0, 1])
    island = np.array([[100.0], [101.0], [102.0]])
    found = label_spreading.answers(
        x, labels, np.array([[7.0], [101.2]]), n_neighbors=3, unlabelled=np.concatenate([chain[1:], island])
    )
    assert found.guesses.tolist() == [0, 1] and found.probabilities[1].tolist() == [0.5, 0.5]
    assert knn.answers(x, labels, np.array([[7.0]]), k=1).guesses.tolist() == [1]


def test_a_graph_has_no_more_neighbours_than_rows():
    found = label_spreading.answers(X[:3], LABELS[:3], X[:3], n_neighbors=50, unlabelled=X[3:6])
    assert found.guesses.shape == (3,)


@pytest.mark.parametrize("arm", NEW[4:], ids=NAMES[4:])
def test_what_does_not_end_is_an_error_and_no_result(monkeypatch, arm):
    monkeypatch.setattr(f"autoencoders.learners.{arm.learner}.MAX_ITERATIONS", 1)
    with pytest.raises(ValueError, match=f"^{arm.name}: expected convergence within 1 iterations"):
        answer(arm, *GIVEN)


@pytest.mark.slow
def test_the_benchmark_has_a_row_for_every_classifier_on_raw_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(opponents, "SHAPES", {"train": (300, 4), "valid": (50, 4)})
    opponents.main(tmp_path / "none", 1, [20])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == ["logistic regression", "SVM", *NAMES]
    assert all(line.count("|") == lines[0].count("|") == 4 for line in lines)
