"""What cells are known by: an entry that is missing would keep wrong ones, one that is renamed loses right ones."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
import tiny

from autoencoders.arms import BASELINES, COMPARED, ROLES
from autoencoders.choosing import random_rows
from autoencoders.label_efficiency import stream
from autoencoders.transfer import fingerprint_of
from tasks.frame import cells, files
from tasks.frame.errors import Forged
from tasks.study import keys, proofs
from tasks.study.rows import Size

FINE_TUNED, SCRATCH, RANDOM = COMPARED
RAW, PCA = (next(b.name for b in BASELINES if b.features == features) for features in ("raw", "pca"))
STUDY = {
    "arms": [RAW, PCA, FINE_TUNED, SCRATCH, RANDOM], "n_runs": 2, "choices": ["random"],
    "pretrainings": ["untied", "denoising masking"], "beforehand": {"with_encoder": FINE_TUNED, "without": SCRATCH},
}  # fmt: skip
SIZE = Size(67, 16, 3)
TUNED = f"{FINE_TUNED} - untied - 15 labels - run 0"
COMPUTED = {"code", "threads", "versions"}
SCORED = {*COMPUTED, "arm", "encoder", "n_labels", "rows", "seeds", "configurations", "n_folds"}
SCORED |= {"metric"}  # by which cross-validation chooses
TRAINED = {*SCORED, "shape", "training"}
CHOSEN = {*TRAINED, "choice", "settings"} - {"configurations", "n_folds", "metric"}
ROWS = {"scale", "images", "standardised", "unlabelled", "split"}


def given(tmp_path, **changes):
    """Return the keys of a study's cells by name."""
    return keys.store(tiny.params(label_curve=STUDY | changes), tiny.prepare(tmp_path / "data")).given


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("encoder - untied - run 0", {*COMPUTED, "pretraining", "recipe", "epochs", "settings", "streams", "rows"}),
        (f"{RAW} - 15 labels - run 0", SCORED),
        (f"{PCA} - 15 labels - run 0", {*SCORED, "components"}),
        ("self-training - 15 labels - run 0", {*SCORED, "taken"}),
        (TUNED, TRAINED),
        ("choice - random - 12 labels - run 0", CHOSEN),
    ],
)  # fmt: skip
def test_the_key_of_a_kind_of_cell_has_these_entries(tmp_path, cell, names):
    assert {*given(tmp_path, arms=[*STUDY["arms"], "self-training"])[cell]} == names


def test_a_key_names_the_rows_that_its_cell_reads(tmp_path):
    found, prepared = given(tmp_path), tmp_path / "data/prepare"
    scale, *hashes = (
        files.md5(prepared / name)
        for name in ("scale.json", "train.npy", "train_labels.npy", "test.npy", "test_labels.npy")
    )
    plain = {"scale": scale, "images": True, "standardised": True, "unlabelled": None, "split": None}
    assert found["encoder - untied - run 0"]["rows"] == plain | {"train": hashes[0]}
    every = plain | dict(zip(("train", "train_labels", "test", "test_labels"), hashes, strict=True))
    assert found[TUNED]["rows"] == found[CHOICE]["rows"] == found[f"{RAW} - 15 labels - run 1"]["rows"] == every


def test_configurations_are_in_the_keys_and_the_main_pretraining_alone_is_tuned(tmp_path):
    found = given(tmp_path, tuning={"n_configurations": 3, "n_folds": 4})
    tried = found[TUNED]["configurations"]
    params = tiny.params()
    assert tried[0] == params.label_curve.classifier.settings == found[CHOICE]["settings"]
    assert len(tried) == 3 and found[TUNED]["n_folds"] == 4
    for name in (f"{SCRATCH} - 15 labels - run 1", f"{RANDOM} - 6 labels - run 0"):
        assert found[name]["configurations"] == tried, "the same ones for every arm and run"
    other = found[f"{FINE_TUNED} - denoising masking - 15 labels - run 0"]
    assert (other["configurations"], other["n_folds"]) == (tried[:1], None)
    logistic = found[f"{RAW} - 15 labels - run 0"]["configurations"]
    assert logistic[0] == {"c": 0.1} and found[f"{PCA} - 15 labels - run 0"]["configurations"] == logistic
    assert len({one["c"] for one in logistic}) == 3


def test_every_run_has_streams_of_its_own_and_every_pretraining_its_noise(tmp_path):
    found = given(tmp_path, arms=[*STUDY["arms"], "extra trees"])
    first, second = (found[f"encoder - denoising masking - run {run}"] for run in (0, 1))
    assert {*first["streams"]} == {"weights", "order", "noise"} and first["streams"] != second["streams"]
    assert first["settings"] == tiny.params().label_curve.pretraining_settings["denoising masking"]
    assert found["encoder - untied - run 0"]["settings"] == {}
    assert {*found[TUNED]["seeds"]} == {"labels", "weights", "order"}
    assert {*found["choice - random - 12 labels - run 0"]["seeds"]} == {"choice", "weights", "order"}
    assert {*found[f"{RAW} - 15 labels - run 0"]["seeds"]} == {"labels"}
    drawn = found["extra trees - 15 labels - run 0"]["seeds"]
    assert drawn == {role: stream(42, 0, role) for role in ("labels", "weights")}


def test_some_unlabelled_rows_are_in_the_keys_of_all_cells(tmp_path):
    """Every arm's rows are standardised by them."""
    found = given(tmp_path, n_unlabelled=30)
    (some,) = {cell["rows"]["unlabelled"] for cell in found.values()}
    expected = np.sort(random_rows(67, 30, seed=stream(42, 0, "unlabelled")))
    assert some == sha256(expected.tobytes()).hexdigest()


def test_cells_are_named_for_files_and_people(tmp_path):
    names = [*given(tmp_path)]
    assert names[:2] == ["encoder - untied - run 0", "encoder - untied - run 1"]
    scores = [name for name in names if "labels" in name]
    assert scores[:2] == [f"{RAW} - 6 labels - run 0", f"{RAW} - 15 labels - run 0"]
    assert scores[-1] == "choice - random - 12 labels - run 1" and len(names) == len(set(names)) == 4 + 36 + 6 + 2
    assert scores[-3] == "fine-tuned - untied - fixed settings - 30 labels - run 1"


TWO = [np.ones((16, 8), np.float32), np.ones(8, np.float32), np.ones((8, 4), np.float32), np.ones(4, np.float32)]
LAYERS = [fingerprint_of(TWO[:2]), fingerprint_of(TWO[2:])]
CHOICE = "choice - random - 12 labels - run 0"
LEARNT = [{"before": ["x"], "after": LAYERS[:1], "loss_before": 2.0, "loss_after": 1.0},
          {"before": ["y"], "after": LAYERS[1:], "loss_before": 2.0, "loss_after": 1.0}]  # fmt: skip
LP_FT = "LP-FT - untied - 6 labels - run 1"


@pytest.fixture
def kept(tmp_path):
    """Return the parameters and the store of a study with made-up encoders, and proofs of them in its cells."""
    arms = [*STUDY["arms"], "LP-FT", "linear probe"]
    params = tiny.params(label_curve=STUDY | {"n_labels": [6, 15], "arms": arms})
    store = keys.store(params, tiny.prepare(tmp_path / "data"))
    for cell in keys.encoders(params):
        np.savez(store.path(cell.name, ".npz"), *TWO)
        content = store.path(cell.name, ".npz").read_bytes()
        store.write(cell.name, {"sha256": sha256(content).hexdigest(), "layers": LAYERS, "learnt": LEARNT})
    for cell in [*keys.score_cells(params, SIZE), *keys.choice_cells(params)]:
        pretrained = getattr(cell, "pretraining", "untied")
        store.write(cell.name, record(getattr(cell, "arm", FINE_TUNED)) if pretrained else {"proof": None})
    return params, store


def record(arm, proof=LAYERS):
    """Return what a trained arm's cell holds of its stages, by hand."""
    stages = {
        FINE_TUNED: [{"n_frozen": 0, "layers": ["a", "b"]}],
        "LP-FT": [{"n_frozen": 2, "layers": LAYERS}, {"n_frozen": 0, "layers": ["a", "b"]}],
        "linear probe": [],
    }[arm]
    return {"proof": {"before": proof}, "stages": stages, "weights": ["a", "b", "head"]}


def test_an_encoder_is_there_with_weights_that_are_those_of_its_hashes(kept):
    params, store = kept
    cell, other = keys.encoders(params)[:2]
    assert proofs.has(store, cell)
    for ours, theirs in zip(proofs.weights(store, cell), TWO, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    right = store.kept(cell.name)
    for wrong in ({"sha256": "0" * 64}, {"layers": LAYERS[::-1]}):
        store.write(cell.name, right | wrong)
        assert not proofs.has(store, cell)
    store.path(cell.name, ".npz").unlink()
    store.path(other.name).unlink()
    assert not proofs.has(store, cell) and not proofs.has(store, other)


@pytest.mark.parametrize("name", [f"{FINE_TUNED} - denoising masking - 6 labels - run 1", CHOICE])
def test_a_pretrained_cell_without_a_proof_of_its_encoders_weights_is_refused(kept, name):
    params, store = kept
    proofs.check(params, store, SIZE)
    encoder = "encoder - untied - run 0" if name == CHOICE else "encoder - denoising masking - run 1"
    for proof in (None, {"before": LAYERS[::-1]}, {"before": []}, {}):
        store.write(name, record(FINE_TUNED) | {"proof": proof})
        with pytest.raises(
            Forged, match=f"{name} .*: expected a proof of the weights in {encoder} .*npz, received other"
        ):
            proofs.check(params, store, SIZE)


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        (0, {"layers": [LAYERS[0], "c"]}), (0, {"layers": ["c", LAYERS[1]]}), (0, {"n_frozen": 0}),
        (1, {"layers": [LAYERS[0], "b"]}), (1, {"layers": ["a", "c"]}), (1, {"n_frozen": 1}), (1, None), (0, None),
    ],
)  # fmt: skip
def test_a_first_stage_that_froze_nothing_and_a_last_one_that_trained_nothing_are_refused(kept, stage, change):
    params, store = kept
    content = record("LP-FT")
    if change is None:
        del content["stages"][stage]
    else:
        content["stages"][stage] = content["stages"][stage] | change
    store.write(LP_FT, content)
    with pytest.raises(Forged, match=f"{LP_FT} .*: expected a proof"):
        proofs.check(params, store, SIZE)


@pytest.mark.parametrize("change", [{"before": LAYERS[1:]}, {"after": ["c"]}])
def test_an_encoder_whose_hashes_before_are_those_after_or_others_than_its_weights_is_refused(kept, change):
    params, store = kept
    name = "encoder - denoising masking - run 1"
    store.write(name, store.kept(name) | {"learnt": [LEARNT[0], LEARNT[1] | change]})
    with pytest.raises(Forged, match=f"{name} .*: expected the hashes of its weights, and others before"):
        proofs.check(params, store, SIZE)


def test_keys_hold_the_entries_of_the_tables_and_the_settings_that_count(tmp_path):
    found, c = given(tmp_path, arms=[RAW, PCA, "SVM", *COMPARED]), tiny.params().label_curve
    assert found[TUNED]["arm"] == {"encoder": "pretrained", "trains": (-1,)}
    assert found[f"{PCA} - 15 labels - run 0"]["arm"] == {"features": "pca", "learner": "logistic"}
    assert found["SVM - 15 labels - run 0"]["arm"] == {"features": "raw", "learner": "svm"}
    assert found["SVM - 15 labels - run 0"]["configurations"][0] == {"c": 10.0}
    assert found[f"{PCA} - 15 labels - run 0"]["components"] == 4 and found[TUNED]["n_labels"] == 15
    assert found[TUNED]["training"] == found[CHOICE]["training"] == {"batch_size": 8, "optimizer": "adam"}
    assert {*found[TUNED]["shape"]} == {"units", "activation", "output_activation", "kernel_initializer"}
    assert found[TUNED]["encoder"] == cells.digest(found["encoder - untied - run 0"])
    assert found[CHOICE]["encoder"] == found[TUNED]["encoder"] and found[CHOICE]["arm"] == found[TUNED]["arm"]
    assert (found[CHOICE]["choice"], found[CHOICE]["n_labels"]) == ("random", 12)
    assert found[f"{SCRATCH} - 15 labels - run 0"]["encoder"] is None
    plain, noisy = (found[f"encoder - {name} - run 0"] for name in ("untied", "denoising masking"))
    assert (
        plain["pretraining"] == {"way": "end_to_end", "networks": "one", "tied": False, "noise": None}
        and plain["recipe"] == noisy["recipe"] == c.network.model_dump()
    )
    assert noisy["pretraining"] == {"way": "greedy", "networks": "phases", "tied": False, "noise": "masking"}
    assert plain["epochs"] == 2


SEEDS_OF_RUN_ONE = [
    1664526938, 1067095921, 1218218947, 6885629, 731114686, 1124268592, 1094258332, 1368793316, 818382469,
]  # fmt: skip


def test_new_roles_left_the_seeds_of_earlier_ones_as_they_were():
    """By value: another seed would be another study."""
    assert [stream(42, 1, role) for role in ROLES] == SEEDS_OF_RUN_ONE
    assert keys.seeds(tiny.params(), 1) == dict(
        zip(("labels", "weights", "order", "choice"), [*SEEDS_OF_RUN_ONE[:3], SEEDS_OF_RUN_ONE[5]], strict=True)
    )


def test_a_study_that_pretrains_nothing_has_no_encoder():
    assert keys.encoders(tiny.params(label_curve=STUDY)) != []
    assert keys.encoders(tiny.params().model_copy(update={"label_curve": Bare})) == []


class Bare:
    """A study without a pretrained arm, which the parameter check refuses."""

    arms, pretrainings, n_runs = [RAW, SCRATCH], ["untied"], 2


def test_the_metric_is_in_the_key_of_a_tuned_score_alone(tmp_path):
    plain, balanced = (given(tmp_path / name[:3], metric=name) for name in ("accuracy", "balanced accuracy"))
    changed = {name for name in plain if plain[name] != balanced[name]}
    tuned = {name for name, key in plain.items() if len(key.get("configurations", [])) > 1}
    assert changed == tuned and plain[TUNED]["metric"] == "accuracy"
    untuned = given(tmp_path / "untuned", metric="balanced accuracy", tuning={"n_configurations": 1})
    assert not any("metric" in key for key in untuned.values())
