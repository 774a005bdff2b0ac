"""`make serve`, without a server."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import flows
from flows import (
    environment,
    services,
    serving,
)  # fmt: skip


def test_serving_is_two_servers_then_a_worker_each_with_its_name_and_settings(here, monkeypatch, capsys):
    told = []

    @contextmanager
    def running(command, variables, name):
        told.append((name, command, variables.get("PIPELINE_ROOT"), variables.get("PREFECT_API_URL")))
        yield name

    @contextmanager
    def announced(port, mlflow):
        told.append(("announced", port, mlflow))
        yield

    def note(name, result=None):
        return lambda *words: told.append((name, *words)) or result

    def started(target, daemon):
        told.append(("thread", target, daemon))
        return SimpleNamespace(start=note("started"))

    monkeypatch.setattr(services, "served_port", lambda: None)
    monkeypatch.setattr(services, "running", running)
    monkeypatch.setattr(services, "announced", announced)
    for name in ("require_free", "wait_until_healthy", "wait_for_the_first_to_end"):
        monkeypatch.setattr(services, name, note(name))
    monkeypatch.setattr(
        services, "do", lambda command, variables: told.append(("do", command, variables is os.environ))
    )
    monkeypatch.setattr(serving.threading, "Thread", started)
    for name, function in (
        ("deployments", {"deploy": note("deploy")}),
        ("notices", {"watch": note("watch", "told to")}),
        ("leftovers", {"put_right": lambda pool: [pool]}),
    ):
        monkeypatch.setitem(sys.modules, f"flows.{name}", SimpleNamespace(**function))
        monkeypatch.setattr(flows, name, SimpleNamespace(**function), raising=False)
    monkeypatch.setattr(serving.stores.Stores, "make_ready", lambda where: told.append(("ready", where.mlflow)))
    serving.serve(4200, 5000)
    root, url = str(environment.ROOT), "http://127.0.0.1:4200/api"
    database = f"sqlite:///{environment.ROOT}/mlflow.db"
    pool = "prefect --no-prompt work-pool"
    assert told == [
        ("require_free", 4200),
        ("require_free", 5000),
        ("ready", database),
        ("prefect-server", f"{services.prefect(4200)} --log-level warning", root, url),
        ("mlflow-server", services.mlflow(database, 5000), root, url),
        ("wait_until_healthy", f"{url}/health", "prefect-server"),
        ("wait_until_healthy", "http://127.0.0.1:5000/health", "mlflow-server"),
        ("thread", serving._tell_of_failures, True),
        ("started",),
        ("do", f"{pool} create local --type process --overwrite", True),
        ("do", f"{pool} set-concurrency-limit local 1", True),
        ("watch",),
        ("deploy", Path("prefect.yaml")),
        ("prefect-worker", "prefect worker start --pool local --type process --limit 1", root, url),
        ("announced", 4200, "http://127.0.0.1:5000"),
        ("wait_for_the_first_to_end", "prefect-server", "mlflow-server", "prefect-worker"),
    ]
    assert "PIPELINE_ROOT" not in os.environ
    assert capsys.readouterr().out.splitlines() == [
        "local",
        "told to",
        "Prefect: http://127.0.0.1:4200  (its password is the line in .prefect/password)",
        "MLflow:  http://127.0.0.1:5000/#/experiments?workflowType=machine_learning",
        "Logs: .prefect/*.log, of scheduled runs .prefect/scheduled. Ctrl-C stops all. For another shell:",
        'export PREFECT_API_URL=http://127.0.0.1:4200/api PREFECT_API_AUTH_STRING="$(cat .prefect/password)"',
        f"export MLFLOW_TRACKING_URI={database}",
    ]


def test_ctrl_c_ends_what_serves_without_a_word(here, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(services, "served_port", lambda: None)
    monkeypatch.setattr(services, "require_free", lambda _: None)
    monkeypatch.setattr(services, "running", interrupt)
    monkeypatch.setattr(serving.stores.Stores, "make_ready", lambda _: None)
    serving.serve(4200, 5000)
