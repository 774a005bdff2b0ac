"""The benchmark of scaled inputs and a decaying rate, on a tiny data set."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from autoencoders.models import Autoencoder, outputs
from benchmarks import costs, fairness, opponents
from tasks.frame import config, determinism
from tasks.study import costs as estimates


def test_an_encoder_of_standardised_rows_has_the_same_codings():
    layers = Autoencoder(5, [4, 2], seed=0).encoder.layers
    x = np.random.default_rng(0).random((7, 5), dtype=np.float32)
    before = outputs(layers, x)
    weights = fairness.rewritten([w for layer in layers for w in layer.get_weights()], 0.3, 0.2)
    for k, layer in enumerate(layers):
        layer.set_weights(weights[2 * k : 2 * k + 2])
    standardised = (x - np.float32(0.3)) / np.float32(0.2)
    np.testing.assert_allclose(outputs(layers, standardised), before, atol=1e-5)


def test_the_better_scaling_is_picked_for_each_arm_and_budget():
    found = {
        (arm, scaling, rate): np.zeros((2, 3, 2))
        for arm in fairness.ARMS for scaling in fairness.SCALINGS for rate in fairness.RATES
    }  # fmt: skip
    found[fairness.FINE_TUNED, "pixels", "cosine"][:] = [0.5, 0.8]
    found[fairness.FINE_TUNED, "standardised", "cosine"][:] = [0.6, 0.7]
    rows = fairness.differences(found)
    best = rows["cosine decay, each arm at its better scaling (test rows)"]
    assert best.shape == (2, 3, 2) and best[0, 0].tolist() == [0.6, 0.8]
    assert rows["cosine decay of the rate to 0, both arms"][0, 0].tolist() == [0.5, 0.8]


@pytest.mark.slow
def test_the_benchmark_keeps_its_encoders_and_repeats_itself(tmp_path, monkeypatch, capsys):
    data = tiny.prepare(tmp_path / "data") / "prepare"
    params = tiny.params()
    monkeypatch.setattr(config, "check", lambda *_: params)
    told = []
    for _ in range(2):
        with determinism.fixed(1):
            fairness.main(data, tmp_path / "kept", 2, [6, 15])
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] and len([*(tmp_path / "kept").iterdir()]) == 2
    assert sum(line.startswith("| ") for line in told[0].splitlines()) == 2 + 6 + 8


@pytest.mark.slow
def test_the_table_of_costs_is_measured_and_read(tmp_path, monkeypatch):
    monkeypatch.setattr(opponents, "SHAPES", {"train": (300, 6), "valid": (50, 6)})
    monkeypatch.setattr(costs, "COLUMNS", (3, 6))
    monkeypatch.setattr(costs, "LABELS", (20, 40))
    monkeypatch.setattr(estimates, "STEPS", 2)
    with determinism.fixed(1):  # boosting's threads would wait for each other
        opponents.write(tmp_path / "none", tmp_path / "costs.csv")
    monkeypatch.setattr(estimates, "TABLE", tmp_path / "costs.csv")
    estimates.table.cache_clear()
    try:
        assert all({*of_work} == {3, 6} for of_work in estimates.table().values())
        assert {*estimates.table()["svm"][3]} == {20, 40}
    finally:
        estimates.table.cache_clear()
