"""params.yaml, checked whole before anything runs.

Every section belongs to the stage of its name; `network` is shared by the two stages that train the same network end
to end. A wrong entry gives one line with file, key, what was expected and what was received.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from autoencoders.vocabulary import ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS

PARAMS = "params.yaml"


class ConfigError(ValueError):
    """A parameter file that cannot be used; its text is one line for a person."""


def _one_of(names: tuple[str, ...]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in names:
            near = difflib.get_close_matches(value, names, n=1)
            raise ValueError((f"did you mean {near[0]}? " if near else "") + f"known: {', '.join(names)}")
        return value

    return AfterValidator(check)


Activation = Annotated[str, _one_of(ACTIVATIONS)]
Initializer = Annotated[str, _one_of(INITIALIZERS)]
Optimizer = Annotated[str, _one_of(OPTIMIZERS)]
Loss = Annotated[str, _one_of(LOSSES)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Section(BaseModel):
    """A frozen part of params.yaml that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Training(Section):
    """How one network is trained: loss, optimizer, learning rate, rows a step."""

    loss: Loss
    optimizer: Optimizer
    learning_rate: Rate
    batch_size: Positive = 32


class Network(Training):
    """The network that `pretrain` and `tying` train end to end, and its recipe."""

    units: list[Positive] = Field(min_length=1)
    activation: Activation
    kernel_initializer: Initializer = "glorot_uniform"
    output_activation: Activation
    l2: Factor = 0.0


class Fetch(Section):
    """Which data set, and for a file of one's own where it lies and what it must hash to."""

    dataset: Literal["fashion-mnist", "mnist", "digits", "file"]
    path: str | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    label: str = "label"

    @model_validator(mode="after")
    def _file_is_named(self) -> Fetch:
        if (self.dataset == "file") != (self.path is not None):
            raise ValueError("path belongs to dataset: file, and dataset: file needs it")
        if self.sha256 is not None and self.dataset != "file":
            raise ValueError(f"no sha256, which belongs to dataset: file; that of {self.dataset} is known")
        return self


class Prepare(Section):
    """Rows held out of training: `n_valid` for validation; `n_test` where the data bring no test set of their own."""

    n_valid: Positive
    n_test: Annotated[int, Field(ge=0)] = 0
    max_leaked: Annotated[float, Field(ge=0, le=1)] = 0.05  # share of the test rows that may occur in training


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
    """Tied against untied over paired seeds."""

    n_seeds: Annotated[int, Field(ge=2)]
    epochs: Positive


class Phase(Training):
    """One phase of greedy layerwise training."""

    input: str
    units: Positive
    activation: Activation
    kernel_initializer: Initializer = "glorot_uniform"
    output_activation: Activation
    l2: Factor = 0.0
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

    encoder: Literal["pretrain", "stack"]
    n_labels: Positive
    n_seeds: Annotated[int, Field(ge=2)]
    n_steps: Annotated[int, Field(ge=2)]
    optimizer: Optimizer
    learning_rate: Rate
    batch_size: Positive


class Figure(Section):
    """One printed figure of a book or paper, and the metric of ours that stands beside it."""

    system: str
    metric: str
    printed: float
    within: Rate
    note: str = ""


class Report(Section):
    """What the report is called, and the printed figures to hold ours against."""

    title: str
    source: str
    figures: list[Figure]


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
    phase: dict[str, Phase] = Field(min_length=1)
    encode: Encode
    stack: Stack
    layerwise: Layerwise
    visualize: Visualize
    finetune: Finetune
    report: Report
    track: Track

    @field_validator("phase", mode="before")
    @classmethod
    def _phases_are_numbered(cls, phases: Any) -> Any:
        expected = [str(k) for k in range(1, len(phases) + 1)] if isinstance(phases, Mapping) else None
        if expected is None or list(phases) != expected:
            raise ValueError("phases are numbered '1', '2', ... in this order, the numbers in quotes")
        return phases

    @model_validator(mode="after")
    def _phases_are_chained(self) -> Params:
        for key, phase in self.phase.items():
            before = "data/prepare" if key == "1" else f"data/encode/{int(key) - 1}"
            if phase.input != before:
                raise ValueError(f"phase.{key}.input: expected {before}, received {phase.input}")
        return self


def load(path: Path = Path(PARAMS)) -> Params:
    """Read and check a parameter file, as YAML 1.2 (as DVC reads it); ConfigError says what is wrong in one line."""
    return check(read(path), path)


def read(path: Path) -> Any:
    """Read a YAML file; ConfigError names the line that cannot be read."""
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{path}:{line}: not readable as YAML: {str(error.problem).strip()}") from None
    except (UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from None


def check(values: Any, path: Path) -> Params:
    """Check what a parameter file holds."""
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections, received {type(values).__name__}")
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(_line(path, dict(e)) for e in error.errors()[:3])) from None


def _line(path: Path, error: dict[str, Any]) -> str:
    """Return `file: key: what was expected, what was received, a suggestion` for one of pydantic's errors."""
    where = [str(part) for part in error["loc"]]
    key = ".".join(where)
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(where[-1], _known_keys(where[:-1]), n=1)
        hint = f", did you mean {near[0]}?" if near else f", expected one of {', '.join(_known_keys(where[:-1]))}"
        return f"{path}: {key}: unknown key{hint}"
    if error["type"] == "missing":
        return f"{path}: {key}: missing key"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    received = repr(error["input"])
    received = received if len(received) <= 80 else received[:77] + "..."
    return f"{path}: {key or 'the whole'}: expected: {message}; received {received}"


def _known_keys(where: list[str]) -> list[str]:
    """Return the keys that the section at `where` knows."""
    section: Any = Params
    for name in where:
        if section is None:
            return list(Phase.model_fields)
        if name == "phase":
            section = None
        elif isinstance(section, type) and name in section.model_fields:
            section = section.model_fields[name].annotation
        else:
            section = Figure if where[:2] == ["report", "figures"] else section
    if section is None:
        return list(Phase.model_fields)
    return list(section.model_fields) if hasattr(section, "model_fields") else list(Figure.model_fields)
