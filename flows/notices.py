"""Tell an address about failed and crashed scheduled runs: an automation of Prefect's server, with a webhook block.

The address is often a secret (a chat's webhook), so it is read from an environment variable, and the block keeps it
encrypted. The body is JSON with the key `text`, which Slack, Mattermost, Teams and Discord's Slack address take.
"""

from __future__ import annotations

import os
from typing import Any

from prefect.automations import Automation, EventTrigger
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.events.actions import CallWebhook
from prefect.events.schemas.automations import Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.types import SecretDict
from pydantic import SecretStr

from tasks.frame.errors import UsageError

VARIABLE = "PIPELINE_WEBHOOK"
NAME = "scheduled-runs-that-fail"
TAG = "scheduled"
TEXT = "deployment.name ~ ', ' ~ flow_run.name ~ ': ' ~ flow_run.state.name ~ ': ' ~ flow_run.state.message"
PAYLOAD = f'{{"text": {{{{ ({TEXT}) | tojson }}}}}}'  # a template of Prefect's


def watch() -> str:
    """Create the automation if PIPELINE_WEBHOOK is set, and delete it otherwise; return a line for the user, or "".

    Raises:
        UsageError: PIPELINE_WEBHOOK is no address.
    """
    address = os.environ.get(VARIABLE, "")
    with get_client(sync_client=True) as client:
        for old in client.read_automations_by_name(NAME):
            client.delete_automation(old.id)
    if not address:
        return ""
    if not address.startswith(("https://", "http://")):
        raise UsageError(f"{VARIABLE}: expected an address that begins with https:// or http://, received another text")
    headers = SecretDict({"Content-Type": "application/json"})
    block: Any = Webhook(url=SecretStr(address), headers=headers).save(NAME, overwrite=True)
    trigger = EventTrigger(
        expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=ResourceSpecification(
            {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
        ),
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
    )
    action = CallWebhook(block_document_id=block, payload=PAYLOAD)
    Automation(name=NAME, trigger=trigger, actions=[action]).create()
    return f"Failed and crashed scheduled runs are told to the address in {VARIABLE}."
