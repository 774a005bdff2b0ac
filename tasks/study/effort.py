"""The processor seconds of a study's cells, by the table of costs.py: for the estimate, the ledger and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from autoencoders.arms import CURVE_ARMS, CURVE_PRETRAININGS, ON_CHOSEN_ROWS, Arm
from autoencoders.tuning import can_tune
from tasks.frame import parallel
from tasks.frame.cells import Store
from tasks.frame.sections import Params
from tasks.study import costs, keys
from tasks.study.keys import Cell, ChoiceCell, EncoderCell
from tasks.study.rows import Size

PER_SECOND = parallel.WORTH / 20  # multiply-adds of a core
TABLES_UNITS = (100, 30)  # the widths of the table's networks


def seconds(params: Params, cell: Cell, size: Size) -> float:
    """Return the seconds that a cell takes on the table's machine, with one thread."""
    c = params.label_curve
    if isinstance(cell, EncoderCell):
        n = c.n_to_pretrain_on(size.n_rows)
        phases = len(c.network.shape.units) if CURVE_PRETRAININGS[cell.pretraining].networks == "phases" else 1
        return _width(params, size) * phases * costs.pretraining_seconds(size.n_columns, 1, n, c.pretrain_epochs)
    if isinstance(cell, ChoiceCell):
        fits = 2 if cell.choice == "uncertainty" else 1
        once = costs.seconds(ON_CHOSEN_ROWS, cell.n_labels, size.n_columns, fits, c.classifier.n_steps)
        return _width(params, size) * once
    arm, tried = CURVE_ARMS[cell.arm], keys.configurations(params, cell)
    trials = tried if len(tried) > 1 and can_tune(cell.n_labels, size.n_classes) else []
    if isinstance(arm, Arm):
        steps = c.tuning.n_folds * sum(int(settings["n_steps"]) for settings in trials) + c.classifier.n_steps
        return _width(params, size) * costs.seconds(cell.arm, cell.n_labels, size.n_columns, 1, steps)
    n_columns = size.n_columns if arm.features == "raw" else c.network.shape.units[-1]
    return costs.seconds(cell.arm, cell.n_labels, n_columns, c.tuning.n_folds * len(trials) + 1)


def of_run(params: Params, size: Size) -> float:
    """Return the seconds that a run takes on the table's machine."""
    return sum(seconds(params, cell, size) for cell in keys.every(params, size) if cell.run == 0)


def left(params: Params, cells: Sequence[Cell], size: Size, store: Store) -> float:
    """Return the seconds that the missing cells take on this machine, judged by those that it has computed."""
    missing, measured, expected = 0.0, [], []
    for cell in cells:
        known = store.seconds(cell.name)
        if not store.path(cell.name).exists():
            missing += seconds(params, cell, size)
        elif known is not None:
            measured.append(known)
            expected.append(seconds(params, cell, size))
    return missing * costs.machine_factor(measured, expected)


def _width(params: Params, size: Size) -> float:
    """Return how many times more multiply-adds the study's network takes than the table's."""
    ours, tables = ((size.n_columns, *units) for units in (params.label_curve.network.shape.units, TABLES_UNITS))
    return sum(a * b for a, b in pairwise(ours)) / sum(a * b for a, b in pairwise(tables))
