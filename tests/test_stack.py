"""Stage `stack`."""

from __future__ import annotations

import numpy as np
import tiny

from tasks import files, models


def test_fine_tuning_starts_from_the_phases_and_improves_the_loss(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    tiny.run_phases(data)
    metrics = files.read_json(tiny.run("stack", data, settings=tiny.params(stack={"epochs": 5})) / "metrics.json")
    assert metrics["val_loss"] < metrics["val_loss_before"]


def test_without_fine_tuning_the_stack_is_the_composition_of_the_phases(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    tiny.run_phases(data)
    out = tiny.run("stack", data, settings=tiny.params(stack={"epochs": 0}))
    one, two = (models.read(data / "phase" / key) for key in ("1", "2"))
    x = files.read_rows(data / "prepare", "valid")
    composed = one.decoder(two.decoder(two.encoder(one.encoder(x))))
    np.testing.assert_allclose(models.read(out)(x), composed, atol=1e-6)
    metrics = files.read_json(out / "metrics.json")
    assert metrics["val_loss"] == metrics["val_loss_before"]
