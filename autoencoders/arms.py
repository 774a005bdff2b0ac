"""The arms of the few-label comparisons, as plain entries: adding one is adding a line here.

No Keras in this module: the parameter check knows the names from here, before anything heavy is imported. An arm with
another pretraining than the main one carries its name: `fine-tuned - tied`.

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
COMPARED = (FINE_TUNED, FROM_SCRATCH, RANDOM_FEATURES)  # the arms without which a study has no verdict
LARGE_VALIDATION = "large_validation"  # a protocol: learning rates are chosen on all validation labels


@dataclass(frozen=True)
class Arm:
    """One way to train the classifier network.

    Attributes:
        name: For tables.
        encoder: Where its first weights come from.
        trains: For each of its stages, which share the steps equally, how many encoder layers train with the head,
            counted from the coding downwards; ALL of them, or 0.
    """

    name: str
    encoder: Literal["pretrained", "random"]
    trains: tuple[int, ...]


@dataclass(frozen=True)
class Baseline:
    """A classifier out of scikit-learn, on the rows themselves, on their PCA scores or on their codings.

    What it takes besides its settings: a seed, its run's, where it draws at random; unlabelled rows of the study, the
    same in every run, at most as many as its setting `n_unlabelled` says.
    """

    name: str
    features: Literal["raw", "pca", "codings"]
    learner: str  # a module of autoencoders/learners
    most_labels: int | None = None  # that it has room for
    takes: tuple[Literal["seed", "unlabelled"], ...] = ()


class Share(float):
    """The type of a setting from 0 to 1, both left out."""


@dataclass(frozen=True)
class Pretraining:
    """One way to pretrain the encoder.

    Attributes:
        name: For tables.
        way: A module of autoencoders/pretrainings.
        networks: What it trains: the one network, or one for each phase.
        tied: The decoder uses the encoder's kernels.
        noise: On the inputs, its amount the setting of the same name (Vincent et al., JMLR 11, 2010).
        settings: The types of its settings, each above 0; but for `noise` they are arguments of the way.
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
ON_CHOSEN_ROWS = FINE_TUNED  # the arm that is trained on rows chosen for labelling
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
)
LEARNERS: dict[str, dict[str, type]] = {  # settings, each above 0
    "logistic": {"c": float},
    "svm": {"c": float},
    "knn": {"k": int},
    "nystroem": {"n_components": int, "c": float},
    "extra_trees": {"n_trees": int, "min_samples_leaf": int},
    "gradient_boosting": {"min_samples_leaf": int, "max_iter": int, "learning_rate": float},
    "self_training": {"c": float, "threshold": Share, "n_unlabelled": int},
    "label_spreading": {"n_neighbors": int, "n_unlabelled": int},
}
ROLES = ("labels", "weights", "order", "pretraining order", "pretraining noise", "choice")  # vary from run to run
CHOICES = ("random", "k-means", "uncertainty")  # ways to choose the rows to label next; the first is the base
CURVE_ARMS: dict[str, Arm | Baseline] = {arm.name: arm for arm in (*ARMS, *BASELINES)}
CURVE_PRETRAININGS = {kind.name: kind for kind in PRETRAININGS}


def is_pretrained(arm: Arm | Baseline) -> bool:
    """Return whether an arm uses a pretrained encoder."""
    return arm.encoder == "pretrained" if isinstance(arm, Arm) else arm.features == "codings"


def slug(name: str) -> str:
    """Return a name as metrics spell it: `PCA + logistic regression` -> `pca_logistic_regression`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
