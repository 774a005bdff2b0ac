"""MLflow's SQLite database in the repository, read and repaired without importing MLflow."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

ARTIFACTS = "mlartifacts"
LOCATIONS = {  # the columns that hold absolute paths
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}


def relocate(database: Path) -> None:
    """Update the absolute artifact paths in MLflow's database, in case the checkout has moved."""
    home = (database.resolve().parent / ARTIFACTS).as_uri()
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        found = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
        for (old,) in found:
            if old and old != home and old.startswith("file:") and old.endswith(f"/{ARTIFACTS}"):
                for table, column in LOCATIONS.items():
                    below = f"substr({column}, 1, length(:old)) = :old"
                    new = f"SET {column} = :home || substr({column}, length(:old) + 1)"
                    connection.execute(f"UPDATE {table} {new} WHERE {below}", {"old": old, "home": home})


def run(database: Path, key: str) -> tuple[str, str]:
    """Return the IDs of the experiment and the run with this key in MLflow's database; empty if there is none."""
    query = """
        SELECT experiment_id, runs.run_uuid FROM runs
        JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = 'experiment_key' AND tags.value = ?
        WHERE lifecycle_stage = 'active'
    """
    found = _first(database, query, key)
    return (str(found[0]), str(found[1])) if found else ("", "")


def has_part(database: Path, key: str, part: str) -> bool:
    """Return whether MLflow's database holds all that the stage `part` logs of the experiment with this key."""
    query = """
        SELECT 1 FROM runs
        JOIN tags AS known ON known.run_uuid = runs.run_uuid AND known.key = 'experiment_key' AND known.value = ?
        JOIN tags AS logged ON logged.run_uuid = runs.run_uuid AND logged.key = ?
        WHERE lifecycle_stage = 'active'
    """
    return bool(_first(database, query, key, f"logged.{part}"))


def _first(database: Path, query: str, *values: str) -> Sequence[object]:
    """Return the first row that a query finds; empty if there is none."""
    if not database.exists():
        return ()
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        try:
            return connection.execute(query, values).fetchone() or ()
        except sqlite3.DatabaseError:  # not MLflow's database; MLflow reports that when it opens the file
            return ()
