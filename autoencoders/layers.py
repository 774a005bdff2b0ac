"""A decoder layer with tied weights: it uses the transposed kernel of an encoder layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from keras.src.saving.serialization_lib import get_shared_object

SHARED_ID = "shared_object_id"  # Keras' key for an object that occurs twice in one configuration


@keras.saving.register_keras_serializable(package="autoencoders")
class DenseTranspose(keras.layers.Layer):
    """Compute `activation(x @ W.T + b)`, where `W` is the kernel of a Dense layer and `b` is this layer's own bias.

    The kernel belongs to the Dense layer: only that layer lists the variable, so it is frozen, regularised and counted
    once. This layer owns its bias alone, which is never tied or regularised.

    Saving a Sequential or Functional model that holds both layers keeps the tie. If a configuration lacks the Dense
    layer (`from_config` or a copy of this layer alone, `clone_model`, a Dense inside another nested model), the layer
    is detached and refuses to compute until `tie` is called; it is never silently untied.
    `autoencoders.models.Autoencoder` restores the tie in all of these cases.

    Args:
        dense: `keras.layers.Dense` with a kernel of shape (d, units); build it before this layer.
        activation: Keras' name or function; None is linear.
        **kwargs: Keras' layer arguments: name, dtype, trainable, activity_regularizer.

    Shapes: input (..., units), any rank from 2 up; output (..., d).

    Raises:
        TypeError: `dense` is not a Dense layer.
        ValueError: The Dense layer is not built, is quantized, or has a kernel of another shape than before; the last
            axis of the input is not `units`; or this layer is detached.

    Example:
        >>> dense = keras.layers.Dense(3)
        >>> model = keras.Sequential([keras.Input((8,)), dense, DenseTranspose(dense)])
        >>> [tuple(weight.shape) for weight in model.weights]  # one kernel, two biases
        [(8, 3), (3,), (8,)]

    Reference:
        Géron, Hands-On Machine Learning, 2nd ed., chapter 17, "Tying Weights": W_{N-L+1} = W_L^T.
    """

    def __init__(self, dense: keras.layers.Dense, activation: Any = None, **kwargs: Any) -> None:
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
                f"DenseTranspose '{self.name}' has lost the Dense layer that it was tied to ('{known}'): a copy or "
                "configuration of this layer alone, a clone, and nested models do not keep the tie. Call `tie(dense)`, "
                "or use autoencoders.models.Autoencoder, which restores the tie."
            )
        return self._tied.value

    def tie(self, dense: keras.layers.Dense) -> None:
        """Use the kernel of `dense`, of shape (d, units), from now on."""
        if not isinstance(dense, keras.layers.Dense):
            raise TypeError(f"expected a keras.layers.Dense to tie to, received {type(dense).__name__}")
        self._tied = _Untracked(dense)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        d, units = self._kernel().shape
        if input_shape[-1] != units:
            raise ValueError(
                f"DenseTranspose '{self.name}': expected inputs with last axis {units}, the units of "
                f"'{self.dense.name}', received shape {tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: units})
        self.bias = self.add_weight(name="bias", shape=(d,), initializer="zeros")
        self.built = True

    def call(self, inputs: Any) -> Any:
        kernel = ops.cast(self._kernel(), self.compute_dtype)  # the Dense layer may have another dtype policy
        return self.activation(ops.add(ops.matmul(inputs, ops.transpose(kernel)), self.bias))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self._kernel().shape[0])

    def _kernel(self) -> Any:
        """Return the Dense layer's current kernel, (d, units); refuse an unusable one."""
        dense = self.dense
        if not dense.built:
            raise ValueError(
                f"DenseTranspose '{self.name}': expected a built Dense layer, received '{dense.name}', which has no "
                "kernel yet; build the encoder before the decoder"
            )
        if dense.quantization_mode is not None:
            raise ValueError(
                f"DenseTranspose '{self.name}': expected a Dense layer in floating point, received '{dense.name}' "
                f"quantized to {dense.quantization_mode}, whose stored kernel lacks its scale"
            )
        kernel = dense.kernel
        if self.built and kernel.shape != (expected := (self.bias.shape[0], self.input_spec.axes[-1])):
            raise ValueError(
                f"DenseTranspose '{self.name}': expected a kernel of shape {expected}, as when this layer was built, "
                f"received {tuple(kernel.shape)} from '{dense.name}'"
            )
        return kernel

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
        dense, activation = dict(config.pop("dense")), config.pop("activation")
        # __init__ needs a Dense layer, which may be missing here. Keras finds layers that it has already rebuilt by id.
        layer: DenseTranspose = keras.layers.Layer.__new__(cls, dense, activation, **config)
        keras.layers.Layer.__init__(layer, **config)
        layer._setup(activation)
        known = get_shared_object(dense.pop(SHARED_ID, None))
        layer._dense_config = _Untracked(dense)  # without the id, which another file may give to another layer
        if known is not None:
            layer.tie(known)
        return layer


class _Untracked:
    """Hide a value from Keras' tracking, so that the layer does not list another layer's variables as its own."""

    def __init__(self, value: Any) -> None:
        self.value = value
