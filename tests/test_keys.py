"""What cells are known by: an entry that is missing would keep wrong ones, one that is renamed loses right ones."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
import tiny

from autoencoders.arms import BASELINES, COMPARED
from autoencoders.choosing import random_rows
from autoencoders.label_efficiency import stream
from autoencoders.transfer import fingerprint_of
from tasks.frame import cells, files
from tasks.frame.errors import Forged
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


TWO = [np.ones((16, 8), np.float32), np.ones(8, np.float32), np.ones((8, 4), np.float32), np.ones(4, np.float32)]
LAYERS = [fingerprint_of(TWO[:2]), fingerprint_of(TWO[2:])]
CHOICE = "choice - random - 12 labels - run 0"


@pytest.fixture
def kept(tmp_path):
    """Return the parameters and the store of a study with made-up encoders, and proofs of them in its cells."""
    params = tiny.params(label_curve=STUDY | {"n_labels": [6, 15]})
    store = keys.store(params, tiny.prepare(tmp_path / "data"))
    for cell in keys.encoders(params):
        np.savez(store.path(cell.name, ".npz"), *TWO)
        store.write(
            cell.name, {"sha256": sha256(store.path(cell.name, ".npz").read_bytes()).hexdigest(), "layers": LAYERS}
        )
    for cell in [*keys.score_cells(params), *keys.choice_cells(params)]:
        store.write(cell.name, {"proof": {"before": LAYERS} if getattr(cell, "pretraining", "untied") else None})
    return params, store


def test_an_encoder_is_there_with_weights_that_are_those_of_its_hashes(kept):
    params, store = kept
    cell, other = keys.encoders(params)[:2]
    assert keys.has(store, cell)
    for ours, theirs in zip(keys.weights(store, cell), TWO, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    right = store.kept(cell.name)
    for wrong in ({"sha256": "0" * 64}, {"layers": LAYERS[::-1]}):
        store.write(cell.name, right | wrong)
        assert not keys.has(store, cell)
    store.path(cell.name, ".npz").unlink()
    store.path(other.name).unlink()
    assert not keys.has(store, cell) and not keys.has(store, other)


@pytest.mark.parametrize("name", [f"{FINE_TUNED} - denoising masking - 6 labels - run 1", CHOICE])
def test_a_pretrained_cell_without_a_proof_of_its_encoders_weights_is_refused(kept, name):
    params, store = kept
    keys.check_proofs(params, store)
    encoder = "encoder - untied - run 0" if name == CHOICE else "encoder - denoising masking - run 1"
    for proof in (None, {"before": LAYERS[::-1]}, {"before": []}, {}):
        store.write(name, {"proof": proof})
        with pytest.raises(
            Forged, match=f"{name} .*: expected a proof of the weights in {encoder} .*npz, received other"
        ):
            keys.check_proofs(params, store)


def test_keys_hold_the_entries_of_the_tables_and_the_settings_that_count(tmp_path):
    found, params = given(tmp_path, arms=[RAW, PCA, "SVM", *COMPARED]), tiny.params()
    assert found[TUNED]["arm"] == {"encoder": "pretrained", "trains": (-1,)}
    assert found[f"{PCA} - 15 labels - run 0"]["arm"] == {"features": "pca", "learner": "logistic"}
    assert found["SVM - 15 labels - run 0"]["arm"] == {"features": "raw", "learner": "svm"}
    assert found["SVM - 15 labels - run 0"]["settings"] == {"c": 10.0}
    assert found[f"{PCA} - 15 labels - run 0"]["components"] == 4 and found[TUNED]["n_labels"] == 15
    assert {*found[TUNED]["training"]} == {"n_steps", "batch_size", "optimizer", "learning_rates"}
    assert {*found[TUNED]["shape"]} == {"units", "activation", "output_activation", "kernel_initializer"}
    assert found[TUNED]["encoder"] == cells.digest(found["encoder - untied - run 0"])
    assert found[CHOICE]["encoder"] == found[TUNED]["encoder"] and found[CHOICE]["arm"] == found[TUNED]["arm"]
    assert (found[CHOICE]["choice"], found[CHOICE]["n_labels"]) == ("random", 12)
    assert found[f"{SCRATCH} - 15 labels - run 0"]["encoder"] is None
    plain, noisy = (found[f"encoder - {name} - run 0"] for name in ("untied", "denoising masking"))
    assert (
        plain["pretraining"] == {"way": "end_to_end", "networks": "one", "tied": False, "noise": None}
        and plain["recipe"] == params.network.model_dump()
    )
    assert noisy["pretraining"] == {"way": "greedy", "networks": "phases", "tied": False, "noise": "masking"}
    left_out = {"input", "epochs", "noise"}
    assert noisy["recipe"] == {key: phase.model_dump(exclude=left_out) for key, phase in params.phase.items()}
    assert plain["epochs"] == 2


def test_a_large_validation_set_counts_only_where_it_chooses_among_learning_rates(tmp_path):
    assert given(tmp_path, learning_rates=[0.1, 0.2])[TUNED]["valid"] is None


def test_unlabelled_rows_are_drawn_by_the_studys_seed_alone():
    params = tiny.params(label_curve=STUDY | {"n_unlabelled": 30})
    expected = np.sort(random_rows(67, 30, seed=stream(params.seed, 0, "unlabelled")))
    np.testing.assert_array_equal(keys.unlabelled_rows(params, 67), expected)


def test_a_study_that_pretrains_nothing_has_no_encoder():
    assert keys.encoders(tiny.params(label_curve=STUDY)) != []
    assert keys.encoders(tiny.params().model_copy(update={"label_curve": Bare})) == []


class Bare:
    """A study without a pretrained arm, which the parameter check refuses."""

    arms, pretrainings, n_runs = [RAW, SCRATCH], ["untied"], 2
