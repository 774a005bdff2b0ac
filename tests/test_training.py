"""The training loop against Keras' own, and what it adds: an order of rows per epoch, and a stop when it diverges."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from sklearn.datasets import load_digits

from autoencoders.batches import order
from autoencoders.errors import Diverged
from autoencoders.models import Autoencoder
from autoencoders.stopping import EarlyStopping
from autoencoders.training import Trainer
from autoencoders.validation import METRICS, accuracy, rounded_accuracy
from autoencoders.vocabulary import LOSSES, OPTIMIZERS

RNG = np.random.default_rng(0)
X, VALID = (RNG.uniform(0.05, 0.95, size=(n, 6)).astype("float32") for n in (11, 7))  # 11 = 4 + 4 + 3: a smaller batch
LABELS = np.arange(11) % 3
SEED, PHASE = 5, 2


def network(**kwargs) -> Autoencoder:
    """Return 6-4-2-4-6 with a penalty."""
    return Autoencoder(6, [4, 2], **{"activation": "tanh", "l2": 1e-2, "seed": 3, **kwargs})


def classifier() -> keras.Model:
    """Return 6-4-3, its first layer frozen."""
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(3, "softmax")])
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    model.layers[0].trainable = False
    return model


def trainer(model: keras.Model, **kwargs) -> Trainer:
    """Return a trainer with stochastic gradient descent of the mean squared error."""
    return Trainer(
        model, **{"loss": "mean_squared_error", "optimizer": "sgd", "learning_rate": 0.1, "metrics": ["mse"], **kwargs}
    )


def by_keras(model, y=None, *, loss, optimizer, learning_rate, epochs=3, metrics=(), validation=None):
    """Train by Keras' own `fit`, epoch by epoch on rows in the same order; return its loss of each epoch."""
    opt = keras.optimizers.get({"class_name": optimizer, "config": {"learning_rate": learning_rate}})
    model.compile(optimizer=opt, loss=loss, metrics=list(metrics), run_eagerly=True)  # nothing to compile: faster here
    y = X if y is None else y
    history: dict[str, list[float]] = {}
    for epoch in range(1, epochs + 1):
        rows = order(len(X), SEED, PHASE, epoch)
        fit = model.fit(X[rows], y[rows], batch_size=4, shuffle=False, validation_data=validation, verbose=0)
        for name, values in fit.history.items():
            history.setdefault(name, []).extend(values)
    return history


def assert_same_weights(a: keras.Model, b: keras.Model, start: keras.Model) -> None:
    """Check that two models agree to rounding, and that training has moved them far more than that."""
    for p, q in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(p, q, rtol=2e-5, atol=2e-6)
    moved = max(np.abs(p - w).max() for p, w in zip(a.get_weights(), start.get_weights(), strict=True))
    assert moved > 1e-4


ACTIVATIONS = (
    "selu", "elu", "relu", "tanh", "softsign", "gelu", "sigmoid", "softplus", "silu", "leaky_relu", "mish", "celu",
)  # fmt: skip
RECIPES = list(zip(OPTIMIZERS, itertools.cycle(LOSSES), ACTIVATIONS, itertools.cycle([True, False]), strict=False))
FAST = ("adam", "sgd")  # the book's own


def test_the_recipes_below_hold_every_optimizer_and_every_loss():
    optimizers, losses, _, _ = zip(*RECIPES, strict=True)
    assert set(optimizers) == set(OPTIMIZERS)
    assert set(losses) == set(LOSSES)


@pytest.mark.parametrize(
    ("optimizer", "loss", "activation", "tied"),
    [pytest.param(*recipe, marks=[] if recipe[0] in FAST else pytest.mark.slow) for recipe in RECIPES],
)
def test_the_loop_gives_the_weights_and_losses_of_keras_fit(optimizer, loss, activation, tied):
    recipe = {"loss": loss, "optimizer": optimizer, "learning_rate": 0.02}
    ours, theirs, start = (network(activation=activation, tied=tied) for _ in range(3))
    history = trainer(ours, **recipe).fit(X, epochs=3, batch_size=4, seed=SEED, phase=PHASE)
    reference = by_keras(theirs, **recipe)
    assert_same_weights(ours, theirs, start)
    np.testing.assert_allclose([row["loss"] for row in history], reference["loss"], rtol=1e-5)


def test_a_classifier_with_frozen_layers_and_integer_labels_trains_as_in_keras_fit():
    recipe = {"loss": "sparse_categorical_crossentropy", "optimizer": "adam", "learning_rate": 0.05}
    ours, theirs, start = classifier(), classifier(), classifier()
    validation = (VALID, np.arange(7) % 3)
    loop = trainer(ours, metrics=["accuracy"], **recipe)
    history = loop.fit(X, LABELS, epochs=3, batch_size=4, seed=SEED, phase=PHASE, validation=validation)
    reference = by_keras(theirs, LABELS, metrics=["accuracy"], validation=validation, **recipe)
    assert_same_weights(ours, theirs, start)
    np.testing.assert_array_equal(ours.get_weights()[0], start.get_weights()[0])
    for name in ("loss", "val_loss", "val_accuracy"):
        np.testing.assert_allclose([row[name] for row in history], reference[name], rtol=1e-5)
    assert loop.evaluate(X, LABELS)["accuracy"] == pytest.approx(theirs.evaluate(X, LABELS, verbose=0)[1])


def test_validation_numbers_are_those_of_keras_evaluate_with_the_penalties():
    model = network(tied=True)
    loop = trainer(model, metrics=["mse", "rounded_accuracy"])
    rows = loop.fit(X, epochs=2, batch_size=4, seed=SEED, validation=(VALID, VALID))
    model.compile(loss="mse", metrics=["mse", rounded_accuracy])
    loss, mse, rounded = model.evaluate(VALID, VALID, batch_size=7, verbose=0)
    expected = {"val_loss": loss, "val_mse": mse, "val_rounded_accuracy": rounded}
    assert {k: v for k, v in rows[-1].items() if k.startswith("val")} == pytest.approx(expected, rel=1e-5)
    assert loss > mse  # the penalty
    assert loop.evaluate(VALID) == pytest.approx({k[4:]: v for k, v in expected.items()}, rel=1e-5)


def test_evaluation_in_chunks_is_the_evaluation_of_the_whole():
    loop = trainer(network(), metrics=["rounded_accuracy"])
    x = tf.constant(X)
    assert loop._measure(x, x, 4) == pytest.approx(loop._measure(x, x), rel=1e-5)


# The order of rows.


def test_keras_repeats_one_order_after_set_random_seed_and_this_loop_does_not():
    """The fault that this loop exists for; if Keras mends it, say so in the module's docstring."""

    def orders_of_keras() -> list[bytes]:
        seen: list[bytes] = []

        class First(keras.layers.Layer):
            def call(self, x):
                tf.numpy_function(lambda v: seen.append(v.tobytes()), [x], [])
                return x * self.w

            def build(self, _):
                self.w = self.add_weight(shape=(), initializer="ones")

        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((1,)), First()])
        model.compile("sgd", "mse", run_eagerly=True)
        x = np.arange(8, dtype="float32")[:, None]
        model.fit(x, x, batch_size=8, epochs=2, shuffle=True, verbose=0)
        return seen

    first, second = orders_of_keras()
    assert first == second
    assert not np.array_equal(order(8, 0, 0, 1), order(8, 0, 0, 2))


def test_the_rows_of_each_epoch_are_in_its_order():
    """One step per row at a rate of 1 leaves the last row in the bias: the order shows in the weights."""
    for seed in (0, 1):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.set_weights([np.zeros((1, 1)), np.zeros(1)])
        model.layers[0]._kernel.trainable = False
        x, y = np.zeros((9, 1), "float32"), np.arange(9, dtype="float32")[:, None]
        loop = trainer(model, learning_rate=0.5)  # b <- b - 0.5 * 2 (b - y) = y
        for epochs in (1, 2):
            model.layers[0].bias.assign([0.0])
            loop.fit(x, y, epochs=epochs, batch_size=1, seed=seed, phase=PHASE)
            assert float(model.layers[0].bias[0]) == order(9, seed, PHASE, epochs)[-1]


# Repeating.


@pytest.mark.slow
def test_the_same_training_again_is_the_same_to_the_bit():
    weights = []
    for _ in range(2):
        model = network(tied=True)
        history = trainer(model, optimizer="adam").fit(X, epochs=2, batch_size=4, seed=SEED, validation=(VALID, VALID))
        weights.append((model.get_weights(), history))
    for a, b in zip(weights[0][0], weights[1][0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert weights[0][1] == weights[1][1]


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("muon", marks=pytest.mark.slow)])
def test_after_restart_the_same_weights_are_trained_to_the_same_end(optimizer):
    model = network()
    start = model.get_weights()
    loop = trainer(model, optimizer=optimizer, learning_rate=0.05)
    ends = []
    for restart in (False, True, False):
        if restart:
            loop.restart()
        model.set_weights(start)
        loop.fit(X, epochs=2, batch_size=4, seed=SEED)
        ends.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_array_equal(ends[0], ends[1])
    assert not np.allclose(ends[1], ends[2], atol=1e-3)  # without it the optimizer's memory goes on


@pytest.mark.slow
def test_corrupted_rows_are_inputs_only_and_other_ones_in_every_epoch():
    x = np.random.default_rng(0).random((12, 6), dtype=np.float32)
    noise = {epoch: np.random.default_rng(epoch).normal(size=x.shape).astype(np.float32) for epoch in (1, 2)}
    seen = []
    at_once, by_hand = (Autoencoder(6, [3], seed=1) for _ in range(2))
    trainers = [Trainer(m, loss="mean_squared_error", optimizer="adam", learning_rate=0.01) for m in (at_once, by_hand)]

    def corrupt(epoch):
        seen.append(epoch)
        return x + noise[epoch]

    rows = trainers[0].fit(x, epochs=2, batch_size=12, seed=0, corrupt=corrupt)
    losses = [trainers[1].fit(x + noise[k], x, epochs=1, batch_size=12, seed=0)[0]["loss"] for k in (1, 2)]
    assert seen == [1, 2]
    assert [row["loss"] for row in rows] == pytest.approx(losses, rel=1e-5)
    for a, b in zip(at_once.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.slow
def test_a_batch_may_be_larger_than_the_data_and_no_epoch_is_no_training():
    ours, theirs = network(), network()
    trainer(ours).fit(X, epochs=1, batch_size=64, seed=SEED)
    trainer(theirs).fit(X[::-1].copy(), epochs=1, batch_size=11, seed=SEED)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    before = ours.get_weights()
    assert trainer(ours).fit(X, epochs=0, batch_size=4, seed=SEED) == []
    np.testing.assert_array_equal(before[0], ours.get_weights()[0])


def test_every_epoch_is_told_with_its_number_and_row():
    told = []
    rows = trainer(network()).fit(
        X, epochs=3, batch_size=4, seed=0, validation=(VALID, VALID), on_epoch=lambda *told_: told.append(told_)
    )
    assert told == [(k + 1, row) for k, row in enumerate(rows)]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert list(rows[0]) == ["epoch", "loss", "val_loss", "val_mse"]


# Divergence.


def one_weight() -> keras.Model:
    """Return y = w x, w = 1: on the row x = 1, y = 0 one step makes it w (1 - 2 rate)."""
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])


@pytest.mark.parametrize(
    ("rate", "phase", "message"),
    [
        (1.2, 0, "training diverged in epoch 3: loss 3.8416, after loss 1 in epoch 1; the learning rate is 1.2"),
        (
            1.2,
            2,
            "training diverged in phase 2, epoch 3: loss 3.8416, after loss 1 in epoch 1; the learning rate is 1.2",
        ),
        (1e25, 0, "training diverged in epoch 2: loss inf, after loss 1 in epoch 1; the learning rate is 1e+25"),
    ],
)
def test_a_loss_that_leaves_the_numbers_or_three_times_the_first_stops_the_training(rate, phase, message):
    one, zero = np.ones((1, 1), "float32"), np.zeros((1, 1), "float32")
    told: list[int] = []
    with pytest.raises(Diverged) as raised:
        trainer(one_weight(), learning_rate=rate).fit(
            one, zero, epochs=9, batch_size=1, seed=0, phase=phase, on_epoch=lambda epoch, _: told.append(epoch)
        )
    assert str(raised.value) == f"{message}, try a smaller one"
    assert raised.value.exit_code == 4
    assert told == list(range(1, 3 if rate == 1.2 else 2))


@pytest.mark.parametrize(
    ("activation", "output", "optimizer", "rate", "times"),
    [("selu", "sigmoid", "sgd", 1.5, 255), ("relu", "linear", "adam", 3.0, 1)],
)
def test_a_network_that_answers_every_row_alike_has_diverged(activation, output, optimizer, rate, times):
    """SELU and SGD at 1.5 on pixels that nobody divided by 255: saturated, its loss finite and flat from epoch 1."""
    x = (load_digits().data / 16 * times).astype("float32")
    model = Autoencoder(64, [24, 8], activation=activation, output_activation=output, seed=1)
    with pytest.raises(Diverged, match=r"loss .*, and every row has the same output; the learning rate is"):
        trainer(model, learning_rate=rate, optimizer=optimizer).fit(x, epochs=3, batch_size=32, seed=1)


@pytest.mark.parametrize("rate", [1e-12, 1e-3])
@pytest.mark.parametrize("epochs", [1, 2])
def test_a_training_that_only_learns_little_has_not_diverged(rate, epochs):
    for output in ("linear", "sigmoid"):
        model = network(l2=0.0, output_activation=output)
        assert len(trainer(model, learning_rate=rate).fit(X, epochs=epochs, batch_size=4, seed=0)) == epochs


def test_validation_numbers_that_leave_the_numbers_stop_the_training():
    model = network(l2=0.0)
    bad = VALID.copy()
    bad[0, 0] = np.nan
    with pytest.raises(Diverged, match=r"epoch 1: loss 0\.\d+, val_loss nan, val_mse nan;"):
        trainer(model).fit(X, epochs=1, batch_size=4, seed=0, validation=(bad, bad))


def test_a_loss_below_zero_may_rise_a_little():
    """Poisson's loss can be negative: three times it is less than it, and no bound."""
    x = np.full((8, 6), 5.0, "float32")
    model = network(output_activation="softplus", l2=0.0)
    rows = trainer(model, loss="poisson", learning_rate=0.3).fit(x, epochs=30, batch_size=8, seed=0)
    assert rows[-1]["loss"] < 0
    assert len(rows) == 30


# The metrics.


def test_rounded_accuracy_by_hand():
    assert float(rounded_accuracy(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([[0.4, 0.4], [0.9, 0.1]]))) == 0.75


def test_accuracy_by_hand():
    probabilities = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert float(accuracy(np.array([1, 1, 1]), probabilities)) == pytest.approx(2 / 3)


def test_mse_by_hand():
    assert float(METRICS["mse"](np.array([[0.0, 2.0]]), np.array([[1.0, 0.0]]))) == 2.5


@pytest.mark.slow
def test_training_by_steps_is_training_by_epochs_cut_off():
    by_epochs, by_steps, cut = (network() for _ in range(3))
    trainer(by_epochs).fit(X, epochs=4, batch_size=4, seed=SEED, phase=PHASE)
    rows = trainer(by_steps).fit_steps(X, n_steps=12, batch_size=4, seed=SEED, phase=PHASE, at_a_time=5)
    assert [row["step"] for row in rows] == [5, 10, 12]
    for a, b in zip(by_epochs.get_weights(), by_steps.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    loop = trainer(cut)
    loop.fit_steps(X, n_steps=4, batch_size=4, seed=SEED, phase=PHASE)
    assert int(loop.optimizer.iterations) == 4


FITS = """
import keras, numpy as np
from autoencoders.training import Trainer
x, y = np.ones((20, 6), "float32"), np.arange(20) % 3
model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, "softmax")])
loop = Trainer(model, loss="sparse_categorical_crossentropy", optimizer="sgd", learning_rate=0.1)
for n, n_steps in ((11, 6), (20, 9), (20, 16)):
    loop.fit_steps(x[:n], y[:n], n_steps=n_steps, batch_size=4, seed=0, at_a_time=8GIVEN)
"""
OWN_RATES = ", rates=np.linspace(1 / n, 0, n_steps, dtype='float32'), weight_decay=0.1 * n"


@pytest.mark.slow
@pytest.mark.parametrize("given", ["", OWN_RATES], ids=["one rate", "rates"])
def test_fits_of_other_numbers_of_rows_and_steps_are_compiled_once(tmp_path, given):
    """XLA tells: TensorFlow's count of traces stays at one where XLA compiles anew for each number of steps."""
    told = os.environ | {"PYTHONPATH": str(tiny.ROOT), "XLA_FLAGS": "--xla_dump_to=modules"}
    subprocess.run(
        [sys.executable, "-c", FITS.replace("GIVEN", given)], cwd=tmp_path, env=told, check=True, capture_output=True
    )
    modules = list(tmp_path.glob("modules/*run_steps*.before_optimizations.txt"))
    assert len(modules) == 1


@pytest.mark.parametrize("labelled", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_rows_of_uint8_are_scaled_on_the_way_to_the_same_bits(labelled):
    """Every byte value is among them: a reciprocal instead of the division would show."""
    images = np.concatenate([np.arange(256), RNG.integers(0, 256, 26 * 6 - 256 % 6 + 2)])
    images = images[: len(images) // 6 * 6].astype(np.uint8).reshape(-1, 6)
    y = np.arange(len(images)) % 3 if labelled else None
    ends = []
    for x in (images, images.astype(np.float32) / np.float32(255)):
        model = classifier() if labelled else network()
        loss = "sparse_categorical_crossentropy" if labelled else "mean_squared_error"
        loop = trainer(model, scale=255, loss=loss, metrics=[], optimizer="adam")
        rows = loop.fit(x, y, epochs=2, batch_size=4, seed=SEED, validation=(x[:9], x[:9] if y is None else y[:9]))
        ends.append((rows, loop.evaluate(x, y), np.concatenate([w.ravel() for w in model.get_weights()])))
    assert ends[0][:2] == ends[1][:2]
    np.testing.assert_array_equal(ends[0][2], ends[1][2])


# Rates of one's own, weight decay.

RATES = np.array([0.3, 0.2, 0.1, 0.05, 0.02], np.float32)


@pytest.mark.slow
def test_every_step_has_its_own_rate_over_several_calls_and_the_optimizers_comes_back_after_restart():
    """By hand: the gradients of plain descent, step by step."""
    model, by_hand = network(l2=0.0), network(l2=0.0)
    loop = trainer(model)
    loop.fit_steps(X[:4], n_steps=5, batch_size=4, seed=SEED, rates=RATES, at_a_time=2)
    for rate in RATES:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((by_hand(X[:4]) - X[:4]) ** 2)
        for weight, gradient in zip(
            by_hand.trainable_variables, tape.gradient(loss, by_hand.trainable_variables), strict=True
        ):
            weight.assign_sub(rate * gradient)
    assert_same_weights(model, by_hand, network(l2=0.0))
    assert float(loop.optimizer.learning_rate) == pytest.approx(0.02) and int(loop.optimizer.iterations) == 5
    loop.restart()
    assert float(loop.optimizer.learning_rate) == pytest.approx(0.1)


@pytest.mark.slow
def test_weight_decay_is_that_of_keras_adamw_without_biases():
    ours, theirs, plain, start = (classifier() for _ in range(4))
    given = dict(n_steps=3, batch_size=11, seed=SEED, rates=np.full(3, 0.05, np.float32), at_a_time=3)
    for model, decay in ((ours, 2.0), (plain, 0.0)):
        loop = trainer(model, optimizer="adam", loss="sparse_categorical_crossentropy", metrics=[])
        loop.fit_steps(X, LABELS, weight_decay=decay, **given)
    adamw = keras.optimizers.AdamW(0.05, weight_decay=2.0)
    adamw.exclude_from_weight_decay(var_names=["bias"])
    theirs.compile(adamw, "sparse_categorical_crossentropy", run_eagerly=True)
    theirs.fit(X, LABELS, batch_size=11, epochs=3, verbose=0, shuffle=False)
    assert_same_weights(ours, theirs, start)
    assert max(np.abs(a - b).max() for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True)) > 0.1
    np.testing.assert_array_equal(ours.get_weights()[0], start.get_weights()[0])


def test_without_gradients_kernels_shrink_by_rate_times_decay_and_biases_stay():
    model = classifier()
    before = model.get_weights()
    loop = trainer(model, optimizer="sgd", loss=lambda y, outputs: 0.0 * outputs[:, 0], metrics=[])
    rates = np.array([0.5, 0.25], np.float32)
    loop.fit_steps(X, LABELS, n_steps=2, batch_size=11, seed=0, rates=rates, weight_decay=0.4, at_a_time=2)
    after = model.get_weights()
    np.testing.assert_allclose(after[2], before[2] * 0.8 * 0.9, rtol=1e-6)
    for k in (0, 1, 3):  # the frozen layer's weights, and the bias
        np.testing.assert_array_equal(after[k], before[k])


def test_all_rates_decays_and_steps_share_one_trace():
    """Every configuration of a study's tuning."""
    loop, traces = trainer(classifier(), loss="sparse_categorical_crossentropy", metrics=[]), []
    run, given = loop._run_steps, dict(batch_size=4, seed=0, at_a_time=4)
    loop._steps = tf.function(lambda *a: traces.append(1) or run(*a))
    for n, n_steps, rate, decay in ((11, 3, 0.1, 0.0), (11, 6, 0.01, 0.5), (8, 2, 0.003, 1)):
        rates = np.linspace(rate, 0, n_steps, dtype=np.float32)
        loop.fit_steps(X[:n], LABELS[:n], n_steps=n_steps, rates=rates, weight_decay=decay, **given)
    assert len(traces) == 1


def test_a_divergence_names_the_highest_of_the_rates():
    loop = trainer(network(), learning_rate=1e-9)
    with pytest.raises(Diverged, match=r"learning rate is 1e\+30"):
        loop.fit_steps(X, n_steps=3, batch_size=4, seed=0, rates=np.array([1e30, 1e29, 0], np.float32), at_a_time=3)


# Weights of rows, schedules, early stopping, noise.


def test_weights_of_rows_count_as_in_keras_fit():
    weights = RNG.uniform(0, 3, len(X)).astype("float32")
    ours, theirs, start = network(), network(), network()
    history = trainer(ours).fit(X, epochs=2, batch_size=4, seed=SEED, phase=PHASE, sample_weight=weights)
    theirs.compile(keras.optimizers.SGD(0.1), "mean_squared_error", run_eagerly=True)
    for row in history:
        rows = order(len(X), SEED, PHASE, row["epoch"])
        fit = theirs.fit(X[rows], X[rows], batch_size=4, shuffle=False, sample_weight=weights[rows], verbose=0)
        assert row["loss"] == pytest.approx(fit.history["loss"][0], rel=1e-5)
    assert_same_weights(ours, theirs, start)


def test_a_learning_rate_schedule_is_followed_as_in_keras_fit_and_begins_again_after_restart():
    def schedule():
        return keras.optimizers.schedules.ExponentialDecay(0.5, decay_steps=3, decay_rate=0.1)

    ours, theirs, start = network(), network(), network()
    loop = trainer(ours, learning_rate=schedule())
    loop.fit(X, epochs=3, batch_size=4, seed=SEED, phase=PHASE)
    by_keras(theirs, loss="mean_squared_error", optimizer="sgd", learning_rate=schedule())
    assert_same_weights(ours, theirs, start)
    assert float(loop.optimizer.learning_rate) == pytest.approx(0.5 * 0.1**3)
    loop.restart()
    assert float(loop.optimizer.learning_rate) == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping_is_that_of_keras_with_the_best_weights_restored(patience):
    """At this rate the validation loss goes up and down, and is not best at the end."""
    recipe = {"loss": "mean_squared_error", "learning_rate": 4.0}
    ours, theirs = network(l2=0.0), network(l2=0.0)
    told: list[int] = []
    history = trainer(ours, metrics=[], **recipe).fit(
        X, epochs=12, batch_size=4, seed=SEED, phase=PHASE, validation=(VALID, VALID),
        early_stopping=EarlyStopping(patience), on_epoch=lambda epoch, _: told.append(epoch),
    )  # fmt: skip
    stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    theirs.compile(keras.optimizers.SGD(4.0), "mean_squared_error", run_eagerly=True)
    stop.set_model(theirs)
    stop.on_train_begin()
    theirs.stop_training = False
    for epoch in range(12):
        rows = order(len(X), SEED, PHASE, epoch + 1)
        theirs.fit(X[rows], X[rows], batch_size=4, shuffle=False, verbose=0)
        stop.on_epoch_end(epoch, {"val_loss": theirs.evaluate(VALID, VALID, verbose=0)})
        if stop.stopped_epoch:
            break
    stop.on_train_end()
    losses = [row["val_loss"] for row in history]
    assert told == list(range(1, epoch + 2))
    assert int(np.argmin(losses)) == stop.best_epoch < len(losses) - 1
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert trainer(ours, metrics=[]).evaluate(VALID)["loss"] == pytest.approx(min(losses), rel=1e-6)


def test_an_accuracy_is_best_when_largest_and_what_is_not_measured_cannot_be_monitored():
    rows = [{"epoch": k, "val_accuracy": value} for k, value in enumerate((0.5, 0.7, 0.7, 0.6))]
    assert EarlyStopping(1, "val_accuracy").best(rows) == 1
    with pytest.raises(ValueError, match="expected to monitor one of loss, received val_loss"):
        trainer(network()).fit(X, epochs=2, batch_size=4, seed=0, early_stopping=EarlyStopping(2))


def noisy() -> keras.Model:
    """Return 6-5-6 with noise on the input and dropout on the coding."""
    rng = np.random.default_rng(2)
    layers = [keras.layers.GaussianNoise(0.3, seed=1), keras.layers.Dense(5, "tanh"), keras.layers.Dropout(0.4, seed=2)]
    model = keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(6)])
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    return model


@pytest.mark.slow
def test_dropout_and_noise_depend_on_seed_phase_and_epoch_only():
    def end(seed=SEED, phase=0, before=0) -> bytes:
        model = noisy()
        start = model.get_weights()
        loop = trainer(model, metrics=[])
        if before:  # what was drawn before leaves no trace
            loop.fit(X, epochs=before, batch_size=4, seed=9)
            model.set_weights(start)
        loop.fit(X, epochs=2, batch_size=11, seed=seed, phase=phase)
        return np.concatenate([w.ravel() for w in model.get_weights()]).tobytes()

    assert end() == end() == end(before=1)
    assert len({end(), end(seed=6), end(phase=1)}) == 3


@pytest.mark.slow
def test_dropout_and_noise_train_as_in_keras_fit_from_the_same_streams():
    ours, theirs, start = noisy(), noisy(), noisy()
    loop, streams = trainer(ours, metrics=[]), trainer(theirs, metrics=[])
    x = X[:8]  # two whole batches: a smaller one would draw another shape
    history = loop.fit(x, epochs=3, batch_size=4, seed=SEED, phase=PHASE)
    theirs.compile(keras.optimizers.SGD(0.1), "mean_squared_error", jit_compile=True)  # XLA draws other numbers
    for row in history:
        rows = order(len(x), SEED, PHASE, row["epoch"])
        streams._seed_noise(SEED, PHASE, row["epoch"])
        fit = theirs.fit(x[rows], x[rows], batch_size=4, shuffle=False, verbose=0)
        assert row["loss"] == pytest.approx(fit.history["loss"][0], rel=1e-5)
    assert_same_weights(ours, theirs, start)
    assert len(loop._streams) == 2


@pytest.mark.parametrize(("n", "seen"), [(11, 11), (1999, 1999), (2000, 1000), (2999, 1500)])
def test_about_a_thousand_rows_show_what_the_network_answers_without_its_noise(n, seen):
    loop, x = trainer(noisy(), metrics=[]), np.arange(n * 6, dtype="float32").reshape(n, 6) / (n * 6)
    sample, outputs = loop._reconstructed(x)
    np.testing.assert_array_equal(sample, x[:: -(-n // seen)])
    np.testing.assert_array_equal(outputs, loop.model(sample))
    assert len(sample) == seen


def test_bytes_are_divided_by_the_scale_alone_and_by_nothing_without_one():
    images = np.array([[0, 51, 255, 1, 2, 3]], np.uint8)
    for given, divisor in (({}, 1), ({"scale": 255}, 255)):
        sample, _ = trainer(network(), **given)._reconstructed(images)
        np.testing.assert_array_equal(sample, images.astype("float32") / np.float32(divisor))


def test_an_evaluation_is_without_noise():
    loop = trainer(noisy())
    expected = np.square(np.asarray(loop.model(X)) - X).mean()
    assert float(loop._run_evaluation(tf.constant(X), tf.constant(X), loop._scale)["mse"]) == pytest.approx(expected)


def test_every_layer_of_noise_has_a_stream_of_its_own_from_seed_phase_and_place():
    loop = trainer(noisy(), metrics=[])
    loop._seed_noise(5, 2, 3)
    expected = [[np.random.SeedSequence([5, 2, 3, k]).generate_state(1)[0] >> 1, 0] for k in (1, 2)]
    assert [np.asarray(stream).tolist() for stream in loop._streams] == expected


def test_training_by_steps_tells_a_mean_over_rows_every_250_steps_and_seeds_the_noise_there(monkeypatch):
    loop, seeded = trainer(one_weight(), learning_rate=1e-9, metrics=[]), []
    monkeypatch.setattr(loop, "_seed_noise", lambda *place: seeded.append(place))
    x, y = np.array([[1.0], [2.0], [3.0]], "float32"), np.zeros((3, 1), "float32")
    rows = loop.fit_steps(x, y, n_steps=252, batch_size=2, seed=7, phase=1)
    assert rows == [{"step": 250, "loss": pytest.approx(14 / 3)}, {"step": 252, "loss": pytest.approx(14 / 3)}]
    assert seeded == [(7, 1, 0), (7, 1, 250)]
