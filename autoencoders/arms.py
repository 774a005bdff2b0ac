"""Tables of the arms, fitted classifiers and pretrainings that the few-label studies compare; one line adds an entry.

This module imports no Keras, because the parameter check reads the names before TensorFlow is loaded. The name of an
arm ends with its pretraining, unless that is the study's main one: `fine-tuned - tied`.

Reference:
    LP-FT, linear probing, then fine-tuning: Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution, ICLR 2022.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ALL = -1
FINE_TUNED, FROM_SCRATCH, RANDOM_FEATURES = "fine-tuned", "from scratch", "random features"
COMPARED = (FINE_TUNED, FROM_SCRATCH, RANDOM_FEATURES)  # every study needs these arms for its verdict


@dataclass(frozen=True)
class Arm:
    """One way to train the classifier network.

    Attributes:
        name: Name in tables.
        encoder: Source of the encoder's initial weights.
        trains: Number of encoder layers trained with the head in each stage, counted from the coding layer downwards:
            0 to ALL. The stages share the gradient steps equally.
    """

    name: str
    encoder: Literal["pretrained", "random"]
    trains: tuple[int, ...]


@dataclass(frozen=True)
class Baseline:
    """A scikit-learn classifier fitted to raw rows, PCA scores or codings.

    `takes` names its inputs beside the settings: the run's seed, for a random classifier; unlabelled rows of the study,
    the same in every run, at most as many as the setting `n_unlabelled`.
    """

    name: str
    features: Literal["raw", "pca", "codings"]
    learner: str  # a module of autoencoders/learners
    most_labels: int | None = None  # largest label budget; None for no limit
    takes: tuple[Literal["seed", "unlabelled"], ...] = ()


class Share(float):
    """The type of a setting in the open interval (0, 1)."""


@dataclass(frozen=True)
class Pretraining:
    """One way to pretrain the encoder.

    Attributes:
        name: Name in tables.
        way: A module of autoencoders/pretrainings.
        networks: Whether it trains one network, or one network per phase.
        tied: Whether the decoder uses the encoder's kernels.
        noise: Kind of noise on the inputs (Vincent et al., JMLR 11, 2010); the setting `noise` is its amount.
        settings: Types of its settings, each above 0. All but `noise` are keyword arguments of the module's `pretrain`.
    """

    name: str
    way: str
    networks: Literal["one", "phases"] = "one"
    tied: bool = False
    noise: Literal["gaussian", "masking"] | None = None
    settings: Mapping[str, type] = field(default_factory=dict)


ARMS = (
    Arm("frozen encoder", "pretrained", (0,)),
    Arm("top layer fine-tuned", "pretrained", (1,)),
    Arm("LP-FT", "pretrained", (0, ALL)),
    Arm(FINE_TUNED, "pretrained", (ALL,)),
    Arm(FROM_SCRATCH, "random", (ALL,)),
    Arm(RANDOM_FEATURES, "random", (0,)),
)
ON_CHOSEN_ROWS = FINE_TUNED  # the arm that trains on rows chosen for labelling
BASELINES = (
    Baseline("logistic regression", "raw", "logistic"),
    Baseline("SVM", "raw", "svm", most_labels=5000),  # its kernel has n_labels * n_test entries
    Baseline("kNN", "raw", "knn"),
    Baseline("Nystroem + logistic regression", "raw", "nystroem", takes=("seed",)),
    Baseline("extra trees", "raw", "extra_trees", takes=("seed",)),
    Baseline("gradient boosting", "raw", "gradient_boosting"),
    Baseline("self-training", "raw", "self_training", takes=("unlabelled",)),
    Baseline("label spreading", "raw", "label_spreading", takes=("unlabelled",)),
    Baseline("PCA + logistic regression", "pca", "logistic"),
    Baseline("linear probe", "codings", "logistic"),
)
PRETRAININGS = (
    Pretraining("untied", "end_to_end"),
    Pretraining("tied", "end_to_end", tied=True),
    Pretraining("greedy", "greedy", "phases"),
    Pretraining("denoising gaussian", "greedy", "phases", noise="gaussian", settings={"noise": float}),
    Pretraining("denoising masking", "greedy", "phases", noise="masking", settings={"noise": Share}),
    Pretraining("few rows", "fewer_rows", settings={"n_rows": int}),  # how many unlabelled rows does it take?
    Pretraining("some rows", "fewer_rows", settings={"n_rows": int}),
    Pretraining("shuffled columns", "shuffled_columns"),  # a control: noise with the columns' distributions
)
NETWORK = {"learning_rate": float, "weight_decay": float, "n_steps": int}  # settings of the trained arms, each above 0
LEARNERS: dict[str, dict[str, type]] = {  # settings, each above 0
    "logistic": {"c": float},
    "svm": {"c": float},
    "knn": {"k": int},
    "nystroem": {"n_components": int, "c": float},
    "extra_trees": {"n_trees": int, "min_samples_leaf": int, "max_features": Share},
    "gradient_boosting": {"min_samples_leaf": int, "max_iter": int, "learning_rate": float},
    "self_training": {"c": float, "threshold": Share, "n_unlabelled": int},
    "label_spreading": {"n_neighbors": int, "n_unlabelled": int},
}
ROLES = (  # random streams of a run; a new one is added at the end, for its place is part of its seed
    "labels", "weights", "order", "pretraining order", "pretraining noise", "choice", "unlabelled", "split", "tuning",
)  # fmt: skip
# Ways to choose rows for labelling; the first is the baseline. "class-balanced" needs all labels: it shows what balance
# alone is worth.
CHOICES = ("random", "class-balanced", "k-means", "uncertainty")
CURVE_ARMS: dict[str, Arm | Baseline] = {arm.name: arm for arm in (*ARMS, *BASELINES)}
CURVE_PRETRAININGS = {kind.name: kind for kind in PRETRAININGS}


def is_pretrained(arm: Arm | Baseline) -> bool:
    """Return whether an arm uses a pretrained encoder."""
    return arm.encoder == "pretrained" if isinstance(arm, Arm) else arm.features == "codings"


def slug(name: str) -> str:
    """Return a name in the form of metric names: `PCA + logistic regression` -> `pca_logistic_regression`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
