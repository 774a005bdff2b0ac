"""What cells are known by: an entry that is missing would keep wrong ones, one that is renamed loses right ones."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from autoencoders.arms import BASELINES, COMPARED
from tasks.frame import files
from tasks.study import keys

FINE_TUNED, SCRATCH, RANDOM = COMPARED
RAW, PCA = (next(b.name for b in BASELINES if b.features == features) for features in ("raw", "pca"))
STUDY = {
    "arms": [RAW, PCA, FINE_TUNED, SCRATCH, RANDOM], "n_runs": 2, "choices": ["random"],
    "pretrainings": ["untied", "denoising masking"],
}  # fmt: skip
TUNED = f"{FINE_TUNED} - untied - 15 labels - run 0"
COMPUTED = {"code", "threads", "versions"}
SCORED = {*COMPUTED, "arm", "encoder", "n_labels", "rows", "seeds"}
TRAINED = {*SCORED, "shape", "training", "valid"}


def given(tmp_path, **changes):
    """Return the keys of a study's cells by name."""
    return keys.store(tiny.params(label_curve=STUDY | changes), tiny.prepare(tmp_path / "data")).given


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("encoder - untied - run 0",
         {*COMPUTED, "pretraining", "recipe", "epochs", "settings", "streams", "rows", "unlabelled"}),
        (f"{RAW} - 15 labels - run 0", {*SCORED, "settings"}),
        (f"{PCA} - 15 labels - run 0", {*SCORED, "settings", "components", "unlabelled"}),
        (TUNED, TRAINED),
        ("choice - random - 12 labels - run 0", {*TRAINED, "choice", "unlabelled"}),
    ],
)  # fmt: skip
def test_the_key_of_a_kind_of_cell_has_these_entries(tmp_path, cell, names):
    assert {*given(tmp_path)[cell]} == names


def test_a_key_names_the_rows_that_its_cell_reads(tmp_path):
    found, prepared = given(tmp_path), tmp_path / "data/prepare"
    scale, *hashes = (
        files.md5(prepared / name)
        for name in ("scale.json", "train.npy", "train_labels.npy", "test.npy", "test_labels.npy")
    )
    assert found["encoder - untied - run 0"]["rows"] == [scale, hashes[0]]
    assert found[TUNED]["rows"] == [scale, *hashes]
    assert found[TUNED]["valid"] is None
    assert found["choice - random - 12 labels - run 0"]["rows"] == [scale, *hashes]


def test_labels_of_validation_rows_are_in_the_key_where_they_choose_a_learning_rate(tmp_path):
    found = given(tmp_path, learning_rates=[0.1, 0.2], protocol="large_validation")[TUNED]
    assert found["valid"] == [files.md5(tmp_path / f"data/prepare/valid{end}.npy") for end in ("", "_labels")]
    assert {"n_folds", "protocol", "learning_rates"} <= {*found["training"]}


def test_every_run_has_streams_of_its_own_and_every_pretraining_its_noise(tmp_path):
    found = given(tmp_path)
    first, second = (found[f"encoder - denoising masking - run {run}"] for run in (0, 1))
    assert {*first["streams"]} == {"weights", "order", "noise"} and first["streams"] != second["streams"]
    assert first["settings"] == tiny.params().label_curve.pretraining_settings["denoising masking"]
    assert found["encoder - untied - run 0"]["settings"] == {}
    assert {*found[TUNED]["seeds"]} == {"labels", "weights", "order"}
    assert {*found["choice - random - 12 labels - run 0"]["seeds"]} == {"choice", "weights", "order"}
    assert {*found[f"{RAW} - 15 labels - run 0"]["seeds"]} == {"labels"}


def test_some_unlabelled_rows_are_in_the_keys_of_what_is_made_of_them(tmp_path):
    found = given(tmp_path, n_unlabelled=30)
    names = ("encoder - untied - run 0", f"{PCA} - 15 labels - run 0", "choice - random - 12 labels - run 0")
    (some,) = {found[name]["unlabelled"] for name in names}
    assert len(some) == 64
    params = tiny.params(label_curve=STUDY | {"n_unlabelled": 30})
    rows = keys.unlabelled_rows(params, 67)
    assert len(set(rows)) == 30 and np.array_equal(rows, np.sort(rows)) and rows.max() < 67


def test_cells_are_named_for_files_and_people(tmp_path):
    names = [*given(tmp_path)]
    assert names[:2] == ["encoder - untied - run 0", "encoder - untied - run 1"]
    scores = [name for name in names if "labels" in name]
    assert scores[:2] == [f"{RAW} - 6 labels - run 0", f"{RAW} - 15 labels - run 0"]
    assert scores[-1] == "choice - random - 12 labels - run 1" and len(names) == len(set(names)) == 4 + 36 + 2
