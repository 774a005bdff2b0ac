"""The finished experiment in data/, as MLflow knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks import track
from tasks.frame import config, files
from tasks.frame.errors import UsageError
from tasks.tracking import database
from tasks.tracking.mlflow_store import Store, one_line

if TYPE_CHECKING:
    from mlflow.entities import Run


def run(store: Store) -> Run:
    """Return the run of the finished experiment in data/; log it first if the store does not have it.

    Raises:
        UsageError: No stage has logged an experiment.
    """
    keys = [files.read_json(path)["key"] for path in track.written().values()]
    if not keys:
        raise UsageError("data/: expected a finished experiment, received none that is logged; `make repro` first")
    return of(store, keys[0])


def of(store: Store, key: str) -> Run:
    """Return the run with an experiment's key, that of data/; log it first if the store does not have it."""
    home = [store.experiment_id(config.load().track.experiment)]
    condition = f"tags.experiment_key = '{key}'"
    if not (found := store.client.search_runs(home, condition)):
        track.fill()
        found = store.client.search_runs(home, condition)
    return found[0]


def address(base: str) -> str:
    """Return the address of the finished experiment's run in the UI of MLflow's server at `base`; empty if unknown.

    Raises:
        ConnectionError: The store does not answer.
    """
    store, keys = Store(track.root()), [files.read_json(path)["key"] for path in track.written().values()]
    if not keys:
        return ""
    if store.uri == f"sqlite:///{store.database}":  # without MLflow, whose import takes seconds
        home, run_id = database.run(store.database, keys[0])
    else:
        with one_line(store.uri):
            store.connect()
            info = run(store).info
            home, run_id = info.experiment_id, info.run_id
    return f"{base}/#/experiments/{home}/runs/{run_id}?workflowType=machine_learning" if run_id else ""
