"""A worker of the study: what it hands to a pretraining, and what it keeps of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import tiny

from autoencoders import pretraining
from autoencoders.arms import COMPARED, CURVE_PRETRAININGS
from autoencoders.blocks import ByColumn
from autoencoders.errors import TransferError
from autoencoders.pretraining import Learnt, Noise, Streams
from autoencoders.pretrainings import end_to_end, greedy
from autoencoders.standardisation import Standardisation
from autoencoders.study import Bench
from autoencoders.transfer import fingerprint
from tasks.frame import files, recipes
from tasks.frame.errors import DataError
from tasks.study import keys, proofs
from tasks.study.keys import EncoderCell, ScoreCell
from tasks.study.worker import Worker

FEW = {"arms": [*COMPARED], "n_runs": 2, "n_labels": [6, 15],
       "beforehand": {"with_encoder": COMPARED[0], "without": COMPARED[1]}}  # fmt: skip
STUDY = tiny.params(label_curve=FEW | {"pretrainings": ["untied", "tied", "denoising masking"]})
NETWORK = STUDY.label_curve.network
LEARNT = Learnt(["a", "b"], ["c", "d"], 2.0, 1.0)


@pytest.fixture
def worker(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    return Worker(STUDY, data, keys.store(STUDY, data))


@pytest.mark.parametrize(("name", "way"), [("untied", end_to_end), ("tied", end_to_end), ("denoising masking", greedy)])
def test_a_pretraining_gets_its_recipe_and_the_weights_and_hashes_of_its_encoder_are_kept(
    worker, monkeypatch, name, way
):
    asked = []

    def pretrain(*given, **settings):
        asked.append((given, settings))
        model = recipes.of_network(NETWORK).shape.model(16, seed=3)
        return pretraining.Pretrained(model, [{"loss": 3.0}, {"loss": 2.0}, {"loss": 1.0}], (LEARNT,))

    monkeypatch.setattr(way, "pretrain", pretrain)
    cell = EncoderCell(name, 1)
    kept = worker.pretrain(cell)
    (((rows, validation, recipe, streams), settings),) = asked
    assert rows is worker.rows(1).x and rows.dtype == np.uint8
    assert validation is None and settings == {"scale": 255}
    assert streams == Streams(**keys.pretraining_streams(STUDY, 1))
    inputs = Standardisation.of_images(rows, 255)
    of_layers = recipes.of_layers(NETWORK, standardisation=inputs)
    whole = recipes.of_network(NETWORK, tied=name == "tied", standardisation=inputs)
    assert (
        recipe.networks == (tuple(of_layers) if way is greedy else (whole,))
        and recipe.epochs == 2
        and recipe.first == 1
    )
    amount = STUDY.label_curve.pretraining_settings["denoising masking"]["noise"]
    assert recipe.noise == (Noise("masking", amount) if way is greedy else None)
    layers = recipes.of_network(NETWORK).shape.model(16, seed=3).encoder.layers
    content = worker.store.path(cell.name, ".npz").read_bytes()
    assert kept == {
        "layers": [fingerprint(layer) for layer in layers], "sha256": hashlib.sha256(content).hexdigest(),
        "loss": 1.0, "n_steps": recipe.n_steps(67), "n_rows": 67,
        "learnt": [{"before": ["a", "b"], "after": ["c", "d"], "loss_before": 2.0, "loss_after": 1.0}],
    }  # fmt: skip
    worker.store.write(cell.name, kept)
    assert proofs.has(worker.store, cell)
    assert worker.encoder(cell) is worker.encoder(cell) and worker.encoder(cell).layers == tuple(kept["layers"])


def by_column(tmp_path, **changes):
    params, data = tiny.params(label_curve=FEW | tiny.BY_COLUMN | changes), tiny.table(tmp_path / "data")
    return Worker(params, data, keys.store(params, data))


@pytest.mark.parametrize("name", ["untied", "tied", "greedy", "shuffled columns"])
def test_a_loss_by_column_is_that_of_the_tables_blocks_and_later_phases_have_squared_error(tmp_path, name):
    made = by_column(tmp_path, pretrainings=[name])
    recipe, _ = made._recipe(name, made.rows(0))
    first, *others = [network.training.loss for network in recipe.networks]
    assert first == ByColumn.of(files.read_json(tmp_path / "data/prepare/schema.json")["blocks"]) and first.width == 8
    assert others == (["mean_squared_error"] if name == "greedy" else [])
    assert recipe.networks[0].shape.output_activation == "linear"


@pytest.mark.parametrize(("blocks", "said"), [
    ([], "expected blocks of 8 columns, as train.npy has, received 0"),
    ([{"kind": "categories", "start": 1, "stop": 8, "variance": None}], r"blocks\[0\]: expected squares with .*"),
])  # fmt: skip
def test_blocks_that_are_not_those_of_the_rows_are_refused_with_their_file(tmp_path, blocks, said):
    made = by_column(tmp_path)
    files.write_json(tmp_path / "data/prepare/schema.json", {"blocks": blocks})
    with pytest.raises(DataError, match=rf"schema\.json: {said}"):
        made.pretrain(EncoderCell("untied", 0))


@pytest.mark.slow
def test_every_pretraining_learns_by_column_in_a_study_that_sees_what_is_declared(tmp_path):
    data = tiny.table(tmp_path / "data")
    few = {name: {"n_rows": 20} for name in ("few rows", "some rows")}
    changes = FEW | tiny.BY_COLUMN | {
        "pretrainings": [*CURVE_PRETRAININGS], "choices": [], "pretrain_epochs": 4, "tuning": {"n_configurations": 1},
        "pretraining_settings": tiny.params().label_curve.pretraining_settings | few}  # fmt: skip
    params = tiny.params(label_curve=changes)
    tiny.run("label_curve", data, settings=params)
    store = keys.store(params, data)
    kept = [store.kept(cell.name) for cell in keys.encoders(params)]
    assert len(kept) == 2 * len(CURVE_PRETRAININGS)
    assert all(learnt["loss_after"] < learnt["loss_before"] for one in kept for learnt in one["learnt"])


@pytest.mark.parametrize("loss", [2.0, 2.5, float("nan")])
def test_an_encoder_whose_loss_did_not_fall_is_refused_and_not_kept(worker, monkeypatch, loss):
    model = recipes.of_network(NETWORK).shape.model(16, seed=3)
    learnt = (LEARNT, LEARNT._replace(loss_after=loss))
    found = pretraining.Pretrained(model, [{"loss": 1.0}], learnt)
    monkeypatch.setattr(end_to_end, "pretrain", lambda *_, **__: found)
    said = rf"expected the loss to fall in the pretraining, received 2 before it, {loss:g} after it"
    with pytest.raises(TransferError, match=said):
        worker.pretrain(EncoderCell("untied", 1))
    assert [*worker.store.folder.iterdir()] == []


def make(tmp_path, **changes):
    params, data = tiny.params(label_curve=FEW | changes), tiny.prepare(tmp_path / "data")
    return Worker(params, data, keys.store(params, data))


@pytest.mark.parametrize(("changes", "n"), [({}, 67), ({"n_unlabelled": 20}, 20)])
def test_the_bench_has_the_rows_and_the_settings_of_the_study(tmp_path, changes, n):
    made = make(tmp_path, **changes)
    bench, given, study = made.bench(0), made.rows(0), made.params.label_curve
    assert (bench.x.shape, bench.x_test.shape, len(bench.labels_test)) == ((67, 16), (30, 16), 30)
    np.testing.assert_array_equal(bench.unlabelled, given.mapped(given.unlabelled))
    assert len(bench.unlabelled) == n and bench.n_folds == study.tuning.n_folds
    shape = study.network.shape
    assert vars(bench.training) == {
        "kernel_initializer": shape.kernel_initializer, "batch_size": 8, "optimizer": study.classifier.optimizer,
    }  # fmt: skip
    config = bench.source.get_config()
    assert (config["units"], config["activation"]) == ([8, 4], [shape.activation] * 2)
    assert config["output_activation"] == shape.output_activation and "standardisation" not in config


@pytest.mark.parametrize(("vary", "shared"), [(["labels"], True), (["split"], False), (["unlabelled"], False)])
def test_runs_with_the_same_rows_share_a_bench_and_others_do_not(tmp_path, vary, shared):
    made = make(tmp_path, vary=vary, n_unlabelled=20)
    assert (made.bench(0) is made.bench(1)) is shared
    assert made.bench(1) is made.bench(1)


def test_a_learner_gets_its_settings_seed_and_unlabelled_rows_and_the_cell_their_number(tmp_path, monkeypatch):
    made = make(tmp_path, arms=[*COMPARED, "extra trees", "self-training"], n_unlabelled=20,
                tuning={"n_configurations": 3})  # fmt: skip
    asked = []
    monkeypatch.setattr(Bench, "score", lambda self, *given: asked.append(given) or {"a": 1})
    trees, trained, taking = (ScoreCell(arm, "", 15, 1) for arm in ("extra trees", COMPARED[1], "self-training"))
    assert made.score(trees) == {"cell": vars(trees), "a": 1} and made.score(trained) == {"cell": vars(trained), "a": 1}
    assert made.score(taking) == {"cell": vars(taking), "a": 1, "n_unlabelled": 20}
    seeds = keys.seeds(made.params, 1)
    assert [given[:4] for given in asked] == [(cell.arm, 15, seeds, None) for cell in (trees, trained, taking)]
    of_trees, of_trained, of_taking = (given[4] for given in asked)
    tried = [keys.configurations(made.params, cell) for cell in (trees, trained, taking)]
    assert of_trees == [settings | {"seed": seeds["weights"]} for settings in tried[0]] and of_trained == tried[1]
    for keywords, settings in zip(of_taking, tried[2], strict=True):
        assert keywords.keys() == {"c", "threshold", "unlabelled"} and keywords["c"] == settings["c"]
        np.testing.assert_array_equal(keywords["unlabelled"], made.bench(1).unlabelled)


def test_a_networks_recipe_is_what_the_parameters_say():
    network, phase, inputs = STUDY.network, STUDY.phase["2"], Standardisation((0.5,), (2.0,))
    assert recipes.of_network(network) == pretraining.Network(
        pretraining.Shape(units=(8, 4), tied=False, **network.shape.model_dump(exclude={"units"})),
        pretraining.Training(**network.training.model_dump()),
    )
    assert recipes.of_network(network, tied=True).shape.tied
    whole = recipes.of_network(network, standardisation=inputs)
    first, second = recipes.of_layers(network, standardisation=inputs)
    assert whole.shape.standardisation == inputs
    assert first == replace(whole, shape=replace(whole.shape, units=(8,)))
    assert second == pretraining.Network(
        replace(whole.shape, units=(4,), output_activation="selu", standardisation=None),
        replace(whole.training, loss="mean_squared_error"),
    )
    shape = {"activation", "output_activation", "kernel_initializer", "l2"}
    assert recipes.of_phase(phase) == pretraining.Network(
        pretraining.Shape(units=(4,), **phase.model_dump(include=shape)),
        pretraining.Training(**phase.model_dump(include={"loss", "optimizer", "learning_rate", "batch_size"})),
    )
    assert recipes.of_noise(None) is None
