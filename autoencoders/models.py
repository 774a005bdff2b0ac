"""Stacked autoencoders of any depth and width, with tied or untied weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from autoencoders.layers import DenseTranspose
from autoencoders.pieces import Stack
from autoencoders.standardisation import Standardisation


def seeded_initializer(name: str, seed: int | None, index: int) -> keras.initializers.Initializer:
    """Return Keras' initializer `name`; if it is random and `seed` is given, (seed, index) set its stream."""
    initializer = keras.initializers.get(name)
    config = initializer.get_config()
    if seed is None or "seed" not in config:
        return initializer
    stream = int(np.random.SeedSequence([seed, index]).generate_state(1)[0] >> 1)
    return type(initializer).from_config({**config, "seed": stream})


def outputs(layers: Sequence[keras.layers.Layer], x: np.ndarray | Stack, *, chunk: int = 5000) -> np.ndarray:
    """Return the output of a stack of layers for rows x, (n, d) -> (n, units); without layers, x itself."""
    parts = []
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk]
        for layer in layers:
            part = layer(part)
        parts.append(np.asarray(part))
    return np.concatenate(parts)


class _Standardising(keras.Sequential):
    """A stack of layers that standardises its inputs, without a layer of its own."""

    def __init__(self, layers: Sequence[Any], standardisation: Standardisation, **kwargs: Any) -> None:
        super().__init__(layers, **kwargs)
        self._standardise = standardisation

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(self._standardise(inputs), training=training, mask=mask)


@keras.saving.register_keras_serializable(package="autoencoders")
class Autoencoder(keras.Model):
    """A stack of Dense layers and its mirror image, with `encoder` and `decoder` as submodels.

    The configuration holds the hyperparameters, so `from_config`, `clone_model` and loading restore the ties. A tied
    kernel is one variable in memory and in the file.

    Args:
        n_inputs: Number of columns of the input, >= 1.
        units: Width of each encoder layer, outermost first; the last layer is the coding.
        activation: Activation of the encoder layers: one for all, or one per layer.
        output_activation: Activation of the last decoder layer; None is linear.
        decoder_activation: Activations of the hidden decoder layers, innermost first; default: the encoder's, mirrored.
        kernel_initializer: Keras' name of the initializer of every kernel.
        l2: Factor of the L2 penalty on the encoder kernels, >= 0: one for all layers, or one per layer. Decoder kernels
            and biases are never regularised; a tied kernel is regularised once.
        tied: Whether the decoder uses the encoder's kernels, transposed.
        seed: Seed of the initial weights; tied and untied encoders start with the same kernels.
        standardisation: Map of the inputs, before the encoder's first layer; None for none. The decoder's outputs are
            on the scale of the inputs as they are given.

    Shapes: input and output (n, n_inputs); codings (n, units[-1]).

    Example:
        >>> model = Autoencoder(784, [100, 30], tied=True, seed=0)
        >>> x = np.zeros((5, 784), "float32")
        >>> tuple(model.encoder(x).shape), tuple(model(x).shape)
        ((5, 30), (5, 784))
        >>> model.count_params(), Autoencoder(784, [100, 30]).count_params()
        (82414, 163814)

    Reference:
        Géron, Hands-On Machine Learning, 2nd ed., chapter 17, "Stacked Autoencoders" and "Tying Weights".
    """

    def __init__(
        self,
        n_inputs: int,
        units: Sequence[int],
        *,
        activation: str | Sequence[str] = "selu",
        output_activation: str | None = "sigmoid",
        decoder_activation: Sequence[str] | None = None,
        kernel_initializer: str = "glorot_uniform",
        l2: float | Sequence[float] = 0.0,
        tied: bool = False,
        seed: int | None = None,
        standardisation: Standardisation | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"name": "autoencoder", **kwargs})  # Keras' default names count models: files would differ
        depth = len(units)
        activations = [activation] * depth if isinstance(activation, str) else list(activation)
        penalties = [float(l2)] * depth if isinstance(l2, int | float) else list(l2)
        hidden = activations[-2::-1] if decoder_activation is None else list(decoder_activation)
        if depth == 0 or min(n_inputs, *units) < 1:
            raise ValueError(f"expected one or more widths >= 1, received n_inputs={n_inputs}, units={list(units)}")
        if [len(activations), len(penalties), len(hidden)] != [depth, depth, depth - 1]:
            raise ValueError(
                f"expected {depth} encoder activations, {depth} l2 factors and {depth - 1} hidden decoder activations "
                f"for {depth} layers, received {len(activations)}, {len(penalties)} and {len(hidden)}"
            )
        self._config: dict[str, Any] = dict(
            n_inputs=n_inputs, units=list(units), activation=activations, output_activation=output_activation,
            decoder_activation=hidden, kernel_initializer=kernel_initializer, l2=penalties, tied=tied, seed=seed,
        )  # fmt: skip
        if isinstance(standardisation, Mapping):
            standardisation = Standardisation.from_config(standardisation)
        if standardisation is not None:
            self._config["standardisation"] = standardisation.config
        self.standardisation = standardisation
        self.encoder = self._encoder()
        self.decoder = self._decoder()
        self.build((None, n_inputs))

    def _encoder(self) -> keras.Sequential:
        c = self._config
        layers = [
            keras.layers.Dense(
                width,
                activation=activation,
                kernel_initializer=seeded_initializer(c["kernel_initializer"], c["seed"], k),
                kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
                name=f"encoder_{k}",
            )
            for k, (width, activation, l2) in enumerate(zip(c["units"], c["activation"], c["l2"], strict=True), start=1)
        ]
        stack = [keras.Input((c["n_inputs"],)), *layers]
        if self.standardisation is None:
            return keras.Sequential(stack, name="encoder")
        return _Standardising(stack, self.standardisation, name="encoder")

    def _decoder(self) -> keras.Sequential:
        c = self._config
        depth, widths = len(c["units"]), [c["n_inputs"], *c["units"]]
        activations = [*c["decoder_activation"], c["output_activation"]]
        layers = []
        for k, activation in zip(range(depth, 0, -1), activations, strict=True):  # W_{N-L+1} = W_L^T
            if c["tied"]:
                layers.append(DenseTranspose(self.encoder.layers[k - 1], activation, name=f"decoder_{k}"))
            else:
                initializer = seeded_initializer(c["kernel_initializer"], c["seed"], -k % (2 * depth + 1))
                layers.append(
                    keras.layers.Dense(
                        widths[k - 1], activation=activation, kernel_initializer=initializer, name=f"decoder_{k}"
                    )
                )
        return keras.Sequential([keras.Input((c["units"][-1],)), *layers], name="decoder")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.decoder(self.encoder(inputs, training=training), training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self._config["n_inputs"])

    @property
    def tied(self) -> bool:
        """Return whether the decoder uses the encoder's kernels."""
        return bool(self._config["tied"])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._config}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Autoencoder:
        return cls(**config)
