"""Greedy phases: three ways to the same weights, any number of phases, the sandwich is the composition of its parts."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from autoencoders.layerwise import PhaseSpec, encode, phase_model, sandwich, train_greedy, train_phase
from tasks.frame import files

X = tiny.rows(41, 7)[0].astype(np.float32) / 255


def specs(n_phases: int) -> list[PhaseSpec]:
    first = PhaseSpec(
        units=10, activation="selu", output_activation="sigmoid", loss="binary_crossentropy", optimizer="sgd",
        learning_rate=0.5, epochs=2, batch_size=8, l2=1e-3,
    )  # fmt: skip
    later = [
        PhaseSpec(
            units=9 - k, activation="elu", output_activation="linear", loss="mean_squared_error", optimizer="adam",
            learning_rate=0.01, epochs=2, batch_size=8, kernel_initializer="he_normal",
        )
        for k in range(n_phases - 1)
    ]  # fmt: skip
    return [first, *later]


@pytest.mark.parametrize("n_phases", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 4))])
def test_all_ways_of_training_phases_give_the_same_weights(n_phases):
    models = [train_greedy(X, specs(n_phases), seed=3, way=way) for way in ("separate", "bypass", "bypass_cached")]
    start = sandwich(
        [
            phase_model(w, s, number=k + 1, seed=3)
            for k, (w, s) in enumerate(zip([16, 10, 9, 8][:n_phases], specs(n_phases), strict=True))
        ]
    )
    for weights in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(weights[1], weights[0], atol=2e-6)
        np.testing.assert_allclose(weights[2], weights[0], atol=2e-6)
    moved = [np.abs(a - b).max() for a, b in zip(models[0].get_weights(), start.get_weights(), strict=True)]
    assert min(moved) > 1e-4  # every layer has learnt


def test_the_sandwich_is_the_composition_of_its_parts():
    first, second = specs(2)
    one, _ = train_phase(X, first, number=1, seed=0)
    two, _ = train_phase(encode(one, X), second, number=2, seed=0)
    composed = one.decoder(two.decoder(two.encoder(one.encoder(X))))
    np.testing.assert_allclose(sandwich([one, two])(X), composed, atol=1e-6)


def test_a_sandwich_keeps_each_phases_penalty():
    phases = [phase_model(16, specs(1)[0], number=1, seed=0), phase_model(10, specs(2)[1], number=2, seed=0)]
    assert sandwich(phases).get_config()["l2"] == [1e-3, 0.0]


def test_phases_start_from_different_weights():
    spec = specs(1)[0]
    one, two = (phase_model(10, spec, number=k, seed=0).get_weights()[0] for k in (1, 2))
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_codings_do_not_depend_on_how_many_rows_are_encoded_at_a_time(batch_size):
    model = phase_model(16, specs(1)[0], number=1, seed=0)
    np.testing.assert_allclose(encode(model, X, batch_size=batch_size), model.encoder(X), atol=1e-6)


@pytest.mark.slow
def test_the_stage_reports_weights_that_agree_to_rounding(tmp_path):
    metrics = files.read_json(tiny.run("layerwise", tiny.prepare(tmp_path / "data")) / "metrics.json")
    assert metrics["difference_bypass"] < 1e-5 > metrics["difference_bypass_cached"]
    assert metrics["largest_weight"] > 0.1
