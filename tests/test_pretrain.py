"""Stage `pretrain`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tiny

from tasks.frame import files, models
from tasks.frame.sections import Params


@pytest.mark.parametrize("tied", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_network_is_trained_and_kept(tmp_path, tied):
    out = tiny.run("pretrain", tiny.prepare(tmp_path / "data"), settings=tiny.params(pretrain={"tied": tied}))
    metrics, history = files.read_json(out / "metrics.json"), pd.read_csv(out / "history.csv")
    model = models.read(out)
    assert history.columns.tolist() == ["epoch", "loss", "val_loss", "val_mse", "val_rounded_accuracy"]
    assert metrics["val_loss"] == history.val_loss.iloc[-1]
    assert metrics["n_parameters"] == model.count_params()
    assert model.tied == tied


@pytest.mark.slow
def test_the_same_parameters_give_the_same_bytes(tmp_path):
    outs = [tiny.run("pretrain", tiny.prepare(tmp_path / name / "data")) for name in "ab"]
    for file in sorted(p.name for p in outs[0].iterdir()):
        assert (outs[0] / file).read_bytes() == (outs[1] / file).read_bytes(), file


@pytest.mark.slow
def test_another_seed_gives_other_weights(tmp_path):

    values = {**tiny.params().model_dump(), "seed": 1}
    settings = Params.model_validate(values)
    outs = [
        tiny.run("pretrain", tiny.prepare(tmp_path / "a" / "data")),
        tiny.run("pretrain", tiny.prepare(tmp_path / "b" / "data"), settings=settings),
    ]
    one, two = (models.read(out).get_weights()[0] for out in outs)
    assert not np.array_equal(one, two)
