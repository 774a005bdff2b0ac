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
