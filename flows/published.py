"""What Prefect's UI shows of a pipeline's results: the verdict, metrics, stages, and where MLflow has the rest."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import httpx
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.exceptions import PrefectException

from flows import services
from flows.run import Outcome
from tasks import track
from tasks.frame import config, errors, experiment, files, stage
from tasks.tracking import finished, headline

Unreachable = (httpx.HTTPError, PrefectException)
VERDICT = stage.DATA / "report" / "verdict.json"


def publish(outcomes: Sequence[Outcome], seconds: float) -> None:
    """Show the verdict, the headline metrics, the stages and all metrics as artifacts, if Prefect is reachable."""
    names = {outcome.stage for outcome in outcomes}
    verdict = files.read_json(VERDICT) if "report" in names and VERDICT.exists() else {}
    metrics = experiment.metrics(config.load(), stage.DATA)
    link = _run() if names & {*track.PARTS} else ""
    first = {name: f"{value:.4g}" for name, value in headline.metrics(verdict, metrics).items()}
    stages = [(o.stage, o.how, f"{o.seconds:.1f}") for o in outcomes] + [("all", "", f"{seconds:.1f}")]
    parts = [
        verdict.get("sentence", ""),
        f"[The experiment in MLflow]({link}), with its page, figures and models" if link else "",
        _table(("metric", "value"), [*first.items()]),
        _table(("stage", "outcome", "seconds"), stages),
    ]
    table: list[dict[str, Any]] = [{"metric": name, "value": value} for name, value in metrics.items()]
    try:
        create_markdown_artifact("\n\n".join(filter(None, parts)), key="summary", description="The verdict and stages")
        create_table_artifact(table, key="metrics", description="The metrics of every stage")
    except Unreachable as error:
        print(f"warning: Prefect does not take the metrics: {error}", file=sys.stderr)


def _run() -> str:
    """Return the address of the experiment's run in MLflow's UI; empty where no server shows it."""
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    base = given if given.startswith("http") else os.environ.get(services.MLFLOW, "")
    try:
        return finished.address(base) if base else ""
    except Exception as error:
        if not errors.is_users(error):
            raise
        return ""


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table in Markdown; empty without rows."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""
