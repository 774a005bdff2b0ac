"""Stage `pretrain`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tiny
from sklearn.decomposition import PCA

from tasks import pretrain
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


def test_the_error_per_image_is_held_against_pcas_with_as_many_codings():
    train, valid = (np.random.default_rng(k).integers(0, 256, (n, 16)).astype(np.uint8) for k, n in enumerate((30, 20)))
    found = pretrain._per_image(train, valid, 255, 0.25, 4)
    pca = PCA(4).fit(train / 255)
    missed = valid / 255 - pca.inverse_transform(pca.transform(valid / 255))
    error = np.square(missed).sum(axis=1).mean()
    assert [*found] == ["val_squared_error", "pca_val_squared_error", "pca_error_ratio"]
    assert [*found.values()] == pytest.approx([4, error, error / 4], rel=1e-4)
    few = pretrain._per_image(train[:3], valid, 255, 0.25, 4)  # PCA has no more components than rows
    assert few["pca_val_squared_error"] > error
