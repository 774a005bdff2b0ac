"""The sections of params.yaml: what every parameter may be.

Every section belongs to the stage of its name; `network` is shared by the stages that train the same network end to
end.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from autoencoders.arms import CURVE_PRETRAININGS
from tasks.frame.fields import (
    Activation,
    Factor,
    Initializer,
    Loss,
    Optimizer,
    Positive,
    Rate,
    Section,
    Seed,
    Sentence,
    Sha256,
    Statement,
    one_of,
    shown,
)
from tasks.frame.study_section import LabelCurve
from tasks.sources.table import DATASETS

Encoder = Literal["pretrain", "stack"]


class Training(Section):
    """How one network is trained: loss, optimizer, learning rate, rows a step."""

    loss: Loss
    optimizer: Optimizer
    learning_rate: Rate
    batch_size: Positive


class Shape(Section):
    """The shape of an autoencoder: widths of the encoder's layers, and what they compute."""

    units: list[Positive] = Field(min_length=1)
    activation: Activation
    kernel_initializer: Initializer
    output_activation: Activation
    l2: Factor


class Network(Section):
    """The network that is trained end to end."""

    shape: Shape
    training: Training


class Noise(Section):
    """Noise on the inputs of a denoising autoencoder: Gaussian, in standard deviations; or the share that is masked."""

    kind: Annotated[Literal["gaussian", "masking"], one_of(("gaussian", "masking"))]
    amount: Rate

    @model_validator(mode="after")
    def _some_inputs_are_left(self) -> Noise:
        if self.kind == "masking" and self.amount >= 1:
            raise ValueError(f"expected an amount < 1 with kind: masking, received {shown(self.amount)}")
        return self


class Fetch(Section):
    """Which data set, and for a file of one's own where it lies and what it must hash to."""

    dataset: Annotated[str, one_of(tuple(DATASETS))]
    path: str | None
    sha256: Sha256 | None
    label: str

    @model_validator(mode="after")
    def _file_is_named(self) -> Fetch:
        if self.dataset == "file" and self.path is None:
            raise ValueError("expected a path with dataset: file, received none")
        for key, value in (("path", self.path), ("sha256", self.sha256)):
            if self.dataset != "file" and value is not None:
                raise ValueError(f"expected no {key} with dataset: {self.dataset}, received {shown(value)}")
        return self


class Prepare(Section):
    """Rows held out of training: `n_valid` for validation; `n_test` where the data bring no test set of their own."""

    n_valid: Positive
    n_test: Annotated[int, Field(ge=0)]
    max_leaked: Annotated[float, Field(ge=0, le=1)]  # share of the test rows that may occur in training


class Pca(Section):
    """The linear autoencoder against PCA: the book's 3-D set, and the images at `n_components`."""

    n_rows: Annotated[int, Field(ge=3)]
    learning_rate: Rate
    epochs: Positive
    converged_epochs: Positive
    n_components: Positive
    image_learning_rate: Rate
    image_epochs: Positive
    image_batch_size: Positive


class Pretrain(Section):
    """The stacked autoencoder, end to end."""

    tied: bool
    noise: Noise | None
    epochs: Positive


class Tying(Section):
    """Tied against untied over paired runs."""

    n_runs: Annotated[int, Field(ge=2)]
    epochs: Positive


class Phase(Training):
    """One phase of greedy layerwise training."""

    input: str
    units: Positive
    activation: Activation
    kernel_initializer: Initializer
    output_activation: Activation
    l2: Factor
    noise: Noise | None
    epochs: Positive


class Encode(Section):
    """Rows encoded at a time."""

    batch_size: Positive


class Stack(Training):
    """Fine-tuning of the whole stack."""

    epochs: Annotated[int, Field(ge=0)]


class Layerwise(Section):
    """The three ways of training phases, on the first `n_rows` images."""

    n_rows: Positive
    epochs: Positive


class Visualize(Section):
    """Reconstructions, and the map of the validation codings."""

    n_images: Positive
    n_rows: Annotated[int, Field(ge=20)]
    perplexity: Rate
    n_neighbors: Positive


class Finetune(Section):
    """The classifier on few labels; every arm takes `n_steps` gradient steps."""

    encoder: Annotated[Encoder, one_of(get_args(Encoder))]
    n_labels: Positive
    n_runs: Annotated[int, Field(ge=2)]
    n_steps: Annotated[int, Field(ge=2)]
    optimizer: Optimizer
    learning_rate: Rate
    batch_size: Positive


class Book(Section):
    """The printed numbers to hold ours against, a CSV (tasks/reporting/fidelity.py); null for none."""

    printed: str | None


class Claim(Section):
    """What a paper found, and our numbers on the same question: `ours` and `holds` name metrics.

    `ours` is a sentence with metrics in braces, as {pretrain.val_loss:.3f}; `holds` is how the paper's claim reads in
    ours, as `pretrain.val_loss < 0.3`.
    """

    question: str
    paper: str
    ours: Sentence
    holds: Statement
    note: str  # why the two may differ


class Report(Section):
    """What the pages are called, and a paper's claims."""

    title: str
    source: str
    claims: list[Claim]


class Track(Section):
    """Where MLflow files the run."""

    experiment: Annotated[str, Field(min_length=1)]


class Params(Section):
    """The whole of params.yaml."""

    seed: Seed
    threads: Positive
    network: Network
    fetch: Fetch
    prepare: Prepare
    pca: Pca
    pretrain: Pretrain
    tying: Tying
    phase: dict[str, Phase]
    encode: Encode
    stack: Stack
    layerwise: Layerwise
    visualize: Visualize
    finetune: Finetune
    book: Book
    label_curve: LabelCurve
    report: Report
    track: Track

    @field_validator("phase", mode="before")
    @classmethod
    def _phases_are_numbered(cls, phases: object) -> object:
        names = list(phases) if isinstance(phases, dict) else []
        if not names or names != [str(k) for k in range(1, len(names) + 1)]:
            received = f"the keys {', '.join(map(repr, names))}" if names else shown(phases)
            raise ValueError(f"expected phases '1', '2', ... in this order, the numbers in quotes, received {received}")
        return phases

    @model_validator(mode="after")
    def _phases_are_chained(self) -> Params:
        for key, phase in self.phase.items():
            before = "data/prepare" if key == "1" else f"data/encode/{int(key) - 1}"
            if phase.input != before:
                raise ValueError(f"phase.{key}.input: expected {before}, received {shown(phase.input)}")
        return self

    @model_validator(mode="after")
    def _encoders_are_alike(self) -> Params:
        """Let no study compare encoders of different shapes: the greedy phases are those of `phase`."""
        greedy = [name for name in self.label_curve.pretrainings if CURVE_PRETRAININGS[name].networks == "phases"]
        phases = [(phase.units, phase.activation) for phase in self.phase.values()]
        if greedy and phases != (
            expected := [(units, self.network.shape.activation) for units in self.network.shape.units]
        ):
            raise ValueError(
                f"label_curve.pretrainings: {greedy[0]} needs phases of the network's shape {expected}, "
                f"received {phases}"
            )
        return self
