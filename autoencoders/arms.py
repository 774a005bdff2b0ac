"""The arms of the few-label comparisons, as plain entries: adding one is adding a line here.

No Keras in this module: the parameter check knows the names from here, before anything heavy is imported. An arm with
another pretraining than the main one carries its name: `fine-tuned - tied`.

Reference:
    LP-FT, linear probing, then fine-tuning: Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution, ICLR 2022.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
    """A classifier out of scikit-learn, on the rows themselves, on their PCA scores or on their codings."""

    name: str
    features: Literal["raw", "pca", "codings"]
    learner: str  # a module of autoencoders/learners
    most_labels: int | None = None  # that it has room for


@dataclass(frozen=True)
class Pretraining:
    """One way to pretrain the encoder: decoder tied or not, end to end or greedy, with or without noise on the inputs.

    Noise goes to the inputs of every phase (stacked denoising autoencoders: Vincent et al., JMLR 11, 2010).
    """

    name: str
    tied: bool = False
    greedy: bool = False
    noise: Literal["gaussian", "masking"] | None = None


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
    Baseline("PCA + logistic regression", "pca", "logistic"),
    Baseline("linear probe", "codings", "logistic"),
)
PRETRAININGS = (
    Pretraining("untied"),
    Pretraining("tied", tied=True),
    Pretraining("greedy", greedy=True),
    Pretraining("denoising gaussian", greedy=True, noise="gaussian"),
    Pretraining("denoising masking", greedy=True, noise="masking"),
)
LEARNERS: dict[str, dict[str, type]] = {"logistic": {"c": float}, "svm": {"c": float}}  # settings, each above 0
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
