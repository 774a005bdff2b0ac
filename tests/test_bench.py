"""The bench of the study: which rows choose, train and score, and with which seeds, without training anything."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from autoencoders import study
from autoencoders.arms import BASELINES, CURVE_ARMS
from autoencoders.errors import Diverged, TransferError
from autoencoders.labels import UNLABELLED, draw_labelled
from autoencoders.models import Autoencoder, outputs
from autoencoders.study import Bench, Encoder, Rows, Training
from autoencoders.transfer import TransferProof, fingerprint

X, LABELS = tiny.rows(30, 1)
X = X.astype(np.float32) / 255
SEEDS = {"labels": 1, "weights": 2, "order": 3, "choice": 4}
SCRATCH = CURVE_ARMS["from scratch"]
PROBE, PCA = (next(b for b in BASELINES if b.features == features) for features in ("codings", "pca"))


class Fake:
    """A classifier that notes what it is trained on; its answers and its accuracy are given."""

    def __init__(self, rate, fits, accuracy):
        self.rate, self.fits, self.accuracy = rate, fits, accuracy
        self.layers, self.head = (
            Autoencoder(2, [2], seed=0).encoder.layers,
            Autoencoder(2, [1], seed=0).encoder.layers[0],
        )

    def fit(self, arm, x, labels, **seeds):
        if self.accuracy(self.rate, None) is None:
            raise Diverged(f"rate {self.rate}")
        self.fits.append((self.rate, x, labels, seeds))
        return [{"step": 3, "loss": 2.0}, {"step": 4, "loss": 1.0}, {"step": 6, "loss": 0.5}], TransferProof(("a",), 2)

    def score(self, x, labels):
        return self.accuracy(self.rate, len(x))

    def probabilities(self, x):
        return np.eye(3)[np.arange(len(x)) % 3] * 0.4 + 0.2


def bench(rates=(0.1,), accuracy=lambda rate, n: 1.0, labels=LABELS, valid=None, unlabelled=X):
    """Return a bench of 30 rows, whose classifiers are fakes, and their fits."""
    training = Training(kernel_initializer="he_normal", n_steps=6, batch_size=4, optimizer="adam",
                        learning_rates=rates, n_folds=2)  # fmt: skip
    shape = {"units": [8, 4], "activation": "selu", "output_activation": "sigmoid"}
    made = Bench(Rows(X, labels), Rows(X[:9], LABELS[:9]), unlabelled=unlabelled, shape=shape, training=training,
                 learners={"logistic": {"c": 1.0}, "svm": {"c": 1.0}}, valid=valid)  # fmt: skip
    fits: list = []
    made.classifier = lambda rate: Fake(rate, fits, accuracy)
    return made, fits


def encoder(seed=1):
    layers = Autoencoder(16, [8, 4], activation="selu", seed=seed).encoder.layers
    return Encoder([w for layer in layers for w in layer.get_weights()], tuple(map(fingerprint, layers)))


def test_one_learning_rate_is_not_chosen_and_the_record_holds_the_training():
    made, fits = bench()
    found = made.score("from scratch", 6, SEEDS, None)
    rows = draw_labelled(LABELS, 6, seed=1)
    ((rate, x, labels, seeds),) = fits
    assert (rate, seeds) == (0.1, {"seed": 2, "order_seed": 3})
    np.testing.assert_array_equal(x, X[rows])
    np.testing.assert_array_equal(labels, LABELS[rows])
    weights = found.pop("weights")
    assert len(weights) == 2 and len(weights[1]) == 64
    assert found.pop("scores")["accuracy"] == 1.0
    assert found == {
        "n_labels_used": 6, "drawn": study._hash(rows), "n_steps": 6, "n_trials": 1, "n_labels_beyond": 0,
        "learning_rate": 0.1, "loss": 0.5, "proof": None,
    }  # fmt: skip


def test_folds_are_balanced_and_hold_every_row_out_once():
    made, fits = bench(rates=(0.1, 0.2))
    x, labels = np.arange(9, dtype=np.float32)[:, None], np.arange(9) % 3
    assert made._tune(SCRATCH, x, labels, SEEDS) == (0.1, 0)
    inside = [part.ravel().tolist() for _, part, _, _ in fits]
    assert inside == [[3, 4, 5], [0, 1, 2, 6, 7, 8]] * 2
    assert [seeds for *_, seeds in fits] == [{"seed": 2, "order_seed": 3}] * 4


def test_the_rate_with_the_most_right_answers_over_all_folds_is_chosen():
    """Folds of 6 and 3 rows: 5.4 + 0 right answers, against 0 + 3, of which the mean over folds is larger."""
    right = {(0.2, 6): 0.9, (0.3, 3): 1.0}
    made, _ = bench(rates=(0.3, 0.2), accuracy=lambda rate, n: right.get((rate, n), 0.0))
    x, labels = np.arange(9, dtype=np.float32)[:, None], np.arange(9) % 3
    assert made._tune(SCRATCH, x, labels, SEEDS) == (0.2, 0)


def test_validation_rows_choose_the_rate_where_they_are_given_and_are_counted():
    asked = []
    made, fits = bench(
        rates=(0.1, 0.2), accuracy=lambda rate, n: asked.append(n) or rate, valid=Rows(X[:7], LABELS[:7])
    )
    found = made.score("from scratch", 6, SEEDS, None)
    assert (found["learning_rate"], found["n_trials"], found["n_labels_beyond"], found["n_labels_used"]) == (
        0.2,
        2,
        7,
        13,
    )
    assert [len(x) for _, x, _, _ in fits] == [6, 6, 6] and set(asked) == {None, 7}


def test_a_rate_that_diverges_loses_to_one_that_is_never_right_and_all_are_refused_by_the_first():
    given = {0.1: None, 0.2: 0.0}
    made, _ = bench(rates=(0.1, 0.2), accuracy=lambda rate, n: given[rate])
    assert made._tune(SCRATCH, X[:9], LABELS[:9], SEEDS)[0] == 0.2
    given[0.2] = None
    with pytest.raises(Diverged, match=r"^rate 0\.1$"):
        made._tune(SCRATCH, X[:9], LABELS[:9], SEEDS)


def test_a_pretrained_arm_keeps_its_own_proof_and_a_probe_that_of_the_loaded_encoder():
    made, _ = bench()
    assert made.score("fine-tuned", 6, SEEDS, encoder())["proof"] == {"before": ("a",), "n_frozen": 2}
    found = made.score(PROBE.name, 6, SEEDS, encoder())
    assert found["proof"] == {"before": encoder().layers, "n_frozen": 2}
    assert (found["n_steps"], found["n_trials"], found["n_labels_beyond"], found["n_labels_used"]) == (None, 1, 0, 6)
    assert len(found["weights"]) == 1 and {*found["scores"]} >= {"accuracy", "log_loss", "calibration_error"}
    assert made.score("SVM", 6, SEEDS, None)["proof"] is None


def test_an_encoder_that_changes_while_it_is_probed_is_refused(monkeypatch):
    made, _ = bench()
    answers = made._answer
    monkeypatch.setattr(
        made, "_answer", lambda *a: (made.source.encoder.layers[0].bias.assign(np.ones(8)), answers(*a))[1]
    )
    with pytest.raises(TransferError, match="'encoder_1' changed though it is frozen"):
        made.score(PROBE.name, 6, SEEDS, encoder())
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
    assert made.chosen("random", 5, SEEDS).tolist() == drawn[:5].tolist()
    doubtful = made.chosen("uncertainty", 5, SEEDS)
    assert doubtful[:2].tolist() == drawn[:2].tolist() and len({*doubtful}) == 5 and {*doubtful} <= {*pool}
    ((_, x, labels, _),) = fits
    np.testing.assert_array_equal(x, X[drawn[:2]])
    np.testing.assert_array_equal(labels, some[drawn[:2]])
    seen = []
    monkeypatch.setattr(
        study, "central_rows", lambda codings, n, *, seed: seen.append((len(codings), n, seed)) or [1, 3]
    )
    made.load(encoder())
    assert made.chosen("k-means", 5, SEEDS).tolist() == pool[[1, 3]].tolist() and seen == [(20, 5, 4)]


def test_a_choice_trains_the_fine_tuned_arm_on_its_rows_and_counts_their_classes():
    made, fits = bench()
    found = made.choose("random", 4, SEEDS, encoder())
    rows = np.random.default_rng(4).permutation(30)[:4]
    np.testing.assert_array_equal(fits[0][1], X[rows])
    assert (found["n_labels_used"], found["n_classes"]) == (4, len({*LABELS[rows]}))
    assert found["drawn"] == study._hash(rows) and found["scores"]["accuracy"] == 1.0
    assert made._loaded is not None


def test_a_classifier_has_a_head_for_every_class_and_the_budget_of_the_study():
    made, _ = bench()
    found = made._classifier(0.3)
    assert (found.head.units, found.initializer) == (3, "he_normal")
    assert vars(found.budget) == {"n_steps": 6, "batch_size": 4, "optimizer": "adam", "learning_rate": 0.3}
