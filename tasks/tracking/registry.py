"""`make promote`: give a logged model of the finished experiment an alias in MLflow's registry.

Other programs then load it by that name: `mlflow.tensorflow.load_model("models:/fashion-mnist@champion")`.
"""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

from tasks import track
from tasks.frame import config, experiment, files, stage
from tasks.frame.errors import UsageError
from tasks.tracking import finished
from tasks.tracking.logged_models import fluent
from tasks.tracking.mlflow_store import Store, one_line

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

ALIAS = "champion"
LOSS = "val_mse"  # of every stage that keeps a model, whatever it was trained on


def promote(model: str = "", *, name: str = "", alias: str = ALIAS) -> str:
    """Register a model of the experiment in data/, once, and move the alias to it.

    Args:
        model: The stage that trained it; empty for the one with the least validation error.
        name: The registered model's name; empty for the data's.
        alias: The alias; another version of the name loses it.

    Returns:
        What was done, and how to load the model.

    Raises:
        UsageError: There is no such model, or MLflow would not accept the name or the alias.
    """
    store, name = Store(track.root()), name or experiment.data_name(config.load())
    if model and model not in track.MODELS:
        raise UsageError(f"MODEL: expected one of {', '.join(track.MODELS)}, received {model}")
    if not re.fullmatch(r"[\w.-]+", name):
        raise UsageError(f"NAME: expected letters, digits, '_', '-' and '.', received {name!r}")
    if not re.fullmatch(r"(?!latest$|v\d+$)[\w-]+", alias, re.IGNORECASE):
        raise UsageError(f"ALIAS: expected letters, digits, '_' and '-', not `latest` or `v1`, received {alias!r}")
    with one_line(store.uri):
        store.connect()
        run = finished.run(store)
        home, condition = [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"
        there = {found.name: found for found in store.client.search_logged_models(home, condition)}
        if not there or (model and model not in there):
            known = ", ".join(sorted(there)) or "no model"
            wanted = model or " or ".join(track.MODELS)
            raise UsageError(
                f"{run.info.run_name}: expected {wanted} in MLflow, received {known}; `make repro` trains both"
            )
        chosen, why = there.get(model), "as asked"
        if chosen is None:
            errors = {stage: _error(stage) for stage in there}
            chosen = there[min(errors, key=lambda stage: errors[stage])]
            why = "least " + LOSS + ": " + ", ".join(f"{stage} {value:.4g}" for stage, value in errors.items())
        version = _aliased(store.client, chosen, name, alias)
    loaded = f'mlflow.tensorflow.load_model("models:/{name}@{alias}")'
    return f"{name}@{alias} is now version {version}: {chosen.name} of {run.info.run_name} ({why})\nLoad it: {loaded}"


def _error(name: str) -> float:
    return float(files.read_json(stage.DATA / name / "metrics.json")[LOSS])


def _aliased(client: MlflowClient, model: LoggedModel, name: str, alias: str) -> str:
    """Return the version of the registered model, which has the alias now."""
    import mlflow

    versions = client.search_model_versions(f"name = '{name}'")
    source = f"models:/{model.model_id}"
    found = next((version.version for version in versions if version.source == source), "")
    if not found:
        with redirect_stderr(io.StringIO()), fluent(client.tracking_uri):
            found = mlflow.register_model(source, name).version
    client.set_registered_model_alias(name, alias, found)
    return str(found)
