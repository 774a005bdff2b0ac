"""The bench on which the label-efficiency study's cells are computed: what they share, loaded and compiled once.

Each cell is computed by a plain function of the cell.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, cached_property
from typing import Any

import numpy as np

from autoencoders.arms import ARMS, BASELINES, CURVE_ARMS, CURVE_PRETRAININGS, LARGE_VALIDATION, Arm, Baseline
from autoencoders.baselines import LEARNERS, principal_components
from autoencoders.choosing import central_rows, doubtful_rows, random_rows
from autoencoders.evaluation import Budget, Classifier, outputs
from autoencoders.labelcurve import stream
from autoencoders.labels import draw_labelled, labelled_rows
from autoencoders.layerwise import PhaseSpec
from autoencoders.metrics import scores
from autoencoders.models import Autoencoder
from autoencoders.pretraining import Pretrainer, Recipe, Streams
from autoencoders.stopping import Diverged
from autoencoders.transfer import TransferProof, fingerprint
from tasks import cells, files
from tasks.label_cells import ChoiceCell, EncoderCell, ScoreCell
from tasks.sections import Params
from tasks.view import Place

FINE_TUNED = next(arm for arm in ARMS if arm.name == "free")  # what is trained on chosen rows
CODINGS = next(baseline for baseline in BASELINES if baseline.features == "codings")


class Bench:
    """What the cells share, loaded and compiled once per process.

    Args:
        params: The parameters.
        data: The stages' folder, with data/prepare.
        store: Where pretrained encoders are kept.
    """

    def __init__(self, params: Params, data: Place, store: cells.Store) -> None:
        self.params, self.store, self._data = params, store, data
        self.x, self.x_test = (files.read_rows(data / "prepare", split) for split in ("train", "test"))
        self.labels, self.labels_test = (files.read_labels(data / "prepare", split) for split in ("train", "test"))
        self.unlabelled = self._unlabelled()
        self.pretrainer: Callable[[str], Pretrainer] = cache(self._pretrainer)
        self.classifier: Callable[[float], Classifier] = cache(self._classifier)
        self._loaded: EncoderCell | None = None
        self._moments: tuple[np.ndarray, np.ndarray] | None = None  # of the loaded encoder's codings

    # Encoders

    def pretrain(self, cell: EncoderCell) -> dict[str, Any]:
        """Pretrain an encoder and keep its weights; return their hashes, layer by layer, and the file's."""
        pretrainer = self.pretrainer(cell.pretraining)
        streams = Streams(
            weights=self._stream(cell.run, "weights"),
            order=self._stream(cell.run, "pretraining order"),
            noise=self._stream(cell.run, "pretraining noise"),
        )
        layers, loss = pretrainer.fit(self.unlabelled, streams)
        content = io.BytesIO()
        np.savez(content, *[weight for layer in layers for weight in layer.get_weights()])
        self.store.write_bytes(f"{cell.name}.npz", content.getvalue())
        return {
            "layers": [fingerprint(layer) for layer in layers],
            "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
            "loss": loss,
            "n_steps": pretrainer.n_steps(len(self.unlabelled)),
            "n_rows": len(self.unlabelled),
        }

    @cached_property
    def source(self) -> Autoencoder:
        """Return the network whose encoder takes the weights of one pretrained encoder after the other."""
        n = self.params.network
        return Autoencoder(
            self.x.shape[1], n.units, activation=n.activation, output_activation=n.output_activation, seed=0
        )

    def load(self, cell: EncoderCell) -> TransferProof:
        """Put a pretrained encoder into `source`; return the proof that these are the weights that it was left with.

        Raises:
            TransferError: They are not.
            ValueError: There is no such encoder.
        """
        if (kept := self.store.read(cell.name)) is None:
            raise ValueError(f"expected {cell.name}, which could not be pretrained")
        layers = self.source.encoder.layers
        if self._loaded != cell:
            with np.load(self.store.folder / f"{cell.name}.npz", allow_pickle=False) as weights:
                self.source.encoder.set_weights([weights[name] for name in weights.files])
            self._loaded, self._moments = cell, None
        proof = TransferProof(tuple(kept["layers"]), len(layers))
        proof.finish(layers)
        return proof

    # Scores

    def compute(self, cell: ScoreCell) -> dict[str, Any]:
        """Train one classifier on its labels and score it on the test set, once, at the end."""
        chosen = draw_labelled(self.labels, cell.n_labels, seed=self._stream(cell.run, "labels"))
        x, labels = self.x[chosen], self.labels[chosen]
        arm = CURVE_ARMS[cell.arm]
        held = self.load(EncoderCell(cell.pretraining, cell.run)) if cell.pretraining else None
        fit = self._network if isinstance(arm, Arm) else self._baseline
        result = fit(arm, x, labels, cell)  # type: ignore[arg-type]
        if held is not None:
            held.finish(self.source.encoder.layers)
            result["proof"] = result["proof"] or asdict(held)
        drawn = hashlib.sha256(chosen.tobytes()).hexdigest()
        return {
            "cell": asdict(cell),
            "n_labels_used": len(labels) + result["n_labels_beyond"],
            "drawn": drawn,
            **result,
        }

    def choose(self, cell: ChoiceCell) -> dict[str, Any]:
        """Choose rows, have them labelled, fine-tune the pretrained encoder on them and score it on the test set."""
        self.load(EncoderCell(self.params.label_curve.pretrainings[0], cell.run))
        chosen = self._chosen(cell)
        labels = self.labels[chosen]
        classifier, result = self._fit(FINE_TUNED, self.x[chosen], labels, cell.run)
        drawn = hashlib.sha256(chosen.tobytes()).hexdigest()
        seen = {"n_labels_used": len(labels), "n_classes": len(np.unique(labels)), "drawn": drawn}
        return {"cell": asdict(cell), "scores": self._score(classifier), **seen, **result}

    def _chosen(self, cell: ChoiceCell) -> np.ndarray:
        """Return numbers of labelled rows, (n_labels,); the doubtful are those of a classifier on a random half."""
        seed, n, pool = self._stream(cell.run, "choice"), cell.n_labels, labelled_rows(self.labels)
        x = self.x if len(pool) == len(self.x) else self.x[pool]
        if cell.choice == "k-means":
            return pool[central_rows(self._features(CODINGS, x), n, seed=seed)]
        chosen = random_rows(len(pool), n, seed=seed)
        if cell.choice == "random":
            return pool[chosen]
        known = chosen[: n // 2]
        classifier, _ = self._fit(FINE_TUNED, x[known], self.labels[pool[known]], cell.run)
        doubtful = doubtful_rows(classifier.probabilities(x), n - len(known), known=known)
        return pool[np.concatenate([known, doubtful])]

    def _network(self, arm: Arm, x: np.ndarray, labels: np.ndarray, cell: ScoreCell) -> dict[str, Any]:
        classifier, result = self._fit(arm, x, labels, cell.run)
        return {**result, "scores": self._score(classifier), "proof": result["proof"] if cell.pretraining else None}

    def _fit(self, arm: Arm, x: np.ndarray, labels: np.ndarray, run: int) -> tuple[Classifier, dict[str, Any]]:
        """Train the network on labelled rows; return it, and what is kept of the training."""
        rates = self.params.label_curve.learning_rates
        rate, n_beyond = self._tune(arm, x, labels, run) if len(rates) > 1 else (rates[0], 0)
        classifier = self.classifier(rate)
        history, proof = classifier.fit(arm, x, labels, **self._seeds(run))
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

    def _tune(self, arm: Arm, x: np.ndarray, labels: np.ndarray, run: int) -> tuple[float, int]:
        """Choose the learning rate as the protocol says; return it, and how many labels beyond the budget chose it.

        By cross-validation within the labelled budget; with `large_validation` by the accuracy on all validation rows.
        """
        c = self.params.label_curve
        if c.protocol == LARGE_VALIDATION:
            held_out = [(np.full(len(labels), True), *self._valid)]
            n_beyond = len(self._valid[1])
        else:
            n_classes = len(np.unique(labels))
            fold = np.arange(len(labels)) // n_classes % c.n_folds  # classes take turns in a draw: folds are balanced
            held_out = [(fold != k, x[fold == k], labels[fold == k]) for k in range(c.n_folds)]
            n_beyond = 0
        right = np.zeros(len(c.learning_rates))
        diverged: list[Diverged] = []
        for k, rate in enumerate(c.learning_rates):
            try:
                for inside, x_out, labels_out in held_out:
                    self.classifier(rate).fit(arm, x[inside], labels[inside], **self._seeds(run))
                    right[k] += self.classifier(rate).score(x_out, labels_out) * len(labels_out)
            except Diverged as error:  # a rate that is never chosen
                right[k] = -1
                diverged.append(error)
        if len(diverged) == len(right):
            raise diverged[0]
        return c.learning_rates[int(right.argmax())], n_beyond

    def _baseline(self, arm: Baseline, x: np.ndarray, labels: np.ndarray, cell: ScoreCell) -> dict[str, Any]:
        c = self.params.label_curve
        x, rows = (self._features(arm, part) for part in (x, self.x_test))
        answers = LEARNERS[arm.learner](x, labels, rows, c=c.svm_c if arm.learner == "svm" else c.logistic_c)
        return {
            "scores": scores(self.labels_test, answers.guesses, answers.probabilities),
            "n_steps": None,
            "n_trials": 1,
            "n_labels_beyond": 0,
            "proof": None,
            "weights": [hashlib.sha256(np.ascontiguousarray(answers.fitted).tobytes()).hexdigest()],
        }

    def _features(self, arm: Baseline, x: np.ndarray) -> np.ndarray:
        """Return what a baseline sees of rows x; codings standardised by mean and deviation over unlabelled rows."""
        if arm.features == "raw":
            return x
        if arm.features == "pca":
            return self._pca.transform(x)
        if self._moments is None:
            codings = outputs(self.source.encoder.layers, self.unlabelled)
            self._moments = (codings.mean(axis=0), np.maximum(codings.std(axis=0), 1e-6))
        mean, sd = self._moments
        return (outputs(self.source.encoder.layers, x) - mean) / sd

    # What is built once

    @cached_property
    def _valid(self) -> tuple[np.ndarray, np.ndarray]:
        folder = self._data / "prepare"
        return files.read_rows(folder, "valid"), files.read_labels(folder, "valid")

    @cached_property
    def _pca(self) -> Any:
        return principal_components(self.unlabelled, min(self.params.network.units[-1], *self.unlabelled.shape))

    def _unlabelled(self) -> np.ndarray:
        """Return the rows to pretrain on, (n, d), the same for every run: all, or a plain draw of some."""
        n = self.params.label_curve.n_unlabelled
        if n is None:
            return self.x
        return self.x[np.sort(random_rows(len(self.x), n, seed=stream(self.params.seed, 0, "unlabelled")))]

    def _pretrainer(self, pretraining: str) -> Pretrainer:
        kind, c = CURVE_PRETRAININGS[pretraining], self.params.label_curve
        noise = {None: 0.0, "gaussian": c.gaussian_noise, "masking": c.masking_noise}[kind.noise]
        phases = [PhaseSpec(**phase.model_dump(exclude={"input"})) for phase in self.params.phase.values()]
        network = Recipe(**self.params.network.model_dump())
        return Pretrainer(kind, self.x.shape[1], network=network, phases=phases, epochs=c.pretrain_epochs, noise=noise)

    def _classifier(self, learning_rate: float) -> Classifier:
        c = self.params.label_curve
        return Classifier(
            self.source,
            n_classes=int(self.labels.max()) + 1,
            kernel_initializer=self.params.network.kernel_initializer,
            budget=Budget(
                n_steps=c.n_steps, batch_size=c.batch_size, optimizer=c.optimizer, learning_rate=learning_rate
            ),
        )

    def _seeds(self, run: int) -> dict[str, int]:
        return {"seed": self._stream(run, "weights"), "order_seed": self._stream(run, "order")}

    def _stream(self, run: int, role: str) -> int:
        """Return the seed of a role, the first run's where the role does not vary from run to run."""
        varies = role in self.params.label_curve.vary
        return stream(self.params.seed, run if varies else 0, role)
