"""Trained models in MLflow, which can be loaded without this repository."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from typing import TYPE_CHECKING

from tasks.frame import experiment, files
from tasks.frame.view import Place
from tasks.tracking import claims

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def log(client: MlflowClient, run: Run, name: str, data: Place) -> None:
    """Log a stage's model once, with the packages that it needs, its signature and five example rows.

    Args:
        client: The store's client.
        run: The experiment's run.
        name: The stage's name, which becomes the model's.
        data: The folder of the stages' outputs.
    """
    with claims.turn(client, run, name, lambda: _has(client, run, name)) as is_missing:
        if is_missing:
            _log(client, run, name, data)


def _has(client: MlflowClient, run: Run, name: str) -> bool:
    """Return whether a run has a complete model of this name."""
    known = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    return any(model.name == name and model.status == "READY" for model in known)


def _log(client: MlflowClient, run: Run, name: str, data: Place) -> None:
    import mlflow.tensorflow

    from tasks.frame import models  # imports TensorFlow, which an experiment without models does not need

    rows = files.read_rows(data / "prepare", "valid")[:5]
    model = models.read(data / name)
    quiet = redirect_stdout(io.StringIO())  # MLflow predicts the five rows, and Keras prints progress bars
    with quiet, fluent(client.tracking_uri), mlflow.start_run(run_id=run.info.run_id):
        mlflow.tensorflow.log_model(
            model,
            name=name,
            signature=mlflow.models.infer_signature(rows, model(rows).numpy()),
            input_example=rows,
            pip_requirements=[f"{package}=={version(package)}" for package in ("keras", "numpy", "tensorflow")],
            code_paths=[str(experiment.REPOSITORY / "autoencoders")],
        )


@contextmanager
def fluent(uri: str) -> Iterator[None]:
    """Point MLflow's module-level functions to a store for a while: no client's method logs models."""
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None restores the default
