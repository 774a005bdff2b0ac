"""Greedy phases: three ways to the same weights, any number of phases, the sandwich is the composition of its parts."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from autoencoders import layerwise
from autoencoders.layerwise import train_greedy
from autoencoders.models import Autoencoder
from autoencoders.pretraining import Network, Recipe, Shape, Training
from autoencoders.stacking import encode, encoder, phase_seed, sandwich
from tasks.frame import files

X = tiny.rows(41, 7)[0].astype(np.float32) / 255


def phases(n_phases: int) -> Recipe:
    first = Network(
        Shape(units=(10,), activation="selu", output_activation="sigmoid", l2=1e-3),
        Training(loss="binary_crossentropy", optimizer="sgd", learning_rate=0.5, batch_size=8),
    )
    later = [
        Network(
            Shape(units=(9 - k,), activation="elu", output_activation="linear", kernel_initializer="he_normal"),
            Training(loss="mean_squared_error", optimizer="adam", learning_rate=0.01, batch_size=8),
        )
        for k in range(n_phases - 1)
    ]
    return Recipe(networks=(first, *later), epochs=2)


def untrained(n_phases: int, seed: int = 3) -> list[Autoencoder]:
    widths = [16, 10, 9, 8]
    return [
        network.shape.model(widths[k], seed=phase_seed(seed, k + 1))
        for k, network in enumerate(phases(n_phases).networks)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("n_phases", [1, 2, 3, 4])
def test_all_ways_of_training_phases_give_the_same_weights(n_phases):
    models = [train_greedy(X, phases(n_phases), seed=3, way=way) for way in ("separate", "bypass", "bypass_cached")]
    start = sandwich(untrained(n_phases))
    for weights in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(weights[1], weights[0], atol=2e-6)
        np.testing.assert_allclose(weights[2], weights[0], atol=2e-6)
    moved = [np.abs(a - b).max() for a, b in zip(models[0].get_weights(), start.get_weights(), strict=True)]
    assert min(moved) > 1e-4  # every layer has learnt


def test_the_sandwich_is_the_composition_of_its_parts():
    one, two = untrained(2)
    composed = one.decoder(two.decoder(two.encoder(one.encoder(X))))
    np.testing.assert_allclose(sandwich([one, two])(X), composed, atol=1e-6)


def test_a_sandwich_keeps_each_phases_penalty():
    assert sandwich(untrained(2)).get_config()["l2"] == [1e-3, 0.0]


def test_phases_start_from_different_weights():
    shape = phases(1).networks[0].shape
    one, two = (shape.model(10, seed=phase_seed(0, k)).get_weights()[0] for k in (1, 2))
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_codings_do_not_depend_on_how_many_rows_are_encoded_at_a_time(batch_size):
    model = untrained(1)[0]
    np.testing.assert_allclose(encode(model, X, batch_size=batch_size), model.encoder(X), atol=1e-6)


@pytest.mark.slow
def test_the_stage_reports_weights_that_agree_to_rounding(tmp_path):
    metrics = files.read_json(tiny.run("layerwise", tiny.prepare(tmp_path / "data")) / "metrics.json")
    assert metrics["difference_bypass"] < 1e-5 > metrics["difference_bypass_cached"]
    assert metrics["largest_weight"] > 0.1


def test_a_phases_seed_is_that_of_every_run_before():
    assert [phase_seed(42, number) for number in (1, 2)] == [1664526938, 477737934]


@pytest.mark.parametrize(("way", "n_uncached"), [("bypass", 1), ("bypass_cached", 0)])
def test_a_way_computes_the_frozen_outputs_in_every_step_or_once(monkeypatch, way, n_uncached):
    calls, inputs = [], []

    def uncached(below, above, x, fit):
        calls.append([layer.trainable for layer in below.layers])

    monkeypatch.setattr(layerwise, "_fit", lambda model, x, **given: inputs.append((x.shape, given["number"])))
    monkeypatch.setattr(layerwise, "_fit_uncached", uncached)
    whole = train_greedy(X, phases(2), seed=3, way=way)
    assert calls == [[False]] * n_uncached
    assert inputs == [((41, 16), 1), ((41, 10), 2)][: 2 - n_uncached]
    assert all(layer.trainable for layer in whole.encoder.layers)


def test_a_sandwich_of_three_has_each_phases_activations():
    models = untrained(3)
    config = sandwich(models).get_config()
    assert config["activation"] == ["selu", "elu", "elu"] and config["units"] == [10, 9, 8]
    assert (config["decoder_activation"], config["output_activation"]) == (["linear", "linear"], "sigmoid")
    x = X
    for model in models:
        x = model.encoder(x)
    for model in reversed(models):
        x = model.decoder(x)
    np.testing.assert_allclose(sandwich(models)(X), x, atol=1e-5)


def test_an_encoder_divides_bytes_by_the_scale_alone():
    model, images = untrained(1)[0], np.arange(32, dtype=np.uint8).reshape(2, 16)
    for given, divisor in (({}, 1), ({"scale": 4.0}, 4)):
        found = encoder(model, batch_size=3, **given)(images)
        np.testing.assert_allclose(found, model.encoder(images.astype("float32") / divisor), rtol=1e-5)
