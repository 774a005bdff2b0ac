"""The bench of the study: which rows choose, train and score, and with which seeds, without training anything."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from autoencoders import study
from autoencoders.arms import BASELINES
from autoencoders.errors import Diverged, TransferError
from autoencoders.evaluation import Budget
from autoencoders.labels import UNLABELLED, draw_labelled
from autoencoders.learners import logistic, svm
from autoencoders.learners.answers import Answers
from autoencoders.models import Autoencoder, outputs
from autoencoders.study import Bench, Encoder, Rows, Training, packed, unpacked
from autoencoders.transfer import TransferProof, fingerprint
from autoencoders.tuning import folds

X, LABELS = tiny.rows(30, 1)
X = X.astype(np.float32) / 255
SEEDS = {"labels": 1, "weights": 2, "order": 3, "choice": 4}
PROBE, PCA = (next(b for b in BASELINES if b.features == features) for features in ("codings", "pca"))
TRUE = {row.tobytes(): label for row, label in zip(X, LABELS, strict=True)}
GIVEN, OTHER = ({"learning_rate": rate, "weight_decay": 0.5, "n_steps": 6} for rate in (0.1, 0.2))
TEST, POISON = Rows(X[:9], LABELS[:9]), Rows(np.full((9, 16), 1e3, np.float32), np.zeros(9, np.int64))
BUDGET = Budget(n_steps=1, batch_size=4, optimizer="adam", learning_rate=1.0)


class Fake:
    """A classifier that notes what it is trained on; the learning rate decides which of its answers are right."""

    def __init__(self, is_right):
        self.is_right, self.fits, self.rate, self.budget = is_right, [], None, BUDGET
        self.stages = [(0, ["c", "d"])]
        self.layers, self.head = (
            Autoencoder(2, [2], seed=0).encoder.layers,
            Autoencoder(2, [1], seed=0).encoder.layers[0],
        )

    def fit(self, arm, x, labels, **given):
        self.rate = given["budget"].learning_rate
        if self.is_right(self.rate, x[0]) is None:
            raise Diverged(f"rate {self.rate}")
        self.fits.append((arm.name, x, labels, given))
        return [{"step": 3, "loss": 2.0}, {"step": 4, "loss": 1.0}, {"step": 6, "loss": 0.5}], TransferProof(("a",), 2)

    def probabilities(self, x):
        answers = [(TRUE[row.tobytes()] + (not self.is_right(self.rate, row))) % 3 for row in x[:]]
        return np.eye(3)[answers] * 0.4 + 0.2


def bench(is_right=lambda rate, row: True, labels=LABELS, unlabelled=X, test=TEST, **more):
    """Return a bench of 30 rows, whose classifier is a fake, and the fake's fits."""
    training = Training(kernel_initializer="he_normal", batch_size=4, optimizer="adam")
    shape = {"units": [8, 4], "activation": "selu", "output_activation": "sigmoid"}
    made = Bench(Rows(X, labels), test, unlabelled=unlabelled, shape=shape, training=training, n_folds=2, **more)
    made.classifier = fake = Fake(is_right)
    return made, fake.fits


def encoder(seed=1):
    layers = Autoencoder(16, [8, 4], activation="selu", seed=seed).encoder.layers
    return Encoder([w for layer in layers for w in layer.get_weights()], tuple(map(fingerprint, layers)))


def test_one_configuration_is_not_chosen_and_the_record_holds_the_training():
    made, fits = bench(is_right=lambda rate, row: TRUE[row.tobytes()] != 1)
    found = made.score("from scratch", 15, SEEDS, None, [GIVEN])
    rows = draw_labelled(LABELS, 15, seed=1)
    ((arm, x, labels, given),) = fits
    budget = Budget(n_steps=6, batch_size=4, optimizer="adam", learning_rate=0.1, weight_decay=0.5, decays=True)
    assert arm == "from scratch" and given == {"seed": 2, "order_seed": 3, "budget": budget}
    np.testing.assert_array_equal(x, X[rows])
    np.testing.assert_array_equal(labels, LABELS[rows])
    weights = found.pop("weights")
    assert len(weights) == 2 and len(weights[1]) == 64
    assert found.pop("scores")["accuracy"] == pytest.approx(2 / 3)
    assert unpacked(found.pop("right"), 9).tolist() == [True, False, True] * 3
    assert found.pop("confusion") == [[0, 0, 3], [1, 2, 3], [2, 2, 3]]
    assert found == {
        "n_labels_used": 15, "drawn": study._hash(rows), "n_steps": 6, "n_trials": 1, "trials": [], "validated": None,
        "settings": GIVEN, "loss": 0.5, "proof": None, "stages": [{"n_frozen": 0, "layers": ["c", "d"]}],
    }  # fmt: skip


@pytest.mark.parametrize(("n", "n_configurations"), [(15, 2), (14, 2), (15, 1)])
def test_configurations_are_tried_within_the_labels_where_there_are_enough(n, n_configurations):
    made, fits = bench(is_right=lambda rate, row: rate == 0.2)
    found = made.score("from scratch", n, SEEDS, None, [GIVEN, OTHER][:n_configurations])
    rows = draw_labelled(LABELS, n, seed=1)
    told = {name: found[name] for name in ("settings", "validated", "n_trials", "trials")}
    assert {len(labels) == len(x) for _, x, labels, _ in fits} == {True}
    if (n, n_configurations) == (15, 2):
        assert told == {"settings": OTHER, "validated": 1.0, "n_trials": 2, "trials": [0, 15]}
        expected = [rows[inside] for inside, _ in folds(LABELS[rows], 2)] * 2 + [rows]
        assert [given["budget"].learning_rate for *_, given in fits] == [0.1, 0.1, 0.2, 0.2, 0.2]
    else:
        assert told == {"settings": GIVEN, "validated": None, "n_trials": 1, "trials": []}
        expected = [rows]
    for (_, x, labels, given), numbers in zip(fits, expected, strict=True):
        np.testing.assert_array_equal(x, X[numbers])
        np.testing.assert_array_equal(labels, LABELS[numbers])
        assert (given["seed"], given["order_seed"]) == (2, 3)


def test_a_fitted_arm_is_tuned_by_the_same_folds_and_rows_among_its_settings_are_not_told(monkeypatch):
    asked = []

    def answers(x, labels, rows, *, c, unlabelled):
        asked.append((c, len(x), len(rows), unlabelled is X))
        return Answers(np.array([TRUE[row.tobytes()] if c == 2 else -1 for row in rows]), None, np.zeros(1))

    monkeypatch.setattr(logistic, "answers", answers)
    made, _ = bench()
    found = made.score("logistic regression", 15, SEEDS, None, [{"c": c, "unlabelled": X} for c in (1, 2)])
    assert (found["settings"], found["validated"], found["trials"]) == ({"c": 2}, 1.0, [0, 15])
    of_folds = [(len(inside), len(outside), True) for inside, outside in folds(np.arange(15) % 3, 2)]
    assert asked == [(c, *sizes) for c in (1, 2) for sizes in of_folds] + [(2, 15, 9, True)]


def test_a_configuration_that_diverges_loses_to_one_that_is_never_right_and_all_are_refused_by_the_first():
    right = {0.1: None, 0.2: False}
    made, _ = bench(is_right=lambda rate, row: right[rate])
    found = made.score("from scratch", 15, SEEDS, None, [GIVEN, OTHER])
    assert (found["settings"], found["validated"], found["trials"]) == (OTHER, 0.0, [-1, 0])
    right[0.2] = None
    with pytest.raises(Diverged, match=r"^rate 0\.1$"):
        made.score("from scratch", 15, SEEDS, None, [GIVEN, OTHER])


def test_configurations_share_the_work_of_a_fold_and_answer_as_without_it(monkeypatch):
    made, computed, given = bench()[0], [], [{"c": c} for c in (0.1, 1.0, 10.0)]
    shared = svm.shared
    monkeypatch.setattr(svm, "shared", lambda x, rows: computed.append(len(x)) or shared(x, rows))
    with_sharing = made.score("SVM", 15, SEEDS, None, given)
    assert computed == [len(inside) for inside, _ in folds(np.arange(15) % 3, 2)]
    monkeypatch.setattr(study, "shared_keywords", lambda *_: {})
    assert made.score("SVM", 15, SEEDS, None, given) == with_sharing


@pytest.mark.parametrize("n", [1, 8, 9, 30])
def test_packed_answers_are_unpacked_to_the_bit_and_agree_with_the_accuracy(n):
    right = np.random.default_rng(n).random(n) < 0.5
    np.testing.assert_array_equal(unpacked(packed(right), n), right)
    made, _ = bench(test=Rows(X[:n], LABELS[:n]))
    found = made.score("logistic regression", 6, SEEDS, None, [{"c": 0.001}])
    assert unpacked(found["right"], n).mean() == pytest.approx(found["scores"]["accuracy"], abs=1e-12)


def without_scores(found):
    return {name: value for name, value in found.items() if name not in ("scores", "right", "confusion")}


def test_test_rows_choose_nothing_of_a_fitted_arm():
    for name, held in (("logistic regression", None), (PCA.name, None), (PROBE.name, encoder())):
        plain, poisoned = (
            bench(test=test)[0].score(name, 15, SEEDS, held, [{"c": c} for c in (0.01, 1.0, 10.0)])
            for test in (TEST, POISON)
        )
        assert without_scores(plain) == without_scores(poisoned) and plain["validated"] > 0.5
        assert plain["right"] != poisoned["right"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LP-FT", "from scratch"])
def test_test_rows_choose_nothing_of_a_trained_arm(name):
    found = []
    for test in (TEST, POISON):
        made, _ = bench(test=test)
        del made.classifier
        held = encoder() if name == "LP-FT" else None
        found.append(made.score(name, 15, SEEDS, held, [GIVEN | {"learning_rate": rate} for rate in (1e-5, 0.01)]))
    assert without_scores(found[0]) == without_scores(found[1]) and found[0]["right"] != found[1]["right"]
    assert found[0]["n_trials"] == 2 and [stage["n_frozen"] for stage in found[0]["stages"]] == (
        [2, 0] if name == "LP-FT" else [0]
    )


def test_a_pretrained_arm_keeps_its_own_proof_and_a_probe_that_of_the_loaded_encoder():
    made, _ = bench()
    proof = made.score("fine-tuned", 6, SEEDS, encoder(), [GIVEN])["proof"]
    assert proof == {"before": ("a",), "n_frozen": 2}
    found = made.score(PROBE.name, 6, SEEDS, encoder(), [{"c": 1.0}])
    assert found["proof"] == {"before": encoder().layers, "n_frozen": 2} and "stages" not in found
    assert (found["n_steps"], found["n_trials"], found["n_labels_used"]) == (None, 1, 6)
    assert len(found["weights"]) == 1 and {*found["scores"]} >= {"accuracy", "log_loss", "calibration_error"}
    assert made.score("SVM", 6, SEEDS, None, [{"c": 1.0}])["proof"] is None


def test_an_encoder_that_changes_while_it_is_probed_is_refused(monkeypatch):
    made, _ = bench()
    answers = logistic.answers

    def change(*rows, **settings):
        made.source.encoder.layers[0].bias.assign(np.ones(8))
        return answers(*rows, **settings)

    monkeypatch.setattr(logistic, "answers", change)
    with pytest.raises(TransferError, match="'encoder_1' changed though it is frozen"):
        made.score(PROBE.name, 6, SEEDS, encoder(), [{"c": 1.0}])
    with pytest.raises(TransferError, match="changed though it is frozen"):
        made.load(Encoder(encoder(1).weights, encoder(2).layers))


def test_codings_are_standardised_over_the_unlabelled_rows_of_the_encoder_that_is_loaded():
    made, _ = bench(unlabelled=X[:20])
    for seed in (1, 2):
        made.load(encoder(seed))
        codings, among = (outputs(made.source.encoder.layers, x) for x in (X[20:], X[:20]))
        expected = (codings - among.mean(axis=0)) / among.std(axis=0)
        np.testing.assert_allclose(made.features(PROBE, X[20:]), expected, rtol=1e-5)
        np.testing.assert_allclose(made.features(PROBE, X[25:]), expected[5:], rtol=1e-4, atol=1e-5)


def test_a_unit_that_answers_every_row_alike_is_a_column_of_zeros():
    made, _ = bench()
    dead = [np.zeros_like(w) for w in encoder().weights]
    layers = Autoencoder(16, [8, 4], seed=0).encoder.layers
    for layer, weights in zip(layers, (dead[:2], dead[2:]), strict=True):
        layer.set_weights(weights)
    made.load(Encoder(dead, tuple(map(fingerprint, layers))))
    assert (made.features(PROBE, X) == 0).all()


def test_principal_components_are_as_many_as_units_or_as_there_can_be():
    assert bench()[0].features(PCA, X).shape == (30, 4)
    assert bench(unlabelled=X[:3])[0].features(PCA, X).shape == (30, 3)


def test_ways_to_choose_use_their_seed_and_labelled_rows_only(monkeypatch):
    some = np.where(np.arange(30) % 3 == 0, UNLABELLED, LABELS)
    pool = np.flatnonzero(some != UNLABELLED)
    made, fits = bench(labels=some)
    drawn = pool[np.random.default_rng(4).permutation(20)]
    assert made.chosen("random", 5, SEEDS, GIVEN).tolist() == drawn[:5].tolist()
    doubtful = made.chosen("uncertainty", 5, SEEDS, GIVEN)
    assert doubtful[:2].tolist() == drawn[:2].tolist() and len({*doubtful}) == 5 and {*doubtful} <= {*pool}
    ((_, x, labels, _),) = fits
    np.testing.assert_array_equal(x, X[drawn[:2]])
    np.testing.assert_array_equal(labels, some[drawn[:2]])
    seen = []
    monkeypatch.setattr(
        study, "central_rows", lambda codings, n, *, seed: seen.append((len(codings), n, seed)) or [1, 3]
    )
    made.load(encoder())
    assert made.chosen("k-means", 5, SEEDS, GIVEN).tolist() == pool[[1, 3]].tolist() and seen == [(20, 5, 4)]


def test_a_class_balanced_choice_is_the_draw_of_a_budget_by_the_choices_seed():
    made, _ = bench()
    rows = made.chosen("class-balanced", 6, SEEDS, GIVEN)
    np.testing.assert_array_equal(rows, draw_labelled(LABELS, 6, seed=4))
    assert np.bincount(LABELS[rows]).tolist() == [2, 2, 2]


def test_a_choice_trains_the_fine_tuned_arm_on_its_rows_and_counts_their_classes():
    made, fits = bench()
    found = made.choose("random", 4, SEEDS, encoder(), GIVEN)
    rows = np.random.default_rng(4).permutation(30)[:4]
    np.testing.assert_array_equal(fits[0][1], X[rows])
    assert (found["n_labels_used"], found["n_classes"]) == (4, len({*LABELS[rows]}))
    assert found["drawn"] == study._hash(rows) and found["scores"]["accuracy"] == 1.0
    assert fits[0][3]["budget"].learning_rate == 0.1 and found["proof"] == {"before": ("a",), "n_frozen": 2}
    assert made._loaded is not None


def test_a_classifier_has_a_head_for_every_class_and_is_made_once():
    made, _ = bench()
    del made.classifier
    found = made.classifier
    assert (found.head.units, found.initializer, found.budget) == (3, "he_normal", BUDGET)
    assert made.classifier is found


def test_a_class_without_a_row_for_each_fold_is_not_tuned():
    labels = np.array([0] * 14 + [1])
    test = Rows(X[:9], np.arange(9) % 2)
    made, _ = bench(labels=np.concatenate([labels, np.zeros(15, np.int64)]), test=test)
    found = made.score("logistic regression", 30, SEEDS, None, [{"c": 0.1}, {"c": 1.0}])
    assert (found["settings"], found["validated"], found["n_trials"]) == ({"c": 0.1}, None, 1)


def test_by_balanced_accuracy_a_class_that_ran_out_of_labels_counts_as_much_as_the_others():
    """One configuration has class 0 right, of which there are many, the other both classes of which there are few."""
    labels = np.where((LABELS > 0) & (np.arange(len(LABELS)) > 8), UNLABELLED, LABELS)  # 3 rows of class 1, 3 of 2
    n, at_0 = int((labels >= 0).sum()), int((labels == 0).sum())
    chosen = {}
    for balanced in (False, True):
        made, _ = bench(lambda rate, row: (TRUE[row.tobytes()] == 0) == (rate == 0.1), labels, balanced=balanced)
        chosen[balanced] = made.score("from scratch", n, SEEDS, None, [GIVEN, OTHER])
    assert (chosen[False]["settings"], chosen[False]["trials"]) == (GIVEN, [at_0, 6]) and at_0 > 6
    assert chosen[True]["settings"] == OTHER and chosen[True]["validated"] == pytest.approx(2 / 3)
    assert chosen[True]["trials"] == pytest.approx([n / 3, 2 * n / 3])
