"""Compute the scores of the label-efficiency study: train or fit a classifier on few labels, and test it.

The input is arrays, settings and seeds. Work that several scores share is computed and compiled once.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from autoencoders.arms import ARMS, BASELINES, CURVE_ARMS, ON_CHOSEN_ROWS, Arm, Baseline
from autoencoders.choosing import central_rows, doubtful_rows, random_rows
from autoencoders.evaluation import Budget, Classifier
from autoencoders.labels import Rows, draw_labelled, labelled_rows
from autoencoders.learners.answers import Answers
from autoencoders.learners.sharing import shared_keywords, shared_settings
from autoencoders.metrics import class_weights, confusion, scores
from autoencoders.models import Autoencoder, outputs
from autoencoders.pieces import Stack
from autoencoders.projection import principal_components
from autoencoders.training import Row
from autoencoders.transfer import TransferProof, fingerprint
from autoencoders.tuning import Tuned, can_fold, can_tune, tuned

FINE_TUNED = next(arm for arm in ARMS if arm.name == ON_CHOSEN_ROWS)
CODINGS = next(baseline for baseline in BASELINES if baseline.features == "codings")
Seeds = Mapping[str, int]
Settings = Mapping[str, Any]
Index = np.ndarray


class Encoder(NamedTuple):
    """A pretrained encoder: its weights in Keras' order, and the fingerprint of each layer after pretraining."""

    weights: Sequence[np.ndarray]
    layers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Training:
    """What the trainings of the classifier share.

    Args:
        kernel_initializer: Name of Keras' initializer for the head and for a random encoder.
        batch_size, optimizer: As in `Budget`.
    """

    kernel_initializer: str
    batch_size: int
    optimizer: str


class Bench:
    """The data, settings and compiled models that the scores of a study share.

    Args:
        train: Rows to draw the labelled rows from.
        test: Rows to score on.
        unlabelled: Rows for PCA and for the mean and standard deviation of the codings, float32 (n, d), an array or a
            `Stack`; all others are read when they are needed, too.
        shape: `units`, `activation` and `output_activation` of the pretrained autoencoder.
        training: Training of the classifier.
        n_folds: Folds of the cross-validation that chooses configurations.
        balanced: Whether it chooses by balanced accuracy, which differs where a class runs out of labels.
    """

    def __init__(
        self,
        train: Rows,
        test: Rows,
        *,
        unlabelled: np.ndarray | Stack,
        shape: Mapping[str, Any],
        training: Training,
        n_folds: int,
        balanced: bool = False,
    ) -> None:
        self.labels, self.labels_test = train.labels, test.labels
        given = (train.x, test.x, unlabelled)
        self.x, self.x_test, self.unlabelled = (x if isinstance(x, Stack) else Stack(x) for x in given)
        self.training, self.n_folds, self.balanced = training, n_folds, balanced
        self.n_classes = int(self.labels.max()) + 1
        self.source = Autoencoder(self.x.shape[1], **shape, seed=0)  # holds the weights of one encoder at a time
        self._loaded: Encoder | None = None
        self._moments: tuple[np.ndarray, np.ndarray] | None = None  # of the loaded encoder's codings

    def score(
        self, name: str, n_labels: int, seeds: Seeds, encoder: Encoder | None, configurations: Sequence[Settings]
    ) -> dict[str, Any]:
        """Train or fit one classifier on its labels, and score it once, at the end, on the test rows.

        Of several configurations, cross-validation within the labels chooses one, if there are labels enough.

        Args:
            name: Name of the arm.
            n_labels: Number of rows in the class-balanced draw.
            seeds: Seeds of the roles labels, weights and order.
            encoder: The pretrained encoder, for an arm that uses one.
            configurations: Settings to choose from, the fixed ones first; of a trained arm those of `Budget`, of a
                fitted one the keywords of its learner.

        Raises:
            TransferError: The encoder's weights do not match their fingerprints, or were not transferred.
            Diverged: The training diverged.
        """
        arm = CURVE_ARMS[name]
        chosen = draw_labelled(self.labels, n_labels, seed=seeds["labels"])
        x, labels = self.x[chosen], self.labels[chosen]
        held = self.load(encoder) if encoder else None
        tries = _Trained(self, arm, seeds) if isinstance(arm, Arm) else _Fitted(self, arm)
        x = tries.features(x)
        found = Tuned(configurations[0], None, [])
        enough = can_tune(n_labels, len(np.unique(labels))) and can_fold(labels, self.n_folds)
        if len(configurations) > 1 and enough:
            weights = class_weights(labels) if self.balanced else None
            found = tuned(configurations, labels, self.n_folds, partial(tries.right_rows, x, labels), weights)
        result = tries.answers(x, labels, found.settings, tries.features(self.x_test))
        guesses, probabilities = result.pop("answers")
        if held is not None:
            held.finish(self.source.encoder.layers)
            result["proof"] = result["proof"] or asdict(held)
        else:
            result["proof"] = None
        return {
            "scores": scores(self.labels_test, guesses, probabilities),
            "right": packed(guesses == self.labels_test),
            "confusion": confusion(self.labels_test, guesses),
            "n_labels_used": len(labels),
            "drawn": _hash(chosen),
            "settings": _told(found.settings),
            "validated": found.validated,
            "n_trials": max(len(found.right), 1),
            "trials": found.right,
            **result,
        }

    def choose(self, choice: str, n_labels: int, seeds: Seeds, encoder: Encoder, settings: Settings) -> dict[str, Any]:
        """Choose rows for labelling, fine-tune the pretrained encoder on them, and score it on the test rows.

        Args:
            choice: One of `CHOICES` in autoencoders/arms.py.
            n_labels: Number of rows to choose.
            seeds: Seeds of the roles choice, weights and order.
            encoder: The pretrained encoder.
            settings: Of the training.
        """
        self.load(encoder)
        training = _Trained(self, FINE_TUNED, seeds)
        chosen = self.chosen(choice, n_labels, seeds, settings)
        labels = self.labels[chosen]
        result = training.answers(self.x[chosen], labels, settings, self.x_test)
        guesses, probabilities = result.pop("answers")
        seen = {"n_labels_used": len(labels), "n_classes": len(np.unique(labels)), "drawn": _hash(chosen)}
        right = packed(guesses == self.labels_test)
        return {"scores": scores(self.labels_test, guesses, probabilities), "right": right, **seen, **result}

    def load(self, encoder: Encoder) -> TransferProof:
        """Load a pretrained encoder into `source`; return the proof that its weights match their fingerprints."""
        layers = self.source.encoder.layers
        if self._loaded is not encoder:
            self.source.encoder.set_weights([*encoder.weights])
            self._loaded, self._moments = encoder, None
        proof = TransferProof(tuple(encoder.layers), len(layers))
        proof.finish(layers)
        return proof

    def chosen(self, choice: str, n_labels: int, seeds: Seeds, settings: Settings) -> np.ndarray:
        """Return the numbers of the chosen rows, (n_labels,); uncertainty is that of a classifier on a random half."""
        if choice == "class-balanced":
            return draw_labelled(self.labels, n_labels, seed=seeds["choice"])
        pool = labelled_rows(self.labels)
        x = self.x if len(pool) == len(self.x) else self.x.at(pool)
        if choice == "k-means":
            return pool[central_rows(self.features(CODINGS, x), n_labels, seed=seeds["choice"])]
        chosen = random_rows(len(pool), n_labels, seed=seeds["choice"])
        if choice == "random":
            return pool[chosen]
        known = chosen[: n_labels // 2]
        _Trained(self, FINE_TUNED, seeds).fit(x[known], self.labels[pool[known]], settings)
        doubtful = doubtful_rows(self.classifier.probabilities(x), n_labels - len(known), known=known)
        return pool[np.concatenate([known, doubtful])]

    def features(self, arm: Baseline, x: np.ndarray | Stack) -> np.ndarray:
        """Return a fitted classifier's features of rows x; codings are standardised over the unlabelled rows."""
        if arm.features != "codings":
            held = self._test_rows if x is self.x_test else x[:]
            return held if arm.features == "raw" else self._pca.transform(held)
        if self._moments is None:
            codings = outputs(self.source.encoder.layers, self.unlabelled)
            self._moments = (codings.mean(axis=0), np.maximum(codings.std(axis=0), 1e-6))
        mean, sd = self._moments
        return (outputs(self.source.encoder.layers, x) - mean) / sd

    @cached_property
    def _test_rows(self) -> np.ndarray:
        return self.x_test[:]

    @cached_property
    def _pca(self) -> Any:
        n_components = min(self.source.encoder.layers[-1].units, *self.unlabelled.shape)
        return principal_components(self.unlabelled[:], n_components)

    @cached_property
    def classifier(self) -> Classifier:
        """Return the classifier, compiled once for all configurations."""
        t = self.training
        budget = Budget(n_steps=1, batch_size=t.batch_size, optimizer=t.optimizer, learning_rate=1.0)
        return Classifier(self.source, n_classes=self.n_classes, kernel_initializer=t.kernel_initializer, budget=budget)


@dataclass(frozen=True)
class _Trained:
    """The trials and the final training of a trained arm."""

    bench: Bench
    arm: Arm
    seeds: Seeds

    def features(self, x: Any) -> Any:
        return x

    def fit(self, x: np.ndarray, labels: np.ndarray, settings: Settings) -> tuple[list[Row], TransferProof]:
        budget = replace(self.bench.classifier.budget, **settings, decays=True)
        seed, order = self.seeds["weights"], self.seeds["order"]
        return self.bench.classifier.fit(self.arm, x, labels, seed=seed, order_seed=order, budget=budget)

    def right_rows(self, x: np.ndarray, labels: np.ndarray, settings: Settings, inside: Index, outside: Index) -> Index:
        self.fit(x[inside], labels[inside], settings)
        right: np.ndarray = self.bench.classifier.probabilities(x[outside]).argmax(axis=1) == labels[outside]
        return right

    def answers(self, x: np.ndarray, labels: np.ndarray, settings: Settings, rows: Any) -> dict[str, Any]:
        history, proof = self.fit(x, labels, settings)
        classifier = self.bench.classifier
        probabilities = classifier.probabilities(rows)
        return {
            "answers": (probabilities.argmax(axis=1), probabilities),
            "n_steps": int(history[-1]["step"]),
            "loss": history[-1]["loss"],
            "weights": [fingerprint(layer) for layer in (*classifier.layers, classifier.head)],
            "proof": asdict(proof),
            "stages": [{"n_frozen": n_frozen, "layers": layers} for n_frozen, layers in classifier.stages],
        }


@dataclass(frozen=True)
class _Fitted:
    """The trials and the final fit of a fitted arm."""

    bench: Bench
    arm: Baseline
    kept: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)  # what configurations share, by fold

    def features(self, x: Any) -> Any:
        return self.bench.features(self.arm, x)

    def right_rows(self, x: np.ndarray, labels: np.ndarray, settings: Settings, inside: Index, outside: Index) -> Index:
        needed = {name: settings[name] for name in shared_settings(self._learner)}
        key = (outside.tobytes(), *(value if np.isscalar(value) else id(value) for value in needed.values()))
        if key not in self.kept:
            self.kept[key] = shared_keywords(self._learner, x[inside], x[outside], needed)
        found = self._learner.answers(x[inside], labels[inside], x[outside], **settings, **self.kept[key])
        right: np.ndarray = found.guesses == labels[outside]
        return right

    def answers(self, x: np.ndarray, labels: np.ndarray, settings: Settings, rows: np.ndarray) -> dict[str, Any]:
        found: Answers = self._learner.answers(x, labels, rows, **settings)
        fitted = _hash(np.ascontiguousarray(found.fitted))
        return {"answers": (found.guesses, found.probabilities), "n_steps": None, "proof": None, "weights": [fitted]}

    @property
    def _learner(self) -> Any:
        return import_module(f"autoencoders.learners.{self.arm.learner}")


def packed(right: np.ndarray) -> str:
    """Return the answers' bits, bool (n,), eight to a byte, in base 64; `unpacked` returns them."""
    return base64.b64encode(np.packbits(right).tobytes()).decode("ascii")


def unpacked(text: str, n: int) -> np.ndarray:
    """Return the bits of n answers, bool (n,), that `packed` wrote."""
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=n).astype(bool)


def _told(settings: Settings) -> dict[str, Any]:
    """Return the settings without rows."""
    return {name: value for name, value in settings.items() if not isinstance(value, np.ndarray)}


def _hash(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
