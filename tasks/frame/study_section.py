"""The section of params.yaml for the label-efficiency study, `label_curve`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from autoencoders.arms import (
    CHOICES,
    COMPARED,
    CURVE_ARMS,
    CURVE_PRETRAININGS,
    LEARNERS,
    NETWORK,
    PRETRAININGS,
    ROLES,
    is_pretrained,
)
from autoencoders.pieces import MOST_HELD
from autoencoders.tuning import LEAST_PER_CLASS, Settings, configurations, n_configurations
from tasks.frame.fields import (
    Optimizer,
    Positive,
    Rate,
    Section,
    check_keys,
    check_range,
    check_settings,
    one_of,
    shown,
)
from tasks.frame.network_section import StudyNetwork

NETWORK_SPACE = "network"  # the trained arms' name in `spaces`
VARYING = tuple(role for role in ROLES if role != "tuning")  # the configurations are drawn once


class Tuning(Section):
    """The choice of each arm's settings by cross-validation within the labelled budget, from 5 labels a class on.

    `spaces` holds, for `network` and for every fitted classifier, the least and greatest value of the settings to draw.
    """

    n_configurations: Positive  # the same for every arm, the fixed settings among them; 1 for an untuned study
    n_folds: Annotated[int, Field(ge=2, le=LEAST_PER_CLASS)]  # a label of every class for each fold
    spaces: dict[str, dict[str, list[float | int]]]

    @field_validator("spaces", mode="before")
    @classmethod
    def _spaces_are_ranges(cls, given: Any) -> Any:
        known = {NETWORK_SPACE: NETWORK} | {  # all configurations of a learner see the same unlabelled rows
            name: {setting: kind for setting, kind in own.items() if setting != "n_unlabelled"}
            for name, own in LEARNERS.items()
        }
        check_keys(given, known, "space")
        for name, space in given.items():
            if not isinstance(space, dict) or {*space} - {*known[name]}:
                raise ValueError(f"{name}: expected settings out of {', '.join(known[name])}, received {shown(space)}")
            for setting, ends in space.items():
                check_range(ends, known[name][setting], f"{name}.{setting}")
        if (steps := given[NETWORK_SPACE].get("n_steps", [2, 2]))[0] < 2:
            raise ValueError(f"{NETWORK_SPACE}.n_steps: expected 2 or more, a step for each stage, received {steps}")
        return given


class Beforehand(Section):
    """The arms that the verdict compares where no cross-validation chooses: below 5 labels a class, and untuned."""

    with_encoder: Annotated[str, one_of(tuple(a for a in CURVE_ARMS if is_pretrained(CURVE_ARMS[a])))] = Field(
        description="the arm with a pretrained encoder that is compared where cross-validation chooses none"
    )
    without: Annotated[str, one_of(tuple(a for a in CURVE_ARMS if not is_pretrained(CURVE_ARMS[a])))] = Field(
        description="the arm without one that it is compared with"
    )

    @property
    def names(self) -> tuple[str, str]:
        """Return both names."""
        return self.with_encoder, self.without


class Classifier(Section):
    """The training of the trained arms; the learning rate decays to zero."""

    optimizer: Optimizer
    batch_size: Positive
    learning_rate: Rate
    weight_decay: Rate
    n_steps: Annotated[int, Field(ge=2)]

    @property
    def settings(self) -> dict[str, float]:
        """Return the settings that tuning may replace."""
        return self.model_dump(include={*NETWORK})


class LabelCurve(Section):
    """The label-efficiency study."""

    n_labels: list[Positive] = Field(min_length=2)
    headline: Positive  # the budget that the verdict is about
    metric: Literal["accuracy", "balanced accuracy"] | None  # null: balanced if a class has under a tenth of the labels
    margin: Annotated[float, Field(gt=0, lt=1)]  # of the metric; a difference inside is of no practical interest
    beforehand: Beforehand
    n_runs: Annotated[int, Field(ge=2)]
    arms: list[Annotated[str, one_of(tuple(CURVE_ARMS))]]
    pretrainings: list[Annotated[str, one_of(tuple(CURVE_PRETRAININGS))]] = Field(min_length=1)  # the main one first
    n_unlabelled: Positive | None  # rows to pretrain on; null for all of them, or MOST_HELD if there are more
    pretrain_epochs: Positive
    pretraining_settings: dict[str, dict[str, float | int]]  # for every pretraining with settings
    standardised: bool  # the rows, for every arm; the decoder's targets keep their scale
    network: StudyNetwork  # the autoencoder; greedy phases train one layer each by the same recipe
    classifier: Classifier
    learners: dict[str, dict[str, float | int]]  # the settings of every fitted classifier
    tuning: Tuning
    choices: list[Annotated[str, one_of(CHOICES)]]  # ways to choose rows for labelling; random is one of them
    choice_labels: Annotated[int, Field(ge=2, lt=2**31)]
    targets: list[Annotated[float, Field(gt=0, lt=1)]]  # of the metric; the study estimates the labels that each takes
    vary: list[Annotated[str, one_of(VARYING)]]  # random streams that differ from run to run

    @field_validator("learners", mode="before")
    @classmethod
    def _learners_are_complete(cls, given: Any) -> Any:
        return check_settings(given, LEARNERS, "learner")

    @field_validator("pretraining_settings", mode="before")
    @classmethod
    def _pretrainings_are_complete(cls, given: Any) -> Any:
        return check_settings(given, {p.name: p.settings for p in PRETRAININGS if p.settings}, "pretraining")

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
        if missing := [name for name in self.beforehand.names if name not in self.arms]:
            raise ValueError(f"beforehand: expected arms of the study, received '{missing[0]}'")
        if self.choices and CHOICES[0] not in self.choices:
            raise ValueError(f"expected '{CHOICES[0]}' among the choices: differences are taken from it")
        return self

    @model_validator(mode="after")
    def _streams_can_vary(self) -> LabelCurve:
        takes = any("unlabelled" in getattr(CURVE_ARMS[arm], "takes", ()) for arm in self.arms)
        if "unlabelled" in self.vary and self.n_unlabelled is None and not takes:
            raise ValueError("vary: expected no 'unlabelled' without n_unlabelled: every run takes all rows")
        return self

    @model_validator(mode="after")
    def _spaces_are_large_enough(self) -> LabelCurve:
        for name, space in self.tuning.spaces.items():
            n, needed = n_configurations(space, _whole(name)), self.tuning.n_configurations
            if n < needed:
                raise ValueError(f"tuning.spaces.{name}: expected {needed} configurations or more, received {n}")
        return self

    def n_to_pretrain_on(self, n: int) -> int:
        """Return the number of rows to pretrain on, out of n training rows."""
        return min(self.n_unlabelled or MOST_HELD, n)

    def configurations(self, name: str, *, seed: int) -> list[Settings]:
        """Return the configurations of the trained arms, `network`, or of a learner; its fixed settings are first."""
        given = self.classifier.settings if name == NETWORK_SPACE else self.learners[name]
        return configurations(
            given,
            self.tuning.spaces[name],
            self.tuning.n_configurations,
            whole=_whole(name),
            seed=seed,
        )


def _whole(name: str) -> list[str]:
    """Return the settings that are whole numbers."""
    kinds = NETWORK if name == NETWORK_SPACE else LEARNERS[name]
    return [setting for setting, kind in kinds.items() if kind is int]
