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
from pathlib import Path
from typing import Any

from autoencoders.arms import slug
from autoencoders.sentences import measure
from tasks.frame import cells, files, parallel, progress
from tasks.frame.cells import Failure, Store
from tasks.frame.errors import DataError
from tasks.frame.sections import Params
from tasks.frame.view import Place
from tasks.study import costs, effort, keys, proofs, rows
from tasks.study.keys import ChoiceCell, EncoderCell, ScoreCell
from tasks.study.rows import Size
from tasks.study.worker import Worker

Results = list[dict[str, Any]]


def compute(params: Params, data: Place) -> tuple[Results, Results, dict[str, dict[str, Any]]]:
    """Compute the missing cells; return the results of score cells and choice cells, and the encoders' by name.

    Raises:
        StudyFailed: Some cells failed; the others are kept.
    """
    size = rows.size(data / "prepare")
    store, runs = keys.store(params, data), range(params.label_curve.n_runs)
    for encoder in keys.encoders(params):
        if not proofs.has(store, encoder):
            store.path(encoder.name).unlink(missing_ok=True)
    for arm in params.label_curve.arms:
        if not keys.budgets(params, arm, size):
            raise DataError(
                f"label_curve.arms: expected arms that fit the labels within {costs.MOST_SECONDS:.0f} s a run at the"
                f" smallest budget, received '{arm}': leave it out, or set a smaller n_configurations"
            )
    per_run = _say_what_is_left(params, size, store)
    found = parallel.fill(
        partial(_compute_runs, params, data, store), runs, store, lambda run: _names(params, [run], size),
        threads=params.threads, work=per_run * effort.PER_SECOND,
    )  # fmt: skip
    if failures := [failure for failures in found for failure in failures]:
        files.write_json(store.folder / "failed.json", [failure._asdict() for failure in failures])
        raise cells.study_failed(failures, len(_names(params, runs, size)), store.folder)
    (store.folder / "failed.json").unlink(missing_ok=True)
    proofs.check(params, store, size)
    scores, choices = keys.score_cells(params, size), keys.choice_cells(params)
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
    known = {cell.name: cell for cell in keys.every(params, rows.size(data / "prepare"))}
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
    everything = keys.every(params, rows.size(data / "prepare"))
    return [cell.name for cell in everything if store.read(cell.name) is not None]


def _say_what_is_left(params: Params, size: Size, store: Store) -> float:
    """Say how long the missing cells will take; return their processor seconds for each run with missing cells."""
    everything = keys.every(params, size)
    missing = [cell for cell in everything if not store.path(cell.name).exists()]
    if not missing:
        return 0.0
    seconds, n_runs = effort.left(params, everything, size, store), len({cell.run for cell in missing})
    workers = min(parallel.n_workers(params.threads, seconds * effort.PER_SECOND), n_runs)
    minutes, them = max(1, round(seconds / workers / 60)), "1 worker" if workers == 1 else f"{workers} workers"
    progress.say(f"{len(missing):,} of {len(everything):,} cells to compute: about {minutes} min with {them}")
    return seconds / n_runs


def _compute_runs(params: Params, data: Place, store: Store, runs: Sequence[int]) -> list[list[Failure]]:
    """Compute the cells of each run in turn with shared compiled functions; return each run's failures."""
    worker, size = Worker(params, data, store), rows.size(data / "prepare")
    names = _names(params, range(params.label_curve.n_runs), size)

    metric = rows.metric(params, data / "prepare")

    def say(cell: EncoderCell | ScoreCell | ChoiceCell, result: dict[str, Any]) -> None:
        scores = result.get("scores")
        told = f"{measure(metric)} {scores[slug(metric)]:.4f}" if scores else f"loss {result['loss']:.4g}"
        progress.say(f"{cell.name}  {told}  {store.n_missing(names)} cells left")

    found = []
    for run in runs:
        encoders, scores, choices = _cells(params, [run], size)
        failures = cells.run(encoders, store, worker.pretrain, say)[1]
        failures += cells.run(scores, store, worker.score, say)[1]
        failures += cells.run(choices, store, worker.choose, say)[1]
        found.append(failures)
    return found


def _cells(
    params: Params, runs: Sequence[int], size: Size
) -> tuple[list[EncoderCell], list[ScoreCell], list[ChoiceCell]]:
    """Return the cells of some runs, in the order of computation."""
    return (
        [cell for cell in keys.encoders(params) if cell.run in runs],
        [cell for cell in keys.score_cells(params, size) if cell.run in runs],
        [cell for cell in keys.choice_cells(params) if cell.run in runs],
    )


def _names(params: Params, runs: Sequence[int], size: Size) -> list[str]:
    return [cell.name for kind in _cells(params, runs, size) for cell in kind]
