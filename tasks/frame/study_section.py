"""The section of params.yaml for the label-efficiency study, `label_curve`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from autoencoders.arms import (
    CHOICES,
    COMPARED,
    CURVE_ARMS,
    CURVE_PRETRAININGS,
    LARGE_VALIDATION,
    LEARNERS,
    PRETRAININGS,
    ROLES,
    is_pretrained,
)
from tasks.frame.fields import Optimizer, Positive, Rate, Section, check_settings, one_of, shown

Protocol = Literal["labelled_budget", "large_validation"]  # the labels that select a learning rate


class Tuning(Section):
    """The choice of each arm's settings by cross-validation within the labelled budget, from 5 labels a class on.

    `spaces` holds, for `network` and for every fitted classifier, the least and greatest value of the settings to draw.
    """

    n_configurations: Positive  # the same for every arm, the fixed settings among them; 1 for an untuned study
    n_folds: Annotated[int, Field(ge=2)]
    spaces: dict[str, dict[str, list[float | int]]]


class Beforehand(Section):
    """The arms that the verdict compares where no cross-validation chooses: below 5 labels a class, and untuned."""

    with_encoder: Annotated[str, one_of(tuple(a for a in CURVE_ARMS if is_pretrained(CURVE_ARMS[a])))]
    without: Annotated[str, one_of(tuple(a for a in CURVE_ARMS if not is_pretrained(CURVE_ARMS[a])))]


class LabelCurve(Section):
    """The label-efficiency study; every trained arm takes `n_steps` gradient steps, whatever the budget."""

    n_labels: list[Positive] = Field(min_length=2)
    headline: Positive  # the budget that the verdict is about
    margin: Annotated[float, Field(gt=0, lt=1)]  # of accuracy; a difference inside is of no practical interest
    beforehand: Beforehand
    n_runs: Annotated[int, Field(ge=2)]
    arms: list[Annotated[str, one_of(tuple(CURVE_ARMS))]]
    pretrainings: list[Annotated[str, one_of(tuple(CURVE_PRETRAININGS))]] = Field(min_length=1)  # the main one first
    pretrain_epochs: Positive
    n_unlabelled: Positive | None  # rows to pretrain on; null for all of them
    pretraining_settings: dict[str, dict[str, float | int]]  # for every pretraining with settings
    n_steps: Annotated[int, Field(ge=2)]
    optimizer: Optimizer
    learning_rates: list[Rate] = Field(min_length=1)  # if several, `protocol` says how the best is selected
    tuning: Tuning
    n_folds: Annotated[int, Field(ge=2)]
    protocol: Annotated[Protocol, one_of(get_args(Protocol))]
    batch_size: Positive
    learners: dict[str, dict[str, float | int]]  # the settings of every fitted classifier
    choices: list[Annotated[str, one_of(CHOICES)]]  # ways to choose rows for labelling; random is one of them
    choice_labels: Annotated[int, Field(ge=2, lt=2**31)]
    targets: list[Annotated[float, Field(gt=0, lt=1)]]  # accuracies; the study estimates the labels that each takes
    vary: list[Annotated[str, one_of(ROLES)]]  # random streams that differ from run to run

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
        for name in (self.beforehand.with_encoder, self.beforehand.without):
            if name not in self.arms:
                raise ValueError(f"expected beforehand's '{name}' among the arms")
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
