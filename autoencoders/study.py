"""Compute the scores of the label-efficiency study: train or fit a classifier on few labels, and test it.

The input is arrays, settings and seeds. Work that several scores share is computed and compiled once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from autoencoders.arms import ARMS, BASELINES, CURVE_ARMS, ON_CHOSEN_ROWS, Arm, Baseline
from autoencoders.choosing import central_rows, doubtful_rows, random_rows
from autoencoders.errors import Diverged
from autoencoders.evaluation import Budget, Classifier
from autoencoders.labels import draw_labelled, labelled_rows
from autoencoders.metrics import scores
from autoencoders.models import Autoencoder, outputs
from autoencoders.projection import principal_components
from autoencoders.transfer import TransferProof, fingerprint

FINE_TUNED = next(arm for arm in ARMS if arm.name == ON_CHOSEN_ROWS)
CODINGS = next(baseline for baseline in BASELINES if baseline.features == "codings")
Seeds = Mapping[str, int]


class Rows(NamedTuple):
    """Rows x, float32 (n, d), and their labels, int64 (n,)."""

    x: np.ndarray
    labels: np.ndarray


class Encoder(NamedTuple):
    """A pretrained encoder: its weights in Keras' order, and the fingerprint of each layer after pretraining."""

    weights: Sequence[np.ndarray]
    layers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Training:
    """The training of the classifier.

    Args:
        kernel_initializer: Name of Keras' initializer for the head and for a random encoder.
        n_steps, batch_size, optimizer: As in `Budget`.
        learning_rates: One learning rate, or several to choose from on `valid` or by cross-validation.
        n_folds: Number of folds of the cross-validation.
    """

    kernel_initializer: str
    n_steps: int
    batch_size: int
    optimizer: str
    learning_rates: Sequence[float]
    n_folds: int


class Bench:
    """The data, settings and compiled models that the scores of a study share.

    Args:
        train: Rows to draw the labelled rows from.
        test: Rows to score on.
        unlabelled: Rows for PCA and for the mean and standard deviation of the codings, float32 (n, d).
        shape: `units`, `activation` and `output_activation` of the pretrained autoencoder.
        training: Training of the classifier.
        learners: Settings of every fitted classifier, by name.
        valid: Labelled rows beyond the budget; if given, they choose the learning rate instead of cross-validation.
    """

    def __init__(
        self,
        train: Rows,
        test: Rows,
        *,
        unlabelled: np.ndarray,
        shape: Mapping[str, Any],
        training: Training,
        learners: Mapping[str, Mapping[str, Any]],
        valid: Rows | None = None,
    ) -> None:
        self.x, self.labels = train
        self.x_test, self.labels_test = test
        self.unlabelled, self.training, self.learners, self.valid = unlabelled, training, learners, valid
        self.answers = {name: import_module(f"autoencoders.learners.{name}").answers for name in learners}
        self.source = Autoencoder(self.x.shape[1], **shape, seed=0)  # holds the weights of one encoder at a time
        self.classifier: Callable[[float], Classifier] = cache(self._classifier)
        self._loaded: Encoder | None = None
        self._moments: tuple[np.ndarray, np.ndarray] | None = None  # of the loaded encoder's codings

    def score(self, name: str, n_labels: int, seeds: Seeds, encoder: Encoder | None) -> dict[str, Any]:
        """Train or fit one classifier on its labels, and score it once, at the end, on the test rows.

        Args:
            name: Name of the arm.
            n_labels: Number of rows in the class-balanced draw.
            seeds: Seeds of the roles labels, weights and order.
            encoder: The pretrained encoder, for an arm that uses one.

        Raises:
            TransferError: The encoder's weights do not match their fingerprints, or were not transferred.
            Diverged: The training diverged.
        """
        arm = CURVE_ARMS[name]
        chosen = draw_labelled(self.labels, n_labels, seed=seeds["labels"])
        x, labels = self.x[chosen], self.labels[chosen]
        held = self.load(encoder) if encoder else None
        if isinstance(arm, Arm):
            classifier, result = self._fit(arm, x, labels, seeds)
            result = {**result, "scores": self._score(classifier), "proof": result["proof"] if held else None}
        else:
            result = self._answer(arm, x, labels)
        if held is not None:
            held.finish(self.source.encoder.layers)
            result["proof"] = result["proof"] or asdict(held)
        return {"n_labels_used": len(labels) + result["n_labels_beyond"], "drawn": _hash(chosen), **result}

    def choose(self, choice: str, n_labels: int, seeds: Seeds, encoder: Encoder) -> dict[str, Any]:
        """Choose rows for labelling, fine-tune the pretrained encoder on them, and score it on the test rows.

        Args:
            choice: One of `CHOICES` in autoencoders/arms.py.
            n_labels: Number of rows to choose.
            seeds: Seeds of the roles choice, weights and order.
            encoder: The pretrained encoder.
        """
        self.load(encoder)
        chosen = self.chosen(choice, n_labels, seeds)
        labels = self.labels[chosen]
        classifier, result = self._fit(FINE_TUNED, self.x[chosen], labels, seeds)
        seen = {"n_labels_used": len(labels), "n_classes": len(np.unique(labels)), "drawn": _hash(chosen)}
        return {"scores": self._score(classifier), **seen, **result}

    def load(self, encoder: Encoder) -> TransferProof:
        """Load a pretrained encoder into `source`; return the proof that its weights match their fingerprints."""
        layers = self.source.encoder.layers
        if self._loaded is not encoder:
            self.source.encoder.set_weights([*encoder.weights])
            self._loaded, self._moments = encoder, None
        proof = TransferProof(tuple(encoder.layers), len(layers))
        proof.finish(layers)
        return proof

    def chosen(self, choice: str, n_labels: int, seeds: Seeds) -> np.ndarray:
        """Return the numbers of the chosen rows, (n_labels,); uncertainty is that of a classifier on a random half."""
        pool = labelled_rows(self.labels)
        x = self.x if len(pool) == len(self.x) else self.x[pool]
        if choice == "k-means":
            return pool[central_rows(self.features(CODINGS, x), n_labels, seed=seeds["choice"])]
        chosen = random_rows(len(pool), n_labels, seed=seeds["choice"])
        if choice == "random":
            return pool[chosen]
        known = chosen[: n_labels // 2]
        classifier, _ = self._fit(FINE_TUNED, x[known], self.labels[pool[known]], seeds)
        doubtful = doubtful_rows(classifier.probabilities(x), n_labels - len(known), known=known)
        return pool[np.concatenate([known, doubtful])]

    def features(self, arm: Baseline, x: np.ndarray) -> np.ndarray:
        """Return a fitted classifier's features of rows x; codings are standardised over the unlabelled rows."""
        if arm.features == "raw":
            return x
        if arm.features == "pca":
            return self._pca.transform(x)
        if self._moments is None:
            codings = outputs(self.source.encoder.layers, self.unlabelled)
            self._moments = (codings.mean(axis=0), np.maximum(codings.std(axis=0), 1e-6))
        mean, sd = self._moments
        return (outputs(self.source.encoder.layers, x) - mean) / sd

    def _fit(self, arm: Arm, x: np.ndarray, labels: np.ndarray, seeds: Seeds) -> tuple[Classifier, dict[str, Any]]:
        """Train the network on labelled rows; return it, and the record of the training."""
        rates = self.training.learning_rates
        rate, n_beyond = self._tune(arm, x, labels, seeds) if len(rates) > 1 else (rates[0], 0)
        classifier = self.classifier(rate)
        history, proof = classifier.fit(arm, x, labels, seed=seeds["weights"], order_seed=seeds["order"])
        return classifier, {
            "n_steps": int(history[-1]["step"]),
            "n_trials": len(rates),
            "n_labels_beyond": n_beyond,
            "learning_rate": rate,
            "loss": history[-1]["loss"],
            "weights": [fingerprint(layer) for layer in (*classifier.layers, classifier.head)],
            "proof": asdict(proof),
        }

    def _score(self, classifier: Classifier) -> dict[str, float]:
        probabilities = classifier.probabilities(self.x_test)
        return scores(self.labels_test, probabilities.argmax(axis=1), probabilities)

    def _tune(self, arm: Arm, x: np.ndarray, labels: np.ndarray, seeds: Seeds) -> tuple[float, int]:
        """Choose the learning rate by the accuracy on `valid` if given, else by cross-validation on the labelled rows.

        Returns: The learning rate, and the number of labels beyond the budget that chose it.
        """
        if self.valid is not None:
            held_out = [(np.full(len(labels), True), *self.valid)]
            n_beyond = len(self.valid.labels)
        else:
            n_classes, n_folds = len(np.unique(labels)), self.training.n_folds
            fold = np.arange(len(labels)) // n_classes % n_folds  # balanced, since classes take turns in a draw
            held_out = [(fold != k, x[fold == k], labels[fold == k]) for k in range(n_folds)]
            n_beyond = 0
        rates = self.training.learning_rates
        right = np.zeros(len(rates))
        diverged: list[Diverged] = []
        for k, rate in enumerate(rates):
            try:
                for inside, x_out, labels_out in held_out:
                    self.classifier(rate).fit(
                        arm, x[inside], labels[inside], seed=seeds["weights"], order_seed=seeds["order"]
                    )
                    right[k] += self.classifier(rate).score(x_out, labels_out) * len(labels_out)
            except Diverged as error:  # never choose this rate
                right[k] = -1
                diverged.append(error)
        if len(diverged) == len(right):
            raise diverged[0]
        return rates[int(right.argmax())], n_beyond

    def _answer(self, arm: Baseline, x: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        x, rows = (self.features(arm, part) for part in (x, self.x_test))
        answers = self.answers[arm.learner](x, labels, rows, **self.learners[arm.learner])
        return {
            "scores": scores(self.labels_test, answers.guesses, answers.probabilities),
            "n_steps": None,
            "n_trials": 1,
            "n_labels_beyond": 0,
            "proof": None,
            "weights": [_hash(np.ascontiguousarray(answers.fitted))],
        }

    @cached_property
    def _pca(self) -> Any:
        return principal_components(self.unlabelled, min(self.source.encoder.layers[-1].units, *self.unlabelled.shape))

    def _classifier(self, learning_rate: float) -> Classifier:
        t = self.training
        return Classifier(
            self.source,
            n_classes=int(self.labels.max()) + 1,
            kernel_initializer=t.kernel_initializer,
            budget=Budget(
                n_steps=t.n_steps, batch_size=t.batch_size, optimizer=t.optimizer, learning_rate=learning_rate
            ),
        )


def _hash(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
