"""The sections of params.yaml: the type and range of every parameter.

Each section belongs to the stage of its name; the stages that train the same network end to end share `network`.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from tasks.frame.datasets import DATASETS
from tasks.frame.fields import (
    Activation,
    Column,
    Factor,
    Initializer,
    Marker,
    Optimizer,
    Positive,
    Rate,
    Section,
    Seed,
    Sentence,
    Sha256,
    Statement,
    Value,
    one_of,
    shown,
)
from tasks.frame.network_section import Network, Training
from tasks.frame.study_section import LabelCurve

Encoder = Literal["pretrain", "stack"]
Kind = Annotated[str, one_of(("number", "boolean", "category", "date"))]


class Noise(Section):
    """Noise on the inputs of a denoising autoencoder: Gaussian with a standard deviation, or a masked share."""

    kind: Annotated[Literal["gaussian", "masking"], one_of(("gaussian", "masking"))]
    amount: Rate

    @model_validator(mode="after")
    def _some_inputs_are_left(self) -> Noise:
        if self.kind == "masking" and self.amount >= 1:
            raise ValueError(f"expected an amount < 1 with kind: masking, received {shown(self.amount)}")
        return self


class Fetch(Section):
    """The data set; for data of the user, their files and what their columns and labels mean."""

    dataset: Annotated[str, one_of(tuple(DATASETS))]
    path: str | None
    labels: str | None
    unlabelled: str | None
    test: str | None
    sha256: Sha256 | None
    label: Column
    missing_labels: list[Marker]
    split: Column | None
    group: Column | None
    ignore: list[Column]
    kinds: dict[Column, Kind]
    missing: list[Value]
    header: bool | None  # whether a text file's first row names its columns
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None
    decimal: Annotated[Literal[".", ","], one_of((".", ","))] | None

    @model_validator(mode="after")
    def _files_are_named(self) -> Fetch:
        if self.dataset == "file" and self.path is None:
            raise ValueError("expected a path with dataset: file, received none")
        if self.dataset != "file":
            for key, value in self:
                if key not in ("dataset", "label") and value not in (None, [], {}):
                    raise ValueError(f"expected no {key} with dataset: {self.dataset}, received {shown(value)}")
        if self.test and self.split:
            raise ValueError(f"expected test or split, received both: {shown(self.test)} and {shown(self.split)}")
        named = [name for name in (self.label, self.split, self.group) if name is not None]
        if twice := [name for name in named if named.count(name) > 1 or name in self.ignore]:
            raise ValueError(f"expected distinct columns in label, split, group and ignore, received {shown(twice[0])}")
        for name in self.kinds:
            if name in (*named, *self.ignore):
                raise ValueError(f"kinds: expected columns of features, received {shown(name)}")
        return self


class Prepare(Section):
    """Held-out rows: `n_valid` for validation; `n_test` for data without an official test set, else 0."""

    n_valid: Positive
    n_test: Annotated[int, Field(ge=0)]
    max_leaked: Annotated[float, Field(ge=0, le=1)]  # share of the test rows that may occur in training


class Pca(Section):
    """A linear autoencoder compared with PCA: the book's 3-D data, and the images with `n_components`."""

    n_rows: Annotated[int, Field(ge=3)]
    learning_rate: Rate
    epochs: Positive
    converged_epochs: Positive
    n_components: Positive
    image_learning_rate: Rate
    image_epochs: Positive
    image_batch_size: Positive


class Pretrain(Section):
    """The stacked autoencoder, trained end to end."""

    tied: bool
    noise: Noise | None
    epochs: Positive


class Tying(Section):
    """Tied compared with untied weights over paired runs."""

    n_runs: Annotated[int, Field(ge=2)]
    epochs: Positive


class Phase(Training):
    """One phase of greedy layerwise training."""

    input: str = Field(description="the folder of the rows: data/prepare, then the encoding by the phase before")
    units: Positive = Field(description="neurons of the phase's coding")
    activation: Activation
    kernel_initializer: Initializer
    output_activation: Activation
    l2: Factor
    noise: Noise | None
    epochs: Positive = Field(description="passes over the training rows")


class Encode(Section):
    """The number of rows that are encoded at a time."""

    batch_size: Positive


class Stack(Training):
    """Fine-tuning of the whole stack."""

    epochs: Annotated[int, Field(ge=0)]


class Layerwise(Section):
    """Three ways to train phases, compared on the first `n_rows` images."""

    n_rows: Positive
    epochs: Positive


class Visualize(Section):
    """Reconstructed images, and a map of the validation codings."""

    n_images: Positive
    n_rows: Annotated[int, Field(ge=20)]
    perplexity: Rate
    n_neighbors: Positive


class Finetune(Section):
    """A classifier on few labels; every arm takes `n_steps` gradient steps."""

    encoder: Annotated[Encoder, one_of(get_args(Encoder))]
    n_labels: Positive
    n_runs: Annotated[int, Field(ge=2)]
    n_steps: Annotated[int, Field(ge=2)]
    optimizer: Optimizer
    learning_rate: Rate
    batch_size: Positive


class Book(Section):
    """The book's printed numbers to compare with: a CSV (tasks/reporting/fidelity.py), or null."""

    printed: str | None


class Claim(Section):
    """A paper's claim, and our numbers on the same question: `ours` and `holds` name metrics.

    `ours` is a sentence with metrics in braces, such as {pretrain.val_loss:.3f}; `holds` states the claim for our
    metrics, such as `pretrain.val_loss < 0.3`.
    """

    question: str
    paper: str
    ours: Sentence
    holds: Statement
    note: str  # why the two may differ


class Report(Section):
    """The title and source of the pages, and a paper's claims."""

    title: str
    source: str
    claims: list[Claim]


class Track(Section):
    """The name of the MLflow experiment that the run belongs to."""

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
    def _test_rows_are_kept(self) -> Params:
        fixed = [key for key in ("test", "split", "group") if getattr(self.fetch, key) is not None]
        if fixed and "split" in self.label_curve.vary:
            raise ValueError(f"label_curve.vary: expected no split with fetch.{fixed[0]}, which says what to test on")
        return self

    @model_validator(mode="after")
    def _phases_are_chained(self) -> Params:
        for key, phase in self.phase.items():
            before = "data/prepare" if key == "1" else f"data/encode/{int(key) - 1}"
            if phase.input != before:
                raise ValueError(f"phase.{key}.input: expected {before}, received {shown(phase.input)}")
        return self
