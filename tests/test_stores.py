"""Where MLflow and Prefect keep their runs: addresses, and what is refused."""

from __future__ import annotations

import pytest

from flows import stores
from flows.environment import ROOT
from tasks.frame.errors import Refused, UsageError
from tasks.tracking import mlflow_store


def test_without_an_address_each_has_its_file_and_a_run_logs_into_the_file_itself():
    found = stores.of("", 5000)
    assert found.mlflow == found.clients == f"sqlite:///{ROOT}/mlflow.db"
    assert found.variables() == {}


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_in_postgresql_prefect_has_a_schema_and_mlflow_the_database(scheme):
    found = stores.of(f"{scheme}://me@host:5433/runs", 5001)
    assert found.mlflow == "postgresql://me@host:5433/runs"
    assert found.variables() == {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://me@host:5433/runs",
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_SEARCH_PATH": "prefect",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:5001",
    }


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql://me@host/runs", "STORE: expected postgresql://USER@HOST/DATABASE, received mysql://host/runs"),
        ("postgresql://me@host/", "STORE: expected postgresql://USER@HOST/DATABASE, received postgresql://host/"),
        (
            "postgresql://me:secret@host/runs",
            "received an address with a password; put it into ~/.pgpass or PGPASSWORD",
        ),
        ("postgresql://me:@host/runs", "received an address with a password"),
        ("postgresql://me@host/runs?sslmode=require&password=secret", "received an address with a password"),
        ("postgresql://me@host/runs?password=", "received an address with a password"),
    ],
)
def test_another_address_or_one_with_a_password_is_refused_without_showing_it(address, words):
    with pytest.raises(UsageError) as error:
        stores.of(address, 5000)
    assert words in str(error.value) and "secret" not in str(error.value)


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setattr(stores, "find_spec", lambda name: None)
    with pytest.raises(Refused, match=r"psycopg2 is not installed; `make setup` installs it"):
        stores.of("postgresql://me@host/runs", 5000)


def test_a_database_that_does_not_answer_is_told_of_in_one_line():
    with pytest.raises(Refused, match=r"^STORE: postgresql://me@127\.0\.0\.1:1/runs: .*port 1 failed") as error:
        stores.of("postgresql://me@127.0.0.1:1/runs", 5000).make_ready()
    assert "\n" not in str(error.value)


def test_mlflows_experiment_is_there_before_its_server_starts_so_that_its_artifacts_are_files(monkeypatch):
    told = []
    monkeypatch.setattr(mlflow_store.Store, "connect", lambda store: told.append(store.root))
    monkeypatch.setattr(mlflow_store.Store, "experiment_id", lambda store, name: told.append(name))
    monkeypatch.chdir(ROOT)
    stores.of("", 5000).make_ready()
    assert told == [ROOT, "autoencoders"]
