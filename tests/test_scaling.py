"""benchmarks/scaling: the planner's cells on paper, what breaks first, and a page that says what its numbers say."""

from __future__ import annotations

import pytest

from benchmarks.scaling import measure, page, paper
from benchmarks.scaling.paper import DataSet
from benchmarks.scaling.simulation import Task, chain
from tasks.frame.cells import Store
from tasks.study import effort, keys

FEW = (DataSet("a", 900, 20, 3), DataSet("b", 100, 64, 2, 1))
CHANGES = {
    "arms": ["logistic regression", "fine-tuned", "from scratch", "random features"],
    "pretrainings": ["untied"],
    "choices": [],
    "beforehand": {"with_encoder": "fine-tuned", "without": "from scratch"},
}
RATES = {"start": 5.0, "first": 2.0, "driver": 0.002, "count": 1e-5, "deal": 1e-6, "key": 1e-4, "result": 2000.0}


@pytest.fixture(scope="module")
def study():
    return paper.study(RATES, n=3, n_seeds=2, data_sets=FEW, changes=CHANGES)


def test_the_tasks_are_the_planners_cells_and_scores_wait_for_their_encoder():
    params, data = paper.params_of(FEW[1], 2, CHANGES), FEW[1]
    assert params.label_curve.n_labels == [20, 50, 100] and params.label_curve.headline == 100
    assert params.label_curve.tuning.n_configurations == 8, "the experiment's"
    cells = keys.every(params, data.size)
    tasks = paper.tasks_of(params, data, cells)
    assert [task.seconds for task in tasks] == [effort.seconds(params, cell, data.size) for cell in cells]
    assert [task.after is not None and cells[task.after] for task in tasks] == [
        keys.encoder_of(params, cell) or False for cell in cells
    ]
    both = paper.joined([tasks, tasks])
    assert {both[task.after].of for task in both if task.after is not None} == {"b"}
    assert all(k < task.after + len(tasks) for k, task in enumerate(both) if task.after is not None)


def test_no_way_is_faster_than_the_bound_or_loses_a_cell(study):
    assert study["n_cells"] == sum(own["n_cells"] for own in study["sets"]) and study["n_encoders"] == 4
    least = max(study["total"] / 3, study["chain"])
    assert all(way["seconds"] >= least and 0 < way["use"] <= 1 for way in study["ways"].values())
    assert study["ways"]["Dask, machines taken away"]["seconds"] >= study["ways"]["Dask"]["seconds"]
    assert study["ways"]["Dask"]["again"] == 0 <= study["ways"]["shards"]["again"]
    assert study["moved"]["data, read by every machine"] == 3 * sum(data.n_bytes for data in FEW)
    assert study == paper.study(RATES, n=3, n_seeds=2, data_sets=FEW, changes=CHANGES)


def test_a_part_breaks_at_the_machines_at_which_it_takes_as_long_as_the_cells():
    tasks = [Task(10.0), Task(30.0, after=0), *[Task(20.0)] * 18]  # 400 s in all
    found = [*paper.limits(tasks, RATES | {"key": 0.0, "deal": 0.05}, 2, paper.SHARE, 198).values()]
    assert found == pytest.approx([400 / (20 * 0.002 * (1 + 198e-5)), 20.0, 20.0, 400 / 9, 10.0])
    assert chain(tasks) == 40.0


def test_lives_are_drawn_by_seed_and_machine():
    first = [next(paper.lives(0, 100.0)(machine)) for machine in range(50)]
    assert first == [next(paper.lives(0, 100.0)(machine)) for machine in range(50)]
    assert len({*first}) == 50 and 50 < sum(first) / 50 < 200


def test_a_forgetful_store_misses_each_cell_once(tmp_path):
    store = Store(tmp_path, {"a": 1})
    store.write("a", {"x": 1})
    forgetful = measure.Forgetful(store)
    assert [forgetful.read("a") for _ in range(3)] == [None, {"x": 1}, {"x": 1}]


def measured(seconds):
    took = {"cpu": 10.0, "peak_bytes": 2**30}
    ways = {way: [{"seconds": s, **took} for s in seconds[way]] for way in measure.WAYS}
    compiled = {"cpu without": 9.0, "cpu with": 7.0, "compiled without": 3, "compiled with": 0, "bytes": 2**20}
    return {
        "ways": ways, "start": [{"seconds": 6.0, **took}], "compiled": [compiled],
        "driver": [{"seconds": 0.01, "cpu": 0.002}], "bytes": {"result": 2048, "encoder": 8192, "prepare": 131072},
        "cells": {"SVM": {"n": 4, "seconds": 2.0, "table": 1.0}},
        "planning": {"n": 1000, "key": 0.001, "deal": 1e-5, "count": 1e-5},
    }  # fmt: skip


def test_the_page_says_what_its_numbers_say(study):
    seconds = {key: [10.0, 10.0] for key in measure.WAYS} | {measure.WORKERS: [5.0, 8.0], measure.SHARDS: [5.0, 5.0]}
    found = {"measured": measured(seconds), "paper": study, "machine": {"cores": 2}, "date": "2026-01-01"}
    assert measure.rates(found["measured"]) == {
        "start": 10.0, "first": 2.0, "driver": 0.002, "result": 2048, "key": 0.001, "deal": 1e-5, "count": 1e-5
    }  # fmt: skip
    text = page.page(found, 0.5)
    assert "| 2 workers | 6.5 | 10.0 | 1.62 (1.25 to 2.00) | 1,024 |" in text
    assert "| SVM | 4 | 0.50 | 0.25 |" in text and "takes 10.0 ms, 2.0 ms of it the driver's" in text
    assert (
        "a deal to 200 shards takes 2.0 s; listing what is left, at most once a second, takes 10 ms" in text
        and "was quiet" in text
    )
    hours = 3 * study["ways"]["Dask"]["seconds"] / 3600
    assert f"{100 * study['ways']['Dask']['use']:.0f} % | {0.5 * hours:,.2f} | 0 | 0 |" in text
    assert "{" not in text and "at 0.5 per core-hour" in text
    past = study | {"limits": {"the driver, all of it": 2.0, "start": 4.0}}
    assert "At 3 machines these are past it: the driver." in page.page(found | {"paper": past}, 1)
    busy = {key: [20.0] for key in measure.WAYS}
    assert "processes got 25 % of a core" in page.page(found | {"measured": measured(busy)}, 1)


@pytest.mark.soak
def test_every_way_computes_the_study_and_kept_functions_are_not_compiled_again():
    found = measure.measured(1, print, n_runs=2)
    assert {name: len(rows) for name, rows in found["ways"].items()} == dict.fromkeys(measure.WAYS, 1)
    (compiled,) = found["compiled"]
    assert compiled["compiled without"] > 0 == compiled["compiled with"]
    assert sum(kind["n"] for kind in found["cells"].values()) == 58 and found["cells"]["SVM"]["seconds"] > 0
    assert all(measure.rates(found)[name] > 0 for name in ("start", "driver", "key", "deal", "count", "result"))
