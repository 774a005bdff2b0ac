"""How long Prefect's server keeps an event that follows one it has not seen.

A scheduled run's first event follows that of its schedule, which the server never sends: with Prefect's own 15 minutes,
a run that is scheduled less than five minutes ahead would be told of so late. The setting
PREFECT_SERVER_EVENTS_CAUSAL_ORDERING names this module.
"""

from __future__ import annotations

from datetime import timedelta

from prefect.server.events.ordering import memory

PATIENCE = timedelta(seconds=10)  # events of one server arrive within one second

memory.PRECEDING_EVENT_LOOKBACK = PATIENCE
CausalOrdering = memory.CausalOrdering
