"""The sections of params.yaml for a network that is trained end to end: `network`, and `label_curve.network`."""

from __future__ import annotations

from pydantic import Field, model_validator

from autoencoders.blocks import BY_COLUMN
from tasks.frame.fields import (
    Activation,
    Factor,
    Initializer,
    Loss,
    Optimizer,
    Positive,
    Rate,
    Section,
    StudyLoss,
    shown,
)

NO_TABLE = (
    f"label_curve.network.training.loss: expected a loss other than {BY_COLUMN}, such as mean_squared_error:"
    f" {BY_COLUMN} is for tables, and these data are none"
)


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


class StudyTraining(Training):
    """The training of the study's network, which may have a loss by column."""

    loss: StudyLoss


class StudyNetwork(Network):
    """The study's autoencoder."""

    training: StudyTraining

    @model_validator(mode="after")
    def _outputs_are_logits(self) -> StudyNetwork:
        if self.training.loss == BY_COLUMN and self.shape.output_activation != "linear":
            received = shown(self.shape.output_activation)
            raise ValueError(f"shape.output_activation: expected linear for the loss {BY_COLUMN}, received {received}")
        return self
