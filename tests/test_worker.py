"""A worker of the study: what it hands to a pretraining, and what it keeps of it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import tiny

from autoencoders import pretraining
from autoencoders.arms import COMPARED
from autoencoders.pretraining import Noise, Streams
from autoencoders.pretrainings import end_to_end, greedy
from autoencoders.transfer import fingerprint
from tasks.frame import recipes
from tasks.study import keys
from tasks.study.keys import EncoderCell
from tasks.study.worker import Worker

FEW = {"arms": [*COMPARED], "n_runs": 2, "n_labels": [6, 15]}
STUDY = tiny.params(label_curve=FEW | {"pretrainings": ["untied", "tied", "denoising masking"]})


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
        model = recipes.of_network(STUDY.network).shape.model(16, seed=3)
        return pretraining.Pretrained(model, [{"loss": 3.0}, {"loss": 2.0}, {"loss": 1.0}])

    monkeypatch.setattr(way, "pretrain", pretrain)
    cell = EncoderCell(name, 1)
    kept = worker.pretrain(cell)
    (((rows, validation, recipe, streams), settings),) = asked
    np.testing.assert_array_equal(rows, worker.bench.x)
    assert validation is None and settings == {} and streams == Streams(**keys.pretraining_streams(STUDY, 1))
    of_phases = [recipes.of_phase(phase) for phase in STUDY.phase.values()]
    networks = of_phases if way is greedy else [recipes.of_network(STUDY.network, tied=name == "tied")]
    assert recipe.networks == tuple(networks) and recipe.epochs == 2 and recipe.first == 1
    amount = STUDY.label_curve.pretraining_settings["denoising masking"]["noise"]
    assert recipe.noise == (Noise("masking", amount) if way is greedy else None)
    layers = recipes.of_network(STUDY.network).shape.model(16, seed=3).encoder.layers
    content = worker.store.path(cell.name, ".npz").read_bytes()
    assert kept == {
        "layers": [fingerprint(layer) for layer in layers], "sha256": hashlib.sha256(content).hexdigest(),
        "loss": 1.0, "n_steps": recipe.n_steps(67), "n_rows": 67,
    }  # fmt: skip
    worker.store.write(cell.name, kept)
    assert keys.has(worker.store, cell)
    assert worker.encoder(cell) is worker.encoder(cell) and worker.encoder(cell).layers == tuple(kept["layers"])


@pytest.mark.parametrize(
    ("changes", "n_valid"),
    [({}, None), ({"learning_rates": [0.1, 0.2], "protocol": "large_validation"}, 45), ({"n_unlabelled": 20}, None)],
)
def test_the_bench_has_the_rows_and_the_settings_of_the_study(tmp_path, changes, n_valid):
    params, data = tiny.params(label_curve=FEW | changes), tiny.prepare(tmp_path / "data")
    bench = Worker(params, data, keys.store(params, data)).bench
    assert (bench.x.shape, bench.x_test.shape, len(bench.labels_test)) == ((67, 16), (30, 16), 30)
    assert len(bench.unlabelled) == changes.get("n_unlabelled", 67) and bench.x.max() <= 1
    assert n_valid == (None if bench.valid is None else len(bench.valid.x))
    study, shape = params.label_curve, params.network.shape
    assert vars(bench.training) == {
        "kernel_initializer": shape.kernel_initializer, "n_steps": 4, "batch_size": 8, "optimizer": study.optimizer,
        "learning_rates": study.learning_rates, "n_folds": study.n_folds,
    }  # fmt: skip
    config = bench.source.get_config()
    assert (config["units"], config["activation"]) == ([8, 4], [shape.activation] * 2)
    assert config["output_activation"] == shape.output_activation and bench.learners == study.learners


def test_a_networks_recipe_is_what_the_parameters_say():
    network, phase = STUDY.network, STUDY.phase["2"]
    assert recipes.of_network(network) == pretraining.Network(
        pretraining.Shape(units=(8, 4), tied=False, **network.shape.model_dump(exclude={"units"})),
        pretraining.Training(**network.training.model_dump()),
    )
    assert recipes.of_network(network, tied=True).shape.tied
    shape = {"activation", "output_activation", "kernel_initializer", "l2"}
    assert recipes.of_phase(phase) == pretraining.Network(
        pretraining.Shape(units=(4,), **phase.model_dump(include=shape)),
        pretraining.Training(**phase.model_dump(include={"loss", "optimizer", "learning_rate", "batch_size"})),
    )
    assert recipes.of_noise(None) is None
