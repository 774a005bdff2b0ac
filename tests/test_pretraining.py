"""Ways to pretrain: each is the training it says, and a second run is as if it were the first."""

from __future__ import annotations

import inspect
import shutil
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import tiny

from autoencoders import pretraining
from autoencoders.arms import ARMS, BASELINES, CURVE_ARMS, CURVE_PRETRAININGS, PRETRAININGS, is_pretrained
from autoencoders.errors import TransferError
from autoencoders.layerwise import phase_seed, train_greedy
from autoencoders.models import Autoencoder, outputs
from autoencoders.pretraining import Learnt, Network, Noise, Recipe, Shape, Streams, Training
from autoencoders.pretrainings import end_to_end, fewer_rows, greedy, shuffled_columns
from autoencoders.training import Trainer
from autoencoders.transfer import fingerprint
from tasks.frame import models

X = tiny.rows(40, 3)[0].astype(np.float32) / 255
SHAPE = Shape(units=(8, 4), activation="selu", output_activation="sigmoid")
TRAINING = Training(loss="binary_crossentropy", optimizer="sgd", learning_rate=0.5, batch_size=8)
PHASES = tuple(
    Network(
        Shape(units=(units,), activation="selu", output_activation=output),
        Training(loss="mean_squared_error", optimizer="sgd", learning_rate=0.05, batch_size=8),
    )
    for units, output in ((8, "sigmoid"), (4, "selu"))
)
ONE = Streams.of(5)


def recipe(noise=None, *, tied=False, phases=False):
    networks = PHASES if phases else (Network(replace(SHAPE, tied=tied), TRAINING),)
    return Recipe(networks=networks, epochs=2, noise=noise)


def weights(model):
    return model.encoder.get_weights()


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
def test_end_to_end_is_keras_weights_trained_by_the_trainer(tied):
    trained, history, _ = end_to_end.pretrain(X, None, recipe(tied=tied), ONE)
    model = Autoencoder(16, [8, 4], tied=tied, seed=5)
    trainer = Trainer(model, loss="binary_crossentropy", optimizer="sgd", learning_rate=0.5)
    rows = trainer.fit(X, epochs=2, batch_size=8, seed=5, phase=1)
    for a, b in zip(trained.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert history == rows
    assert trained.get_config() == model.get_config()


@pytest.mark.slow
def test_greedy_is_greedy_layerwise_training():
    trained, history, _ = greedy.pretrain(X, X[:7], recipe(phases=True), ONE)
    for a, b in zip(trained.get_weights(), train_greedy(X, recipe(phases=True), seed=5).get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert [row["epoch"] for row in history] == [1, 2, 1, 2]
    assert all("val_loss" in row for row in history)


def test_a_later_phase_is_validated_on_codings():
    """Validation rows go through the phases below, as training rows do."""
    second = Recipe(networks=PHASES[1:], epochs=2, first=2)
    below, *_ = greedy.pretrain(X, None, Recipe(networks=PHASES[:1], epochs=2), ONE)
    codings = outputs(below.encoder.layers, X)
    _, alone, _ = greedy.pretrain(codings, codings[:7], second, ONE)
    _, both, _ = greedy.pretrain(X, X[:7], recipe(phases=True), ONE)
    assert both[2:] == alone


@pytest.mark.slow
@pytest.mark.parametrize(("way", "noise"), [(end_to_end, None), (greedy, Noise("masking", 0.3))])
def test_a_second_run_is_trained_as_if_it_were_the_first(way, noise):
    """Runs share a compiled function, and nothing else."""
    given = recipe(noise, phases=way is greedy)
    way.pretrain(X, None, given, Streams(weights=1, order=2, noise=3))
    second, *_ = way.pretrain(X, None, given, ONE)
    pretraining._idle.clear()
    once, *_ = way.pretrain(X, None, given, ONE)
    for a, b in zip(weights(second), weights(once), strict=True):
        np.testing.assert_array_equal(a, b)


def test_noise_is_as_strong_as_said_and_set_by_its_stream():
    x = np.random.default_rng(0).random((300, 100), dtype=np.float32) + 1
    masked = Noise("masking", 0.3).corrupted(x, [1])
    assert (masked == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert np.isin(masked, [0, *x.ravel()]).all()
    assert (Noise("gaussian", 0.3).corrupted(x, [1]) - x).std() == pytest.approx(0.3 * x.std(), rel=0.02)
    for noise in (Noise("masking", 0.3), Noise("gaussian", 0.3)):
        assert noise.corrupted(x, [1]).dtype == np.float32
        np.testing.assert_array_equal(noise.corrupted(x, [1]), noise.corrupted(x, [1]))
        assert (noise.corrupted(x, [1]) != noise.corrupted(x, [2])).any()


@pytest.mark.parametrize("kind", ["gaussian", "masking"])
def test_noise_is_new_in_every_epoch_and_phase_and_reaches_inputs_only(monkeypatch, kind):
    streams, fits = [], []

    def fit(self, x, **given):
        fits.append(x)
        noisy = [given["corrupt"](epoch) for epoch in (1, 2)]
        assert (noisy[0] != noisy[1]).any() and noisy[0].dtype == np.float32 and noisy[0].max() < 3
        self.model.set_weights([w + 1 for w in self.model.get_weights()])
        return [{"loss": 0.5}]

    clean = Noise.corrupted
    monkeypatch.setattr(Noise, "corrupted", lambda self, x, s: streams.append(s) or clean(self, x, s))
    monkeypatch.setattr(Trainer, "fit", fit)
    rows = tiny.rows(40, 3)[0]
    noisy = replace(recipe(Noise(kind, 0.3)), first=4)
    end_to_end.pretrain(rows, None, noisy, Streams(weights=1, order=2, noise=3), scale=255)
    assert streams == [[3, 4, 1], [3, 4, 2]]
    assert fits[0] is rows  # the targets stay clean, in the bytes they came in


@pytest.mark.slow
def test_without_strength_noise_is_none():
    for a, b in zip(weights(greedy.pretrain(X, None, recipe(Noise("masking", 0.0), phases=True), ONE).model),
                    weights(greedy.pretrain(X, None, recipe(phases=True), ONE).model), strict=True):  # fmt: skip
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gaussian", "masking"])
def test_the_stages_pretrain_and_phase_can_denoise(tmp_path, kind):
    data, noise = tiny.prepare(tmp_path / "data"), {"kind": kind, "amount": 0.4}
    phases = {key: {**phase.model_dump(), "noise": noise} for key, phase in tiny.params().phase.items()}
    for name, key, settings in (
        ("pretrain", "", tiny.params(pretrain={"noise": noise})),
        ("phase", "1", tiny.params(phase=phases)),
    ):
        plain = models.read(tiny.run(name, data, key)).get_weights()
        shutil.rmtree(data / name / key)
        noisy = models.read(tiny.run(name, data, key, settings)).get_weights()
        assert all((a != b).any() for a, b in zip(plain, noisy, strict=True))


def test_steps_are_counted_over_all_phases():
    assert recipe().n_steps(41) == 2 * 6
    assert recipe(phases=True).n_steps(41) == 2 * 2 * 6


def test_names_are_unique_and_carry_no_separator():
    """` - ` joins an arm's name and a pretraining's in tables."""
    assert len(CURVE_ARMS) == len(ARMS) + len(BASELINES) and len(CURVE_PRETRAININGS) == len(PRETRAININGS)
    assert not [name for name in (*CURVE_ARMS, *CURVE_PRETRAININGS) if " - " in name]
    pretrained = {name for name, arm in CURVE_ARMS.items() if is_pretrained(arm)}
    assert {"fine-tuned", "linear probe"} <= pretrained and not {"from scratch", "random features"} & pretrained


def test_an_encoder_that_has_learnt_nothing_is_refused(monkeypatch):
    """A proof of transfer says nothing of weights that were never trained."""
    monkeypatch.setattr(Trainer, "fit", lambda *_, **__: [{"loss": 0.5}])
    with pytest.raises(TransferError, match="layer 'encoder_1' still has its initial weights after pretraining"):
        end_to_end.pretrain(X, None, recipe(), ONE)


@pytest.mark.parametrize("way", [end_to_end, greedy])
def test_a_pretraining_keeps_hashes_and_loss_before_and_after_without_noise_or_penalty(monkeypatch, way):
    def fit(self, x, **_):
        self.model.set_weights([w + 0.01 for w in self.model.get_weights()])
        return [{"loss": 9.0}]

    monkeypatch.setattr(Trainer, "fit", fit)
    images = tiny.rows(40, 3)[0]
    given = recipe(Noise("masking", 0.3), phases=way is greedy)
    first, *others = given.networks
    given = replace(given, networks=(replace(first, shape=replace(first.shape, l2=0.5)), *others))
    model, _, learnt = way.pretrain(images, None, given, ONE, scale=255)
    assert len(learnt) == (2 if way is greedy else 1)
    after = [one for proof in learnt for one in proof.after]
    assert after == [fingerprint(layer) for layer in model.encoder.layers]
    start = given.networks[0].shape.model(16, seed=phase_seed(5, 1) if way is greedy else 5)
    assert learnt[0].before == [fingerprint(layer) for layer in start.encoder.layers]
    x, out = X.astype(np.float64), np.asarray(start(X), np.float64)
    losses = {
        "mean_squared_error": (x - out) ** 2,
        "binary_crossentropy": -(x * np.log(out) + (1 - x) * np.log1p(-out)),
    }
    expected = losses[given.networks[0].training.loss].mean()
    assert learnt[0].loss_before == pytest.approx(expected, rel=1e-5)
    start.set_weights([w + 0.01 for w in start.get_weights()])
    trainer = given.networks[0].training.trainer(start)
    assert learnt[0].loss_after == pytest.approx(trainer.sample_loss(X), rel=1e-6) != learnt[0].loss_before


@pytest.mark.parametrize(("after", "learnt"), [(1.9, True), (2.0, False), (2.1, False), (float("nan"), False)])
def test_a_network_has_learnt_if_its_loss_fell(after, learnt):
    proof = Learnt(["a"], ["b"], 2.0, after)
    said = f"expected the loss to fall in the pretraining, received 2 .*, {after:g} "
    with nullcontext() if learnt else pytest.raises(TransferError, match=said):
        proof.check()


def test_every_entry_names_a_way_there_is():
    for entry in PRETRAININGS:
        assert callable(import_module(f"autoencoders.pretrainings.{entry.way}").pretrain)


def test_every_way_there_is_has_an_entry():
    folder = tiny.ROOT / "autoencoders/pretrainings"
    ways = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert ways == {entry.way for entry in PRETRAININGS}, "an entry of PRETRAININGS in autoencoders/arms.py"


@pytest.fixture
def given_rows(monkeypatch):
    """Replace the training by one that keeps its rows and recipe."""
    seen = []
    monkeypatch.setattr(end_to_end, "pretrain", lambda x, *given, **words: seen.append((x, given, words)) or "trained")
    return seen


def test_fewer_rows_are_repeated_so_that_the_steps_are_those_of_all_rows(given_rows):
    streams = Streams(weights=1, order=2, noise=3)
    assert fewer_rows.pretrain(X, None, "recipe", streams, n_rows=7, scale=2.0, watch="watch") == "trained"
    fewer_rows.pretrain(X, None, "recipe", streams, n_rows=12)
    fewer_rows.pretrain(X, None, "recipe", replace(streams, order=4), n_rows=7)
    (few, given, words), (more, *_), (other, *_) = given_rows
    assert given == (None, "recipe", streams) and words == {"scale": 2.0, "watch": "watch"}
    assert few.shape == more.shape == X.shape
    order = np.random.default_rng(2).permutation(len(X))
    np.testing.assert_array_equal(few, X[np.resize(order[:7], len(X))])
    np.testing.assert_array_equal(more, X[np.resize(order[:12], len(X))])
    assert (other != few).any()
    with pytest.raises(ValueError, match=r"n_rows: expected 40 at most, the number of rows, received 41"):
        fewer_rows.pretrain(X, None, "recipe", streams, n_rows=41)


def test_shuffled_columns_keep_each_columns_values_and_not_what_ties_them(given_rows):
    given, streams = recipe(), Streams(weights=1, order=2, noise=3)
    assert shuffled_columns.pretrain(X, None, given, streams, scale=2.0, watch="watch") == "trained"
    shuffled_columns.pretrain(X, None, given, replace(streams, noise=4))
    (noise, others, words), (other, *_) = given_rows
    assert others == (None, given, streams) and words == {"scale": 2.0, "watch": "watch"}
    np.testing.assert_array_equal(np.sort(noise, axis=0), np.sort(X, axis=0))
    rows = {row.tobytes() for row in X}
    assert not any(row.tobytes() in rows for row in noise) and (other != noise).any()


def test_noise_is_to_the_byte_that_of_numpys_stream():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    drawn = np.random.default_rng([1, 2]).random((3, 4), dtype=np.float32)
    np.testing.assert_array_equal(Noise("masking", 0.5).corrupted(x, [1, 2]), np.where(drawn < 0.5, 0, x))
    drawn = np.random.default_rng([1, 2]).standard_normal((3, 4), dtype=np.float32)
    noisy = x + np.float32(0.5) * x.std() * drawn
    np.testing.assert_array_equal(Noise("gaussian", 0.5).corrupted(x, [1, 2]), noisy)


def test_a_recipe_without_further_words_is_plain():
    shape = Shape(units=(2,), activation="selu", output_activation="sigmoid")
    assert (shape.kernel_initializer, shape.l2, shape.tied) == ("glorot_uniform", 0.0, False)
    plain = Recipe(networks=(), epochs=1)
    assert (plain.noise, plain.first) == (None, 1)
    assert pretraining.Watch(metrics=(), on_epoch=None) == pretraining.UNWATCHED
    for way in (pretraining.train, end_to_end.pretrain, greedy.pretrain):
        assert inspect.signature(way).parameters["scale"].default == 1.0
    assert inspect.signature(pretraining.train).parameters["phase"].default == 0


def test_no_epoch_is_no_training_and_is_no_failed_one():
    model, history, learnt = pretraining.train(X, None, Network(SHAPE, TRAINING), ONE, epochs=0)
    assert history == [] and learnt == ()
    np.testing.assert_array_equal(model.get_weights()[0], SHAPE.model(16, seed=5).get_weights()[0])


def test_bytes_are_scaled_before_they_are_encoded_or_noisy():
    images, (model,) = tiny.rows(4, 3)[0], [PHASES[0].shape.model(16, seed=1)]
    scaled = images.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(pretraining.floats(images, 255), scaled)
    np.testing.assert_array_equal(greedy._codings(model, images, 255), outputs(model.encoder.layers, scaled))
    assert pretraining.floats(scaled, 255) is scaled and greedy._codings(model, None, 255) is None


def test_one_phase_is_its_own_network_and_is_told_of(monkeypatch):
    def fit(self, x, **given):
        self.model.set_weights([w + 1 for w in self.model.get_weights()])
        return [given]

    monkeypatch.setattr(Trainer, "fit", fit)
    watch = pretraining.Watch(metrics=("mse",), on_epoch=print)
    model, (one,), _ = greedy.pretrain(X, X[:3], Recipe(networks=PHASES[:1], epochs=4, first=7), ONE, watch=watch)
    assert model.get_config()["seed"] == phase_seed(5, 7)
    assert (one["epochs"], one["batch_size"], one["seed"], one["phase"]) == (4, 8, 5, 7)
    assert one["on_epoch"] is print and one["corrupt"] is None and len(one["validation"]) == 2


def test_a_training_within_another_or_beside_it_has_a_trainer_of_its_own(monkeypatch):
    seen, network = [], recipe().networks[0]

    def fit(self, x, *, seed, on_epoch, **_):
        seen.append(self)
        if on_epoch is not None:
            on_epoch(1, {})
        self.model.set_weights([w + seed for w in self.model.get_weights()])
        return [{"loss": float(seed)}]

    monkeypatch.setattr(Trainer, "fit", fit)
    within = []
    again = pretraining.Watch(
        on_epoch=lambda *_: within.append(pretraining.train(X, None, network, Streams.of(9), epochs=1))
    )
    pretraining._idle.clear()
    model, *_ = pretraining.train(X, None, network, ONE, epochs=1, watch=again)
    assert len({id(trainer) for trainer in seen}) == 2
    first = network.shape.model(16, seed=5).get_weights()
    np.testing.assert_allclose(model.get_weights()[0], first[0] + 5, rtol=1e-6)
    pretraining.train(X, None, network, ONE, epochs=1)
    assert seen[2] in seen[:2], "compiled once"


def test_a_trainer_whose_training_failed_is_not_used_again(monkeypatch):
    def fit(self, x, **_):
        raise KeyboardInterrupt

    pretraining._idle.clear()
    monkeypatch.setattr(Trainer, "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        end_to_end.pretrain(X, None, recipe(), ONE)
    assert not pretraining._idle
