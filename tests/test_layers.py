"""DenseTranspose: the equation, Keras' own layer contract, wrong use (its tie through files: test_tie.py)."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import pair

from autoencoders.layers import DenseTranspose

Dense = keras.layers.Dense
LOST = "has lost the Dense layer that it was tied to"
X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


# The equation.


def test_the_output_of_a_2_by_2_kernel_is_the_one_worked_out_by_hand():
    dense, transpose = pair(2, 2)
    dense.set_weights([np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([100.0, 100.0])])
    transpose.build((None, 2))
    transpose.set_weights([np.array([0.5, -0.5])])
    # (1, 10) W.T = (1*1 + 10*2, 1*3 + 10*4) = (21, 43); the Dense layer's own bias has no part in it.
    np.testing.assert_array_equal(transpose(np.array([[1.0, 10.0]], "float32")), [[21.5, 42.5]])


def test_the_activation_comes_last():
    dense, transpose = pair(activation="relu")
    y = transpose(X[:, :2])
    np.testing.assert_allclose(y, np.maximum(X[:, :2] @ np.asarray(dense.kernel).T, 0), rtol=1e-6, atol=1e-6)


def test_the_gradient_of_the_kernel_is_the_sum_of_both_uses():
    dense, transpose = pair()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(transpose(dense(X)) ** 2)
    gradient = tape.gradient(loss, dense.kernel.value)

    w, x = np.asarray(dense.kernel, "float64"), X.astype("float64")  # y = x W W'; L = |y|^2; biases are 0
    y = x @ w @ w.T
    as_encoder, as_decoder = 2 * x.T @ (y @ w), 2 * y.T @ (x @ w)
    np.testing.assert_allclose(gradient, as_encoder + as_decoder, rtol=1e-4, atol=1e-5)
    assert min(np.abs(as_encoder).max(), np.abs(as_decoder).max()) > 0.1


@pytest.mark.parametrize("shape", [(2,), (5, 2), (5, 6, 2), (1, 5, 6, 2)])
def test_inputs_of_any_rank_are_taken(shape):
    dense, transpose = pair()
    x = np.random.default_rng(1).normal(size=(4, *shape)).astype("float32")
    y = transpose(x)
    np.testing.assert_allclose(y, x @ np.asarray(dense.kernel).T, rtol=1e-5, atol=1e-6)
    assert transpose.compute_output_shape(x.shape) == y.shape == (4, *shape[:-1], 3)


def test_a_model_with_it_trains_compiled_by_xla_and_moves_both_uses_of_the_kernel():
    dense, transpose = pair()
    model = keras.Sequential([keras.Input((3,)), dense, transpose])
    before = dense.kernel.numpy()
    model.compile("sgd", "mse", jit_compile=True)
    model.fit(X, X, verbose=0)
    assert not np.array_equal(before, dense.kernel)
    np.testing.assert_allclose(model(X), dense(X) @ np.asarray(dense.kernel).T + transpose.bias, rtol=1e-5, atol=1e-6)


# Keras' layer contract.


def test_only_the_bias_is_its_own():
    dense, transpose = pair()
    transpose.build((None, 2))
    assert [w.path for w in transpose.weights] == ["decoder/bias"]
    assert transpose.count_params() == 3
    model = keras.Sequential([keras.Input((3,)), dense, transpose])
    assert model.count_params() == 3 * 2 + 2 + 3


def test_freezing_the_dense_layer_freezes_the_kernel_and_not_this_bias():
    dense, transpose = pair()
    transpose.build((None, 2))
    dense.trainable = False
    model = keras.Sequential([keras.Input((3,)), dense, transpose])
    assert [w.path for w in model.trainable_weights] == ["decoder/bias"]
    dense.trainable, transpose.trainable = True, False
    assert [w.path for w in model.trainable_weights] == ["encoder/kernel", "encoder/bias"]


@pytest.mark.parametrize("other", ["float32", "float64", "mixed_float16"])
@pytest.mark.parametrize("policy", ["float32", "float64", "mixed_float16", "mixed_bfloat16", "bfloat16"])
def test_the_dtype_policy_is_its_own_and_the_tied_kernel_is_cast_to_it(policy, other):
    dense = Dense(2, dtype=other)
    dense.build((None, 3))
    transpose = DenseTranspose(dense, dtype=policy)
    y, symbolic = transpose(X[:, :2]), transpose(keras.Input((2,)))
    assert keras.backend.standardize_dtype(y.dtype) == symbolic.dtype == transpose.compute_dtype
    assert transpose.bias.dtype == transpose.variable_dtype
    assert dense.kernel.dtype == dense.variable_dtype


def test_a_symbolic_call_gives_a_symbolic_output_of_the_same_shape_as_the_spec():
    _, transpose = pair()
    y = transpose(keras.Input((None, 2)))
    spec = transpose.compute_output_spec(keras.KerasTensor((None, None, 2)))
    assert isinstance(y, keras.KerasTensor)
    assert y.shape == spec.shape == (None, None, 3)


def test_a_mask_passes_through():
    _, transpose = pair()
    masked = keras.layers.Masking()(keras.Input((5, 2)))
    assert transpose(masked)._keras_mask is not None


def test_the_configuration_is_json_and_comes_back_as_it_was():
    _, transpose = pair(activation="selu", dtype="mixed_bfloat16", trainable=False, activity_regularizer="l2")
    text = json.dumps(keras.saving.serialize_keras_object(transpose))
    back = keras.saving.deserialize_keras_object(json.loads(text))
    assert isinstance(back, DenseTranspose)
    assert json.loads(json.dumps(back.get_config())) == json.loads(text)["config"]
    assert (back.name, back.dtype_policy.name, back.trainable) == ("decoder", "mixed_bfloat16", False)
    assert back.activation is keras.activations.selu
    assert back.activity_regularizer.l2 == pytest.approx(0.01)


def test_a_penalty_on_its_activity_is_counted():
    _, transpose = pair(activity_regularizer="l2")
    y = np.asarray(transpose(X[:, :2]))
    assert float(transpose.losses[0]) == pytest.approx(0.01 * (y**2).sum() / len(y), rel=1e-5)


# Wrong use.


def test_something_else_than_a_dense_layer_is_refused():
    with pytest.raises(TypeError, match=r"expected a keras.layers.Dense to tie to, received Dropout"):
        DenseTranspose(keras.layers.Dropout(0.5))
    _, transpose = pair()
    with pytest.raises(TypeError, match="received str"):
        transpose.tie("encoder")


def test_a_dense_layer_that_is_not_built_is_refused():
    with pytest.raises(ValueError, match="received 'late', which has no kernel yet; build the encoder before"):
        DenseTranspose(Dense(2, name="late"))(X[:, :2])


def test_inputs_that_do_not_fit_are_refused():
    _, transpose = pair()
    with pytest.raises(
        ValueError, match=r"expected inputs with last axis 2, the units of 'encoder', received.*\(4, 3\)"
    ):
        transpose(X)
    transpose(X[:, :2])
    with pytest.raises(ValueError, match="incompatible"):
        transpose(X)
    with pytest.raises(ValueError, match="min_ndim=2"):
        transpose(X[0, :2])


def test_another_dense_layer_may_take_its_place_only_with_a_kernel_of_the_same_shape():
    _, transpose = pair()
    transpose(X[:, :2])
    twin, _ = pair()
    transpose.tie(twin)
    np.testing.assert_allclose(transpose(X[:, :2]), X[:, :2] @ np.asarray(twin.kernel).T, rtol=1e-5, atol=1e-6)
    narrow, _ = pair(d=1)
    transpose.tie(narrow)  # x W' (n, 1) + b (3,) would broadcast to the right shape, and be wrong
    with pytest.raises(ValueError, match=r"expected a kernel of shape \(3, 2\).*received \(1, 2\) from 'encoder'"):
        transpose(X[:, :2])


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_a_quantized_dense_layer_is_refused():
    dense, transpose = pair()
    model = keras.Sequential([keras.Input((3,)), dense, transpose])
    model.quantize("int8")
    with pytest.raises(
        ValueError, match="expected a Dense layer in floating point, received 'encoder' quantized to int8"
    ):
        model(X)


def test_a_dense_layer_with_lora_is_tied_as_a_whole(tmp_path):
    dense, transpose = pair()
    model = keras.Sequential([keras.Input((3,)), dense, transpose])
    dense.enable_lora(2)
    dense.lora_kernel_b.assign(np.ones((2, 2)))
    np.testing.assert_allclose(model(X), dense(X) @ np.asarray(dense.kernel).T, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "m.keras")(X), model(X), rtol=1e-5, atol=1e-6)
