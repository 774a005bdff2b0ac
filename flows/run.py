"""All stages in order, in this process and without Prefect; and what a person is told about a run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows import engine
from flows.environment import variables

RESULTS = {
    "report": "data/report/report.html",
    "metrics": "dvc metrics show",
    "curves": "make ui, then http://127.0.0.1:5000",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one stage: its name, `ran`, `restored` or `skipped`, and the seconds that took."""

    stage: str
    how: engine.How
    seconds: float


def repro(targets: Sequence[str] = (), *, force: bool = False, isolated: bool = False) -> list[Outcome]:
    """Bring every stage that `targets` need up to date, or all, and print what was done."""
    engine.make_ready()
    names = list(engine.plan(targets))
    if not force and engine.is_up_to_date(targets):
        outcomes = [Outcome(name, "skipped", 0.0) for name in names]
    else:
        outcomes = [one(name, at, force=force, isolated=isolated) for name, at in positions(names)]
    print(summary(outcomes))
    return outcomes


def one(name: str, position: str, *, force: bool, isolated: bool) -> Outcome:
    """Bring one stage up to date; its progress lines begin with `position`."""
    start = time.monotonic()
    with variables(PIPELINE_POSITION=position):
        how = engine.reproduce(name, force=force, isolated=isolated)
    return Outcome(name, how, time.monotonic() - start)


def positions(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each name with `3/14 `, the third of fourteen."""
    for i, name in enumerate(names, start=1):
        yield name, f"{i:>{len(str(len(names)))}}/{len(names)} "


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return a table of the stages, and where the results are."""
    if all(outcome.how == "skipped" for outcome in outcomes):
        which = f"all {len(outcomes)} stages are" if len(outcomes) > 1 else "the stage is"
        return f"Nothing to do: {which} up to date.\n{results()}"
    width = max(len(outcome.stage) for outcome in outcomes)
    rows = [f"{outcome.stage:<{width}}  {outcome.how:<8}  {outcome.seconds:8.1f} s" for outcome in outcomes]
    total = sum(outcome.seconds for outcome in outcomes)
    return "\n".join(["", *rows, f"{'all':<{width}}  {'':<8}  {total:8.1f} s", "", results()])


def results() -> str:
    """Return where a person finds what came out."""
    return "\n".join(
        f"{what:<8} {where}" for what, where in RESULTS.items() if what != "report" or Path(where).exists()
    )
