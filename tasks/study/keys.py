"""The cells of the label-efficiency study (encoders, scores and choices of rows), and the key of each.

A cell's key holds only its own dependencies: for an encoder the recipe, the rows and the pretraining code; for a score
the arm's entry, its settings, its learner and its encoder. So a new arm, learner or budget, or a comment in a table,
loses no finished cell. tasks/study/worker.py computes the cells; this module imports no Keras.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from autoencoders.arms import (
    CURVE_ARMS,
    CURVE_PRETRAININGS,
    LARGE_VALIDATION,
    LEARNERS,
    ON_CHOSEN_ROWS,
    Arm,
    is_pretrained,
)
from autoencoders.choosing import random_rows
from autoencoders.label_efficiency import stream
from autoencoders.transfer import fingerprint_of
from tasks.frame import cells, files
from tasks.frame.errors import Forged
from tasks.frame.sections import Params
from tasks.frame.view import Place

ROWS = "tasks/frame/files.py"  # reads rows from files
WORKER = "tasks/study/worker.py"  # hands rows, seeds and settings to the library
RECIPES = "tasks/frame/recipes.py"  # makes recipes of parameters
BENCH = ("autoencoders/study.py", ROWS)
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
    """A classifier to train on a label budget and to score on the test set; pretraining "" means none."""

    arm: str
    pretraining: str
    n_labels: int
    run: int

    @property
    def name(self) -> str:
        """Return the name of the cell in files and messages."""
        parts = [self.arm, self.pretraining, f"{self.n_labels} labels", f"run {self.run}"]
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


def encoders(params: Params) -> list[EncoderCell]:
    """Return the encoders that the study needs."""
    c = params.label_curve
    needed = any(is_pretrained(CURVE_ARMS[arm]) for arm in c.arms)
    return [EncoderCell(p, run) for p in c.pretrainings for run in range(c.n_runs)] if needed else []


def score_cells(params: Params) -> list[ScoreCell]:
    """Return every (arm, pretraining, n_labels, run); the cells of one encoder are adjacent."""
    c = params.label_curve
    return [
        ScoreCell(arm, pretraining, n, run)
        for run in range(c.n_runs)
        for pretraining in ("", *c.pretrainings)
        for arm in c.arms
        for n in budgets(arm, c.n_labels)
        if is_pretrained(CURVE_ARMS[arm]) == bool(pretraining)
    ]


def choice_cells(params: Params) -> list[ChoiceCell]:
    """Return every (way to choose, run)."""
    c = params.label_curve
    return [ChoiceCell(choice, c.choice_labels, run) for run in range(c.n_runs) for choice in c.choices]


def budgets(arm: str, n_labels: list[int]) -> list[int]:
    """Return the label budgets of an arm, up to its learner's limit."""
    most = getattr(CURVE_ARMS[arm], "most_labels", None)
    return [n for n in n_labels if most is None or n <= most]


def seeds(params: Params, run: int) -> dict[str, int]:
    """Return the seed of every role in a run; a role that does not vary has the first run's seed."""
    c = params.label_curve
    return {role: stream(params.seed, run if role in c.vary else 0, role) for role in (*TRAINED, "choice")}


def pretraining_streams(params: Params, run: int) -> dict[str, int]:
    """Return the seeds of a run's pretrainings."""
    roles = {"weights": "weights", "order": "pretraining order", "noise": "pretraining noise"}
    varied = params.label_curve.vary
    return {name: stream(params.seed, run if role in varied else 0, role) for name, role in roles.items()}


def settings(params: Params, pretraining: str) -> dict[str, Any]:
    """Return the settings of a pretraining."""
    return dict(params.label_curve.pretraining_settings.get(pretraining, {}))


def unlabelled_rows(params: Params, n: int) -> Any:
    """Return the index of the training rows to pretrain on, the same for every run: all n rows, or a random draw."""
    some = params.label_curve.n_unlabelled
    if some is None:
        return slice(None)
    return np.sort(random_rows(n, some, seed=stream(params.seed, 0, "unlabelled")))


def taken_rows(params: Params, learner: str, n: int) -> np.ndarray:
    """Return the numbers of the unlabelled rows that a learner takes, out of n training rows, the same in every run.

    A study with so small an `n_unlabelled` would pretrain on these rows.
    """
    c = params.label_curve
    some = min(int(c.learners[learner]["n_unlabelled"]), c.n_unlabelled or n)
    return np.sort(random_rows(n, some, seed=stream(params.seed, 0, "unlabelled")))


def store(params: Params, data: Place) -> cells.Store:
    """Return the store of this study's cells, with their keys."""
    prepared = data / "prepare"
    splits = ("train", "test", *(["valid"] if _is_large(params) else []))
    n = len(files.open_rows(prepared, "train")[0])
    drawn = np.arange(n)[unlabelled_rows(params, n)]
    rows: dict[str, Any] = {"scale": files.md5(prepared / "scale.json")}
    rows["unlabelled"] = None if len(drawn) == n else hashlib.sha256(drawn.tobytes()).hexdigest()
    rows["taken"] = {name: taken_rows(params, name, n) for name, known in LEARNERS.items() if "n_unlabelled" in known}
    rows |= {split: [files.md5(prepared / f"{split}{end}.npy") for end in ("", "_labels")] for split in splits}
    given: dict[str, Any] = {}
    for encoder in encoders(params):
        given[encoder.name] = _of_encoder(params, encoder, rows)
    for score in score_cells(params):
        given[score.name] = _of_score(params, score, rows, given)
    for choice in choice_cells(params):
        given[choice.name] = _of_choice(params, choice, rows, given)
    return cells.Store(cells.folder("label_curve", data), given)


def has(store: cells.Store, cell: EncoderCell) -> bool:
    """Return whether the encoder's weights are stored, undamaged, and match the hashes in its cell."""
    kept, path = store.read(cell.name), store.path(cell.name, ".npz")
    if kept is None or not path.exists():
        return False
    content = path.read_bytes()
    return bool(hashlib.sha256(content).hexdigest() == kept["sha256"] and _layers(_arrays(content)) == kept["layers"])


def weights(store: cells.Store, cell: EncoderCell) -> list[np.ndarray]:
    """Return a pretrained encoder's weights in Keras' order: a kernel and a bias for each layer."""
    return _arrays(store.path(cell.name, ".npz").read_bytes())


def check_proofs(params: Params, store: cells.Store) -> None:
    """Compare the proof of every pretrained score with hashes of the weights in its encoder's file.

    Raises:
        Forged: The hashes differ.
    """
    layers = {cell: _layers(weights(store, cell)) for cell in encoders(params)}
    main = params.label_curve.pretrainings[0]
    held: list[tuple[str, EncoderCell]] = [
        (cell.name, EncoderCell(cell.pretraining, cell.run)) for cell in score_cells(params) if cell.pretraining
    ]
    held += [(cell.name, EncoderCell(main, cell.run)) for cell in choice_cells(params)]
    for name, encoder in held:
        proof = (store.kept(name).get("proof") or {}).get("before")
        if proof is None or [*proof] != layers[encoder]:
            raise Forged(
                f"{store.path(name)}: expected a proof of the weights in {store.path(encoder.name, '.npz').name},"
                f" received other hashes; one of the two files was changed: delete {store.folder} and run again"
            )


def _arrays(content: bytes) -> list[np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        return [kept[name] for name in kept.files]


def _layers(arrays: list[np.ndarray]) -> list[str]:
    return [fingerprint_of(arrays[k : k + 2]) for k in range(0, len(arrays), 2)]


def _of_encoder(params: Params, cell: EncoderCell, rows: Mapping[str, Any]) -> dict[str, Any]:
    kind, c = CURVE_PRETRAININGS[cell.pretraining], params.label_curve
    phases = {key: phase.model_dump(exclude={"input", "epochs", "noise"}) for key, phase in params.phase.items()}
    return {
        **cells.shared(params, f"autoencoders/pretrainings/{kind.way}.py", ROWS, glue=(WORKER, RECIPES)),
        "pretraining": _entry(kind),
        "recipe": phases if kind.networks == "phases" else params.network.model_dump(),
        "epochs": c.pretrain_epochs,
        "settings": settings(params, cell.pretraining),
        "streams": pretraining_streams(params, cell.run),
        "rows": [rows["scale"], rows["train"][0]],
        "unlabelled": rows["unlabelled"],
    }


def _of_score(params: Params, cell: ScoreCell, rows: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    arm, all_seeds = CURVE_ARMS[cell.arm], seeds(params, cell.run)
    own: dict[str, Any]
    if isinstance(arm, Arm):
        own = {
            **cells.shared(params, *BENCH, glue=[WORKER]),
            **_training(params, rows),
            "seeds": {r: all_seeds[r] for r in TRAINED},
        }
    else:
        code = (*BENCH, f"autoencoders/learners/{arm.learner}.py")
        own = {**cells.shared(params, *code, glue=[WORKER]), "settings": dict(params.label_curve.learners[arm.learner])}
        drawn = ("labels", "weights") if "seed" in arm.takes else ("labels",)
        own |= {"seeds": {role: all_seeds[role] for role in drawn}}
        if arm.features == "pca":
            own |= {"components": params.network.shape.units[-1]}
        if arm.features != "raw":
            own |= {"unlabelled": rows["unlabelled"]}
        if "unlabelled" in arm.takes:
            taken = rows["taken"][arm.learner]
            own |= {"unlabelled": [len(taken), hashlib.sha256(taken.tobytes()).hexdigest()]}
    encoder = given[EncoderCell(cell.pretraining, cell.run).name] if cell.pretraining else None
    return {**own, "arm": _entry(arm), "n_labels": cell.n_labels, "encoder": encoder and cells.digest(encoder),
            "rows": [rows["scale"], *rows["train"], *rows["test"]]}  # fmt: skip


def _of_choice(params: Params, cell: ChoiceCell, rows: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    encoder = given[EncoderCell(params.label_curve.pretrainings[0], cell.run).name]
    all_seeds = seeds(params, cell.run)
    return {
        **cells.shared(params, *BENCH, glue=[WORKER]),
        **_training(params, rows),
        "seeds": {role: all_seeds[role] for role in ("choice", "weights", "order")},
        "arm": _entry(CURVE_ARMS[ON_CHOSEN_ROWS]),
        "choice": cell.choice,
        "n_labels": cell.n_labels,
        "encoder": cells.digest(encoder),
        "unlabelled": rows["unlabelled"],
        "rows": [rows["scale"], *rows["train"], *rows["test"]],
    }


def _training(params: Params, rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the key on which the training of a classifier depends."""
    c = params.label_curve
    tuned = {"n_folds", "protocol"} if len(c.learning_rates) > 1 else set()
    return {
        "training": c.model_dump(include={"n_steps", "batch_size", "optimizer", "learning_rates", *tuned}),
        "shape": params.network.shape.model_dump(include={*SHAPE, "kernel_initializer"}),
        "valid": rows["valid"] if _is_large(params) else None,
    }


def _is_large(params: Params) -> bool:
    """Return whether all validation labels choose the learning rate."""
    return len(params.label_curve.learning_rates) > 1 and params.label_curve.protocol == LARGE_VALIDATION


def _entry(entry: Any) -> dict[str, Any]:
    """Return the fields of a table's entry that can change its results; its settings stand in the key by value."""
    left_out = {"name", "most_labels", "settings", "takes"}
    return {field.name: getattr(entry, field.name) for field in fields(entry) if field.name not in left_out}
