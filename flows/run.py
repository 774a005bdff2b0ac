"""The runner without Prefect: run the stages in order, and print a summary."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows import beside, engine, planning
from flows.environment import variables
from tasks.frame import parallel

RESULTS = {
    "report": "data/report/report.html",
    "book": "data/book/book.html",
    "metrics": "dvc metrics show",
    "curves": "make ui, then http://127.0.0.1:5000",
}


@dataclass(frozen=True)
class Outcome:
    """The outcome of one stage: its name, `ran`, `restored` or `skipped`, and the duration in seconds."""

    stage: str
    how: engine.How
    seconds: float


Do = Callable[[str, str, engine.Elsewhere | None], Outcome]  # name, position, function that computes in another process


def repro(targets: Sequence[str] = (), *, force: bool = False, isolated: bool = False) -> list[Outcome]:
    """Bring `targets` and their upstream stages up to date, or all stages; print a summary."""
    start = time.monotonic()
    graph, is_done = planning.begin(targets, force=force)
    if is_done:
        outcomes = [Outcome(name, "skipped", 0.0) for name in graph]
    else:
        outcomes = stages(graph, functools.partial(one, force=force, isolated=isolated), isolated=isolated)
    print(summary(outcomes, time.monotonic() - start))
    return outcomes


def stages(graph: Mapping[str, Sequence[str]], do: Do, *, isolated: bool = False) -> list[Outcome]:
    """Do every stage of a plan, in its order; independent ones in parallel if PIPELINE_WORKERS is more than 1.

    Args:
        graph: For each stage its upstream stages, as `planning.plan` returns it.
        do: Brings one stage up to date, in this process or another.
        isolated: Each stage has its own process; stages run one after the other.
    """
    at = {name: f"{i:>{len(str(len(graph)))}}/{len(graph)} " for i, name in enumerate(graph, start=1)}  # " 3/14 "
    n = 1 if isolated else parallel.n_workers(threads=1, work=0)
    if n > 1:
        return beside.stages(graph, lambda name, elsewhere: do(name, at[name], elsewhere), n)
    return [do(name, at[name], None) for name in graph]


def one(name: str, position: str, elsewhere: engine.Elsewhere | None, *, force: bool, isolated: bool) -> Outcome:
    """Bring one stage up to date; its progress lines begin with `position`."""
    start = time.monotonic()
    told = {"PIPELINE_POSITION": position}
    if elsewhere is None:
        with variables(**told):
            how = engine.reproduce(name, force=force, isolated=isolated)
    else:
        how = engine.reproduce(name, force=force, elsewhere=lambda command, more: elsewhere(command, told | more))
    return Outcome(name, how, time.monotonic() - start)


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Return a table of the stages with durations, the total wall time, and the places of the results."""
    if all(outcome.how == "skipped" for outcome in outcomes):
        which = f"all {len(outcomes)} stages are" if len(outcomes) > 1 else "the stage is"
        return f"Nothing to do: {which} up to date.\n{results()}"
    width = max(len(outcome.stage) for outcome in outcomes)
    rows = [f"{outcome.stage:<{width}}  {outcome.how:<8}  {outcome.seconds:8.1f} s" for outcome in outcomes]
    return "\n".join(["", *rows, f"{'all':<{width}}  {'':<8}  {seconds:8.1f} s", "", results()])


def results() -> str:
    """Return one line per place of the results."""
    return "\n".join(
        f"{what:<8} {where}" for what, where in RESULTS.items() if not where.endswith(".html") or Path(where).exists()
    )
