"""Compute the cells of the label-efficiency study in parallel; the number of processes does not change the results.

A run is the unit of work: a process pretrains its encoders once, then trains its classifiers with the functions that
it compiled for earlier runs. Processes write every cell to a file as soon as it is finished, and this one reads all of
them at the end. So a killed study continues where it was, with any number of processes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from autoencoders.arms import slug
from autoencoders.sentences import measure
from tasks.frame import addresses, cells, files, parallel, progress
from tasks.frame.cells import Failure, Left, Store
from tasks.frame.errors import DataError
from tasks.frame.sections import Params
from tasks.frame.view import Place
from tasks.study import cluster, costs, effort, keys, proofs, rows
from tasks.study.keys import Cell, ChoiceCell, EncoderCell
from tasks.study.rows import Size
from tasks.study.worker import Worker

Results = list[dict[str, Any]]


def compute(params: Params, data: Place) -> tuple[Results, Results, dict[str, dict[str, Any]]]:
    """Compute the missing cells; return the results of score cells and choice cells, and the encoders' by name.

    Raises:
        StudyFailed: Some cells failed; the others are kept.
    """
    size, store = rows.size(data / "prepare"), keys.store(params, data)
    fill(params, data, store, keys.every(params, size))
    proofs.check(params, store, size)
    scores, choices = keys.score_cells(params, size), keys.choice_cells(params)
    encoders = {cell.name: store.kept(cell.name) for cell in keys.encoders(params)}
    return [store.kept(c.name) for c in scores], [store.kept(c.name) for c in choices], encoders


def fill(params: Params, data: Place, store: Store, wanted: Sequence[Cell], failed: str = "failed.json") -> None:
    """Compute those of some cells that are missing, in processes of this machine or on Dask's workers.

    Args:
        params, data, store: The study's.
        wanted: The cells, in the order of computation; with each cell the encoder that it uses.
        failed: The name of the list of failed cells.

    Raises:
        DataError: An arm fits none of the label budgets within its time.
        StudyFailed: Some cells failed; the others are kept.
    """
    size = rows.size(data / "prepare")
    for arm in params.label_curve.arms:
        if not keys.budgets(params, arm, size):
            raise DataError(
                f"label_curve.arms: expected arms that fit the labels within {costs.MOST_SECONDS:.0f} s a run at the"
                f" smallest budget, received '{arm}': leave it out, or set a smaller n_configurations"
            )
    proofs.throw_away_damaged(store, [cell for cell in wanted if isinstance(cell, EncoderCell)])
    address = addresses.given()
    per_run = _say_what_is_left(params, wanted, size, store, on_cluster=bool(address))
    say = partial(_say, measure_of=rows.metric(params, data / "prepare"), left=Left(store, [c.name for c in wanted]))
    if address:
        failures = cluster.fill(params, data, store, wanted, address, say)
    else:
        found = parallel.fill(
            partial(_compute_runs, params, data, store, wanted, say), sorted({cell.run for cell in wanted}), store,
            lambda run: [cell.name for cell in wanted if cell.run == run],
            threads=params.threads, work=per_run * effort.PER_SECOND,
        )  # fmt: skip
        failures = [failure for failures in found for failure in failures]
    if failures:
        files.write_json(store.folder / failed, [failure._asdict() for failure in failures])
        raise cells.study_failed(failures, len(wanted), store.folder, failed)
    (store.folder / failed).unlink(missing_ok=True)


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
            if encoder := keys.encoder_of(params, cell):
                for suffix in (".json", ".npz"):
                    shutil.copy(store.path(encoder.name, suffix), worker.store.path(encoder.name, suffix))
            yield name, cells.digest(compute_one(worker, cell)) == cells.digest(kept)


def kept_names(params: Params, data: Place) -> list[str]:
    """Return the names of the encoders, choices and scores that are kept."""
    store = keys.store(params, data)
    everything = keys.every(params, rows.size(data / "prepare"))
    return [cell.name for cell in everything if store.read(cell.name) is not None]


def _say_what_is_left(params: Params, wanted: Sequence[Cell], size: Size, store: Store, *, on_cluster: bool) -> float:
    """Say how long the missing cells will take; return their processor seconds for each run with missing cells."""
    missing = [cell for cell in wanted if not store.path(cell.name).exists()]
    if not missing:
        return 0.0
    seconds, n_runs = effort.left(params, wanted, size, store), len({cell.run for cell in missing})
    said = f"{len(missing):,} of {len(wanted):,} cells to compute: about"
    if on_cluster:
        progress.say(f"{said} {max(1, round(seconds / 60))} min of one worker")
    else:
        workers = min(parallel.n_workers(params.threads, seconds * effort.PER_SECOND), n_runs)
        minutes, them = max(1, round(seconds / workers / 60)), "1 worker" if workers == 1 else f"{workers} workers"
        progress.say(f"{said} {minutes} min with {them}")
    return seconds / n_runs


def _compute_runs(
    params: Params, data: Place, store: Store, wanted: Sequence[Cell], say: Callable[[Cell, Any], None],
    runs: Sequence[int],
) -> list[list[Failure]]:  # fmt: skip
    """Compute the cells of each run in turn with shared compiled functions; return each run's failures."""
    worker = Worker(params, data, store)
    of_runs = [[cell for cell in wanted if cell.run == run] for run in runs]
    return [cells.run(own, store, partial(compute_one, worker), say)[1] for own in of_runs]


def compute_one(worker: Worker, cell: Cell) -> dict[str, Any]:
    """Return the result of a cell, of whichever kind."""
    if isinstance(cell, EncoderCell):
        return worker.pretrain(cell)
    return worker.choose(cell) if isinstance(cell, ChoiceCell) else worker.score(cell)


def _say(cell: Cell, result: dict[str, Any], *, measure_of: str, left: Left) -> None:
    scores = result.get("scores")
    told = f"{measure(measure_of)} {scores[slug(measure_of)]:.4f}" if scores else f"loss {result['loss']:.4g}"
    progress.say(f"{cell.name}  {told}  {left.after_one():,} cells left")
