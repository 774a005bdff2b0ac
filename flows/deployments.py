"""Create or update the deployments of prefect.yaml on the Prefect server; keep schedules that users changed there.

Prefect's own `deploy` undoes users' changes to the schedules of prefect.yaml, and replaces all schedules if one of
them has no slug. So a schedule is sent only if prefect.yaml has changed it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from ruamel.yaml import YAML

from flows import services
from flows.services import STATE

SENT = STATE / "schedules.json"  # the schedules that were last sent, by the ID of their deployment
Schedules = list[dict[str, Any]]


def deploy(path: Path) -> None:
    """Create or update the deployments of a file like prefect.yaml."""
    content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    sent: dict[str, Schedules] = json.loads(SENT.read_text(encoding="utf-8")) if SENT.exists() else {}
    declared = {deployment["name"]: _schedules(deployment) for deployment in content["deployments"]}
    with get_client(sync_client=True) as client:
        there = _without_old(client, {d["name"]: d["entrypoint"] for d in content["deployments"]}, sent)
        for deployment in content["deployments"]:
            if old := there.get(deployment["name"]):
                known = sent.get(str(old.id), [])
                _make_room(client, old, known, declared[old.name])
                deployment["schedules"] = [wanted for wanted in declared[old.name] if wanted not in known]
        new = STATE / "deploy.yaml"
        with new.open("w", encoding="utf-8") as file:
            YAML(typ="safe", pure=True).dump(content, file)
        services.do(f"prefect --no-prompt deploy --all --prefect-file {new}", os.environ)
        ids = {str(deployment.id): deployment.name for deployment in client.read_deployments()}
    now = {id_: declared[name] for id_, name in ids.items() if name in declared}
    SENT.write_text(json.dumps(now, default=str), encoding="utf-8")


def _without_old(
    client: SyncPrefectClient, entrypoints: dict[str, str], sent: dict[str, Schedules]
) -> dict[str, DeploymentResponse]:
    """Delete deployments that were sent and that prefect.yaml no longer has; return the others by name."""
    kept: dict[str, DeploymentResponse] = {}
    for deployment in client.read_deployments():
        if str(deployment.id) in sent and entrypoints.get(deployment.name) != deployment.entrypoint:
            client.delete_deployment(deployment.id)
        else:
            kept[deployment.name] = deployment
    return kept


def _schedules(deployment: dict[str, Any]) -> Schedules:
    """Return a deployment's schedules in prefect.yaml, each with a slug, as JSON values."""
    schedules = [{"slug": f"prefect-yaml-{i}", **given} for i, given in enumerate(deployment.get("schedules") or [])]
    deployment["schedules"] = schedules
    kept: Schedules = json.loads(json.dumps(schedules, default=str))
    return kept


def _make_room(client: SyncPrefectClient, deployment: DeploymentResponse, known: Schedules, now: Schedules) -> None:
    """Delete schedules that prefect.yaml no longer has; give users' schedules a slug, so that Prefect keeps them."""
    removed = {schedule["slug"] for schedule in known} - {schedule["slug"] for schedule in now}
    for schedule in deployment.schedules:
        if schedule.slug in removed:
            client.delete_deployment_schedule(deployment.id, schedule.id)
        elif not schedule.slug:
            ids = {"id": deployment.id, "schedule_id": schedule.id}
            named = {"slug": f"added-{schedule.id}", "parameters": schedule.parameters}
            client.request("PATCH", "/deployments/{id}/schedules/{schedule_id}", path_params=ids, json=named)
