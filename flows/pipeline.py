"""The pipeline of dvc.yaml as a Prefect flow: one task per stage, which DVC runs, restores or skips.

The stages run one after the other in the flow's own thread, because Keras' seeds are global to the process, and signals
reach the main thread only. With workers, stages run in parallel (flows/beside.py). DVC does all caching, Prefect none,
so an outage of Prefect loses no result.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.runtime import flow_run
from prefect.states import Completed, Failed, State

from flows import engine, environment, planning, published
from flows import run as runner
from flows.published import Unreachable
from flows.run import Outcome
from tasks.frame import errors, progress
from tasks.frame.errors import Refused

EVERY = 30.0  # seconds between lines of progress


@task(cache_policy=NO_CACHE)
def reproduce(name: str, position: str, elsewhere: Any, force: bool, isolated: bool) -> State[Any]:
    """Bring one stage up to date; return the state Ran, Restored or Skipped, or Failed with a message of one line."""
    try:
        with progress.heard(_now_and_then(get_run_logger().info)):
            outcome = runner.one(name, position, elsewhere, force=force, isolated=isolated)
    except Exception as error:
        if not errors.is_users(error):
            raise
        return Failed(message=str(error), data=error)
    get_run_logger().info("%s: %s in %.1f s", name, outcome.how, outcome.seconds)
    return Completed(name=outcome.how.capitalize(), data=outcome.how)


def _now_and_then(log: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that logs a line of progress, for Prefect to show, at most every EVERY seconds."""
    last = time.monotonic()

    def hear(line: str) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= EVERY:
            last = now
            log(line)

    return hear


class _Stopped(Exception):
    """A stage failed; holds its state."""

    def __init__(self, name: str, state: State[Any]) -> None:
        super().__init__(f"{name}: {state.message}")
        self.state = state


def _run_name() -> str:
    """Return a run's name in Prefect: its targets, or `all stages`."""
    return " ".join(flow_run.parameters.get("targets") or ["all stages"])


@flow(name="pipeline", flow_run_name=_run_name)
def pipeline(
    targets: list[str] | None = None, force: bool = False, isolated: bool = False, workers: int | None = None
) -> State[Any]:
    """Bring `targets` and their upstream stages up to date, or all stages.

    Args:
        targets: Stages of dvc.yaml.
        force: Also run stages that are up to date.
        isolated: Run each stage in its own process.
        workers: Number of processes; by default PIPELINE_WORKERS.

    Returns:
        Completed, or the failed stage's state.
    """
    environment.settle()  # a Prefect worker starts in another folder
    tell_process()
    try:
        with environment.workers(workers):
            graph, _ = planning.begin(targets or (), force=force)
    except Exception as error:
        if not errors.is_users(error):
            raise
        return Failed(message=str(error), data=error)
    began = time.monotonic()
    states: dict[str, State[Any]] = {}

    def do(name: str, position: str, elsewhere: engine.Elsewhere | None) -> Outcome:
        start = time.monotonic()
        run = reproduce.with_options(name=name, task_run_name=name)
        needs = [states[need] for need in graph[name]]
        state: State[Any] = run(name, position, elsewhere, force, isolated, wait_for=needs, return_state=True)
        if not state.is_completed():
            raise _Stopped(name, state)
        states[name] = state
        return Outcome(name, state.result(), time.monotonic() - start)

    try:
        with environment.workers(workers):
            outcomes = runner.stages(graph, do, isolated=isolated)
    except _Stopped as stopped:
        return Failed(message=str(stopped), data=stopped.state.data)
    seconds = time.monotonic() - began
    print(runner.summary(outcomes, seconds))
    published.publish(outcomes, seconds)
    return Completed(data={outcome.stage: outcome.how for outcome in outcomes})


def run(targets: list[str] | None, *, force: bool, isolated: bool, workers: int | None = None) -> None:
    """Run the flow from the command line; if Prefect's server is lost, the run goes on without it.

    Prefect shows it below the task run that PIPELINE_TASK_RUN names.

    Raises:
        Refused: The server could not be reached before all stages were done.
        Exception: A stage's own.
    """
    try:
        given = {"targets": targets, "force": force, "isolated": isolated, "workers": workers}
        if parent := os.environ.pop("PIPELINE_TASK_RUN", ""):
            with get_client(sync_client=True) as client:
                below = client.create_flow_run(pipeline, parameters=given, parent_task_run_id=UUID(parent))
            state: Any = run_flow(pipeline, flow_run=below, parameters=given, return_type="state")
        else:
            state = pipeline(**given, return_state=True)
        state.result()
    except Unreachable as error:
        if not planning.is_up_to_date(targets or ()):
            raise Refused(f"Prefect's server was lost: {error}; `make repro` needs none") from None
        print(f"warning: all stages are done, but Prefect's server was lost: {error}", file=sys.stderr)
    except RuntimeError as error:
        if not str(error).startswith("Failed to reach API"):
            raise
        raise Refused(f"Prefect: {error}; `make repro` needs no server") from None


def tell_process() -> None:
    """Record this process in Prefect's database, so that `serve` can find out whether it was killed."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(flow_run.id, infrastructure_pid=f"{socket.gethostname()}:{os.getpid()}")
