"""A simulated scheduler of a study's cells: deterministic, in seconds of simulated time.

Machines take the first cell that is ready, as tasks/study/cluster.py sends them: encoders first, a score once its
encoder is kept. The driver is one process, busy for `driver` seconds with every cell. A machine that dies loses the
cell that it computes, which is computed again; another machine starts in its place.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Lives = Callable[[int], Iterator[float]]


class Task(NamedTuple):
    """A cell.

    Attributes:
        seconds: What it takes.
        of: The study that it belongs to.
        after: The number of the task that must be done before; None for none.
    """

    seconds: float
    of: str = ""
    after: int | None = None


class Costs(NamedTuple):
    """What is paid beside the cells, in seconds.

    Attributes:
        start: Of a machine, before its first cell.
        first: Of a machine, with its first cell of each study: reading rows, compilation.
        driver: Of the driver, for each cell, one after another; a cell begins once the driver has sent it.
    """

    start: float = 0.0
    first: float = 0.0
    driver: float = 0.0


FREE = Costs()


@dataclass
class Outcome:
    """What came of a simulated run.

    Attributes:
        seconds: From the start to the end of the last cell.
        busy: Seconds of all machines in cells that were finished, `first` included.
        lost: Seconds of all machines in cells that ended with their machine.
        starts: How often each task began.
        order: The numbers of the tasks, in the order in which they were finished.
        n_first: How often `first` was paid.
        n_died: Number of machines that died.
    """

    seconds: float = 0.0
    busy: float = 0.0
    lost: float = 0.0
    starts: list[int] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    n_first: int = 0
    n_died: int = 0


class Event(NamedTuple):
    """At a time a machine is ready (no task), has finished a task, or has died in it, after so many seconds."""

    when: float
    machine: int
    task: int | None = None
    seconds: float = 0.0
    died: bool = False


def immortal(machine: int) -> Iterator[float]:
    """Return no end of any life."""
    return iter(())


def run(tasks: Sequence[Task], n_machines: int, costs: Costs = FREE, lives: Lives = immortal) -> Outcome:
    """Simulate a run to its end.

    Args:
        tasks: The cells in the order in which they are sent.
        n_machines: >= 1.
        costs: What is paid beside the cells.
        lives: Returns how many seconds a machine lives once it has started, then the one in its place, and so on; the
            one after the last lives for ever.

    Raises:
        ValueError: There is no machine, or tasks wait for each other.
    """
    if n_machines < 1:
        raise ValueError(f"n_machines: expected 1 or more, received {n_machines}")
    ready, waiting = deque(k for k, task in enumerate(tasks) if task.after is None), _waiting(tasks)
    found, driver_free = Outcome(starts=[0] * len(tasks)), 0.0
    spans = [lives(machine) for machine in range(n_machines)]
    dies = [costs.start + next(span, math.inf) for span in spans]
    seen: list[set[str]] = [set() for _ in spans]
    events = [Event(costs.start, machine) for machine in range(n_machines)]
    idle: deque[int] = deque()

    def replace(machine: int) -> None:
        ready_at = dies[machine] + costs.start
        dies[machine] = ready_at + next(spans[machine], math.inf)
        seen[machine].clear()
        found.n_died += 1
        heapq.heappush(events, Event(max(found.seconds, ready_at), machine))

    while len(found.order) < len(tasks):
        while ready and idle:
            machine = idle.popleft()
            if dies[machine] <= found.seconds:  # while it had nothing to do
                replace(machine)
                continue
            k = ready.popleft()
            begin = driver_free = max(found.seconds, driver_free) + costs.driver
            is_first = tasks[k].of not in seen[machine]
            seen[machine].add(tasks[k].of)
            found.n_first += is_first
            found.starts[k] += 1
            seconds = tasks[k].seconds + is_first * costs.first
            left = max(0.0, dies[machine] - begin)
            heapq.heappush(events, Event(begin + min(seconds, left), machine, k, min(seconds, left), left < seconds))
        if not events:
            raise ValueError("tasks: expected one that is ready, received tasks that wait for each other")
        event = heapq.heappop(events)
        found.seconds = event.when
        if event.died:
            found.lost += event.seconds
            ready.appendleft(event.task or 0)
            replace(event.machine)
            continue
        idle.append(event.machine)
        if event.task is not None:
            found.busy += event.seconds
            found.order.append(event.task)
            ready.extend(waiting.pop(event.task, ()))
    return found


def _waiting(tasks: Sequence[Task]) -> dict[int, list[int]]:
    """Return the tasks that wait for each task."""
    found: dict[int, list[int]] = {}
    for k, task in enumerate(tasks):
        if task.after is not None:
            found.setdefault(task.after, []).append(k)
    return found


def least_seconds(tasks: Sequence[Task], n_machines: int) -> float:
    """Return a bound that no schedule is under: the longest chain, or all seconds divided by the machines."""
    return max(chain(tasks), sum(task.seconds for task in tasks) / n_machines)


def chain(tasks: Sequence[Task]) -> float:
    """Return the seconds of the longest chain of tasks that wait for each other; each waits for an earlier one."""
    done: list[float] = []
    for task in tasks:
        done.append(task.seconds + (0.0 if task.after is None else done[task.after]))
    return max(done, default=0.0)
