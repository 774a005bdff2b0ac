"""The simulated scheduler: every cell once, no run shorter than its bound, dead machines' cells again."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scaling.simulation import Costs, Task, chain, least_seconds, run


@st.composite
def studies(draw):
    """Return tasks: encoders, and scores of which most wait for one; whole seconds, whose sums are exact."""
    encoders = [Task(float(s), draw(st.sampled_from("ab"))) for s in draw(st.lists(st.integers(1, 9), max_size=4))]
    after = st.none() | st.integers(0, len(encoders) - 1) if encoders else st.none()
    scores = draw(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab"), after), min_size=1, max_size=30))
    return encoders + [Task(float(seconds), of, k) for seconds, of, k in scores]


@given(studies(), st.integers(1, 8))
def test_every_cell_is_computed_once_after_its_encoder_and_no_run_is_shorter_than_its_bound(tasks, n):
    found = run(tasks, n)
    assert sorted(found.order) == [*range(len(tasks))] and found.starts == [1] * len(tasks)
    place = {k: at for at, k in enumerate(found.order)}
    assert all(task.after is None or place[task.after] < place[k] for k, task in enumerate(tasks))
    total = sum(task.seconds for task in tasks)
    assert (found.busy, found.lost, found.n_died) == (total, 0, 0)
    assert least_seconds(tasks, n) <= found.seconds <= total / n + chain(tasks) * (1 - 1 / n) + 1e-9  # Graham, 1969
    assert found == run(tasks, n), "the same every time"


@given(studies(), st.integers(0, 5), st.integers(0, 5), st.integers(0, 3))
def test_one_machine_takes_the_sum_of_all_seconds(tasks, start, first, driver):
    found = run(tasks, 1, Costs(start, first, driver))
    n_studies = len({task.of for task in tasks})
    total = sum(task.seconds for task in tasks) + n_studies * first
    assert (found.busy, found.n_first) == (total, n_studies)
    assert found.seconds == start + total + driver * len(tasks)


@given(studies(), st.integers(1, 5), st.lists(st.integers(1, 12), max_size=6), st.integers(0, 4))
def test_a_dead_machines_cell_is_computed_again_and_every_cell_is_finished_once(tasks, n, spans, start):
    found = run(tasks, n, Costs(start=start), lambda machine: iter(map(float, spans[machine::n])))
    assert sorted(found.order) == [*range(len(tasks))]
    assert found.busy == sum(task.seconds for task in tasks)
    again = sum(found.starts) - len(tasks)
    assert again <= found.n_died <= len(spans) and (found.lost > 0) <= (again > 0)
    assert found.seconds >= least_seconds(tasks, n)


def test_a_death_costs_its_cell_and_the_start_of_another_machine():
    found = run([Task(4.0), Task(4.0)], 1, Costs(start=1.0, first=2.0), lambda _: iter([7.5]))
    # 1 to 7: the first, with what is paid once; 7 to 8.5: lost; up at 9.5; 2 + 4 again.
    assert (found.seconds, found.lost, found.starts, found.n_first) == (15.5, 1.5, [1, 2], 2)


def test_a_driver_that_is_slower_than_its_machines_sets_the_pace():
    tasks = [Task(1.0)] * 100
    assert run(tasks, 10, Costs(driver=0.5)).seconds == 51.0
    assert run(tasks, 200, Costs(driver=0.5)).seconds == 51.0


def test_no_machine_and_tasks_that_wait_for_each_other_are_refused():
    with pytest.raises(ValueError, match="n_machines: expected 1 or more, received 0"):
        run([Task(1.0)], 0)
    with pytest.raises(ValueError, match="wait for each other"):
        run([Task(1.0, "", 1), Task(1.0, "", 0)], 2)
    assert [run([], n).seconds for n in itertools.islice(itertools.count(1), 3)] == [0.0] * 3
