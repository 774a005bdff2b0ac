"""The names that params.yaml may hold are those that Keras knows, but for the exceptions named here with reasons."""

from __future__ import annotations

import pytest
from keras.src import activations, initializers, losses, optimizers

from autoencoders import vocabulary

NAMES = {
    "activations": (vocabulary.ACTIVATIONS, activations.ALL_OBJECTS_DICT, {"glu", "threshold"}),
    "initializers": (vocabulary.INITIALIZERS, initializers.ALL_OBJECTS_DICT, {"constant", "initializer", "stft"}),
    "optimizers": (
        vocabulary.OPTIMIZERS,
        optimizers.ALL_OBJECTS_DICT,
        {
            "lossscaleoptimizer", "multioptimizer", "optimizer", "optimizermap",  # of optimizers, not one
            "schedulefreeadamw",  # its graph and eager modes disagree
        },
    ),
    "losses": (
        vocabulary.LOSSES,
        losses.ALL_OBJECTS_DICT,
        {
            "bce", "kld", "mae", "mape", "mse", "msle",  # second names
            "categorical_crossentropy", "categorical_focal_crossentropy", "sparse_categorical_crossentropy",  # classes
            "categorical_hinge", "hinge", "squared_hinge",  # targets -1 and 1
            "circle", "ctc", "dice", "tversky",  # pairs, sequences, segments
            "cosine_similarity",  # blind to the length of a row
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("ours", "keras_knows", "left_out"), NAMES.values(), ids=NAMES.keys())
def test_our_names_are_those_of_keras_but_for_the_exceptions(ours, keras_knows, left_out):
    lower = {name for name in keras_knows if name == name.lower()}  # classes have a name in capitals too
    assert set(ours) == lower - left_out
    assert left_out <= lower
    assert sorted(set(ours)) == list(ours)


def test_an_exception_is_needed_for_schedulefreeadamw():
    """If this fails, Keras has mended it: put the optimizer back into the vocabulary."""
    import keras
    import numpy as np

    def trained(run_eagerly: bool) -> np.ndarray:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        model.compile(keras.optimizers.ScheduleFreeAdamW(0.1), "mse", run_eagerly=run_eagerly, jit_compile=False)
        model.fit(np.ones((4, 2)), np.zeros(4), batch_size=2, shuffle=False, verbose=0)
        return model.get_weights()[0]

    assert np.abs(trained(run_eagerly=True) - trained(run_eagerly=False)).max() > 0.1
