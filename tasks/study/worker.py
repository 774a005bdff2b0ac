"""Compute cells of the label-efficiency study in one process; write and read pretrained encoders.

This module reads rows and sets seeds; autoencoders/pretrainings and autoencoders/study.py compute.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from autoencoders.arms import CURVE_ARMS, CURVE_PRETRAININGS, LARGE_VALIDATION, Baseline
from autoencoders.pretraining import Noise, Recipe, Streams
from autoencoders.study import Bench, Encoder, Rows, Training
from autoencoders.transfer import fingerprint
from tasks.frame import cells, files, recipes
from tasks.frame.errors import DataError
from tasks.frame.sections import Params
from tasks.frame.view import Place
from tasks.study import keys
from tasks.study.keys import ChoiceCell, EncoderCell, ScoreCell


class Worker:
    """Compute cells; load the rows and compile the networks once for all of them.

    Args:
        params: The parameters.
        data: The stages' folder, with data/prepare.
        store: The store of cells.
    """

    def __init__(self, params: Params, data: Place, store: cells.Store) -> None:
        self.params, self.store, self._prepared = params, store, data / "prepare"
        self._encoder: tuple[EncoderCell, Encoder] | None = None

    def pretrain(self, cell: EncoderCell) -> dict[str, Any]:
        """Pretrain an encoder and store its weights; return the hashes of its layers and of the file."""
        entry, rows = CURVE_PRETRAININGS[cell.pretraining], self.bench.unlabelled
        recipe, settings = self._recipe(cell.pretraining)
        streams = Streams(**keys.pretraining_streams(self.params, cell.run))
        pretrain = import_module(f"autoencoders.pretrainings.{entry.way}").pretrain
        model, history = pretrain(rows, None, recipe, streams, **settings)
        layers = model.encoder.layers
        content = io.BytesIO()
        np.savez(content, *[weight for layer in layers for weight in layer.get_weights()])
        self.store.path(cell.name, ".npz").parent.mkdir(parents=True, exist_ok=True)
        self.store.write_bytes(self.store.path(cell.name, ".npz"), content.getvalue())
        return {
            "layers": [fingerprint(layer) for layer in layers],
            "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
            "loss": history[-1]["loss"],
            "n_steps": recipe.n_steps(len(rows)),
            "n_rows": len(rows),
        }

    def score(self, cell: ScoreCell) -> dict[str, Any]:
        """Train or fit one classifier on its labels, and score it once, at the end, on the test set."""
        encoder = self.encoder(EncoderCell(cell.pretraining, cell.run)) if cell.pretraining else None
        seeds, arm = keys.seeds(self.params, cell.run), CURVE_ARMS[cell.arm]
        spent = {}
        if isinstance(arm, Baseline):
            given = self._keywords(arm, seeds)
            self.bench.learners = {arm.learner: given}
            spent = {"n_unlabelled": len(given["unlabelled"])} if "unlabelled" in given else {}
        return {"cell": asdict(cell), **self.bench.score(cell.arm, cell.n_labels, seeds, encoder), **spent}

    def choose(self, cell: ChoiceCell) -> dict[str, Any]:
        """Choose rows for labelling, fine-tune the main pretrained encoder on them, and score it."""
        encoder = self.encoder(EncoderCell(self.params.label_curve.pretrainings[0], cell.run))
        seeds = keys.seeds(self.params, cell.run)
        return {"cell": asdict(cell), **self.bench.choose(cell.choice, cell.n_labels, seeds, encoder)}

    def encoder(self, cell: EncoderCell) -> Encoder:
        """Return a stored pretrained encoder; raise DataError if its pretraining failed."""
        if (kept := self.store.read(cell.name)) is None:
            raise DataError(f"expected the weights of {cell.name}, received none: its pretraining failed")
        if self._encoder is None or self._encoder[0] != cell:
            weights = keys.weights(self.store, cell)
            self._encoder = cell, Encoder(weights, tuple(kept["layers"]))
        return self._encoder[1]

    @cached_property
    def bench(self) -> Bench:
        """Return the bench, with all rows in memory."""
        c, n = self.params.label_curve, self.params.network.shape
        train, test = self._rows("train"), self._rows("test")
        return Bench(
            train,
            test,
            unlabelled=train.x[keys.unlabelled_rows(self.params, len(train.x))],
            shape=n.model_dump(include=keys.SHAPE),
            training=Training(
                kernel_initializer=n.kernel_initializer,
                **c.model_dump(include={"n_steps", "batch_size", "optimizer", "learning_rates", "n_folds"}),
            ),
            learners=c.learners,
            valid=self._rows("valid") if c.protocol == LARGE_VALIDATION else None,
        )

    def _keywords(self, arm: Baseline, seeds: Mapping[str, int]) -> dict[str, Any]:
        """Return a learner's keywords: its settings, and the seed or unlabelled rows that its entry takes."""
        given: dict[str, Any] = dict(self.params.label_curve.learners[arm.learner])
        if "seed" in arm.takes:
            given["seed"] = seeds["weights"]
        if "unlabelled" in arm.takes:
            del given["n_unlabelled"]
            given["unlabelled"] = self.bench.x[keys.taken_rows(self.params, arm.learner, len(self.bench.x))]
        return given

    def _rows(self, split: str) -> Rows:
        return Rows(files.read_rows(self._prepared, split), files.read_labels(self._prepared, split))

    def _recipe(self, pretraining: str) -> tuple[Recipe, dict[str, Any]]:
        """Return the recipe of a pretraining, and its own settings."""
        entry, settings = CURVE_PRETRAININGS[pretraining], keys.settings(self.params, pretraining)
        noise = Noise(entry.noise, settings.pop("noise")) if entry.noise else None
        if entry.networks == "phases":
            networks = [recipes.of_phase(phase) for phase in self.params.phase.values()]
        else:
            networks = [recipes.of_network(self.params.network, tied=entry.tied)]
        return Recipe(networks=(*networks,), epochs=self.params.label_curve.pretrain_epochs, noise=noise), settings
