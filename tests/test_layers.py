"""DenseTranspose: Keras' own layer contract, and a tie that is kept or refused, never lost in silence."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from autoencoders.layers import DenseTranspose

Dense = keras.layers.Dense
LOST = "has lost the Dense layer that it was tied to"
X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def pair(d: int = 3, units: int = 2, **kwargs) -> tuple[keras.layers.Dense, DenseTranspose]:
    """Return a built Dense layer d -> units and the layer tied to it."""
    dense = Dense(units, name="encoder")
    dense.build((None, d))
    return dense, DenseTranspose(dense, name="decoder", **kwargs)


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
    np.testing.assert_allclose(y, np.maximum(X[:, :2] @ np.asarray(dense.kernel).T, 0), rtol=1e-6)


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
    with pytest.raises(ValueError, match="the Dense layer 'late' has no kernel yet; build the encoder before"):
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


# The tie through saving, loading, copying.


def sequential() -> keras.Model:
    """3 - 2 - 3 in one Sequential model."""
    dense = Dense(2, activation="selu", name="encoder")
    return keras.Sequential([keras.Input((3,)), dense, DenseTranspose(dense, "sigmoid", name="decoder")])


def functional() -> keras.Model:
    """3 - 2 - 3 in one Functional model."""
    x, dense = keras.Input((3,)), Dense(2, activation="selu", name="encoder")
    return keras.Model(x, DenseTranspose(dense, "sigmoid", name="decoder")(dense(x)))


def deep() -> keras.Model:
    """3 - 4 - 2 - 4 - 3, two ties."""
    outer, inner = Dense(4, name="encoder"), Dense(2, name="inner")
    layers = [outer, inner, DenseTranspose(inner, name="inner_decoder"), DenseTranspose(outer, name="decoder")]
    return keras.Sequential([keras.Input((3,)), *layers])


def twice() -> keras.Model:
    """One tied layer used at two places."""
    x, dense = keras.Input((3,)), Dense(2, name="encoder")
    transpose, h = DenseTranspose(dense, name="decoder"), dense(x)
    return keras.Model(x, keras.layers.Concatenate()([transpose(h), transpose(-h)]))


def two_decoders() -> keras.Model:
    """Two layers tied to one kernel."""
    x, dense = keras.Input((3,)), Dense(2, name="encoder")
    h = dense(x)
    outputs = [DenseTranspose(dense, name="decoder")(h), DenseTranspose(dense, "tanh", name="other")(h)]
    return keras.Model(x, keras.layers.Concatenate()(outputs))


def nested_sequential() -> keras.Model:
    """Encoder and decoder as Sequential submodels: Keras writes no configuration that could tie them again."""
    dense = Dense(2, name="encoder")
    encoder = keras.Sequential([keras.Input((3,)), dense])
    decoder = keras.Sequential([keras.Input((2,)), DenseTranspose(dense, name="decoder")])
    return keras.Sequential([keras.Input((3,)), encoder, decoder])


def nested_functional() -> keras.Model:
    """The same of Functional submodels."""
    dense = Dense(2, name="encoder")
    x, h = keras.Input((3,)), keras.Input((2,))
    encoder = keras.Model(x, dense(x))
    decoder = keras.Model(h, DenseTranspose(dense, name="decoder")(h))
    x = keras.Input((3,))
    return keras.Model(x, decoder(encoder(x)))


def wrapped() -> keras.Model:
    """The Dense layer inside another layer."""
    x, dense = keras.Input((5, 3)), Dense(2, name="encoder")
    return keras.Model(x, DenseTranspose(dense, name="decoder")(keras.layers.TimeDistributed(dense)(x)))


def absent() -> keras.Model:
    """The Dense layer is no part of the model."""
    _, transpose = pair()
    h = keras.Input((2,))
    return keras.Model(h, transpose(h))


def decoder_first() -> keras.Model:
    """Two branches; the tied layer comes first in the configuration."""
    dense, transpose = pair()
    x, h = keras.Input((3,)), keras.Input((2,))
    return keras.Model([h, x], [transpose(h), dense(keras.layers.Activation("tanh")(x))])


Copy = Callable[[keras.Model, Path], keras.Model]


def by_keras_file(model, folder):
    model.save(folder / "m.keras")
    return keras.models.load_model(folder / "m.keras")


def by_h5_file(model, folder):
    model.save(folder / "m.h5")
    return keras.models.load_model(folder / "m.h5")


def by_json_and_weights(model, folder):
    model.save_weights(folder / "m.weights.h5")
    back = keras.models.model_from_json(model.to_json())
    back.load_weights(folder / "m.weights.h5")
    return back


def with_weights(back, model):
    back.set_weights(model.get_weights())
    return back


KEPT: dict[str, Copy] = {
    "keras file": by_keras_file,
    "pickle": lambda m, _: pickle.loads(pickle.dumps(m)),
    "copy": lambda m, _: copy.copy(m),
    "deepcopy": lambda m, _: copy.deepcopy(m),
}
REFUSED: dict[str, Copy] = {
    "h5 file": by_h5_file,
    "json and weights": by_json_and_weights,
    "clone": lambda m, _: with_weights(keras.models.clone_model(m), m),
    "from_config": lambda m, _: with_weights(type(m).from_config(m.get_config()), m),
    "serialize": lambda m, _: with_weights(
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(m)), m
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", KEPT.values(), ids=KEPT.keys())
@pytest.mark.parametrize("make", [sequential, functional, deep, twice, two_decoders])
def test_a_flat_model_keeps_its_tie_by_identity(make, way, tmp_path):
    model = make()
    back = way(model, tmp_path)
    np.testing.assert_array_equal(back(X), model(X))
    assert back.get_layer("decoder").dense is back.get_layer("encoder")
    assert back.get_layer("encoder") is not model.get_layer("encoder")
    assert back.count_params() == model.count_params()
    before = np.asarray(back(X))  # the one kernel moves the encoder and the decoder
    back.get_layer("encoder").kernel.assign_add(np.ones((3, back.get_layer("encoder").units)))
    assert not np.array_equal(before, back(X))
    back.get_layer("encoder").kernel.assign(model.get_layer("encoder").kernel)
    np.testing.assert_array_equal(back(X), model(X))


@pytest.mark.parametrize("way", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("make", [sequential, functional, deep])
@pytest.mark.filterwarnings("ignore:.*HDF5 file")
def test_a_way_that_loses_the_tie_is_refused(make, way, tmp_path):
    with pytest.raises(ValueError, match=LOST):
        way(make(), tmp_path)


@pytest.mark.parametrize("way", [*KEPT.values(), *REFUSED.values()], ids=[*KEPT, *REFUSED])
@pytest.mark.parametrize("make", [nested_sequential, nested_functional, wrapped, absent, decoder_first])
@pytest.mark.filterwarnings("ignore:.*HDF5 file")
def test_a_model_whose_configuration_cannot_carry_the_tie_is_refused(make, way, tmp_path):
    with pytest.raises(ValueError, match=LOST):
        way(make(), tmp_path)


@pytest.mark.parametrize("make", [sequential, nested_sequential, nested_functional])
def test_weights_files_and_exported_functions_have_the_kernel_once_and_work(make, tmp_path):
    model, other = make(), make()
    model.save_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    sizes: list[int] = []
    with h5py.File(tmp_path / "m.weights.h5") as file:
        file.visititems(lambda _, item: sizes.append(item.size) if isinstance(item, h5py.Dataset) else None)
    assert sum(sizes) == 3 * 2 + 2 + 3
    np.testing.assert_array_equal(other(X), model(X))
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.serve(X), model(X), rtol=1e-6)


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_copy_of_the_layer_alone_is_refused(way):
    _, transpose = pair()
    transpose.build((None, 2))
    with pytest.raises(ValueError, match=LOST):
        way(transpose)


def test_a_layer_from_its_configuration_alone_refuses_to_compute_until_it_is_tied():
    dense, transpose = pair(activation="tanh")
    transpose.build((None, 2))
    back = DenseTranspose.from_config(transpose.get_config())
    for use in (back, back.compute_output_shape, back.build):
        with pytest.raises(ValueError, match=rf"'decoder' {LOST} \('encoder'\).*Call `tie\(dense\)`"):
            use(X[:, :2] if use is back else (None, 2))
    back.tie(dense)
    np.testing.assert_array_equal(back(X[:, :2]), transpose(X[:, :2]))


def test_a_detached_layer_forgets_the_id_that_could_be_another_layers_in_the_next_file():
    model = sequential()
    saved = keras.saving.serialize_keras_object
    with keras.src.saving.serialization_lib.ObjectSharingScope():
        saved(model.get_layer("encoder"))
        config = saved(model.get_layer("decoder"))["config"]
    assert "shared_object_id" in config["dense"]
    assert "shared_object_id" not in DenseTranspose.from_config(config).get_config()["dense"]
