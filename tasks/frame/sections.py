"""The sections of params.yaml: what every parameter may be.

Every section belongs to the stage of its name; `network` is shared by the stages that train the same network end to
end.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from autoencoders.arms import CHOICES, COMPARED, CURVE_ARMS, CURVE_PRETRAININGS, LARGE_VALIDATION, LEARNERS, ROLES
from autoencoders.vocabulary import ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS
from tasks.reporting.wording import FILLED_IN

STATEMENT = re.compile(r"\S+ [<>] \S+( and \S+ [<>] \S+)*")


def nearest(name: Any, names: Iterable[str]) -> str:
    """Return the one of `names` that was probably meant, or nothing."""
    return "".join(difflib.get_close_matches(str(name).lower(), names, n=1))


def shown(value: Any) -> str:
    """Return a value as params.yaml would show it, on one line."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def check_keys(given: Any, known: Iterable[str], what: str) -> None:
    """Raise ValueError where a mapping lacks a key, or has one that is not known."""
    if not isinstance(given, dict):
        raise ValueError(f"expected the keys {', '.join(known)}, received {shown(given)}")
    for name in given:
        if name not in known:
            near = nearest(name, known)
            raise ValueError(
                f"unknown {what} {name}, " + (f"did you mean {near}?" if near else f"expected {', '.join(known)}")
            )
    for name in known:
        if name not in given:
            raise ValueError(f"missing {what}: {name}")


def _one_of(names: tuple[str, ...]) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value not in names:
            expected = f"expected one of {', '.join(names)}, received {shown(value)}"
            near = nearest(value, names)
            raise ValueError(f"unknown name {shown(value)}, did you mean {near}?" if near else expected)
        return value

    return BeforeValidator(check)


def _statement(value: Any) -> Any:
    if not STATEMENT.fullmatch(str(value)):
        raise ValueError(
            f"expected `metric < number` or `metric > metric`, several with `and`, received {shown(value)}"
        )
    return value


def _sentence(value: Any) -> Any:
    if set(FILLED_IN.sub("", str(value))) & set("{}"):
        raise ValueError(f"expected metrics as {{stage.metric:.2f}} or {{stage.metric:.2p}}, received {shown(value)}")
    return value


def _sha256(value: Any) -> Any:
    if not re.fullmatch("[0-9a-f]{64}", str(value)):
        raise ValueError(f"expected 64 digits out of 0-9 and a-f, received {shown(value)}")
    return value


Dataset = Literal["fashion-mnist", "mnist", "digits", "file"]
Encoder = Literal["pretrain", "stack"]
Protocol = Literal["labelled_budget", "large_validation"]  # which labels may choose a learning rate
Activation = Annotated[str, _one_of(ACTIVATIONS)]
Initializer = Annotated[str, _one_of(INITIALIZERS)]
Optimizer = Annotated[str, _one_of(OPTIMIZERS)]
Loss = Annotated[str, _one_of(LOSSES)]
Positive = Annotated[int, Field(ge=1, lt=2**31)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Undeclared(LookupError):
    """A stage reads what dvc.yaml does not declare for it."""

    exit_code = 2


class Section(BaseModel):
    """A frozen part of params.yaml that refuses keys it does not know; a stage may see some of its keys only."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).model_fields:
            section = "" if isinstance(self, Params) else f"a {type(self).__name__}'s "
            raise Undeclared(f"dvc.yaml: a stage reads {section}{name}: expected it among the stage's params")
        raise AttributeError(f"{type(self).__name__} has no key {name}")


class Training(Section):
    """How one network is trained: loss, optimizer, learning rate, rows a step."""

    loss: Loss
    optimizer: Optimizer
    learning_rate: Rate
    batch_size: Positive


class Network(Training):
    """The network that `pretrain` and `tying` train end to end, and its recipe."""

    units: list[Positive] = Field(min_length=1)
    activation: Activation
    kernel_initializer: Initializer
    output_activation: Activation
    l2: Factor


class Fetch(Section):
    """Which data set, and for a file of one's own where it lies and what it must hash to."""

    dataset: Annotated[Dataset, _one_of(get_args(Dataset))]
    path: str | None
    sha256: Annotated[str, BeforeValidator(_sha256)] | None
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

    encoder: Annotated[Encoder, _one_of(get_args(Encoder))]
    n_labels: Positive
    n_runs: Annotated[int, Field(ge=2)]
    n_steps: Annotated[int, Field(ge=2)]
    optimizer: Optimizer
    learning_rate: Rate
    batch_size: Positive


class LabelCurve(Section):
    """The label-efficiency study; every trained arm takes `n_steps` gradient steps, whatever the budget."""

    n_labels: list[Positive] = Field(min_length=2)
    headline: Positive  # the budget that the verdict is about
    n_runs: Annotated[int, Field(ge=2)]
    arms: list[Annotated[str, _one_of(tuple(CURVE_ARMS))]]
    pretrainings: list[Annotated[str, _one_of(tuple(CURVE_PRETRAININGS))]] = Field(min_length=1)  # the main one first
    pretrain_epochs: Positive
    n_unlabelled: Positive | None  # rows to pretrain on; all of them if none is given
    gaussian_noise: Factor  # in standard deviations of what it is added to
    masking_noise: Annotated[float, Field(ge=0, lt=1)]  # share of inputs set to zero
    n_steps: Annotated[int, Field(ge=2)]
    optimizer: Optimizer
    learning_rates: list[Rate] = Field(min_length=1)  # more than one: the best is chosen as `protocol` says
    n_folds: Annotated[int, Field(ge=2)]
    protocol: Annotated[Protocol, _one_of(get_args(Protocol))]
    batch_size: Positive
    learners: dict[str, dict[str, float | int]]  # the settings of every fitted classifier
    choices: list[Annotated[str, _one_of(CHOICES)]]  # ways to choose rows for labelling, at random among them
    choice_labels: Annotated[int, Field(ge=2, lt=2**31)]
    targets: list[Annotated[float, Field(gt=0, lt=1)]]  # accuracies: how many labels do they take?
    vary: list[Annotated[str, _one_of(ROLES)]]  # random streams that differ from run to run

    @field_validator("learners", mode="before")
    @classmethod
    def _learners_are_complete(cls, given: Any) -> Any:
        check_keys(given, LEARNERS, "learner")
        for learner, settings in LEARNERS.items():
            check_keys(given[learner], settings, f"setting of {learner}")
            for name, kind in settings.items():
                value, wanted = given[learner][name], "a whole number" if kind is int else "a number"
                is_number = isinstance(value, int | kind) and not isinstance(value, bool)
                if not is_number or not 0 < value < math.inf:
                    raise ValueError(f"{learner}.{name}: expected {wanted} > 0, received {shown(value)}")
        return given

    @model_validator(mode="after")
    def _can_be_compared(self) -> LabelCurve:
        if self.n_labels != sorted(set(self.n_labels)):
            raise ValueError(f"expected n_labels in ascending order, received {self.n_labels}")
        if self.headline not in self.n_labels:
            raise ValueError(f"expected a headline out of n_labels, received {self.headline}")
        for names in (self.arms, self.pretrainings, self.choices, self.vary):
            if len(set(names)) != len(names):
                raise ValueError(f"expected every name once, received {shown(names)}")
        if missing := [name for name in COMPARED if name not in self.arms]:
            raise ValueError(f"expected '{missing[0]}' among the arms: differences are taken from it")
        if self.protocol == LARGE_VALIDATION and len(self.learning_rates) == 1:
            raise ValueError(f"expected several learning_rates to choose from with protocol: {LARGE_VALIDATION}")
        if self.choices and CHOICES[0] not in self.choices:
            raise ValueError(f"expected '{CHOICES[0]}' among the choices: differences are taken from it")
        return self


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
    ours: Annotated[str, BeforeValidator(_sentence)]
    holds: Annotated[str, BeforeValidator(_statement)]
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
    def _phases_are_numbered(cls, phases: Any) -> Any:
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
        greedy = [name for name in self.label_curve.pretrainings if CURVE_PRETRAININGS[name].greedy]
        phases = [(phase.units, phase.activation) for phase in self.phase.values()]
        if greedy and phases != (expected := [(units, self.network.activation) for units in self.network.units]):
            raise ValueError(
                f"label_curve.pretrainings: {greedy[0]} needs phases of the network's shape {expected}, "
                f"received {phases}"
            )
        return self
