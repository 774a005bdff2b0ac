"""DenseTranspose through saving, loading, copying: the tie is kept or refused, never lost in silence."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import pair

from autoencoders.layers import DenseTranspose

Dense = keras.layers.Dense
LOST = "has lost the Dense layer that it was tied to"
X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


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
    np.testing.assert_allclose(served.serve(X), model(X), rtol=1e-6, atol=1e-6)


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
