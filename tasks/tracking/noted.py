"""Write a scheduled run's name on its experiment's run in MLflow: `python -m tasks.tracking.noted NAME`.

The same experiment is one run in MLflow, however often it is run. So each scheduled run leaves a tag, `scheduled.NAME`,
with its time; and the store gets the experiment in data/ if it does not have it.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from tasks import track
from tasks.frame import errors
from tasks.tracking import finished
from tasks.tracking.mlflow_store import Store, one_line


def note(name: str) -> None:
    """Tag the run of the experiment in data/, which must be finished."""
    store = Store(track.root())
    with one_line(store.uri):
        store.connect()
        run = finished.run(store)
        store.tag(run, {f"scheduled.{name}": datetime.now(UTC).isoformat(timespec="seconds")})


if __name__ == "__main__":
    try:
        note(*sys.argv[1:])
    except Exception as error:
        if not errors.is_users(error):
            raise
        sys.exit(print(f"error: {error}", file=sys.stderr) or errors.exit_code(error))
