"""Repair Prefect's database after a killed server or worker, before the next ones start.

Prefect does not end a run whose process was killed: it would stay Running, and hold its deployment's slot, for ever.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import filters
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Crashed, State

from flows import healing

ACTIVE = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]  # states that hold a slot
TOLERANCE = 2.0  # seconds; start times of processes are known to 1 s


def put_right(pool: str) -> list[str]:
    """End late runs and runs whose process has ended, and free slots; call this while no worker of the pool runs.

    Returns:
        One line per kind of repair.
    """
    with get_client(sync_client=True) as client:
        in_pool = filters.WorkPoolFilter(name=filters.WorkPoolFilterName(any_=[pool]))
        gone = [run for run in _runs(client, ACTIVE) if _is_gone(run, pool)]
        cancelled = [run for run in gone if run.state_type == StateType.CANCELLING]
        crashed = [run for run in gone if run not in cancelled]
        now = filters.FlowRunFilterNextScheduledStartTime.model_validate({"before_": datetime.now(UTC)})
        late = _runs(client, [StateType.SCHEDULED], work_pool_filter=in_pool, next_scheduled_start_time=now)
        _end(client, crashed, lambda: Crashed(message="Its process had ended when `make serve` started."))
        _end(client, cancelled, lambda: Cancelled(message="Its process had ended when `make serve` started."))
        _end(client, late, lambda: Cancelled(message="It was late when `make serve` started."))
        n_slots = _free_slots(client, in_pool)
    counted = {
        "flow runs marked as crashed, their process is gone": len(crashed),
        "flow runs cancelled, as was asked before their process ended": len(cancelled),
        "late flow runs cancelled": len(late),
        "concurrency slots freed": n_slots,
    }
    return [f"{n} {what}" for what, n in counted.items() if n]


def _runs(client: SyncPrefectClient, states: Sequence[StateType], *,
          work_pool_filter: filters.WorkPoolFilter | None = None, **more: Any) -> list[FlowRun]:  # fmt: skip
    """Return all flow runs in these states."""
    state = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=[*states]))
    found: list[FlowRun] = []
    while batch := client.read_flow_runs(
        flow_run_filter=filters.FlowRunFilter(state=state, **more), work_pool_filter=work_pool_filter, offset=len(found)
    ):
        found += batch
    return found


def _is_gone(run: FlowRun, pool: str) -> bool:
    """Return whether a run's process has ended; the pool has no live processes without a PID of this machine."""
    host, _, pid = (run.infrastructure_pid or "").rpartition(":")
    if not pid or host not in ("", socket.gethostname()):
        return run.work_pool_name == pool
    # Another process may have reused the PID; it is younger than the record.
    return run.updated is None or healing.started(int(pid)) > run.updated.timestamp() + TOLERANCE


def _end(client: SyncPrefectClient, runs: Sequence[FlowRun], state: Callable[[], State[Any]]) -> None:
    """Force flow runs and their active task runs into a state, past Prefect's rules for transitions."""
    for run in runs:
        tasks = client.read_task_runs(flow_run_filter=filters.FlowRunFilter(id=filters.FlowRunFilterId(any_=[run.id])))
        for task in tasks:
            if task.state_type in ACTIVE:
                client.set_task_run_state(task.id, state(), force=True)
        client.set_flow_run_state(run.id, state(), force=True)


def _free_slots(client: SyncPrefectClient, in_pool: filters.WorkPoolFilter) -> int:
    """Free the slots of the pool's deployments that exceed their active runs; return the number of freed slots."""
    active = _runs(client, ACTIVE, work_pool_filter=in_pool)
    n_freed = 0
    for deployment in client.read_deployments(work_pool_filter=in_pool):
        limit, n = deployment.global_concurrency_limit, sum(run.deployment_id == deployment.id for run in active)
        if limit and limit.active_slots > n:
            client.update_global_concurrency_limit(str(limit.id), GlobalConcurrencyLimitUpdate(active_slots=n))
            n_freed += limit.active_slots - n
    return n_freed
