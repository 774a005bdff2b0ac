"""One experiment, read from its files: identity, parameters, metrics, curves and figures.

Stage `track` logs these to MLflow. Parameters, data and code identify an experiment: the same three give the same key
on any machine, so a repeated run is found in MLflow and not logged twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoencoders.arms import slug
from tasks.frame import code, files
from tasks.frame.errors import DataError
from tasks.frame.sections import Params
from tasks.frame.view import Place, is_there

if TYPE_CHECKING:
    import pandas as pd

REPOSITORY = code.ROOT
AXES = ("epoch", "step", "n_labels")  # columns of a history that can be MLflow's step
WRITTEN = ("dvc.lock", "metrics")  # files in git that a run itself writes
SHARED = ("seed", "threads")  # parameters of every stage


@dataclass(frozen=True)
class Point:
    """One point of a curve: the metric's name, the epoch (or step, or number of labels), the value."""

    name: str
    epoch: int
    value: float


@dataclass(frozen=True)
class Identity:
    """The identity of an experiment: data, code, and all parameters but `track`, which only names a place in MLflow.

    Args:
        params: The checked parameters.
        data: `files.data_hash` of data/prepare.
        code: `code.digest` of the code that computes results.
    """

    params: Params
    data: str
    code: str

    @classmethod
    def of(cls, params: Params, data: Place, code: str) -> Identity:
        """Return the identity, with the hash of data/prepare below the stages' folder `data`."""
        return cls(params, files.data_hash(data / "prepare"), code)

    @property
    def key(self) -> str:
        """Return 32 hex digits, the same on every machine."""
        given = json.dumps([self.params.model_dump(exclude={"track"}), self.data, self.code], sort_keys=True)
        return hashlib.sha256(given.encode()).hexdigest()[:32]

    @property
    def title(self) -> str:
        """Return a name that fits MLflow's column, 18 letters: the data's and the key's first digits."""
        return f"{data_name(self.params)[:13]} {self.key[:4]}"


def data_name(params: Params) -> str:
    """Return the data's name: the data set's, or that of the user's own file, in letters, digits, `_`, `-` and `.`."""
    own = Path(params.fetch.path or "file").stem
    return re.sub(r"[^\w.-]+", "-", own if params.fetch.dataset == "file" else params.fetch.dataset)


def git_tags(root: Path) -> dict[str, str]:
    """Return commit, branch and dirty flag under MLflow's names; empty without git or a commit.

    dvc.lock and metrics/ do not count as a change: the run itself writes them.
    """
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    if not commit:
        return {}
    changes = _git(root, "status", "--porcelain", "--", ".", *(f":(exclude){name}" for name in WRITTEN))
    tags = {"commit": commit, "branch": _git(root, "branch", "--show-current"), "dirty": str(bool(changes))}
    return {f"mlflow.source.git.{name}": value for name, value in tags.items() if value}


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def stages(params: Params, data: Place) -> dict[str, Place]:
    """Return the folder of every stage, phases as `phase@1`; removed phases are left out, and all if undeclared."""
    keys = {name: [*vars(params).get("phase", {})] for name in code.numbered()} | {"track": []}
    names = [(name, key) for name in Params.model_fields for key in keys.get(name, [""])]
    return {f"{name}@{key}" if key else name: data / name / key for name, key in names}


def parameters(params: Params) -> dict[str, str]:
    """Return every parameter under its dotted name, values as in YAML: `phase.1.units: 100`, `pretrain.tied: false`."""
    return {name: v if isinstance(v, str) else json.dumps(v) for name, v in flatten(params.model_dump())}


def stage_parameters(params: Params, stage: str) -> dict[str, str]:
    """Return the parameters of one stage."""
    sections = [_dotted(stage), *(["network"] if "network" in code.stages().get(stage, {}).get("params", []) else [])]
    return {
        name: value
        for name, value in parameters(params).items()
        if name in SHARED or any(name.startswith(f"{section}.") for section in sections)
    }


def metrics(params: Params, data: Place) -> dict[str, float]:
    """Return every final metric under its dotted name: `stack.val_loss`, `phase.1.val_loss`."""
    return {name: v for values in metrics_by_stage(params, data).values() for name, v in values.items()}


def metrics_by_stage(params: Params, data: Place) -> dict[str, dict[str, float]]:
    """Return the final metrics of every stage that has some, by stage, such as `phase@1`."""
    folders = stages(params, data).items()
    there = {stage: folder / "metrics.json" for stage, folder in folders if is_there(folder / "metrics.json")}
    return {stage: stage_metrics(stage, files.read_json(path)) for stage, path in there.items()}


def stage_metrics(stage: str, content: Any) -> dict[str, float]:
    """Return the final metrics in the content of a stage's metrics.json under their dotted names."""
    flat = flatten(content, _dotted(stage))
    return {name: float(value) for name, value in flat if isinstance(value, int | float)}


def histories(params: Params, data: Place) -> dict[str, list[Point]]:
    """Return the curves of every stage that has a history.csv."""
    folders = stages(params, data).items()
    return {stage: history(f / "history.csv") for stage, f in folders if is_there(f / "history.csv")}


def history(path: Place) -> list[Point]:
    """Read the curves of a history.csv.

    If one stage trains several networks, the columns that distinguish them (text columns and `run`) give a label before
    the metric's name: arm, run, epoch, loss -> `tied run 3/loss`.
    """
    table = files.read_table(path)
    columns = [str(c) for c in table]
    axis = next((c for c in AXES if len(table) and c in columns), None)
    if axis is None:
        received = f"columns {', '.join(columns)}" if len(table) else "no rows"
        raise DataError(
            f"{path}: expected a column `epoch`, `step` or `n_labels` and one row or more, received {received}"
        )
    names = [c for c in columns if c == "run" or table[c].dtype.kind not in "iuf"]
    points = []
    for row in records(table):
        label = " ".join(f"run {row[c]}" if c == "run" else slug(row[c]) for c in names)
        values = {c: float(v) for c, v in row.items() if c != axis and c not in names and v == v}  # NaN: not measured
        points += [Point(curve(label, c), int(row[axis]), value) for c, value in values.items()]
    return points


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as mappings."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def curve(label: str, metric: str) -> str:
    """Return the name of a curve: the label of the training, if it has one, then the metric."""
    return f"{label}/{metric}" if label else metric


def figures(params: Params, data: Place) -> list[tuple[str, Path]]:
    """Return (stage, path) of every figure."""
    folders = [(stage, Path(folder)) for stage, folder in stages(params, data).items() if is_there(folder)]
    return [(stage, path) for stage, folder in folders for path in sorted(folder.glob("*.png"))]


def _dotted(stage: str) -> str:
    return stage.replace("@", ".")


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) for nested mappings and lists of mappings; a list of numbers is one value."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = {str(i): item for i, item in enumerate(value)}
    if not isinstance(value, dict):
        yield prefix, value
        return
    for name, item in value.items():
        yield from flatten(item, f"{prefix}.{name}" if prefix else str(name))
