"""A pilot of the label-efficiency study: three runs at the headline budget, scored on validation rows.

It plans the study, and no test row takes part: the cells are computed on a view of data/prepare in which the validation
rows stand in the test rows' place. Its runs have numbers, hence seeds, that no study has. Its cells are kept in
.cells/pilot. This module imports no Keras, so that a finished pilot answers at once.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autoencoders.arms import CURVE_ARMS, FROM_SCRATCH, is_pretrained
from autoencoders.clauses import sides
from autoencoders.label_efficiency import BALANCED
from autoencoders.power import Parts, parts
from tasks.frame import cells, files, parallel, progress
from tasks.frame.cells import Failure, Store
from tasks.frame.errors import DataError
from tasks.frame.sections import Params
from tasks.study import costs, effort, keys, proofs, rows
from tasks.study.keys import EncoderCell, ScoreCell
from tasks.study.rows import Size

RUNS = range(1_000_000, 1_000_003)
SCRATCH, WITHOUT = "scratch", "without"  # the verdict's two comparisons
Results = dict[tuple[str, int], dict[str, Any]]  # by arm and run


@dataclass(frozen=True)
class Pilot:
    """The pilot of a study.

    Args:
        params: The study's parameters.
        view: The folder with a `prepare` whose test rows are the validation rows.
        size: Size of the data.
        encoders, scores: The cells of all runs.
        store: Their store.
    """

    params: Params
    view: Path
    size: Size
    encoders: Sequence[EncoderCell]
    scores: Sequence[ScoreCell]
    store: Store

    @property
    def cells(self) -> list[EncoderCell | ScoreCell]:
        """Return all cells, in the order of computation."""
        return [*self.encoders, *self.scores]

    @property
    def n_missing(self) -> int:
        """Return the number of cells that are still to be computed."""
        lost = [cell for cell in self.encoders if not proofs.has(self.store, cell)]
        return len(lost) + sum(self.store.read(cell.name) is None for cell in self.scores)

    def compute(self) -> None:
        """Compute the missing cells; StudyFailed if some failed, the others are kept."""
        proofs.throw_away_damaged(self.store, self.encoders)
        seconds = sum(effort.seconds(self.params, cell, self.size) for cell in self.cells)
        progress.say(f"{self.n_missing} of {len(self.cells)} cells to compute on validation rows")
        found = parallel.fill(
            partial(_compute_runs, self), RUNS, self.store, lambda run: [c.name for c in self.cells if c.run == run],
            threads=self.params.threads, work=seconds / len(RUNS) * effort.PER_SECOND,
        )  # fmt: skip
        if failures := [failure for failures in found for failure in failures]:
            raise cells.study_failed(failures, len(self.cells), self.store.folder)

    def compared(self) -> dict[str, Parts]:
        """Return the parts of the error of the verdict's two comparisons, by opponent.

        If the best method without the encoder is the network from scratch in every run, there is one comparison.
        """
        results = {(cell.arm, cell.run): self.store.kept(cell.name) for cell in self.scores}
        encoder, without = chosen(self.params, results)
        labels = files.read_labels(self.view / "prepare", "test")
        classes = labels if rows.metric(self.params, self.view / "prepare") == BALANCED else None

        def right(arms: Sequence[str]) -> np.ndarray:
            return np.array(
                [_unpacked(results[arm, run]["right"], len(labels)) for arm, run in zip(arms, RUNS, strict=True)]
            )

        opponents = {SCRATCH: [FROM_SCRATCH] * len(RUNS), WITHOUT: without}
        found = {name: parts(right(encoder), right(arms), classes) for name, arms in opponents.items()}
        if "split" in self.params.label_curve.vary:  # runs share no test row
            found = {name: replace(one, row=one.rest) for name, one in found.items()}
        return found if {*without} != {FROM_SCRATCH} else {SCRATCH: found[SCRATCH]}

    def seconds_per_run(self) -> float:
        """Return the processor's seconds of a run of the whole study on this machine, judged by the pilot's cells."""
        known = [(self.store.seconds(cell.name), cell) for cell in self.cells]
        measured = [(took, effort.seconds(self.params, cell, self.size)) for took, cell in known if took is not None]
        factor = costs.machine_factor([took for took, _ in measured], [expected for _, expected in measured])
        return effort.of_run(self.params, self.size) * factor


@contextmanager
def opened(params: Params, data: Path) -> Iterator[Pilot]:
    """Yield the pilot of a study on data/prepare; DataError if there are too few validation rows."""
    with _validated(data) as view:
        c, size = params.label_curve, rows.size(view / "prepare")
        least = np.unique(files.read_labels(view / "prepare", "test"), return_counts=True)[1].min()
        if least < 2 and rows.metric(params, view / "prepare") == BALANCED:
            raise DataError(
                f"{data / 'prepare'}: expected 2 validation rows or more of every class for balanced accuracy, received"
                f" {least}: raise prepare.n_valid"
            )
        main, arms = c.pretrainings[0], [arm for arm in c.arms if c.headline in keys.budgets(params, arm, size)]
        encoders = [EncoderCell(main, run) for run in RUNS]
        scores = [ScoreCell(arm, main if is_pretrained(CURVE_ARMS[arm]) else "", c.headline, run)
                  for run in RUNS for arm in arms]  # fmt: skip
        store = Store(cells.folder("pilot", data), keys.given(params, view / "prepare", [*encoders, *scores]))
        yield Pilot(params, view, size, encoders, scores, store)


def chosen(params: Params, results: Results) -> tuple[list[str], list[str]]:
    """Return, for each run, the best use of the encoder and the best method without it.

    As in the verdict, cross-validation chooses in each run; where it cannot, they are those named beforehand.
    """
    arms = dict.fromkeys(arm for arm, _ in results)
    known = {arm: [results[arm, run].get("validated") for run in RUNS] for arm in arms}
    validated = {arm: np.array(values, float) for arm, values in known.items() if None not in values}
    ways = {arm for arm in arms if is_pretrained(CURVE_ARMS[arm])}
    there = dict.fromkeys(arms, np.zeros(len(RUNS)))  # the scores themselves choose nothing
    beforehand = params.label_curve.beforehand.names
    return sides(there, validated, ways=ways, from_scratch=FROM_SCRATCH, beforehand=beforehand)[1:]


@contextmanager
def _validated(data: Path) -> Iterator[Path]:
    """Yield a folder like `data` whose test rows are the validation rows; the test rows cannot be reached from it."""
    prepared = (data / "prepare").absolute()
    n = len(files.read_labels(prepared, "valid"))
    if n < 2:
        raise DataError(f"{data / 'prepare'}: expected 2 validation rows or more, received {n}: raise prepare.n_valid")
    names = {f"{split}{end}.npy": f"{source}{end}.npy" for split, source in (("train", "train"), ("test", "valid"))
             for end in ("", "_labels")}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="pilot-") as folder:
        (view := Path(folder, "prepare")).mkdir()
        shared = [name for name in ("scale.json", "manifest.json", files.SCHEMA) if (prepared / name).exists()]
        for name, source in {**names, **dict(zip(shared, shared, strict=True))}.items():
            (view / name).symlink_to(prepared / source)
        yield Path(folder)


def _compute_runs(pilot: Pilot, runs: Sequence[int]) -> list[list[Failure]]:
    """Compute the cells of each run in turn with shared compiled functions; return each run's failures."""
    from tasks.study.worker import Worker  # imports TensorFlow

    worker, found = Worker(pilot.params, pilot.view, pilot.store), []
    names = [cell.name for cell in pilot.cells]

    def say(cell: EncoderCell | ScoreCell, _: dict[str, Any]) -> None:  # no accuracy: a plan must not depend on it
        progress.say(f"{cell.name}  {pilot.store.n_missing(names)} cells left")

    for run in runs:
        failures = cells.run([cell for cell in pilot.encoders if cell.run == run], pilot.store, worker.pretrain, say)[1]
        failures += cells.run([cell for cell in pilot.scores if cell.run == run], pilot.store, worker.score, say)[1]
        found.append(failures)
    return found


def _unpacked(text: str, n: int) -> np.ndarray:
    """Return the bits of n answers, bool (n,), as `autoencoders.study.unpacked` does, without its import of Keras."""
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=n).astype(bool)
