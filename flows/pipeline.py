"""dvc.yaml's graph as a Prefect flow: one task a stage, run, restored or skipped by DVC.

The stages run one after the other in the flow's own thread: Keras' seeds belong to the process, and a signal reaches
the running stage. Prefect caches nothing, DVC does; what DVC has recorded, no outage of Prefect can take away.
"""

from __future__ import annotations

import time
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, State

from flows import engine, environment
from flows import run as runner
from flows.run import Outcome
from tasks import config, experiment, stage


@task(cache_policy=NO_CACHE)
def reproduce(name: str, position: str, force: bool, isolated: bool) -> State[Any]:
    """Bring one stage up to date; the state is called Ran, Restored or Skipped."""
    outcome = runner.one(name, position, force=force, isolated=isolated)
    get_run_logger().info("%s: %s in %.1f s", name, outcome.how, outcome.seconds)
    return Completed(name=outcome.how.capitalize(), data=outcome.how)


@flow(name="pipeline", validate_parameters=True)
def pipeline(targets: list[str] | None = None, force: bool = False, isolated: bool = False) -> dict[str, str]:
    """Bring every stage that `targets` need up to date, or all of them.

    Args:
        targets: Stages of dvc.yaml.
        force: Run what is up to date, too.
        isolated: Run each stage in a process of its own.

    Returns:
        For each stage `ran`, `restored` or `skipped`.
    """
    environment.settle()  # a worker starts elsewhere
    engine.make_ready()
    graph = engine.plan(targets or ())
    states: dict[str, State[Any]] = {}
    outcomes = []
    for name, position in runner.positions([*graph]):
        start = time.monotonic()
        run = reproduce.with_options(name=name, task_run_name=name)
        needs = [states[need] for need in graph[name]]
        states[name] = run(name, position, force, isolated, wait_for=needs, return_state=True)
        how: engine.How = states[name].result()  # or what stopped the stage is raised
        outcomes.append(Outcome(name, how, time.monotonic() - start))
    print(runner.summary(outcomes))
    _publish(outcomes)
    return {outcome.stage: outcome.how for outcome in outcomes}


def _publish(outcomes: list[Outcome]) -> None:
    """Show the metrics and the summary in Prefect's UI."""
    metrics = experiment.metrics(config.load(), stage.DATA)
    table: list[dict[str, Any]] = [{"metric": name, "value": value} for name, value in metrics.items()]
    create_table_artifact(table, key="metrics", description="The metrics of every stage")
    create_markdown_artifact(f"```\n{runner.summary(outcomes)}\n```", key="summary", description="What was done")
