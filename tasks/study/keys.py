"""The cells of the label-efficiency study (encoders, scores and choices of rows), and the key of each.

A cell's key holds only its own dependencies: for an encoder the recipe, the rows and the pretraining code; for a score
the arm's entry, its settings, its learner and its encoder. So a new arm, learner or budget, or a comment in a table,
loses no finished cell. tasks/study/worker.py computes the cells; this module imports no Keras.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from autoencoders.arms import (
    CURVE_ARMS,
    CURVE_PRETRAININGS,
    FINE_TUNED,
    ON_CHOSEN_ROWS,
    Arm,
    Baseline,
    is_pretrained,
)
from autoencoders.label_efficiency import stream
from autoencoders.tuning import Settings, can_tune
from tasks.frame import cells, files
from tasks.frame.sections import Params
from tasks.frame.study_section import NETWORK_SPACE
from tasks.frame.view import Place
from tasks.study import costs, rows
from tasks.study.rows import Size

ROWS = "tasks/frame/files.py"  # reads rows from files
STANDARDISATION = "autoencoders/standardisation.py"
WORKER = "tasks/study/worker.py"  # hands rows, seeds and settings to the library
OF_RUN = "tasks/study/rows.py"  # draws a run's rows
RECIPES = "tasks/frame/recipes.py"  # makes recipes of parameters
BENCH = ("autoencoders/study.py", STANDARDISATION, ROWS)
GLUE = (WORKER, OF_RUN)
TRAINED = ("labels", "weights", "order")  # the random streams of a trained classifier
SHAPE = {"units", "activation", "output_activation"}  # the settings of the network that a classifier takes over


@dataclass(frozen=True)
class EncoderCell:
    """An encoder to pretrain on the unlabelled rows."""

    pretraining: str
    run: int

    @property
    def name(self) -> str:
        """Return the name of the cell in files and messages."""
        return f"encoder - {self.pretraining} - run {self.run}"


@dataclass(frozen=True)
class ScoreCell:
    """A classifier to train on a label budget and to score on the test set; pretraining "" means none.

    With `fixed`, it has the fixed settings, although its arm is tuned: the base of the pretrainings that are not tuned.
    """

    arm: str
    pretraining: str
    n_labels: int
    run: int
    fixed: bool = False

    @property
    def name(self) -> str:
        """Return the name of the cell in files and messages."""
        fixed = "fixed settings" if self.fixed else ""
        parts = [self.arm, self.pretraining, fixed, f"{self.n_labels} labels", f"run {self.run}"]
        return " - ".join(part for part in parts if part)


@dataclass(frozen=True)
class ChoiceCell:
    """A classifier to fine-tune on rows that one way to choose selects for labelling."""

    choice: str
    n_labels: int
    run: int

    @property
    def name(self) -> str:
        """Return the name of the cell in files and messages."""
        return f"choice - {self.choice} - {self.n_labels} labels - run {self.run}"


Cell = EncoderCell | ScoreCell | ChoiceCell


def encoder_of(params: Params, cell: Cell) -> EncoderCell | None:
    """Return the cell of the encoder that a score or choice uses; None if it uses none, and for an encoder."""
    if isinstance(cell, EncoderCell):
        return None
    pretraining = params.label_curve.pretrainings[0] if isinstance(cell, ChoiceCell) else cell.pretraining
    return EncoderCell(pretraining, cell.run) if pretraining else None


def encoders(params: Params) -> list[EncoderCell]:
    """Return the encoders that the study needs."""
    c = params.label_curve
    needed = any(is_pretrained(CURVE_ARMS[arm]) for arm in c.arms)
    return [EncoderCell(p, run) for p in c.pretrainings for run in range(c.n_runs)] if needed else []


def score_cells(params: Params, size: Size) -> list[ScoreCell]:
    """Return every (arm, pretraining, n_labels, run) but those left out; the cells of one encoder are adjacent."""
    c = params.label_curve
    arms = [
        (arm, pretraining, False)
        for pretraining in ("", *c.pretrainings)
        for arm in c.arms
        if is_pretrained(CURVE_ARMS[arm]) == bool(pretraining)
    ]
    if c.tuning.n_configurations > 1 and len(c.pretrainings) > 1:
        arms.append((FINE_TUNED, c.pretrainings[0], True))
    return [
        ScoreCell(arm, pretraining, n, run, fixed)
        for run in range(c.n_runs)
        for arm, pretraining, fixed in arms
        for n in budgets(params, arm, size)
    ]


def choice_cells(params: Params) -> list[ChoiceCell]:
    """Return every (way to choose, run)."""
    c = params.label_curve
    return [ChoiceCell(choice, c.choice_labels, run) for run in range(c.n_runs) for choice in c.choices]


def every(params: Params, size: Size) -> list[Cell]:
    """Return all cells, in the order of computation."""
    return [*encoders(params), *score_cells(params, size), *choice_cells(params)]


def budgets(params: Params, arm: str, size: Size) -> list[int]:
    """Return the label budgets of an arm: up to its learner's limit, and where its trials do not cost too much.

    They are the smallest ones of the study: a fit with fewer labels takes no longer, whatever the table's lines say.
    """
    c, entry = params.label_curve, CURVE_ARMS[arm]
    most = getattr(entry, "most_labels", None)
    few = [n for n in c.n_labels if most is None or n <= most]
    if isinstance(entry, Arm) or c.tuning.n_configurations == 1:
        return few
    n_columns = size.n_columns if entry.features == "raw" else c.network.shape.units[-1]
    trials = c.tuning.n_configurations * c.tuning.n_folds
    fits = {n: trials + 1 if can_tune(n, size.n_classes) else 1 for n in few}
    greatest = max((n for n in few if not costs.left_out(arm, n, n_columns, fits[n])), default=0)
    return [n for n in few if n <= greatest]


def seeds(params: Params, run: int) -> dict[str, int]:
    """Return the seed of every role in a run."""
    return {role: rows.seed(params, run, role) for role in (*TRAINED, "choice")}


def pretraining_streams(params: Params, run: int) -> dict[str, int]:
    """Return the seeds of a run's pretrainings."""
    roles = {"weights": "weights", "order": "pretraining order", "noise": "pretraining noise"}
    return {name: rows.seed(params, run, role) for name, role in roles.items()}


def configurations(params: Params, cell: ScoreCell) -> list[Settings]:
    """Return the configurations of a cell, the fixed settings first; only the main pretraining is tuned."""
    c, arm = params.label_curve, CURVE_ARMS[cell.arm]
    name = arm.learner if isinstance(arm, Baseline) else NETWORK_SPACE
    drawn = [stream(params.seed, 0, "tuning"), *name.encode()]
    found = c.configurations(name, seed=int(np.random.SeedSequence(drawn).generate_state(1)[0]))
    return found if cell.pretraining in ("", c.pretrainings[0]) and not cell.fixed else found[:1]


def settings(params: Params, pretraining: str) -> dict[str, Any]:
    """Return the settings of a pretraining."""
    return dict(params.label_curve.pretraining_settings.get(pretraining, {}))


def store(params: Params, data: Place) -> cells.Store:
    """Return the store of this study's cells, with their keys."""
    prepared = data / "prepare"
    return cells.Store(cells.folder("label_curve", data), given(params, prepared, every(params, rows.size(prepared))))


def given(params: Params, prepared: Place, wanted: Sequence[Cell]) -> dict[str, Any]:
    """Return the key of each cell by its name; an encoder stands before the cells that use it."""
    n, shared = rows.size(prepared).n_rows, rows.inputs(params, prepared)
    metric = rows.metric(params, prepared)
    of_run = {run: {**shared, **rows.drawn(params, n, run)} for run in dict.fromkeys(cell.run for cell in wanted)}
    schema = rows.schema(params, prepared)
    blocks = {} if schema is None else {"schema": files.md5(schema)}
    found: dict[str, Any] = {}
    for cell in wanted:
        if isinstance(cell, EncoderCell):
            found[cell.name] = {**_of_encoder(params, cell, of_run[cell.run]), **blocks}
        elif isinstance(cell, ScoreCell):
            found[cell.name] = _of_score(params, cell, of_run[cell.run], found, n) | _chosen_by(params, cell, metric)
        else:
            found[cell.name] = _of_choice(params, cell, of_run[cell.run], found)
    return found


def _of_encoder(params: Params, cell: EncoderCell, given: Mapping[str, Any]) -> dict[str, Any]:
    kind, c = CURVE_PRETRAININGS[cell.pretraining], params.label_curve
    code = (f"autoencoders/pretrainings/{kind.way}.py", STANDARDISATION, ROWS)
    return {
        **cells.shared(params, *code, glue=(WORKER, RECIPES, OF_RUN)),
        "pretraining": _entry(kind),
        "recipe": c.network.model_dump(),
        "epochs": c.pretrain_epochs,
        "settings": settings(params, cell.pretraining),
        "streams": pretraining_streams(params, cell.run),
        "rows": _to_pretrain_on(given),
    }


def _to_pretrain_on(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the rows to pretrain on depend on; a split drawn anew is stratified, and mixes the files' rows."""
    left_out = {"train_labels", "test", "test_labels"} if given["split"] is None else set()
    return {name: value for name, value in given.items() if name not in left_out}


def _of_score(
    params: Params, cell: ScoreCell, of_run: Mapping[str, Any], given: Mapping[str, Any], n: int
) -> dict[str, Any]:
    arm, all_seeds, c = CURVE_ARMS[cell.arm], seeds(params, cell.run), params.label_curve
    if isinstance(arm, Arm):
        own = {**_trained(params), "seeds": {r: all_seeds[r] for r in TRAINED}}
    else:
        code = (*BENCH, f"autoencoders/learners/{arm.learner}.py")
        drawn = ("labels", "weights") if "seed" in arm.takes else ("labels",)
        own = {**cells.shared(params, *code, glue=GLUE), "seeds": {role: all_seeds[role] for role in drawn}}
        if arm.features == "pca":
            own["components"] = c.network.shape.units[-1]
        if "unlabelled" in arm.takes:
            taken = rows.taken(params, arm.learner, n, cell.run)
            own["taken"] = [len(taken), hashlib.sha256(taken.tobytes()).hexdigest()]
    encoder = given[EncoderCell(cell.pretraining, cell.run).name] if cell.pretraining else None
    tried = configurations(params, cell)
    return {**own, "arm": _entry(arm), "n_labels": cell.n_labels, "encoder": encoder and cells.digest(encoder),
            "rows": of_run, "configurations": tried,
            "n_folds": c.tuning.n_folds if len(tried) > 1 else None}  # fmt: skip


def _chosen_by(params: Params, cell: ScoreCell, metric: str) -> dict[str, str]:
    """Return the metric by which cross-validation chooses among several configurations."""
    return {"metric": metric} if len(configurations(params, cell)) > 1 else {}


def _of_choice(params: Params, cell: ChoiceCell, of_run: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    encoder = given[EncoderCell(params.label_curve.pretrainings[0], cell.run).name]
    all_seeds = seeds(params, cell.run)
    return {
        **_trained(params),
        "seeds": {role: all_seeds[role] for role in ("choice", "weights", "order")},
        "settings": params.label_curve.classifier.settings,
        "arm": _entry(CURVE_ARMS[ON_CHOSEN_ROWS]),
        "choice": cell.choice,
        "n_labels": cell.n_labels,
        "encoder": cells.digest(encoder),
        "rows": of_run,
    }


def _trained(params: Params) -> dict[str, Any]:
    """Return the part of the key on which the training of a classifier depends."""
    c = params.label_curve
    return {
        **cells.shared(params, *BENCH, glue=GLUE),
        "training": c.classifier.model_dump(include={"batch_size", "optimizer"}),
        "shape": c.network.shape.model_dump(include={*SHAPE, "kernel_initializer"}),
    }


def _entry(entry: Any) -> dict[str, Any]:
    """Return the fields of a table's entry that can change its results; its settings stand in the key by value."""
    left_out = {"name", "most_labels", "settings", "takes"}
    return {field.name: getattr(entry, field.name) for field in fields(entry) if field.name not in left_out}
