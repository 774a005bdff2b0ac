"""Compute cells of the label-efficiency study in one process; write and read pretrained encoders.

This module reads rows and sets seeds; autoencoders/pretrainings and autoencoders/study.py compute.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from typing import Any

import numpy as np

from autoencoders.arms import CURVE_ARMS, CURVE_PRETRAININGS, Baseline
from autoencoders.label_efficiency import BALANCED
from autoencoders.pretraining import Noise, Recipe, Streams
from autoencoders.study import Bench, Encoder, Training
from autoencoders.transfer import fingerprint
from tasks.frame import cells, recipes
from tasks.frame.errors import DataError
from tasks.frame.sections import Params
from tasks.frame.view import Place
from tasks.study import keys, proofs
from tasks.study import rows as of_run
from tasks.study.keys import ChoiceCell, EncoderCell, ScoreCell
from tasks.study.rows import RunRows


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
        self._rows: tuple[Any, RunRows] | None = None
        self._bench: tuple[RunRows, Bench] | None = None

    def pretrain(self, cell: EncoderCell) -> dict[str, Any]:
        """Pretrain an encoder and store its weights; return the hashes of its layers and of the file, and the proof."""
        entry, given = CURVE_PRETRAININGS[cell.pretraining], self.rows(cell.run)
        recipe, settings = self._recipe(cell.pretraining, given)
        streams = Streams(**keys.pretraining_streams(self.params, cell.run))
        pretrain = import_module(f"autoencoders.pretrainings.{entry.way}").pretrain
        x = given.unlabelled
        found = pretrain(x, None, recipe, streams, scale=given.scale, **settings)
        for learnt in found.learnt:
            learnt.check()
        layers = found.model.encoder.layers
        content = io.BytesIO()
        np.savez(content, *[weight for layer in layers for weight in layer.get_weights()])
        self.store.path(cell.name, ".npz").parent.mkdir(parents=True, exist_ok=True)
        self.store.write_bytes(self.store.path(cell.name, ".npz"), content.getvalue())
        return {
            "layers": [fingerprint(layer) for layer in layers],
            "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
            "loss": found.history[-1]["loss"],
            "learnt": [learnt._asdict() for learnt in found.learnt],
            "n_steps": recipe.n_steps(len(x)),
            "n_rows": settings.get("n_rows", len(x)),
        }

    def score(self, cell: ScoreCell) -> dict[str, Any]:
        """Train or fit one classifier on its labels, and score it once, at the end, on the test set."""
        encoder = self.encoder(EncoderCell(cell.pretraining, cell.run)) if cell.pretraining else None
        seeds, arm = keys.seeds(self.params, cell.run), CURVE_ARMS[cell.arm]
        bench, tried = self.bench(cell.run), keys.configurations(self.params, cell)
        spent = {}
        if isinstance(arm, Baseline):
            further = self._further(arm, seeds, cell.run)
            tried = [{name: v for name, v in own.items() if name != "n_unlabelled"} | further for own in tried]
            spent = {"n_unlabelled": len(further["unlabelled"])} if "unlabelled" in further else {}
        return {"cell": asdict(cell), **bench.score(cell.arm, cell.n_labels, seeds, encoder, tried), **spent}

    def choose(self, cell: ChoiceCell) -> dict[str, Any]:
        """Choose rows for labelling, fine-tune the main pretrained encoder on them, and score it."""
        encoder = self.encoder(EncoderCell(self.params.label_curve.pretrainings[0], cell.run))
        seeds, settings = keys.seeds(self.params, cell.run), self.params.label_curve.classifier.settings
        found = self.bench(cell.run).choose(cell.choice, cell.n_labels, seeds, encoder, settings)
        return {"cell": asdict(cell), **found}

    def encoder(self, cell: EncoderCell) -> Encoder:
        """Return a stored pretrained encoder; raise DataError if its pretraining failed."""
        if (kept := self.store.read(cell.name)) is None:
            raise DataError(f"expected the weights of {cell.name}, received none: its pretraining failed")
        if self._encoder is None or self._encoder[0] != cell:
            weights = proofs.weights(self.store, cell)
            self._encoder = cell, Encoder(weights, tuple(kept["layers"]))
        return self._encoder[1]

    def rows(self, run: int) -> RunRows:
        """Return a run's rows; the last ones are kept."""
        drawn = {role: of_run.seed(self.params, run, role) for role in ("split", "unlabelled")}
        if self._rows is None or self._rows[0] != drawn:
            self._rows = drawn, of_run.of_run(self.params, self._prepared, run)
        return self._rows[1]

    def bench(self, run: int) -> Bench:
        """Return a run's bench; runs with the same rows share it."""
        given = self.rows(run)
        if self._bench is None or self._bench[0] is not given:
            c = self.params.label_curve
            shape = c.network.shape
            made = Bench(
                given.train,
                given.test,
                unlabelled=given.view(given.unlabelled),
                shape=shape.model_dump(include=keys.SHAPE),
                training=Training(
                    kernel_initializer=shape.kernel_initializer,
                    **c.classifier.model_dump(include={"batch_size", "optimizer"}),
                ),
                n_folds=c.tuning.n_folds,
                balanced=of_run.metric(self.params, self._prepared) == BALANCED,
            )
            self._bench = given, made
        return self._bench[1]

    def _further(self, arm: Baseline, seeds: Mapping[str, int], run: int) -> dict[str, Any]:
        """Return the keywords that a learner takes beside its settings: the seed, the same unlabelled rows for all."""
        further: dict[str, Any] = {"seed": seeds["weights"]} if "seed" in arm.takes else {}
        if "unlabelled" in arm.takes:
            x = self.bench(run).x
            further["unlabelled"] = x[of_run.taken(self.params, arm.learner, len(x), run)]
        return further

    def _recipe(self, pretraining: str, given: RunRows) -> tuple[Recipe, dict[str, Any]]:
        """Return the recipe of a pretraining, and its own settings."""
        entry, settings = CURVE_PRETRAININGS[pretraining], keys.settings(self.params, pretraining)
        noise = Noise(entry.noise, settings.pop("noise")) if entry.noise else None
        network, inputs = self.params.label_curve.network, given.standardisation
        loss = of_run.by_column(self.params, self._prepared, given.x.shape[1])
        if entry.networks == "phases":
            networks = recipes.of_layers(network, standardisation=inputs, by_column=loss)
        else:
            networks = [recipes.of_network(network, tied=entry.tied, standardisation=inputs, by_column=loss)]
        return Recipe(networks=(*networks,), epochs=self.params.label_curve.pretrain_epochs, noise=noise), settings
