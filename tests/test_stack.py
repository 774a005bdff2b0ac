"""Stage `stack`."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tiny

from tasks.frame import files, models


@pytest.fixture(scope="module")
def phases(tmp_path_factory):
    return tiny.untrained(tiny.prepare(tmp_path_factory.mktemp("stack") / "data"))


def stack(phases, tmp_path, epochs):
    data = tmp_path / "data"
    shutil.copytree(phases, data, ignore=shutil.ignore_patterns("stack"))
    return tiny.run("stack", data, settings=tiny.params(stack={"epochs": epochs}))


@pytest.mark.slow
def test_fine_tuning_starts_from_the_phases_and_improves_the_loss(phases, tmp_path):
    metrics = files.read_json(stack(phases, tmp_path, 5) / "metrics.json")
    assert metrics["val_loss"] < metrics["val_loss_before"]


def test_without_fine_tuning_the_stack_is_the_composition_of_the_phases(phases, tmp_path):
    out = stack(phases, tmp_path, 0)
    one, two = (models.read(phases / "phase" / key) for key in ("1", "2"))
    x = files.read_rows(phases / "prepare", "valid")
    composed = one.decoder(two.decoder(two.encoder(one.encoder(x))))
    np.testing.assert_allclose(models.read(out)(x), composed, atol=1e-6)
    metrics = files.read_json(out / "metrics.json")
    assert metrics["val_loss"] == metrics["val_loss_before"]


def test_fine_tuning_is_the_phase_after_the_last_and_its_first_losses_are_kept(phases, tmp_path, monkeypatch):
    told = []

    def fit(self, x, *, validation, on_epoch, **settings):
        told.append((x.shape, [part.shape for part in validation], settings))
        return [{"epoch": 1, "loss": 0.5, "val_loss": 0.4, "val_mse": 0.1}]

    monkeypatch.setattr("autoencoders.training.Trainer.fit", fit)
    monkeypatch.setattr("autoencoders.training.Trainer.evaluate", lambda self, x: {"loss": len(x) / 100, "mse": 0.2})
    out = stack(phases, tmp_path, 7)
    assert told == [((67, 16), [(45, 16)] * 2, {"epochs": 7, "batch_size": 8, "seed": 42, "phase": 3})]
    metrics = files.read_json(out / "metrics.json")
    assert {name: metrics[name] for name in ("val_loss", "val_mse", "val_loss_before", "val_mse_before")} == {
        "val_loss": 0.4, "val_mse": 0.1, "val_loss_before": 0.45, "val_mse_before": 0.2
    }  # fmt: skip
    assert (out / "history.csv").read_text().splitlines()[0].startswith("epoch,loss,val_loss")
