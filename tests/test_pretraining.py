"""Ways to pretrain: each is the training it says, and a second run is as if it were the first."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from autoencoders.arms import ARMS, BASELINES, CURVE_ARMS, CURVE_PRETRAININGS, PRETRAININGS, is_pretrained
from autoencoders.layerwise import PhaseSpec, train_greedy
from autoencoders.models import Autoencoder
from autoencoders.pretraining import Pretrainer, Recipe, Streams
from autoencoders.training import Trainer
from autoencoders.transfer import TransferError

X = tiny.rows(40, 3)[0].astype(np.float32) / 255
NETWORK = Recipe(
    units=[8, 4], activation="selu", output_activation="sigmoid", kernel_initializer="glorot_uniform", l2=0.0,
    loss="binary_crossentropy", optimizer="sgd", learning_rate=0.5, batch_size=8,
)  # fmt: skip
PHASES = [
    PhaseSpec(units=units, activation="selu", output_activation=output, loss="mean_squared_error", optimizer="sgd",
              learning_rate=0.05, epochs=2, batch_size=8)
    for units, output in ((8, "sigmoid"), (4, "selu"))
]  # fmt: skip
ONE = Streams(weights=5, order=5, noise=5)


def pretrainer(name, noise=0.3):
    return Pretrainer(CURVE_PRETRAININGS[name], 16, network=NETWORK, phases=PHASES, epochs=2, noise=noise)


def weights(layers):
    return [weight for layer in layers for weight in layer.get_weights()]


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
def test_end_to_end_is_the_stage_pretrains_training(tied):
    layers, loss = pretrainer("tied" if tied else "untied").fit(X, ONE)
    model = Autoencoder(16, [8, 4], tied=tied, seed=5)
    trainer = Trainer(model, loss="binary_crossentropy", optimizer="sgd", learning_rate=0.5)
    rows = trainer.fit(X, epochs=2, batch_size=8, seed=5, phase=1)
    for a, b in zip(weights(layers), weights(model.encoder.layers), strict=True):
        np.testing.assert_array_equal(a, b)
    assert loss == rows[-1]["loss"]


@pytest.mark.slow
def test_greedy_is_greedy_layerwise_training():
    layers, _ = pretrainer("greedy").fit(X, ONE)
    for a, b in zip(weights(layers), weights(train_greedy(X, PHASES, seed=5).encoder.layers), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["untied", "denoising masking"])
def test_a_second_run_is_trained_as_if_it_were_the_first(kind):
    twice, once = pretrainer(kind), pretrainer(kind)
    twice.fit(X, Streams(weights=1, order=2, noise=3))
    for a, b in zip(weights(twice.fit(X, ONE)[0]), weights(once.fit(X, ONE)[0]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_noise_is_new_in_every_epoch_and_as_strong_as_said():
    x = np.random.default_rng(0).random((300, 100), dtype=np.float32) + 1
    masking = pretrainer("denoising masking")._corrupt(x, [1])
    assert (masking(1) == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert np.isin(masking(1), [0, *x.ravel()]).all()
    gaussian = pretrainer("denoising gaussian")._corrupt(x, [1])
    assert (gaussian(1) - x).std() == pytest.approx(0.3 * x.std(), rel=0.02)
    for corrupt in (masking, gaussian):
        assert corrupt(1).dtype == np.float32
        np.testing.assert_array_equal(corrupt(1), corrupt(1))
        assert (corrupt(1) != corrupt(2)).any()
    assert pretrainer("greedy")._corrupt(x, [1]) is None


@pytest.mark.slow
def test_without_strength_noise_is_none():
    for a, b in zip(weights(pretrainer("denoising masking", noise=0.0).fit(X, ONE)[0]),
                    weights(pretrainer("greedy").fit(X, ONE)[0]), strict=True):  # fmt: skip
        np.testing.assert_array_equal(a, b)


def test_steps_are_counted_over_all_phases():
    assert pretrainer("untied").n_steps(41) == 2 * 6
    assert pretrainer("greedy").n_steps(41) == 2 * 2 * 6


def test_names_are_unique_and_carry_no_separator():
    """` - ` joins an arm's name and a pretraining's in tables."""
    assert len(CURVE_ARMS) == len(ARMS) + len(BASELINES) and len(CURVE_PRETRAININGS) == len(PRETRAININGS)
    assert not [name for name in (*CURVE_ARMS, *CURVE_PRETRAININGS) if " - " in name]
    assert [name for name, arm in CURVE_ARMS.items() if is_pretrained(arm)] == [
        "frozen encoder", "top layer fine-tuned", "LP-FT", "fine-tuned", "linear probe",
    ]  # fmt: skip


def test_an_encoder_that_has_learnt_nothing_is_refused(monkeypatch):
    """A proof of transfer says nothing of weights that were never trained."""
    monkeypatch.setattr(Trainer, "fit", lambda *_, **__: [{"loss": 0.5}])
    with pytest.raises(
        TransferError, match="layer 'encoder_1' is as it was before its pretraining: nothing was learnt"
    ):
        pretrainer("untied").fit(X, ONE)
