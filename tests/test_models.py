"""Stacked autoencoders: any shape, tied or not, the tie kept wherever Keras builds the model again."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from autoencoders.layers import DenseTranspose
from autoencoders.models import Autoencoder, outputs, seeded_initializer
from autoencoders.vocabulary import ACTIVATIONS, INITIALIZERS

X = np.random.default_rng(0).uniform(size=(5, 6)).astype("float32")


def small(**kwargs) -> Autoencoder:
    """Return 6-4-2-4-6."""
    return Autoencoder(6, [4, 2], **{"seed": 1, "kernel_initializer": "glorot_normal", **kwargs})


def kernels(model: keras.Model) -> list[np.ndarray]:
    return [layer.get_weights()[0] for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def assert_tied(model: Autoencoder) -> None:
    """Check by identity that decoder layer k uses the kernel of encoder layer N-k+1, and that it is listed once."""
    for dense, transpose in zip(model.encoder.layers, reversed(model.decoder.layers), strict=True):
        assert isinstance(transpose, DenseTranspose)
        assert transpose.dense is dense
    assert len({id(w) for w in model.weights}) == len(model.weights) == 3 * len(model.encoder.layers)


def test_the_books_network_has_163814_parameters_untied_and_82414_tied():
    assert Autoencoder(784, [100, 30]).count_params() == 163_814
    assert Autoencoder(784, [100, 30], tied=True).count_params() == 82_414


def test_a_tied_file_is_about_half_the_size(tmp_path):
    sizes = {}
    for tied in (False, True):
        model = Autoencoder(784, [100, 30], tied=tied)
        for name in ("m.keras", "m.weights.h5"):
            model.save(tmp_path / name) if name == "m.keras" else model.save_weights(tmp_path / name)
            sizes[name, tied] = (tmp_path / name).stat().st_size
    assert 0.50 < sizes["m.keras", True] / sizes["m.keras", False] < 0.56
    assert 0.50 < sizes["m.weights.h5", True] / sizes["m.weights.h5", False] < 0.56


@settings(max_examples=12)
@given(n_inputs=st.integers(1, 9), units=st.lists(st.integers(1, 9), min_size=1, max_size=5), tied=st.booleans())
def test_any_depth_and_width_has_a_mirror_image(n_inputs, units, tied):
    model = Autoencoder(n_inputs, units, tied=tied)
    x = np.ones((3, n_inputs), "float32")
    codings = model.encoder(x)
    assert codings.shape == (3, units[-1])
    assert model(x).shape == model.decoder(codings).shape == model.compute_output_shape((3, n_inputs)) == (3, n_inputs)
    assert [layer.units for layer in model.encoder.layers] == units
    assert [layer.output.shape[-1] for layer in model.decoder.layers] == [*units[-2::-1], n_inputs]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_of_keras_builds_and_runs_hidden_and_last(activation):
    model = small(activation=activation, output_activation=activation, tied=True)
    assert np.isfinite(model(X)).all()
    layers = [*model.encoder.layers, *model.decoder.layers]
    assert {layer.activation for layer in layers} == {keras.activations.get(activation)}


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_every_initializer_of_keras_builds_and_runs_and_obeys_the_seed(initializer):
    a, b, other = (small(kernel_initializer=initializer, seed=seed) for seed in (1, 1, 2))
    assert np.isfinite(a(X)).all()
    np.testing.assert_array_equal(a(X), b(X))
    random = "seed" in keras.initializers.get(initializer).get_config()
    assert random != np.array_equal(kernels(a.encoder)[0], kernels(other.encoder)[0])


def test_no_two_kernels_of_one_seed_are_drawn_alike():
    model = Autoencoder(4, [4, 4, 4], kernel_initializer="random_normal", seed=0)
    drawn = [*kernels(model.encoder), *kernels(model.decoder)]
    assert len({k.tobytes() for k in drawn}) == 6
    assert not any(np.allclose(a, b.T) for i, a in enumerate(drawn) for b in drawn[:i])


def test_kernels_have_the_streams_that_they_had_in_every_run_before():
    model = Autoencoder(5, [4, 3], seed=42)
    kernels = [layer.get_weights()[0] for part in (model.encoder, model.decoder) for layer in part.layers]
    for kernel, index in zip(kernels, (1, 2, 3, 4), strict=True):
        expected = seeded_initializer("glorot_uniform", 42, index)(kernel.shape)
        np.testing.assert_array_equal(kernel, expected)
    assert seeded_initializer("glorot_uniform", 42, 1).seed == 1664526938


def test_the_encoder_of_one_seed_is_the_same_tied_and_untied():
    for tied, untied in zip(kernels(small(tied=True).encoder), kernels(small().encoder), strict=True):
        np.testing.assert_array_equal(tied, untied)


def test_tied_equals_untied_with_the_kernels_transposed():
    tied, untied = small(tied=True), small()
    weights = [w.numpy() for layer in tied.encoder.layers for w in layer.weights]
    rng = np.random.default_rng(2)
    for layer in tied.decoder.layers:
        bias = rng.normal(size=layer.bias.shape)
        layer.bias.assign(bias)
        weights += [layer.dense.kernel.numpy().T, bias]
    untied.set_weights(weights)
    np.testing.assert_allclose(tied(X), untied(X), rtol=1e-6, atol=1e-6)


def test_the_gradient_of_a_tied_kernel_is_the_sum_of_the_untied_ones():
    tied, untied = small(tied=True), small()
    for k, layer in enumerate(reversed(untied.decoder.layers)):
        layer.kernel.assign(tied.encoder.layers[k].kernel.numpy().T)
    gradients = []
    for model in (tied, untied):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(X) - X))
        encoder = [layer.kernel for layer in model.encoder.layers]
        decoder = [] if model.tied else [layer.kernel for layer in reversed(model.decoder.layers)]
        gradients.append(tape.gradient(loss, [kernel.value for kernel in [*encoder, *decoder]]))
    of_tied, (encoder_1, encoder_2, decoder_1, decoder_2) = gradients
    for both, a, b in zip(of_tied, (encoder_1, encoder_2), (decoder_1, decoder_2), strict=True):
        np.testing.assert_allclose(both, a + tf.transpose(b), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("tied", [False, True])
def test_l2_is_of_the_encoder_kernels_only_and_counted_once(tied):
    model = small(tied=tied, l2=0.5)
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 2.0))  # biases and decoder kernels too: they must not be counted
    assert float(sum(model.losses)) == pytest.approx(0.5 * 4.0 * (6 * 4 + 4 * 2))
    model(X)
    assert float(sum(model.losses)) == pytest.approx(0.5 * 4.0 * (6 * 4 + 4 * 2))


def test_each_layer_may_have_its_own_activation_and_l2():
    model = small(activation=["elu", "tanh"], l2=[0.0, 0.5])
    assert [layer.activation.__name__ for layer in model.encoder.layers] == ["elu", "tanh"]
    assert [layer.activation.__name__ for layer in model.decoder.layers] == ["elu", "sigmoid"]
    assert float(sum(model.losses)) == pytest.approx(0.5 * (kernels(model.encoder)[1] ** 2).sum(), rel=1e-5)


def test_the_decoders_hidden_activations_may_be_named():
    model = small(decoder_activation=["relu"], output_activation=None)
    assert [layer.activation.__name__ for layer in model.decoder.layers] == ["relu", "linear"]


def save_and_load(model, folder):
    model.save(folder / "m.keras")
    return keras.models.load_model(folder / "m.keras")


def by_config(model, folder):
    model.save_weights(folder / "m.weights.h5")
    back = Autoencoder.from_config(json.loads(json.dumps(model.get_config())))
    back.load_weights(folder / "m.weights.h5")
    return back


def clone(model, _):
    back = keras.models.clone_model(model)
    back.set_weights(model.get_weights())
    return back


@pytest.mark.parametrize("way", [save_and_load, by_config, clone])
@pytest.mark.parametrize("tied", [False, True])
def test_a_model_computes_the_same_after_saving_loading_and_cloning_and_stays_tied(way, tied, tmp_path):
    model = small(tied=tied, l2=1e-3, activation=["elu", "selu"], output_activation=None, decoder_activation=["tanh"])
    for weight in model.weights:
        weight.assign_add(np.random.default_rng(3).normal(size=weight.shape))
    back = way(model, tmp_path)
    np.testing.assert_array_equal(back(X), model(X))
    np.testing.assert_array_equal(back.encoder(X), model.encoder(X))
    assert back.count_params() == model.count_params()
    assert back.tied == tied
    assert back.get_config() == model.get_config()
    if tied:
        assert_tied(back)
        assert back.encoder.layers[0] is not model.encoder.layers[0]


@pytest.mark.slow
def test_a_compiled_tied_model_goes_on_training_after_loading_as_it_would_have(tmp_path):
    model = small(tied=True)
    model.compile("adam", "mse")
    model.fit(X, X, verbose=0, shuffle=False)
    model.save(tmp_path / "m.keras")
    back = keras.models.load_model(tmp_path / "m.keras")
    for m in (model, back):
        m.fit(X, X, verbose=0, shuffle=False)
    np.testing.assert_allclose(back(X), model(X), rtol=1e-6, atol=1e-6)
    assert_tied(back)


def test_the_configuration_is_json_and_the_same_however_many_models_there_are():
    first = json.dumps(small().get_config())
    assert first == json.dumps(small().get_config())
    assert json.loads(first) == small().get_config()
    assert small().name == "autoencoder"
    assert small(name="mine").name == "mine"


def test_a_clone_has_new_weights_where_there_is_no_seed_as_keras_clones_have():
    model = small(seed=None)
    assert not np.array_equal(keras.models.clone_model(model)(X), model(X))


WRONG = [
    ({"units": []}, r"expected one or more widths >= 1, received n_inputs=6, units=\[\]"),
    ({"units": [4, 0]}, r"received n_inputs=6, units=\[4, 0\]"),
    ({"units": [4, 2], "activation": ["relu"]}, r"expected 2 encoder activations.*received 1, 2 and 0"),
    ({"units": [4, 2], "l2": [0.1]}, r"2 l2 factors .* received 2, 1 and 1"),
    ({"units": [4, 2], "decoder_activation": []}, r"1 hidden decoder activations .* received 2, 2 and 0"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_shapes_are_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        Autoencoder(6, **arguments)


def test_outputs_of_a_stack_are_computed_in_parts_and_without_layers_are_the_rows():
    model = small()
    np.testing.assert_allclose(outputs(model.encoder.layers, X, chunk=2), model.encoder(X), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(outputs([], X), X)


def test_parts_and_layers_have_the_names_that_stand_in_their_files():
    model = small(tied=True)
    assert [part.name for part in model.layers] == ["encoder", "decoder"]
    assert [layer.name for part in model.layers for layer in part.layers] == [
        "encoder_1", "encoder_2", "decoder_2", "decoder_1",
    ]  # fmt: skip
    assert model.built and not Autoencoder(6, [4]).tied


def test_without_further_words_it_is_an_untied_selu_network_with_a_sigmoid_output():
    expected = {"n_inputs": 6, "units": [4, 2], "activation": ["selu"] * 2, "output_activation": "sigmoid",
                "decoder_activation": ["selu"], "kernel_initializer": "glorot_uniform", "l2": [0.0, 0.0],
                "tied": False, "seed": None}  # fmt: skip
    config = Autoencoder(6, [4, 2]).get_config()
    assert {name: config[name] for name in expected} == expected
