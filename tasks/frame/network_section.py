"""The sections of params.yaml for a network that is trained end to end: `network`, and `label_curve.network`."""

from __future__ import annotations

from pydantic import Field

from tasks.frame.fields import Activation, Factor, Initializer, Loss, Optimizer, Positive, Rate, Section


class Training(Section):
    """The training of one network: loss, optimizer, learning rate, batch size in rows."""

    loss: Loss
    optimizer: Optimizer
    learning_rate: Rate
    batch_size: Positive


class Shape(Section):
    """The layers of an autoencoder: widths of the encoder's layers, activations, initializer, L2 penalty."""

    units: list[Positive] = Field(min_length=1)
    activation: Activation
    kernel_initializer: Initializer
    output_activation: Activation
    l2: Factor


class Network(Section):
    """The network that is trained end to end."""

    shape: Shape
    training: Training
