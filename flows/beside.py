"""Run independent stages in parallel: their work in worker processes, DVC's bookkeeping here, one thread at a time.

A stage that divides its own work over processes runs alone, so that the number of busy processes never exceeds the
requested one. Results and dvc.lock are the same to the byte as with one process (docs/decisions/0011).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

from flows import commands, engine, interrupts, planning
from flows.environment import variables
from tasks.frame.workers import Pool

Result = TypeVar("Result")


def stages(graph: Mapping[str, Sequence[str]], do: Callable[[str, engine.Elsewhere], Result], n: int) -> list[Result]:
    """Return `do(stage)` for every stage of a plan, at most n at a time, each after its upstream stages.

    After a stage has failed, no other starts; running stages finish, and the first error is raised. Ctrl-C stops them.
    """
    before, alone, pool = engine.recorded(), planning.spreading(), Pool()
    threads = ThreadPoolExecutor(n)

    def elsewhere(command: str | list[str], told: dict[str, str]) -> None:
        pool.map(_execute, [(command, told)], stage=told["DVC_STAGE"])

    def start(name: str) -> Future[Result]:
        return threads.submit(copy_context().run, do, name, elsewhere)

    try:
        return _schedule(graph, start, n, alone)
    finally:
        with interrupts.held():
            pool.stop()
            threads.shutdown()
            engine.put_in_order(before, [*graph])


def _execute(command: str | list[str], told: Mapping[str, str]) -> None:
    """In a worker: run a stage's commands with these environment variables; a signal ends them cleanly."""
    with interrupts.exit_on_request(aloud=False), variables(**told):
        commands.run(command)


def _schedule(
    graph: Mapping[str, Sequence[str]], start: Callable[[str], Future[Result]], n: int, alone: Collection[str]
) -> list[Result]:
    left, running = [*graph], dict[Future[Result], str]()
    done: dict[str, Result] = {}
    errors: list[BaseException] = []
    while running or (left and not errors):
        ready = [name for name in left if not errors and set(graph[name]) <= done.keys()]
        for name in chosen(ready, running.values(), n, alone):
            running[start(name)] = name
            left.remove(name)
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            name = running.pop(future)
            if error := future.exception():
                errors.append(error)
                if running:
                    print(f"{name} failed; waiting for {', '.join(running.values())}", file=sys.stderr, flush=True)
            else:
                done[name] = future.result()
    if errors:
        raise errors[0]
    return [done[name] for name in graph]


def chosen(ready: Sequence[str], running: Collection[str], n: int, alone: Collection[str]) -> Sequence[str]:
    """Return the stages to start: as many as fit within n of those that can run together, or one that runs alone."""
    if set(alone) & set(running):
        return []
    sharing = [name for name in ready if name not in alone]
    return sharing[: n - len(running)] or ([] if running else ready[:1])
