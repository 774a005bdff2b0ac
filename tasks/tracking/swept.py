"""The runs of a sweep in MLflow: each combination is its experiment's run, with a tag of the combination's name.

MLflow's page that compares runs draws parallel coordinates from their parameters and metrics.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import quote

from tasks import track
from tasks.frame import code, config, stage
from tasks.frame.experiment import Identity
from tasks.tracking import finished
from tasks.tracking.mlflow_store import Store, one_line


def log(name: str) -> None:
    """Log the finished stages in data/ if the store lacks them, and tag their run."""
    params, store = config.load(), Store(track.root())
    key = Identity.of(params, stage.DATA, code.digest(code.computing())).key
    with one_line(store.uri):
        store.connect()
        if not track.written():  # the stages that log were none of the sweep's
            track.fill()
        store.tag(finished.of(store, key), {f"sweep.{name}": datetime.now(UTC).isoformat(timespec="seconds")})


def compared(experiment: str, names: Iterable[str]) -> str:
    """Return the address, below MLflow's own, of the page that compares the runs of combinations; empty for none.

    Args:
        experiment: The name of MLflow's experiment.
        names: The names of the combinations.
    """
    store = Store(track.root())
    with one_line(store.uri):
        store.connect()
        home = store.experiment_id(experiment)
        found = [store.client.search_runs([home], f"tags.`sweep.{name}` != ''", max_results=1) for name in names]
    runs = [run.info.run_id for few in found for run in few]
    return f"#/compare-runs?runs={quote(json.dumps(runs))}&experiments={quote(json.dumps([home]))}" if runs else ""
