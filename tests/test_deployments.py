"""Schedules on the server: those of prefect.yaml follow it, those that people made stay."""

from __future__ import annotations

import datetime
from types import SimpleNamespace

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
