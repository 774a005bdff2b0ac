"""Compute the cells of the label-efficiency study in parallel; the number of processes does not change the results.

A run is the unit of work: a process pretrains its encoders once, then trains its classifiers with the functions that
it compiled for earlier runs. Processes write every cell to a file as soon as it is finished, and this one reads all of
them at the end. So a killed study continues where it was, with any number of processes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from autoencoders.arms import CURVE_ARMS, Arm
from tasks.frame import cells, files, parallel, progress
from tasks.frame.cells import Failure, Store
from tasks.frame.sections import Params
from tasks.frame.view import Place
from tasks.study import keys
from tasks.study.keys import ChoiceCell, EncoderCell, ScoreCell
from tasks.study.worker import Worker

Results = list[dict[str, Any]]


def compute(params: Params, data: Place) -> tuple[Results, Results, dict[str, dict[str, Any]]]:
    """Compute the missing cells; return the results of score cells and choice cells, and the encoders' by name.

    Raises:
        StudyFailed: Some cells failed; the others are kept.
    """
    n_rows, d = files.open_rows(data / "prepare", "train")[0].shape
    store, runs = keys.store(params, data), range(params.label_curve.n_runs)
    for encoder in keys.encoders(params):
        if not keys.has(store, encoder):
            store.path(encoder.name).unlink(missing_ok=True)
    found = parallel.fill(
        partial(_compute_runs, params, data, store), runs, store, lambda run: _names(params, [run]),
        threads=params.threads, work=_work(params, n_rows, d),
    )  # fmt: skip
    if failures := [failure for failures in found for failure in failures]:
        files.write_json(store.folder / "failed.json", [failure._asdict() for failure in failures])
        raise cells.study_failed(failures, len(_names(params, runs)), store.folder)
    (store.folder / "failed.json").unlink(missing_ok=True)
    keys.check_proofs(params, store)
    scores, choices = keys.score_cells(params), keys.choice_cells(params)
    encoders = {cell.name: store.kept(cell.name) for cell in keys.encoders(params)}
    return [store.kept(c.name) for c in scores], [store.kept(c.name) for c in choices], encoders


def recompute(params: Params, data: Place, names: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Compute some kept cells again; yield each name, and whether the new result equals the kept one.

    The new results are not stored. Scores and choices use the stored file of their encoder.

    Args:
        params: The parameters.
        data: The stages' folder.
        names: Names of encoders, choices and scores.

    Raises:
        OSError: A cell is not kept.
    """
    store = keys.store(params, data)
    known = {cell.name: cell for cell in _recomputable(params)}
    with tempfile.TemporaryDirectory(prefix="cells-") as folder:
        worker = Worker(params, data, Store(Path(folder), store.given))
        for name in names:
            cell, kept = known[name], store.kept(name)
            if isinstance(cell, EncoderCell):
                found = worker.pretrain(cell)
            else:
                main = params.label_curve.pretrainings[0]
                if pretraining := main if isinstance(cell, ChoiceCell) else cell.pretraining:
                    encoder = EncoderCell(pretraining, cell.run).name
                    for suffix in (".json", ".npz"):
                        shutil.copy(store.path(encoder, suffix), worker.store.path(encoder, suffix))
                found = worker.choose(cell) if isinstance(cell, ChoiceCell) else worker.score(cell)
            yield name, cells.digest(found) == cells.digest(kept)


def kept_names(params: Params, data: Place) -> list[str]:
    """Return the names of the encoders, choices and scores that are kept."""
    store = keys.store(params, data)
    return [cell.name for cell in _recomputable(params) if store.read(cell.name) is not None]


def _recomputable(params: Params) -> list[EncoderCell | ScoreCell | ChoiceCell]:
    return [*keys.encoders(params), *keys.score_cells(params), *keys.choice_cells(params)]


def _compute_runs(params: Params, data: Place, store: Store, runs: Sequence[int]) -> list[list[Failure]]:
    """Compute the cells of each run in turn with shared compiled functions; return each run's failures."""
    worker = Worker(params, data, store)
    names = _names(params, range(params.label_curve.n_runs))

    def say(cell: EncoderCell | ScoreCell | ChoiceCell, result: dict[str, Any]) -> None:
        scores = result.get("scores")
        told = f"test accuracy {scores['accuracy']:.4f}" if scores else f"loss {result['loss']:.4f}"
        progress.say(f"{cell.name}  {told}  {store.n_missing(names)} cells left")

    found = []
    for run in runs:
        encoders, scores, choices = _cells(params, [run])
        failures = cells.run(encoders, store, worker.pretrain, say)[1]
        failures += cells.run(scores, store, worker.score, say)[1]
        failures += cells.run(choices, store, worker.choose, say)[1]
        found.append(failures)
    return found


def _cells(params: Params, runs: Sequence[int]) -> tuple[list[EncoderCell], list[ScoreCell], list[ChoiceCell]]:
    """Return the cells of some runs, in the order of computation."""
    return (
        [cell for cell in keys.encoders(params) if cell.run in runs],
        [cell for cell in keys.score_cells(params) if cell.run in runs],
        [cell for cell in keys.choice_cells(params) if cell.run in runs],
    )


def _names(params: Params, runs: Sequence[int]) -> list[str]:
    return [cell.name for kind in _cells(params, runs) for cell in kind]


def _work(params: Params, n_rows: int, d: int) -> float:
    """Estimate the multiply-adds of a run: a forward pass counts once, a backward pass twice."""
    c = params.label_curve
    widths = [d, *c.network.shape.units]
    encoder = sum(a * b for a, b in pairwise(widths))
    pretraining = len(c.pretrainings) * c.pretrain_epochs * (c.n_unlabelled or n_rows) * 2 * encoder
    n_tried = c.tuning.n_configurations if c.tuning.n_configurations > 1 else 0
    n_arms = sum(isinstance(CURVE_ARMS[arm], Arm) for arm in c.arms)
    n_fits = len(c.n_labels) * n_arms * (n_tried * c.tuning.n_folds + 1)
    return 3.0 * (pretraining + n_fits * c.classifier.n_steps * c.classifier.batch_size * encoder)
