"""Where MLflow and Prefect keep their runs: in SQLite files in the repository, or in a PostgreSQL database.

In PostgreSQL, Prefect has a schema of its own, because both keep the version of their tables in a table of one name. A
password never stands in an address, which other users of the machine see: PGPASSFILE (by default ~/.pgpass) or
PGPASSWORD holds it, which both drivers read.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import parse_qs, urlsplit

from flows.environment import ROOT
from tasks.frame.errors import Refused, UsageError
from tasks.tracking import mlflow_store

SCHEMA = "prefect"
FORM = "postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True)
class Stores:
    """The addresses of the stores.

    Args:
        mlflow: MLflow's store, for its server.
        prefect: Prefect's database, for its server; empty for its SQLite file.
        clients: MLflow's address for other programs.
    """

    mlflow: str
    prefect: str = ""
    clients: str = ""

    def variables(self) -> dict[str, str]:
        """Return the variables for Prefect's server, and for runs of the worker."""
        if not self.prefect:
            return {}  # a run logs into the file itself, even if MLflow's server has ended
        return {
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": self.prefect,
            "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_SEARCH_PATH": SCHEMA,
            "MLFLOW_TRACKING_URI": self.clients,
        }

    def make_ready(self) -> None:
        """Create what the servers need to start: MLflow's file and its experiment, or Prefect's schema.

        Raises:
            Refused: The database cannot be used.
        """
        if self.prefect:
            _create_schema(self.mlflow)
            return
        from tasks.frame import config

        store = mlflow_store.Store(ROOT)
        store.connect()
        # Created here, its artifacts are files in the repository, for runs with and without the server.
        store.experiment_id(config.load().track.experiment)


def of(address: str, mlflow_port: int) -> Stores:
    """Return the stores at a PostgreSQL address, or the SQLite files for "".

    Raises:
        UsageError: The address is not of the form postgresql://USER@HOST/DATABASE, or has a password.
        Refused: The driver is not installed.
    """
    if not address:
        mlflow = f"sqlite:///{ROOT / 'mlflow.db'}"
        return Stores(mlflow, clients=mlflow)
    parts = urlsplit(address)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise UsageError(f"STORE: expected {FORM}, received {mlflow_store.without_password(address)}")
    if parts.password is not None or "password" in parse_qs(parts.query, keep_blank_values=True):
        how = "put it into ~/.pgpass or PGPASSWORD, and leave it out: other users of this machine see commands"
        raise UsageError(f"STORE: expected {FORM}, received an address with a password; {how}")
    if find_spec("psycopg2") is None:
        raise Refused("STORE: psycopg2 is not installed; `make setup` installs it (extra `team`)")
    rest = address.partition("://")[2]
    return Stores(f"postgresql://{rest}", f"postgresql+asyncpg://{rest}", f"http://127.0.0.1:{mlflow_port}")


def _create_schema(address: str) -> None:
    """Create Prefect's schema in the database if it does not exist."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with create_engine(address).begin() as connection:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    except SQLAlchemyError as error:
        why = " ".join(str(error).splitlines()[0].split())
        raise Refused(f"STORE: {address}: {why.rpartition(') ')[2]}") from None
