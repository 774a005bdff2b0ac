"""Schedules on the server: those of prefect.yaml follow it, those that people made stay."""

from __future__ import annotations

import datetime
import json
import os
from contextlib import nullcontext
from types import SimpleNamespace

from ruamel.yaml import YAML

from flows import deployments


def test_a_schedule_has_a_slug_and_is_kept_as_json_keeps_it():
    at = datetime.datetime(2026, 1, 1)
    deployment = {"schedules": [{"cron": "0 3 * * *"}, {"slug": "mine", "anchor_date": at}]}
    kept = deployments._schedules(deployment)
    assert kept == [{"slug": "prefect-yaml-0", "cron": "0 3 * * *"}, {"slug": "mine", "anchor_date": str(at)}]
    assert deployment["schedules"][1]["anchor_date"] is at, "what Prefect reads is as it was written"
    assert deployments._schedules({"schedules": None}) == deployments._schedules({}) == []


def test_schedules_that_prefect_yaml_no_longer_has_go_and_those_that_people_made_are_named():
    told = []
    client = SimpleNamespace(
        delete_deployment_schedule=lambda *ids: told.append(("deleted", *ids)),
        request=lambda *words, **more: told.append((*words, more)),
    )
    there = [SimpleNamespace(id=k, slug=slug, parameters={"p": k}) for k, slug in enumerate(["old", "kept", None])]
    known, now = ([{"slug": slug} for slug in slugs] for slugs in (("old", "kept"), ("kept", "new")))
    deployments._make_room(client, SimpleNamespace(id="d", schedules=there), known, now)
    path = "/deployments/{id}/schedules/{schedule_id}"
    more = {"path_params": {"id": "d", "schedule_id": 2}, "json": {"slug": "added-2", "parameters": {"p": 2}}}
    assert told == [("deleted", "d", 0), ("PATCH", path, more)]


class Server:
    """A Prefect server that has one deployment, and another one once it is told to deploy."""

    def __init__(self, told):
        self.told, self.ids = told, {"1": "nightly", "8": "nightly", "7": "gone", "6": "somebody's own"}

    def read_deployments(self):
        at = {"8": "old.py:flow"}
        return [SimpleNamespace(id=k, name=name, entrypoint=at.get(k, "flow.py:f")) for k, name in self.ids.items()]

    def delete_deployment(self, number):
        self.told.append(("deleted", self.ids.pop(number)))


def test_schedules_are_sent_where_prefect_yaml_has_changed_them_and_remembered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state, told = tmp_path / ".prefect", []
    state.mkdir()
    server = Server(told)
    kept, changed = {"slug": "kept", "cron": "0 1 * * *"}, {"slug": "changed", "cron": "0 2 * * *"}
    (state / "schedules.json").write_text(
        json.dumps({"1": [kept, {**changed, "cron": "0 9 * * *"}], "9": [kept], "8": [], "7": []})
    )
    at = {"entrypoint": "flow.py:f"}
    text = {"deployments": [{"name": "nightly", "schedules": [kept, changed], **at},
                            {"name": "new", "schedules": [kept], **at}]}  # fmt: skip
    (tmp_path / "prefect.yaml").write_text(json.dumps(text))  # which is YAML, too

    def do(command, environment):
        told.append(command)
        assert environment is os.environ
        sent = YAML(typ="safe").load((state / "deploy.yaml").read_text())["deployments"]
        told.append({deployment["name"]: deployment["schedules"] for deployment in sent})
        server.ids["2"] = "new"
        server.ids["3"] = "somebody's own"

    monkeypatch.setattr(deployments, "get_client", lambda sync_client: nullcontext(server if sync_client else None))
    monkeypatch.setattr(
        deployments, "_make_room", lambda client, old, *more: told.append((client is server, old.name, *more))
    )
    monkeypatch.setattr(deployments.services, "do", do)
    deployments.deploy(tmp_path / "prefect.yaml")
    old, gone, room, command, sent = told
    assert (old, gone) == (("deleted", "nightly"), ("deleted", "gone")), "those that prefect.yaml had, and no others"
    assert room == (True, "nightly", [kept, {**changed, "cron": "0 9 * * *"}], [kept, changed])
    assert command == "prefect --no-prompt deploy --all --prefect-file .prefect/deploy.yaml"
    assert sent == {"nightly": [changed], "new": [kept]}
    assert json.loads((state / "schedules.json").read_text()) == {"1": [kept, changed], "2": [kept]}
    (state / "schedules.json").unlink()
    told.clear()
    deployments.deploy(tmp_path / "prefect.yaml")
    assert told[0] == (True, "nightly", [], [kept, changed]) and told[-1] == {"nightly": [kept, changed], "new": [kept]}
