"""The map of a network's inputs: its numbers, and what an autoencoder with it keeps and answers."""

from __future__ import annotations

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tiny

from autoencoders.models import Autoencoder, outputs
from autoencoders.pretraining import Network, Recipe, Shape, Streams, Training
from autoencoders.pretrainings import greedy
from autoencoders.stacking import sandwich
from autoencoders.standardisation import AT_A_TIME, LIMIT, Standardisation
from autoencoders.training import Trainer
from tasks.frame import recipes

BYTES = tiny.rows(40, 3)[0]
X = BYTES.astype(np.float32) / 255
MAP = Standardisation.of_images(X)


def test_images_have_one_mean_and_one_deviation():
    assert MAP.mean == (pytest.approx(X.mean(dtype=np.float64), rel=1e-12),)
    assert MAP.sd == (pytest.approx(X.std(dtype=np.float64), rel=1e-12),) and MAP.limit is None
    mapped = MAP(X)
    assert mapped.dtype == np.float32
    assert (mapped.mean(), mapped.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, rel=1e-6))


def test_tables_are_mapped_by_column_and_clipped_at_five_deviations():
    x = np.zeros((100, 3), np.float32)
    x[:, 0] = np.arange(100)
    x[0, 1], x[1, 2] = 70, -70
    found = Standardisation.of_columns(x)
    np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.sd, x.std(axis=0), rtol=1e-5)
    assert found.limit == LIMIT == 5
    mapped = found(x)
    np.testing.assert_allclose(mapped[:, 0], (x[:, 0] - 49.5) / x[:, 0].std(), rtol=1e-5)
    assert (mapped[0, 1], mapped[1, 2]) == (5, -5), "9.9 deviations from the mean"
    assert np.abs(np.delete(mapped[:, 1], 0)).max() < 0.2


def test_a_constant_column_is_zero_and_constant_images_are():
    x = np.full((7, 2), 0.25, np.float32)
    x[:, 1] = np.arange(7)
    assert (Standardisation.of_columns(x)(x)[:, 0] == 0).all() and Standardisation.of_columns(x).sd[0] == 1
    assert (Standardisation.of_images(x[:, :1])(x[:, :1]) == 0).all()


def test_bytes_with_their_scale_are_mapped_as_the_numbers_are():
    for fit in (Standardisation.of_images, Standardisation.of_columns):
        of_bytes, of_numbers = fit(BYTES, 255), fit(X)
        np.testing.assert_allclose(of_bytes.mean, of_numbers.mean, rtol=1e-7)
        np.testing.assert_allclose(of_bytes.sd, of_numbers.sd, rtol=1e-6)


def test_more_rows_than_are_read_at_a_time_have_the_same_moments():
    x = np.random.default_rng(0).random((AT_A_TIME + 3, 2), dtype=np.float32) + np.float32([0, 9])
    found = Standardisation.of_columns(x)
    np.testing.assert_allclose(found.mean, x.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(found.sd, x.std(axis=0, dtype=np.float64), rtol=1e-9)


@pytest.mark.parametrize("given", [MAP, replace(Standardisation.of_columns(X), limit=1.5)])
def test_a_tensor_is_mapped_as_an_array_and_constants_survive_json(given):
    assert np.abs(MAP(X)).max() > 1.5
    np.testing.assert_allclose(np.asarray(given(keras.ops.convert_to_tensor(X))), given(X), rtol=1e-6, atol=1e-7)
    assert Standardisation.from_config(json.loads(json.dumps(given.config))) == given
    assert hash(given) == hash(replace(given))


@pytest.mark.parametrize(("tied", "n"), [(False, 163_814), (True, 82_414)])
def test_an_autoencoder_with_it_has_no_layer_and_no_parameter_more(tied, n):
    model = Autoencoder(784, [100, 30], tied=tied, seed=1, standardisation=MAP)
    plain = Autoencoder(784, [100, 30], tied=tied, seed=1)
    assert model.count_params() == n and len(model.encoder.layers) == len(plain.encoder.layers) == 2
    assert "standardisation" not in plain.get_config()
    assert model.get_config() == plain.get_config() | {"standardisation": MAP.config}
    if tied:
        assert [layer.dense for layer in model.decoder.layers] == model.encoder.layers[::-1]


def test_its_encoder_answers_as_its_layers_do_on_mapped_rows_and_its_outputs_keep_their_scale():
    model = Autoencoder(16, [8, 4], seed=1, standardisation=MAP)
    codings = outputs(model.encoder.layers, MAP(X))
    np.testing.assert_allclose(model.encoder(X), codings, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(X), model.decoder(codings), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.encoder.predict(X, verbose=0), codings, rtol=1e-5, atol=1e-6)
    assert np.abs(np.asarray(model.encoder(X)) - outputs(model.encoder.layers, X)).max() > 0.1


@pytest.mark.parametrize("tied", [False, True])
def test_a_saved_and_loaded_model_answers_the_same(tied, tmp_path):
    model = Autoencoder(16, [8, 4], tied=tied, seed=1, standardisation=Standardisation.of_columns(X))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(X), model(X))
    assert loaded.standardisation == model.standardisation and loaded.get_config() == model.get_config()
    again = Autoencoder.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(X), model(X))


def test_the_first_phase_maps_rows_and_the_stack_of_all_keeps_it():
    first, second = (Autoencoder(n, [units], seed=1, standardisation=given)
                     for n, units, given in ((16, 8, MAP), (8, 4, None)))  # fmt: skip
    whole = sandwich([first, second])
    assert whole.standardisation == MAP and whole.encoder.layers[0].name == "encoder_1"
    np.testing.assert_allclose(whole.encoder(X), second.encoder(first.encoder(X)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(greedy._codings(first, BYTES, 255), first.encoder(X), rtol=1e-5, atol=1e-6)


def test_greedy_phases_above_the_first_get_codings_as_they_are(monkeypatch):
    seen = []

    def fit(self, x, **_):
        seen.append((self.model.standardisation, x.dtype))
        self.model.set_weights([w + 1 for w in self.model.get_weights()])
        return [{"loss": 0.5}]

    monkeypatch.setattr(Trainer, "fit", fit)
    monkeypatch.setattr(Trainer, "sample_loss", lambda *_: 0.5)
    network = tiny.params().label_curve.network
    networks = recipes.of_layers(network, standardisation=MAP)
    model, *_ = greedy.pretrain(BYTES, None, Recipe(networks=(*networks,), epochs=1), Streams.of(1), scale=255)
    assert seen == [(MAP, np.uint8), (None, np.float32)] and model.standardisation == MAP


@pytest.mark.slow
def test_a_standardising_network_is_trained_as_its_layers_are_on_mapped_rows():
    """Its targets are the rows as they are given."""
    shape = Shape(units=(8, 4), activation="selu", output_activation="sigmoid", standardisation=MAP)
    training = Training(loss="binary_crossentropy", optimizer="sgd", learning_rate=0.5, batch_size=8)
    model = Network(shape, training).shape.model(16, seed=2)
    plain = replace(shape, standardisation=None).model(16, seed=2)
    given = dict(epochs=3, batch_size=8, seed=4)
    training.trainer(model, scale=255).fit(BYTES, **given)
    training.trainer(plain).fit(MAP(X), X, **given)
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
