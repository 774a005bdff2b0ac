"""What a killed server left: which runs are gone, and which slots are freed, on a client that keeps what it is told."""

from __future__ import annotations

import os
import socket
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from prefect.client.schemas.objects import StateType

from flows import leftovers

HERE = socket.gethostname()


def flow_run(pid=None, state=StateType.RUNNING, *, pool="local", age=0.0, deployment=1, number=0):
    updated = datetime.now(UTC) - timedelta(seconds=age)
    return SimpleNamespace(
        id=number, infrastructure_pid=pid, state_type=state, work_pool_name=pool, updated=updated,
        deployment_id=deployment,
    )  # fmt: skip


class Client:
    """Has runs in pages of one, a task for each, and deployments; notes what is set."""

    def __init__(self, runs, deployments=()):
        self.runs, self.deployments, self.told = runs, deployments, []

    def read_flow_runs(self, *, flow_run_filter, work_pool_filter, offset):
        due = flow_run_filter.next_scheduled_start_time
        assert due is None or due.before_ is not None
        assert (StateType.SCHEDULED in flow_run_filter.state.type.any_) == (due is not None)
        pool = work_pool_filter.name.any_ if work_pool_filter else None
        states = flow_run_filter.state.type.any_
        return [r for r in self.runs if r.state_type in states and (pool is None or r.work_pool_name in pool)][offset:][
            :1
        ]

    def read_task_runs(self, *, flow_run_filter):
        (run,) = flow_run_filter.id.any_
        return [SimpleNamespace(id=f"{run} now", state_type=StateType.RUNNING),
                SimpleNamespace(id=f"{run} done", state_type=StateType.COMPLETED)]  # fmt: skip

    def set_task_run_state(self, name, state, *, force):
        self.told.append((str(name).split("-")[-1].lstrip("0"), state.name, force))

    set_flow_run_state = set_task_run_state

    def read_deployments(self, *, work_pool_filter):
        assert work_pool_filter.name.any_ == ["local"]
        return self.deployments

    def update_global_concurrency_limit(self, name, update):
        self.told.append((name, update.active_slots))


def number(n):
    return f"00000000-0000-0000-0000-{n:012d}"


@pytest.mark.parametrize(
    ("run", "gone"),
    [
        (flow_run(f"{HERE}:{os.getpid()}"), False),
        (flow_run(str(os.getpid())), False),
        (flow_run(f"{HERE}:{os.getpid()}", age=10**6), True),  # its number was given to this younger process
        (flow_run(f"{HERE}:{2**22 + 1}"), True),
        (flow_run(), True),
        (flow_run(pool="another"), False),
        (flow_run("elsewhere:1"), True),
        (flow_run("elsewhere:1", pool="another"), False),
    ],
)
def test_a_run_is_gone_where_its_process_is(run, gone):
    assert leftovers._is_gone(run, "local") is gone


def test_runs_of_ended_processes_and_late_ones_are_ended_and_their_slots_freed(monkeypatch):
    there = flow_run(f"{HERE}:{os.getpid()}", number=number(1))
    crashed = [flow_run(f"{HERE}:{2**22 + 1}", number=number(k)) for k in (2, 3)]
    cancelled = flow_run(f"{HERE}:{2**22 + 1}", StateType.CANCELLING, number=number(4))
    late = flow_run(state=StateType.SCHEDULED, number=number(5))
    elsewhere = flow_run(state=StateType.SCHEDULED, pool="another", number=number(6))
    limits = [SimpleNamespace(id=k, active_slots=k) for k in (7, 4)]
    deployments = [SimpleNamespace(id=k, global_concurrency_limit=limit) for k, limit in enumerate([None, *limits])]
    client = Client([there, *crashed, cancelled, late, elsewhere], deployments)
    monkeypatch.setattr(leftovers, "get_client", lambda sync_client: nullcontext(client))
    assert leftovers.put_right("local") == [
        "2 flow runs marked as crashed, their process is gone",
        "1 flow runs cancelled, as was asked before their process ended",
        "1 late flow runs cancelled",
        "7 concurrency slots freed",
    ]
    ends = {number: name for number, name, *forced in client.told if forced == [True]}
    assert ends == {f"{k}{of}": name for k, name in ((2, "Crashed"), (3, "Crashed"), (4, "Cancelled"), (5, "Cancelled"))
                    for of in ("", " now")}  # fmt: skip
    assert [told for told in client.told if len(told) == 2] == [("7", 4), ("4", 0)]


def test_where_all_is_right_nothing_is_said(monkeypatch):
    client = Client([flow_run(f"{HERE}:{os.getpid()}", number=number(1))])
    monkeypatch.setattr(leftovers, "get_client", lambda sync_client: nullcontext(client))
    assert leftovers.put_right("local") == [] == client.told
