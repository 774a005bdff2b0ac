"""A scheduled run as a Prefect flow: a commit in a folder of its own, the pipeline there, and its record here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run, task_run
from prefect.states import Completed, Failed, State

from flows import checkout, environment, pipeline
from tasks.frame import errors
from tasks.frame.errors import RunError


@task(cache_policy=NO_CACHE)
def step(do: Callable[[], str]) -> State[Any]:
    """Do one step; return the state Completed with what it says, or Failed with a message of one line."""
    try:
        said = do()
    except Exception as error:
        if not errors.is_users(error):
            raise
        return Failed(message=str(error), data=error)
    get_run_logger().info(said)
    return Completed(message=said)


def _run_name() -> str:
    """Return a run's name in Prefect: the experiment and the commit."""
    given = flow_run.parameters
    return f"{given.get('experiment') or 'pipeline'} at {given.get('commit', 'HEAD')}"


@flow(name="scheduled", flow_run_name=_run_name)
def scheduled(commit: str = "HEAD", experiment: str = "", workers: int | None = None) -> State[Any]:
    """Run the pipeline, or an experiment, at a commit; record it in MLflow, DVC and the remote.

    Args:
        commit: A commit, branch or tag; by default the one that is checked out in the repository now.
        experiment: A file in experiments/ of that commit, without .yaml; by default params.yaml as it is committed.
        workers: Number of processes; by default PIPELINE_WORKERS.

    Returns:
        Completed, or the failed step's state.
    """
    environment.settle()  # a Prefect worker starts in another folder
    pipeline.tell_process()
    at: datetime = flow_run.scheduled_start_time or datetime.now(UTC)
    name = f"{experiment or 'pipeline'}-{at:%Y%m%dT%H%M%S}"
    given = {"--experiment": experiment, "--workers": str(workers or "")}
    arguments = [word for option, value in given.items() if value for word in (option, value)]
    try:
        with ExitStack() as stack:
            made: list[checkout.Checkout] = []

            def check_out() -> str:
                made.append(stack.enter_context(checkout.checked_out(name, commit)))
                return f"commit {made[0].commit[:10]} in {made[0].folder}"

            _do("check out", check_out)
            (run,) = made
            _do("pull", run.pull)
            _do("run", lambda: run.pipeline(*arguments, parent=str(task_run.id)))
            _do("note in MLflow", run.note)
            _do("push", run.push)
            _do("record", run.record)
    except RunError as error:
        return Failed(message=str(error), data=error)
    return Completed(message=f"{name}, commit {run.commit[:10]}")


def _do(name: str, do: Callable[[], str]) -> None:
    """Do one step as a task; raise its error."""
    state: State[Any] = step.with_options(name=name, task_run_name=name)(do, return_state=True)
    if not state.is_completed():
        raise RunError(f"{name}: {state.message}")
