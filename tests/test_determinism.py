"""Keras' counters begin anew for each stage, so that names do not depend on what ran before."""

from __future__ import annotations

import keras

from tasks.frame import determinism


def test_layers_are_counted_from_the_first_after_each_block():
    with determinism.fixed(1):
        keras.layers.Dense(1)
    for _ in range(2):
        with determinism.fixed(1):
            assert keras.layers.Dense(1).name == "dense"
            assert keras.layers.Dense(1).name == "dense_1"
