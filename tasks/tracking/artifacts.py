"""The files of an experiment's run in MLflow: pages, tables of metrics, and figures.

A child run, `figures`, has the figures as images, so that MLflow shows those of several experiments beside each other.
It has no parameters: MLflow lists them above each image, and the experiment's run has so many that no image is seen.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.frame import experiment
from tasks.frame.sections import Params
from tasks.frame.view import Place, is_there
from tasks.tracking import claims

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from tasks.tracking.mlflow_store import Store

FIGURES = "figures"  # the child run
PAGES = ("report", "book")  # the stages that write a page of their name


def log(store: Store, run: Run, params: Params, data: Place) -> int:
    """Log pages, metrics and figures, each once; return the number of figures."""
    client = store.client
    for name in PAGES:
        if is_there(data / name / f"{name}.html"):
            client.log_artifact(run.info.run_id, str(data / name / f"{name}.html"))
    for name, values in experiment.metrics_by_stage(params, data).items():
        client.log_text(run.info.run_id, _table(values), f"metrics/{name}.csv")
    figures = experiment.figures(params, data)

    def is_done() -> bool:
        return all(_is_logged(client, run, path, place) for path, place in places)

    places = [(path, f"{FIGURES}/{name}") for name, path in figures]
    with claims.turn(client, run, FIGURES, is_done) as is_missing:
        if is_missing:
            _log_figures(client, run, store.child(run, FIGURES, {}), places)
    return len(figures)


def _log_figures(client: MlflowClient, run: Run, images: Run, places: Iterable[tuple[Path, str]]) -> None:
    """Log every figure that the run lacks or has with other bytes, as an artifact and as an image."""
    from PIL import Image

    for path, place in places:
        if not _is_logged(client, run, path, place):
            with Image.open(path) as image:
                client.log_image(images.info.run_id, image.convert("RGB"), key=path.stem, step=0, synchronous=True)
            client.log_artifact(run.info.run_id, str(path), place)  # last: it says that both are there


def _is_logged(client: MlflowClient, run: Run, path: Path, place: str) -> bool:
    """Return whether a run has a file, byte for byte, in a folder of its artifacts."""
    there = f"{place}/{path.name}"
    if there not in {file.path for file in client.list_artifacts(run.info.run_id, place)}:
        return False
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run.info.run_id, there, folder)).read_bytes() == path.read_bytes()


def _table(values: dict[str, float]) -> str:
    """Return metrics as CSV, which MLflow shows as a table."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("metric", "value"), *values.items()])
    return text.getvalue()
