"""A decoder layer that uses an encoder layer's kernel, transposed: tied weights that stay tied."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from keras.src.saving.serialization_lib import get_shared_object


@keras.saving.register_keras_serializable(package="autoencoders")
class DenseTranspose(keras.layers.Layer):
    """Compute `activation(x @ W.T + b)`, where `W` is the kernel of a Dense layer and `b` is this layer's own bias.

    The kernel belongs to the Dense layer: it is one variable, listed there and not here, so freezing, regularising or
    counting it happens once. Only the bias (never tied, never regularised) is this layer's own.

    Saving a Sequential or Functional model that holds both layers keeps the tie. Where a configuration has lost the
    other layer (`from_config` of this layer alone, `clone_model`, a Dense inside another nested Sequential), the layer
    comes back detached and refuses to compute until `tie` names its Dense; it is never silently untied.
    `autoencoders.models.Autoencoder` ties again by itself in every one of these cases.

    Args:
        dense: `keras.layers.Dense` with kernel of shape (d, units); built before this layer is.
        activation: Name or function that Keras knows; None is linear.
        **kwargs: Keras' own layer arguments: name, dtype, trainable.

    Shapes: input (..., units), any rank from 2 up; output (..., d).

    Raises:
        TypeError: `dense` is not a Dense layer.
        ValueError: The Dense layer is not built yet, the input's last axis is not its `units`, or the layer is detached.

    Reference:
        Géron, Hands-On Machine Learning, 2nd ed., chapter 17, "Tying Weights": W_{N-L+1} = W_L^T.
    """

    def __init__(self, dense: keras.layers.Dense, activation: Any = None, **kwargs: Any) -> None:
        if not isinstance(dense, keras.layers.Dense):
            raise TypeError(f"expected a keras.layers.Dense to tie to, received {type(dense).__name__}")
        super().__init__(**kwargs)
        self._setup(activation)
        self.tie(dense)

    def _setup(self, activation: Any) -> None:
        self.activation = keras.activations.get(activation)
        self.supports_masking = True
        self._tied: _Untracked | None = None
        self._dense_config: _Untracked | None = None

    @property
    def dense(self) -> keras.layers.Dense:
        """Return the Dense layer whose kernel this layer uses; ValueError if detached."""
        if self._tied is None:
            known = self._dense_config.value["config"]["name"] if self._dense_config else "?"
            raise ValueError(
                f"DenseTranspose '{self.name}' has lost the Dense layer that it was tied to ('{known}'): a configuration "
                "of this layer alone, of a clone, or of nested Sequential models cannot carry the tie. Call "
                "`tie(dense)`, or use autoencoders.models.Autoencoder, which ties again by itself."
            )
        return self._tied.value

    def tie(self, dense: keras.layers.Dense) -> None:
        """Use the kernel of `dense`, of shape (d, units), from now on."""
        self._tied = _Untracked(dense)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        kernel = self._kernel()
        units = kernel.shape[1]
        if input_shape[-1] != units:
            raise ValueError(
                f"DenseTranspose '{self.name}': expected inputs with last axis {units}, the units of "
                f"'{self.dense.name}', received shape {tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: units})
        self.bias = self.add_weight(name="bias", shape=(kernel.shape[0],), initializer="zeros")
        self.built = True

    def call(self, inputs: Any) -> Any:
        return self.activation(ops.add(ops.matmul(inputs, ops.transpose(self._kernel())), self.bias))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self._kernel().shape[0])

    def _kernel(self) -> Any:
        if not self.dense.built:
            raise ValueError(
                f"DenseTranspose '{self.name}': the Dense layer '{self.dense.name}' has no kernel yet; "
                "build the encoder before the decoder"
            )
        return self.dense.kernel

    def get_config(self) -> dict[str, Any]:
        if self._tied is not None:
            dense = keras.saving.serialize_keras_object(self._tied.value)
        else:
            assert self._dense_config is not None
            dense = self._dense_config.value
        return {**super().get_config(), "dense": dense, "activation": keras.activations.serialize(self.activation)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DenseTranspose:
        config = dict(config)
        dense = config.pop("dense")
        layer = cls.__new__(cls, dense, **config)
        activation = config.pop("activation")
        keras.layers.Layer.__init__(layer, **config)
        layer._setup(activation)
        layer._dense_config = _Untracked(dense)
        # Keras gives objects that occur twice in one file an id, and remembers those it has already rebuilt.
        known = get_shared_object(dense.get("shared_object_id"))
        if known is not None:
            layer.tie(known)
        return layer


class _Untracked:
    """Hold a value out of Keras' sight, so that the layer does not list another layer's variables as its own."""

    def __init__(self, value: Any) -> None:
        self.value = value
