"""MLflow's SQLite database in the repository, read and repaired without importing MLflow."""

from __future__ import annotations

import sqlite3
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


def has_part(database: Path, key: str, part: str) -> bool:
    """Return whether MLflow's database holds all that the stage `part` logs of the experiment with this key."""
    query = """
        SELECT 1 FROM runs
        JOIN tags AS known ON known.run_uuid = runs.run_uuid AND known.key = 'experiment_key' AND known.value = ?
        JOIN tags AS logged ON logged.run_uuid = runs.run_uuid AND logged.key = ?
        WHERE lifecycle_stage = 'active'
    """
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        try:
            return bool(connection.execute(query, (key, f"logged.{part}")).fetchone())
        except sqlite3.DatabaseError:  # not MLflow's database; MLflow reports that when it opens the file
            return False
