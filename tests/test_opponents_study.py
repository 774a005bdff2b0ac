"""A study of every fitted classifier: what its keys hold, and the rows and labels that it sees."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from autoencoders import study
from autoencoders.arms import BASELINES, COMPARED
from autoencoders.learners import self_training
from tasks.frame import cells
from tasks.frame.errors import ConfigError
from tasks.study import keys, rows
from tasks.study.keys import ScoreCell
from tasks.study.worker import Worker

NEW = [arm for arm in BASELINES if arm.learner not in ("logistic", "svm")]
NAMES = [arm.name for arm in NEW]


def a_study(tmp_path, **changes):
    """Return the parameters of a tiny study of every learner, its store and a worker."""
    data = tmp_path / "data"
    arms = {"arms": [*COMPARED, *NAMES], "beforehand": {"with_encoder": "fine-tuned", "without": NAMES[0]}}
    params = tiny.params(label_curve={**arms, "choices": [], **changes})
    store = keys.store(params, data if data.exists() else tiny.prepare(data))
    return params, store, Worker(params, data, store)


def test_each_number_of_components_has_its_own_shared_work(tmp_path):
    """Two configurations that differ in what they share; each is as right as alone."""
    _, _, worker = a_study(tmp_path)
    bench, cell = worker.bench(0), ScoreCell(NAMES[1], "", 30, 0)
    few, many = ({"n_components": n, "c": 10.0, "seed": 1} for n in (1, 12))
    seeds = keys.seeds(worker.params, 0)
    together, alone = (bench.score(cell.arm, 30, seeds, None, tried) for tried in ([few, many], [many, few]))
    assert together["trials"] == alone["trials"][::-1] and len({*together["trials"]}) == 2


def test_the_number_of_unlabelled_rows_is_not_tuned():
    with pytest.raises(ConfigError, match="self_training: expected settings out of c, threshold, received"):
        tiny.params(label_curve={"tuning": {"spaces": {"self_training": {"n_unlabelled": [10, 20]}}}})


def learners(**changes):
    """Return all learners' settings, some of them changed."""
    return {name: own | changes.get(name, {}) for name, own in tiny.params().label_curve.learners.items()}


FEWER = learners(self_training={"n_unlabelled": 20}, label_spreading={"n_unlabelled": 20})


def test_unlabelled_rows_are_some_of_the_studys_the_same_in_every_run_and_counted(tmp_path, monkeypatch):
    params, _, worker = a_study(tmp_path, n_unlabelled=40, learners=FEWER)
    seen, answers = [], self_training.answers
    monkeypatch.setattr(self_training, "answers", lambda *given, **k: seen.append(k) or answers(*given, **k))
    results = [worker.score(ScoreCell("self-training", "", 6, run)) for run in (0, 1)]
    assert [result["n_unlabelled"] for result in results] == [20, 20]
    assert [k["unlabelled"].shape for k in seen] == [(20, 16)] * 2
    np.testing.assert_array_equal(seen[0]["unlabelled"], seen[1]["unlabelled"])
    pool = {row.tobytes() for row in np.asarray(worker.bench(0).unlabelled)}
    assert len(pool) == 40 and {row.tobytes() for row in seen[0]["unlabelled"]} <= pool
    assert len(rows.taken(params, "self_training", 67, 0)) == 20
    assert len(rows.taken(tiny.params(), "self_training", 67, 0)) == 67, "all where there are fewer"


@pytest.mark.parametrize("arm", NEW[4:], ids=NAMES[4:])
def test_labels_of_unlabelled_rows_change_nothing(tmp_path, monkeypatch, arm):
    _, _, worker = a_study(tmp_path)
    drawn = np.arange(15)
    monkeypatch.setattr(study, "draw_labelled", lambda *_, **__: drawn)
    cell, bench = ScoreCell(arm.name, "", 15, 0), worker.bench(0)
    before = worker.score(cell)
    planted = bench.labels.copy()
    planted[15:] = (planted[15:] + 1) % 3
    bench.labels = planted
    assert worker.score(cell) == before
    bench.labels = (planted + 1) % 3
    assert worker.score(cell) != before, "labels that were drawn count"


def test_the_key_of_a_cell_has_the_seed_and_the_unlabelled_rows_where_they_are_taken(tmp_path):
    everything = a_study(tmp_path)[1].given
    given = {arm.name: everything[f"{arm.name} - 15 labels - run 0"] for arm in NEW}
    seeded = {name for name, it in given.items() if {*it["seeds"]} == {"labels", "weights"}}
    assert seeded == {"Nystroem + logistic regression", "extra trees"}
    taken = {name: it["taken"] for name, it in given.items() if "taken" in it}
    assert {*taken} == {"self-training", "label spreading"} and [n for n, _ in taken.values()] == [67, 67]
    assert all({*it["seeds"]} == {"labels"} for name, it in given.items() if name not in seeded)


def test_other_unlabelled_rows_are_another_cell(tmp_path):
    plain, fewer, other_run = (
        a_study(tmp_path, **changes)[1].given
        for changes in ({}, {"learners": FEWER}, {"learners": FEWER, "vary": ["unlabelled"]})
    )
    ends = " - 15 labels - run 0", " - 15 labels - run 1"
    for a, b in ((plain, fewer), (fewer, other_run)):
        lost = {
            name.split(" - ")[0]
            for name in a
            if name.endswith(ends[1]) and a[name].get("taken") != b[name].get("taken")
        }
        assert lost == {"self-training", "label spreading"}
    assert other_run[f"self-training{ends[0]}"]["taken"] == fewer[f"self-training{ends[0]}"]["taken"]


def test_the_entries_of_other_arms_stand_in_their_keys_as_before_there_were_more(tmp_path):
    params = tiny.params()
    given = keys.store(params, tiny.prepare(tmp_path / "data")).given
    logistic, svm = (given[f"{name} - 15 labels - run 1"] for name in ("logistic regression", "SVM"))
    for found, learner in ((logistic, "logistic"), (svm, "svm")):
        assert found["arm"] == {"features": "raw", "learner": learner}
        assert {*found} == {"code", "threads", "versions", "configurations", "n_folds", "seeds", "arm", "n_labels",
                            "encoder", "rows", "metric"}  # fmt: skip
        assert found["configurations"][0] == params.label_curve.learners[learner]
        shared = cells.shared(params, *keys.BENCH, f"autoencoders/learners/{learner}.py", glue=keys.GLUE)
        assert found["code"] == shared["code"]
    assert given["linear probe - untied - 15 labels - run 1"]["arm"] == {"features": "codings", "learner": "logistic"}
    assert given["from scratch - 15 labels - run 1"]["arm"] == {"encoder": "random", "trains": (-1,)}


@pytest.mark.slow
def test_a_study_of_all_learners_has_their_unlabelled_rows_in_its_ledger(tmp_path):
    import pandas as pd

    params, _, _ = a_study(tmp_path, n_runs=2)
    out = tiny.run("label_curve", tmp_path / "data", settings=params)
    ledger = pd.read_csv(out / "ledger.csv").set_index("arm")
    taken = ledger.unlabelled_rows[NAMES]
    assert taken[taken > 0].to_dict() == {"self-training": 67, "label spreading": 67}
    assert (ledger.unlabelled_steps[NAMES] == 0).all() and set(ledger.budgets) == {"equal"}
