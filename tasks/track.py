"""Stage `track`: log the files of one finished experiment as one MLflow run.

    python -m tasks.track

The files hold the results, MLflow shows them. The experiment's key (frame/experiment.py) identifies the run, so that a
repeated run adds nothing. The run holds the verdict as its note, a few headline metrics, every parameter, the page, the
figures, a table of all metrics per stage, the models, the data's DVC hash and the git commit. It has one child run per
stage with a history, one per arm of the label-efficiency study, and one with the figures as images. The study's curves
have the number of labels as their step, so that MLflow's compare view shows two studies in one chart. Writes
data/track/track.json: the key, and the numbers of logged items.

Without MLFLOW_TRACKING_URI, the runs are in mlflow.db at the repository's root, artifacts in mlartifacts. If a server
does not answer, this stage alone fails; `dvc repro track` completes it later.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tasks.frame import code, config, experiment, files, stage
from tasks.frame.experiment import Identity
from tasks.frame.sections import Params
from tasks.frame.view import Place, is_there
from tasks.tracking import arm_runs, artifacts, database, headline, logged_models
from tasks.tracking.mlflow_store import Store, one_line

PARTS = ("track", "track_book")
NOTE = "mlflow.note.content"  # the tag that MLflow shows as the run's description
MODELS = ("pretrain", "stack")  # the stages that write a model


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Update the experiment's run from the study's files."""
    log(params, data, out, ["track"])


def log(params: Params, data: Place, out: Path, parts: Sequence[str]) -> None:
    """Update the experiment's run from the files that the stage may read.

    Args:
        params: All parameters.
        data: The folder of the stages' outputs.
        out: The folder for track.json.
        parts: The stages that log, `track` or `track_book`; the run gets a tag for each.
    """
    curves = experiment.histories(params, data)
    arms = arm_runs.read(data)
    if arms:
        curves["label_curve"] = arm_runs.of_study(arms)
    metrics = experiment.metrics(params, data)
    verdict = files.read_json(data / "report/verdict.json") if is_there(data / "report/verdict.json") else {}
    identity = Identity.of(params, data, code.digest(code.computing()))
    store = Store(root())
    with one_line(store.uri):
        store.connect()
        parent = store.parent(identity)
        store.log_metrics(parent, headline.metrics(verdict, metrics))
        store.log_missing(parent, headline.curves(verdict))
        for name, points in curves.items():
            store.complete_child(parent, name, points, experiment.stage_parameters(params, name))
        for arm in arms:
            given = experiment.stage_parameters(params, "label_curve")
            store.complete_child(parent, arm.name, arm.points, given, arm.tags)
        if verdict:
            store.tag(parent, {"registration": verdict["registration"]})
        if verdict or NOTE not in parent.data.tags:
            store.tag(parent, {NOTE: headline.note(params, verdict, parent.info.run_id)})
        store.log_dataset(parent, params.fetch.dataset, identity.data)
        n_figures = artifacts.log(store, parent, params, data)
        for name in MODELS:
            if is_there(data / name / "model.json"):
                logged_models.log(store.client, parent, name, data)
        store.finish(parent, [*curves, *(arm.name for arm in arms), artifacts.FIGURES], parts)
    counts = {"n_children": len(curves) + len(arms), "n_printed": n_figures, "n_metrics": len(metrics)}
    counts["n_parameters"] = len(experiment.parameters(params))
    content = {"experiment": params.track.experiment, "key": identity.key, **counts}
    files.write_json(out / "track.json", content)


def is_logged() -> bool:
    """Return whether the repository's store still holds the experiment that was last logged from data/."""
    path, parts = Store(root()).database, written()
    if not parts or not path.exists():
        return False
    return all(database.has_part(path, files.read_json(file)["key"], part) for part, file in parts.items())


def written() -> dict[str, Path]:
    """Return the track.json of each logging stage that has run, by stage."""
    places = {part: stage.DATA / part / "track.json" for part in PARTS}
    return {part: path for part, path in places.items() if path.exists()}


def fill() -> None:
    """Log the finished experiment in data/ again, without changing the stage's output."""
    with tempfile.TemporaryDirectory() as out, stage.quiet():
        log(config.load(), stage.DATA, Path(out), [*written()])


def root() -> Path:
    """Return the repository's root; a scheduled run and `dvc exp run --temp` run in a copy, and tell the original."""
    return Path(os.environ.get("PIPELINE_STORE") or os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
