"""The cells of the label-efficiency study, by name: encoders, classifiers, choices of rows; and where they are kept.

No Keras in this module: tasks/label_bench.py computes them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from autoencoders.arms import CURVE_ARMS, Baseline, is_pretrained
from autoencoders.baselines import MAX_SVM_LABELS
from tasks import cells, files
from tasks.sections import Params
from tasks.view import Place

# What to run does not change what comes out of a cell: more seeds, budgets or arms leave finished cells finished.
PLAN = {"n_labels", "headline", "n_seeds", "arms", "pretrainings", "choices", "choice_labels", "targets"}
BENCH = "tasks/label_bench.py"


@dataclass(frozen=True)
class EncoderCell:
    """An encoder to pretrain on all training rows."""

    pretraining: str
    run: int

    @property
    def name(self) -> str:
        """Return a name for files and people."""
        return f"encoder - {self.pretraining} - run {self.run}"


@dataclass(frozen=True)
class ScoreCell:
    """A classifier to train on a budget of labels, and to score on the test set; pretraining "" stands for none."""

    arm: str
    pretraining: str
    n_labels: int
    run: int

    @property
    def name(self) -> str:
        """Return a name for files and people."""
        parts = [self.arm, self.pretraining, f"{self.n_labels} labels", f"run {self.run}"]
        return " - ".join(part for part in parts if part)


@dataclass(frozen=True)
class ChoiceCell:
    """A fine-tuned classifier on rows that were chosen for labelling in one of several ways."""

    choice: str
    n_labels: int
    run: int

    @property
    def name(self) -> str:
        """Return a name for files and people."""
        return f"choice - {self.choice} - {self.n_labels} labels - run {self.run}"


def encoders(params: Params) -> list[EncoderCell]:
    """Return the encoders that the study needs."""
    c = params.label_curve
    needed = any(is_pretrained(CURVE_ARMS[arm]) for arm in c.arms)
    return [EncoderCell(p, run) for p in c.pretrainings for run in range(c.n_seeds)] if needed else []


def score_cells(params: Params) -> list[ScoreCell]:
    """Return every (arm, pretraining, n_labels, run); a run's cells of one encoder follow each other."""
    c = params.label_curve
    return [
        ScoreCell(arm, pretraining, n, run)
        for run in range(c.n_seeds)
        for pretraining in ("", *c.pretrainings)
        for arm in c.arms
        for n in budgets(arm, c.n_labels)
        if is_pretrained(CURVE_ARMS[arm]) == bool(pretraining)
    ]


def choice_cells(params: Params) -> list[ChoiceCell]:
    """Return every (way to choose, run)."""
    c = params.label_curve
    return [ChoiceCell(choice, c.choice_labels, run) for run in range(c.n_seeds) for choice in c.choices]


def budgets(arm: str, n_labels: list[int]) -> list[int]:
    """Return the budgets that an arm runs on: all of them, but for the kernel machine."""
    entry = CURVE_ARMS[arm]
    limited = isinstance(entry, Baseline) and entry.learner == "svm"
    return [n for n in n_labels if n <= MAX_SVM_LABELS or not limited]


def store(params: Params, data: Place) -> cells.Store:
    """Return where this study's cells are kept."""
    hashes = {"data": files.data_hash(data / "prepare")}
    return cells.of_stage(
        "label_curve", params, data, sections=("network", "phase"), plan=PLAN, computed_by=BENCH, hashes=hashes
    )


def has(store: cells.Store, cell: EncoderCell) -> bool:
    """Return whether the encoder's weights are kept, undamaged."""
    kept, path = store.read(cell.name), store.folder / f"{cell.name}.npz"
    if kept is None or not path.exists():
        return False
    return bool(hashlib.sha256(path.read_bytes()).hexdigest() == kept["sha256"])
