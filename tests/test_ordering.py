"""flows/ordering.py: an event whose leader never comes waits for seconds."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from prefect.server.events.ordering import EventArrivedEarly, get_triggers_causal_ordering
from prefect.server.events.schemas.events import ReceivedEvent, Resource
from prefect.settings import PREFECT_SERVER_EVENTS_CAUSAL_ORDERING, temporary_settings

from flows import ordering, services


def event(received: datetime) -> ReceivedEvent:
    resource = Resource({"prefect.resource.id": "prefect.flow-run.1"})
    return ReceivedEvent(event="prefect.flow-run.Pending", id=uuid4(), follows=uuid4(), occurred=received,
                         received=received, resource=resource)  # fmt: skip


def test_an_event_without_its_leader_is_late_by_seconds(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    name = services.settings(1)["PREFECT_SERVER_EVENTS_CAUSAL_ORDERING"]
    now = datetime.now().astimezone()
    young, old = event(now), event(now - ordering.PATIENCE - timedelta(seconds=1))

    async def wait() -> list[ReceivedEvent]:
        order = get_triggers_causal_ordering()
        with pytest.raises(EventArrivedEarly):
            await order.wait_for_leader(young)
        await order.wait_for_leader(old)
        await order.record_follower(old)
        return await order.get_lost_followers()

    with temporary_settings({PREFECT_SERVER_EVENTS_CAUSAL_ORDERING: name}):
        assert asyncio.run(wait()) == [old]
