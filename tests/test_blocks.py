"""The loss by column: that of scikit-learn for each column, with finite gradients, in whatever order they stand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax
from sklearn.metrics import log_loss

from autoencoders.blocks import Block, ByColumn
from autoencoders.errors import Diverged, InputError
from autoencoders.models import Autoencoder
from autoencoders.pretraining import Network, Recipe, Shape, Streams, Training
from autoencoders.pretrainings import shuffled_columns
from autoencoders.stopping import raise_if_useless
from autoencoders.training import Trainer

VARIANCE = (0.04, 0.0, 0.09)
LOSS = ByColumn((Block("squares", 0, 2, VARIANCE[:2]), Block("categories", 2, 5), Block("squares", 5, 6, VARIANCE[2:]),
                 Block("categories", 6, 8)))  # fmt: skip
CATEGORIES = (slice(2, 5), slice(6, 8))


def table(n: int = 40, seed: int = 0) -> np.ndarray:
    """Return rows of three numbers, the second constant, and two categories, of which the first says the second."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, 8), np.float32)
    first = rng.choice(3, n, p=[0.1, 0.7, 0.2])
    x[:, 0], x[:, 1], x[:, 5] = rng.normal(0.5, 0.2, n), 0.5, 0.3 * first + rng.normal(0, 0.1, n)
    x[np.arange(n), 2 + first] = 1
    x[np.arange(n), 6 + (first > 1)] = 1
    return x


def outputs(n: int = 40) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 3, (n, 8)).astype(np.float32)


def gradient(loss, x, z):
    """Return the gradient by the outputs of the loss summed over rows, as compiled in training."""

    @tf.function(jit_compile=True)
    def run(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            total = tf.reduce_sum(loss(x, z))
        return tape.gradient(total, z)

    return run(tf.constant(z)).numpy()


def test_a_loss_is_the_mean_of_the_columns_squared_errors_and_cross_entropies():
    x, z = table(), outputs()
    by_hand = sum((x[:, k] - z[:, k]) ** 2 / (2 * v) for k, v in ((0, 0.04), (5, 0.09)))
    by_hand = by_hand.mean() + sum(
        log_loss(x[:, c].argmax(axis=1), softmax(z[:, c], axis=1), labels=range(c.stop - c.start)) for c in CATEGORIES
    )
    assert LOSS.width == 8 and len(LOSS.columns) == 5
    np.testing.assert_allclose(LOSS(x, z).numpy().mean(), by_hand / 5, rtol=1e-6)
    np.testing.assert_allclose(tf.function(LOSS, jit_compile=True)(x, z), LOSS(x, z), rtol=1e-5)


def test_a_category_that_no_training_row_has_and_a_constant_number_change_no_weight():
    x, z = table(), outputs()
    x[0, 2:5] = 0
    rest = gradient(LOSS, x, z)
    assert np.isfinite(rest).all() and (rest[0, 2:5] == 0).all() and (rest[:, 1] == 0).all()
    assert (rest[1:, 2:5] != 0).all() and (rest[:, [0, 5]] != 0).all()
    probabilities = softmax(z[:, 2:5], axis=1)
    np.testing.assert_allclose(rest[1:, 2:5], (probabilities - x[:, 2:5])[1:] / 5, atol=1e-6)


def test_extreme_logits_have_a_finite_loss_and_gradient():
    """The largest logit of each category is taken off, not that of the row, beside which others would vanish."""
    x, z = table(), outputs()
    z[:, 2:5] *= 1e4
    z[:, 6:8] -= 1e6
    assert np.isfinite(LOSS(x, z)).all() and np.isfinite(gradient(LOSS, x, z)).all()
    apart = ByColumn((Block("categories", 0, 2),))(x[:, 6:8], z[:, 6:8])
    without = ByColumn((*LOSS.blocks[:3],))(x[:, :6], z[:, :6])
    np.testing.assert_allclose(LOSS(x, z) * 5, without * 4 + apart, rtol=1e-5)


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (1, 3, 0, 2)])
def test_blocks_in_another_order_have_the_same_loss(order):
    x, z = table(), outputs()
    moved, places = [], []
    for k in order:
        block = LOSS.blocks[k]
        start = len(places)
        places += range(block.start, block.stop)
        moved.append(Block(block.kind, start, len(places), block.variance))
    np.testing.assert_allclose(ByColumn((*moved,))(x[:, places], z[:, places]), LOSS(x, z), rtol=1e-5)


def test_numbers_of_one_variance_have_the_direction_of_the_mean_squared_error():
    x, z = table(), outputs()
    ours = gradient(ByColumn((Block("squares", 0, 8, (0.02,) * 8),)), x, z)
    theirs = gradient(lambda x, z: tf.reduce_mean((x - z) ** 2, axis=1), x, z)
    np.testing.assert_allclose(ours, theirs / (2 * 0.02), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("variance", "factor"), [(0.02, 25), (1e-4, 5000), (1e-6, 5000), (1.1e-12, 5000), (1e-12, 0), (0.0, 0)]
)
def test_a_nearly_constant_number_counts_for_no_more_than_one_of_the_least_variance(variance, factor):
    loss = ByColumn((Block("squares", 0, 1, (variance,)),))
    assert float(loss(np.zeros((1, 1), "float32"), np.ones((1, 1), "float32"))[0]) == pytest.approx(factor)


def test_a_loss_is_that_of_its_json_and_equal_ones_share_a_compiled_function():
    text = json.dumps([{"kind": b.kind, "start": b.start, "stop": b.stop, "variance": b.variance} for b in LOSS.blocks])
    again = ByColumn.of(json.loads(text))
    assert again == LOSS and hash(again) == hash(LOSS) and again != ByColumn(LOSS.blocks[:3])


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ([Block("squares", 1, 2, (1.0,))], 0),
        ([Block("squares", 0, 1, (1.0,)), Block("categories", 2, 4)], 1),
        ([Block("categories", 0, 0)], 0),
        ([Block("squares", 0, 2, (1.0,))], 0),
        ([Block("squares", 0, 1)], 0),
        ([Block("squares", 0, 1, (-1.0,))], 0),
        ([Block("squares", 0, 1, (float("nan"),))], 0),
        ([Block("categories", 0, 2, (1.0, 1.0))], 0),
        ([Block("ranks", 0, 2)], 0),
    ],
)
def test_blocks_that_leave_out_a_column_or_a_variance_are_refused(given, number):
    with pytest.raises(InputError, match=rf"^blocks\[{number}\]: expected squares with a variance .* received Block\("):
        ByColumn((*given,))


def test_the_best_constant_output_has_means_and_log_shares_and_no_other_has_less_loss():
    x = table(300)
    best = LOSS.best_constant(x)
    np.testing.assert_allclose(softmax(best[2:5]), x[:, 2:5].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(best[[0, 5]], x[:, [0, 5]].mean(axis=0), rtol=1e-5)
    slope = gradient(LOSS, x, np.broadcast_to(best, x.shape)).mean(axis=0)
    np.testing.assert_allclose(slope, 0, atol=1e-5)
    x[:, 2:5] = [1, 0, 0]
    assert np.isfinite(LOSS.best_constant(x)).all()


def test_an_encoder_that_learnt_nothing_is_held_against_the_best_constant_output():
    """Column means as logits are a worse answer, beside which a network that learnt nothing would look useful."""
    x = table(300)
    best = np.broadcast_to(LOSS.best_constant(x), x.shape)
    nothing = best + np.float32(0.02) + np.float32(0.001) * outputs(300)
    answers = (nothing, np.broadcast_to(x.mean(axis=0), x.shape), best)
    loss, means, least = (float(np.mean(LOSS(x, z))) for z in answers)
    assert least < loss < means
    given = {"first": 0.5 * loss, "was_constant": False, "phase": 0, "learning_rate": 0.1}
    with pytest.raises(Diverged, match=rf"loss {loss:g} in the end, .* {least:g} for the best answer that is the same"):
        raise_if_useless(x, nothing, LOSS, **given)
    z = nothing.copy()
    z[:, 2:5] = 4 * x[:, 2:5]
    assert raise_if_useless(x, z, LOSS, **given) is None, "it knows the categories"


def model(**changes) -> Autoencoder:
    return Autoencoder(8, [6, 3], **({"activation": "tanh", "output_activation": "linear", "seed": 0} | changes))


@pytest.mark.slow
def test_an_autoencoder_learns_both_kinds_of_column_in_the_compiled_loop():
    x = table(200)
    made = model()
    trainer = Trainer(made, loss=LOSS, optimizer="adam", learning_rate=0.01)
    guessed = float(np.mean(LOSS(x, np.broadcast_to(LOSS.best_constant(x), x.shape))))
    rows = trainer.fit(x, epochs=40, batch_size=20, seed=0)
    assert rows[-1]["loss"] < 0.3 * guessed < rows[0]["loss"]
    z = np.asarray(made(x))
    assert all((z[:, c].argmax(axis=1) == x[:, c].argmax(axis=1)).mean() > 0.95 for c in CATEGORIES)
    assert np.corrcoef(z[:, 0], x[:, 0])[0, 1] > 0.8
    assert trainer.evaluate(x)["loss"] == pytest.approx(trainer.sample_loss(x), rel=1e-4)


@pytest.mark.slow
def test_a_training_that_saturates_every_unit_is_refused():
    trainer = Trainer(model(), loss=LOSS, optimizer="sgd", learning_rate=1e3)
    with pytest.raises(Diverged):
        trainer.fit(table(200), epochs=2, batch_size=20, seed=0)


def test_the_columns_of_one_category_are_shuffled_as_one(monkeypatch):
    seen = []
    monkeypatch.setattr(shuffled_columns.end_to_end, "pretrain", lambda x, *_, **__: seen.append(x))
    shape = Shape(units=(3,), activation="tanh", output_activation="linear")
    for loss in (LOSS, "mean_squared_error"):
        training = Training(loss=loss, optimizer="adam", learning_rate=0.1, batch_size=8)
        recipe = Recipe(networks=(Network(shape, training),), epochs=1)
        shuffled_columns.pretrain(table(), None, recipe, Streams.of(0))
    by_column, plain = seen
    np.testing.assert_array_equal(np.sort(by_column, axis=0), np.sort(table(), axis=0))
    np.testing.assert_array_equal(by_column[:, 2:5].sum(axis=1), 1)
    assert (plain[:, 2:5].sum(axis=1) != 1).any()
    assert (by_column[:, 2:5] != table()[:, 2:5]).any()
    assert ((by_column[:, 4] == 1) != (by_column[:, 7] == 1)).any(), "each by an order of its own"


def test_a_number_of_one_column_and_a_category_are_one_column_each():
    assert LOSS.columns == [slice(0, 1), slice(1, 2), slice(2, 5), slice(5, 6), slice(6, 8)]
    assert ByColumn(()).width == 0
