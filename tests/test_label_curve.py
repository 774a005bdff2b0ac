"""Stage `label_curve`: equal budgets, the same rows for every arm, proofs, controls, and a study that goes on."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import tiny

from autoencoders import evaluation
from autoencoders.arms import ARMS, CHOICES, COMPARED, CURVE_ARMS, ON_CHOSEN_ROWS, ROLES, is_pretrained
from autoencoders.errors import Diverged
from autoencoders.labels import UNLABELLED
from autoencoders.statistics import paired
from autoencoders.study import CODINGS
from tasks import label_curve
from tasks.frame import cells, code, files
from tasks.frame.errors import Forged, StudyFailed
from tasks.reporting import study
from tasks.study import keys, runs
from tasks.study.keys import EncoderCell, ScoreCell
from tasks.study.worker import Worker

NOISY = {"denoising gaussian": {"noise": 0.9}, "denoising masking": {"noise": 0.9}}
LEARNERS = tiny.params().label_curve.learners
FEW = {"arms": ["logistic regression", "fine-tuned", "random features", "from scratch"], "n_runs": 2, "choices": []}
MANY = {"pretrainings": ["untied", "denoising masking"], "n_runs": 2, "targets": [0.2, 0.999]}
OUTPUTS = (
    "cells.csv", "choices.csv", "comparisons.csv", "findings.json", "history.csv", "labels_saved.csv",
    "ledger.csv", "metrics.json", "planner.json", "proofs.json",
)  # fmt: skip


def settings(**changes):
    return tiny.params(label_curve=changes)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tiny.run("label_curve", tiny.prepare(tmp_path_factory.mktemp("all") / "data"), settings=settings(**MANY))


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return tiny.run("label_curve", tiny.prepare(tmp_path_factory.mktemp("few") / "data"), settings=settings(**FEW))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def a_worker(tmp_path, out):
    """Return the parameters of a finished study and a worker that has its cells."""
    data, params = tiny.prepare(tmp_path / "data"), settings(**MANY)
    shutil.copytree(out.parents[1] / ".cells", tmp_path / ".cells")
    return params, Worker(params, data, keys.store(params, data))


def test_every_arm_budget_and_run_has_a_cell_and_every_pretrained_one_a_proof(out):
    table = pd.read_csv(out / "cells.csv", keep_default_na=False)
    n_arms = sum(2 if is_pretrained(CURVE_ARMS[arm]) else 1 for arm in tiny.params().label_curve.arms)
    assert len(table) == n_arms * 3 * 2 == len(table.drop_duplicates(["arm", "n_labels", "run"]))
    proofs = files.read_json(out / "proofs.json")
    metrics = files.read_json(out / "metrics.json")
    assert len(proofs) == (table.pretraining != "").sum() == metrics["n_proofs"]
    assert metrics["n_cells"] == len(table)
    held = {(p["pretraining"], p["run"]): set() for p in proofs}
    for p in proofs:
        held[p["pretraining"], p["run"]].add(tuple(p["proof"]["before"]))
    assert [len(hashes) for hashes in held.values()] == [1] * 4, "one encoder for each pretraining and run"
    assert len({hashes.pop() for hashes in held.values()}) == 4, "and each another"
    assert sorted(path.name for path in out.iterdir()) == sorted(OUTPUTS)


def test_all_arms_of_a_run_have_the_same_rows_and_take_the_same_steps(out):
    table = pd.read_csv(out / "cells.csv")
    assert (table.groupby(["run", "n_labels"]).drawn.nunique() == 1).all()
    assert table.drawn.nunique() == 6
    ledger = pd.read_csv(out / "ledger.csv")
    trained = ledger[ledger.kind == "trained"]
    assert set(trained.n_steps_least) == set(trained.n_steps_most) == {4}
    assert set(ledger.budgets) == {"equal"}


def test_an_arm_that_takes_more_steps_is_flagged(out):
    table = pd.read_csv(out / "cells.csv", keep_default_na=False)
    encoders = {"encoder - untied - run 0": {"n_rows": 67, "n_steps": 18},
                "encoder - denoising masking - run 0": {"n_rows": 67, "n_steps": 36}}  # fmt: skip
    assert set(label_curve._ledger(table, encoders, {}).budgets) == {"equal"}
    table.loc[table.arm == "fine-tuned", "n_steps"] += 1
    assert set(label_curve._ledger(table, encoders, {}).budgets) == {"UNEQUAL"}


def test_the_comparisons_are_paired_and_adjusted_within_their_family(out):
    table = pd.read_csv(out / "cells.csv")
    row = pd.read_csv(out / "comparisons.csv").set_index(["arm", "against", "n_labels"])
    scores = table[table.n_labels == 15].pivot(index="run", columns="arm", values="accuracy")
    expected = (scores["fine-tuned"] - scores["from scratch"]).mean()
    assert row.loc[("fine-tuned", "from scratch", 15), "mean"] == pytest.approx(expected)
    assert row.loc[("fine-tuned", "from scratch", 15), "n_family"] == 3
    assert (row.p_holm >= row.p).all()


def test_the_curves_step_in_mlflow_is_the_number_of_labels(out):
    from tasks.frame import experiment

    points = experiment.history(out / "history.csv")
    assert {point.epoch for point in points} == {6, 15, 30}
    assert {"fine_tuned/accuracy", "fine_tuned_denoising_masking/log_loss", "svm/accuracy"} <= {p.name for p in points}


def test_ways_to_choose_rows_have_equal_budgets_and_a_paired_comparison(out):
    rows = pd.read_csv(out / "choices.csv").set_index("choice")
    assert list(rows.index) == ["random", "k-means", "uncertainty"]
    assert set(rows.n_labels) == {12} and set(rows.n_steps) == {4} and rows.n_classes_least.between(1, 3).all()
    metrics = files.read_json(out / "metrics.json")
    difference = metrics["choice_k_means_accuracy"] - metrics["choice_random_accuracy"]
    assert metrics["choice_k_means_minus_random_mean"] == pytest.approx(difference) == rows.loc["k-means", "mean"]
    assert (
        study.read(settings(**MANY), out.parent)
        .verdict["choices"]
        .startswith("Against a random draw of 12 rows, labelling")
    )


@pytest.mark.slow
def test_doubtful_rows_are_chosen_beside_a_random_half_and_other_runs_have_other_rows(tmp_path, out):
    params, worker = a_worker(tmp_path, out)
    worker.bench.load(worker.encoder(EncoderCell("untied", 0)))
    seeds = keys.seeds(params, 0)
    random, central, doubtful = (worker.bench.chosen(way, 12, seeds) for way in params.label_curve.choices)
    assert doubtful[:6].tolist() == random[:6].tolist() and doubtful.tolist() != random.tolist()
    assert [len(set(rows)) for rows in (random, central, doubtful)] == [12, 12, 12]
    assert worker.bench.chosen("random", 12, keys.seeds(params, 1)).tolist() != random.tolist()


@pytest.mark.slow
def test_codings_are_standardised_by_the_unlabelled_rows_whichever_rows_are_asked_for(tmp_path, out):
    _, worker = a_worker(tmp_path, out)
    bench = worker.bench
    bench.load(worker.encoder(EncoderCell("untied", 0)))
    few = bench.features(CODINGS, bench.x_test[:7])
    unlabelled = evaluation.outputs(bench.source.encoder.layers, bench.unlabelled)
    codings = evaluation.outputs(bench.source.encoder.layers, bench.x_test)
    expected = (codings - unlabelled.mean(axis=0)) / unlabelled.std(axis=0)
    np.testing.assert_allclose(bench.features(CODINGS, bench.x_test), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(few, expected[:7], rtol=1e-4, atol=1e-5)


def test_other_data_have_other_cells(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    before = keys.store(settings(), data).stems
    path = data / "prepare" / "test_labels.npy"
    np.save(path, np.load(path)[::-1])
    assert changed(before, keys.store(settings(), data).stems) == {"scores", "choices"}
    path = data / "prepare" / "train.npy"
    np.save(path, np.load(path)[::-1])
    assert changed(before, keys.store(settings(), data).stems) == {"encoders", "scores", "choices"}


def changed(before, after):
    """Return the kinds of cells of which all have other files; none of the other kinds may have."""
    kinds = {"encoders": "encoder - ", "choices": "choice - "}
    kind = {name: next((k for k, start in kinds.items() if name.startswith(start)), "scores") for name in before}
    moved = {kind[name] for name in before if before[name] != after[name]}
    assert all((before[name] != after[name]) == (kind[name] in moved) for name in before)
    return moved


def test_the_planner_has_a_law_for_every_arm_of_the_main_pretraining(out):
    planner = files.read_json(out / "planner.json")
    assert set(planner["arms"]) == set(tiny.params().label_curve.arms)
    assert [plan["target"] for plan in planner["arms"]["fine-tuned"]["plans"]] == [0.2, 0.999]
    assert planner["arms"]["fine-tuned"]["plans"][0]["answer"] == "reached"
    said = study.read(settings(**MANY), out.parent).verdict["planner"]
    assert said.startswith("Fine-tuning a pretrained encoder is at ") and "20.0 % is reached already" in said


def test_other_pretrainings_are_held_against_the_main_one(out):
    rows = pd.read_csv(out / "comparisons.csv").query("against == 'fine-tuned'")
    assert set(rows.arm) == {"fine-tuned - denoising masking"} and len(rows) == 3
    mean = rows.set_index("n_labels").loc[15, "mean"]
    assert files.read_json(out / "metrics.json")["pretraining_denoising_masking_mean"] == mean


def test_what_does_not_vary_is_the_same_in_every_run():
    fixed = settings(vary=["weights"])
    every = [keys.seeds(params, run) for params in (settings(), fixed) for run in (0, 1)]
    for role in every[0]:
        assert every[1][role] != every[0][role] == every[2][role]
        assert (every[3][role] == every[2][role]) == (role != "weights")
    pretrainings = [keys.pretraining_streams(params, run) for params in (settings(), fixed) for run in (0, 1)]
    for name in pretrainings[0]:
        assert pretrainings[1][name] != pretrainings[0][name] == pretrainings[2][name]
        assert (pretrainings[3][name] == pretrainings[2][name]) == (name != "weights")
    assert every[0]["weights"] == pretrainings[0]["weights"]
    assert {*every[0], "pretraining order", "pretraining noise"} == {*ROLES}
    assert len({*every[0].values(), *pretrainings[0].values()}) == len(ROLES)


def test_fewer_unlabelled_rows_are_some_of_all_and_the_same_in_every_run(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    some = settings(n_unlabelled=20, pretrain_epochs=1)
    worker = Worker(some, data, keys.store(some, data))
    bench = worker.bench
    assert bench.unlabelled.shape == (20, 16)
    everything = {row.tobytes() for row in bench.x}
    assert {row.tobytes() for row in bench.unlabelled} <= everything
    assert worker.pretrain(EncoderCell("untied", 0))["n_rows"] == 20


@pytest.mark.slow
def test_the_test_set_changes_nothing_but_the_scores(tmp_path, few):
    data = tiny.prepare(tmp_path / "data")
    rng = np.random.default_rng(0)
    folder = data / "prepare"
    np.save(folder / "test.npy", rng.integers(0, 255, np.load(folder / "test.npy").shape, dtype=np.uint8))
    np.save(folder / "test_labels.npy", rng.permutation(np.load(folder / "test_labels.npy")))
    other = tiny.run("label_curve", data, settings=settings(**FEW))
    assert (few / "proofs.json").read_bytes() == (other / "proofs.json").read_bytes()
    a, b = (pd.read_csv(folder / "cells.csv") for folder in (few, other))
    assert a.weights.tolist() == b.weights.tolist()
    assert a.accuracy.tolist() != b.accuracy.tolist()


@pytest.mark.slow
def test_a_study_that_was_stopped_goes_on_and_ends_in_the_same_bytes(tmp_path, few, monkeypatch):
    data = tiny.prepare(tmp_path / "data")
    computed: list[str] = []
    score = Worker.score

    def stop_at_the_tenth(worker, cell):
        computed.append(cell.name)
        if len(computed) == 10:
            raise KeyboardInterrupt
        return score(worker, cell)

    monkeypatch.setattr(Worker, "score", stop_at_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        tiny.run("label_curve", data, settings=settings(**FEW))
    shutil.rmtree(data / "label_curve")
    out = tiny.run("label_curve", data, settings=settings(**FEW))
    assert contents(out) == contents(few)
    assert len(computed) == 24 + 1 and len(set(computed)) == 24


@pytest.mark.slow
@pytest.mark.parametrize("n", ["2", "3"])
def test_a_study_has_the_same_bytes_with_any_number_of_workers(tmp_path, monkeypatch, n):
    three = settings(**FEW | {"n_runs": 3, "choices": ["random", "uncertainty"]})
    written = []
    for number in ("1", n):
        monkeypatch.setenv("PIPELINE_WORKERS", number)
        written.append(contents(tiny.run("label_curve", tiny.prepare(tmp_path / number / "data"), settings=three)))
    assert written[0] == written[1]


@pytest.mark.slow
def test_a_failed_cell_is_listed_whichever_worker_it_failed_in_and_the_others_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PIPELINE_WORKERS", "2")
    data = tiny.prepare(tmp_path / "data")
    params = settings(arms=["logistic regression", *COMPARED], n_runs=2, choices=[], learning_rates=[1e30])
    with pytest.raises(StudyFailed, match=r"18 of 26 cells failed, first .* - run 0: .* training diverged"):
        runs.compute(params, data)
    store = keys.store(params, data)
    failed = [row["cell"] for row in files.read_json(store.folder / "failed.json")]
    assert len(failed) == 18 and {name.split(" - run ")[1] for name in failed} == {"0", "1"}
    kept = [cell.name for cell in keys.score_cells(params) if store.read(cell.name)]
    assert {name.split(" - ")[0] for name in kept} == {"logistic regression"} and len(kept) == 6


@pytest.mark.slow
@pytest.mark.parametrize(("n_cells", "workers"), [(1, "1"), (5, "1"), (14, "1"), (3, "2"), (12, "2")])
def test_a_study_killed_at_any_moment_ends_in_the_same_bytes(tmp_path, few, n_cells, workers):
    data = tiny.prepare(tmp_path / "data")
    script = f"import sys; sys.path[:0] = {[str(tiny.ROOT / 'tests'), str(tiny.ROOT)]!r}; import tiny; "
    script += f"from pathlib import Path; p = tiny.params(label_curve={FEW!r}); "
    script += f"tiny.run('label_curve', Path({str(data)!r}), settings=p)"
    study = subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True, stderr=subprocess.PIPE,
        env=os.environ | {"PIPELINE_WORKERS": workers},
    )  # fmt: skip
    while study.poll() is None and len(list((tmp_path / ".cells").rglob("*.json"))) < n_cells:
        time.sleep(0.02)
    os.kill(study.pid, signal.SIGKILL)
    assert study.wait() == -signal.SIGKILL, study.stderr.read()
    study.stderr.close()
    shutil.rmtree(data / "label_curve")
    assert contents(tiny.run("label_curve", data, settings=settings(**FEW))) == contents(few)


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"n_runs": 9, "n_labels": [3, 6, 15, 30], "arms": [*CURVE_ARMS], "targets": [0.5], "headline": 30}, set()),
        ({"pretrainings": ["untied", "tied"], "choices": ["random"], "choice_labels": 20}, {"choices"}),
        ({"pretraining_settings": NOISY, "n_folds": 5}, set()),
        ({"n_steps": 5}, {"fine-tuned", "from scratch", "random features", "frozen encoder", "choices"}),
        (
            {"learners": LEARNERS | {"logistic": {"c": 2.0}}},
            {"logistic regression", "PCA + logistic regression", "linear probe"},
        ),
        ({"learners": LEARNERS | {"svm": {"c": 2.0}}}, {"SVM"}),
        ({"pretrain_epochs": 3}, {"encoders", "fine-tuned", "frozen encoder", "linear probe", "choices"}),
        (
            {"vary": ["labels"]},
            {"encoders", "fine-tuned", "frozen encoder", "from scratch", "random features", "choices", "linear probe"},
        ),
    ],
)
def test_another_setting_costs_the_cells_that_use_it_and_no_other(tmp_path, changes, lost):
    data = tiny.prepare(tmp_path / "data")
    before, after = (keys.store(settings(**given), data).stems for given in ({}, changes))
    gone = {name for name in before if name in after and before[name] != after[name] and not name.endswith("run 0")}
    kinds = {
        "encoder": "encoders",
        "choice": "choices",
        "LP-FT": "frozen encoder",
        "top layer fine-tuned": "frozen encoder",
    }
    found = {kinds.get(name.split(" - ")[0], name.split(" - ")[0]) for name in gone}
    assert found == (lost - {"choices"} if "choice_labels" in changes else lost)


def test_a_networks_recipe_costs_the_encoders_and_what_uses_them(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    changed = tiny.params(network={"shape": {"l2": 0.1}})
    plain, other = (keys.store(params, data).stems for params in (settings(), changed))
    lost = {name.split(" - ")[0] for name in plain if plain[name] != other[name]}
    assert lost == {"encoder", "choice", "linear probe", *(a.name for a in ARMS if a.encoder == "pretrained")}


def test_a_remark_in_what_names_or_shows_loses_no_cell_and_an_edit_of_the_training_loop_does(tmp_path):
    given = keys.store(settings(), tiny.prepare(tmp_path / "data")).given
    end_to_end, greedy = ((f"autoencoders/pretrainings/{way}.py", keys.ROWS) for way in ("end_to_end", "greedy"))
    codes = {content["code"] for content in given.values()}
    made = (keys.WORKER, keys.RECIPES)
    assert cells.shared(settings(), *end_to_end, glue=made)["code"] in codes
    assert cells.shared(settings(), *keys.BENCH, glue=[keys.WORKER])["code"] in codes
    assert cells.shared(settings(), *greedy, glue=made)["code"] not in codes
    for paths in (end_to_end, greedy, keys.BENCH, ["tasks/tying.py"], ["tasks/finetune.py"]):
        counts = code.closure(*paths) - code.TABLES
        assert {"autoencoders/training.py", "tasks/frame/files.py"} <= counts
        shows = {"arms", "vocabulary", "learners/svm"}
        assert not counts & {f"autoencoders/{name}.py" for name in shows}
        assert not counts & {f"tasks/frame/{name}.py" for name in ("sections", "experiment", "config", "progress")}
        assert not any("reporting" in file for file in counts)


@pytest.mark.slow
def test_a_proof_that_its_encoders_file_does_not_bear_out_is_refused(tmp_path, few):
    data = tiny.prepare(tmp_path / "data")
    shutil.copytree(few.parents[1] / ".cells", tmp_path / ".cells")
    store = keys.store(settings(**FEW), data)
    name = next(cell.name for cell in keys.score_cells(settings(**FEW)) if cell.pretraining)
    result = store.kept(name)
    for before in (["0" * 64] * len(result["proof"]["before"]), result["proof"]["before"][::-1], []):
        store.write(name, result | {"proof": result["proof"] | {"before": before}})
        with pytest.raises(Forged, match="expected a proof of the weights in encoder - untied - run 0"):
            runs.compute(settings(**FEW), data)


@pytest.mark.slow
def test_drawn_cells_come_out_as_they_are_kept_and_one_that_was_edited_does_not(tmp_path, few):
    data, params = tiny.prepare(tmp_path / "data"), settings(**FEW)
    shutil.copytree(few.parents[1] / ".cells", tmp_path / ".cells")
    names = runs.kept_names(params, data)
    assert len(names) == 2 + 24
    drawn = [
        "encoder - untied - run 1",
        "fine-tuned - untied - 15 labels - run 1",
        "logistic regression - 6 labels - run 0",
    ]
    assert [*runs.recompute(params, data, drawn)] == [(name, True) for name in drawn]
    store = keys.store(params, data)
    for name, key in zip(drawn, ("loss", "loss", "n_trials"), strict=True):
        store.write(name, store.kept(name) | {key: 0.5})
    assert [*runs.recompute(params, data, drawn)] == [(name, False) for name in drawn]


EXCHANGED = {
    "encoder": [f"encoder - untied - run {run}" for run in (1, 0)],
    "score": [f"fine-tuned - untied - 6 labels - run {run}" for run in (1, 0)],
}


@pytest.mark.slow
@pytest.mark.parametrize("names", EXCHANGED.values(), ids=EXCHANGED)
def test_a_cell_exchanged_with_another_one_is_computed_anew(tmp_path, few, names):
    data = tiny.prepare(tmp_path / "data")
    shutil.copytree(few.parents[1] / ".cells", tmp_path / ".cells")
    store = keys.store(settings(**FEW), data)
    for suffix in (".json", *([".npz"] if "encoder" in names[0] else [])):
        shutil.copy(store.path(names[0], suffix), store.path(names[1], suffix))
    assert contents(tiny.run("label_curve", data, settings=settings(**FEW))) == contents(few)


def test_what_is_trained_on_chosen_rows_and_the_rows_pretrained_on_are_in_the_keys(tmp_path, monkeypatch):
    data = tiny.prepare(tmp_path / "data")
    before = keys.store(settings(), data).stems
    other = dataclasses.replace(CURVE_ARMS[ON_CHOSEN_ROWS], trains=(0, -1))
    monkeypatch.setitem(CURVE_ARMS, ON_CHOSEN_ROWS, other)
    after = keys.store(settings(), data).stems
    assert {name.split(" - ")[0] for name in before if before[name] != after[name]} == {"fine-tuned", "choice"}
    some = keys.store(settings(n_unlabelled=20), data).stems
    monkeypatch.setattr(keys, "random_rows", lambda n, k, *, seed: np.arange(k))
    drawn = keys.store(settings(n_unlabelled=20), data).stems
    lost = {name.split(" - ")[0] for name in some if some[name] != drawn[name]}
    assert {"encoder", "fine-tuned", "choice", "PCA + logistic regression"} <= lost and not lost & {
        "SVM",
        "from scratch",
    }


def test_a_failing_proof_fails_the_study_and_names_the_cell(tmp_path, monkeypatch):
    """The textbook's bug: a classifier that was never given the pretrained weights."""
    monkeypatch.setattr(evaluation, "transfer", lambda source, target: None)
    data = tiny.prepare(tmp_path / "data")
    few = settings(arms=["fine-tuned", "random features", "from scratch"], n_runs=2, choices=[])
    with pytest.raises(StudyFailed, match=r"18 of 20 cells failed, first .* transfer proof failed"):
        runs.compute(few, data)
    failed = files.read_json(keys.store(few, data).folder / "failed.json")
    assert len(failed) == 18


@pytest.mark.slow
def test_an_encoder_that_is_damaged_is_trained_again(tmp_path, few):
    data = tiny.prepare(tmp_path / "data")
    shutil.copytree(few.parents[1] / ".cells", tmp_path / ".cells")
    store = keys.store(settings(**FEW), data)
    path = store.path("encoder - untied - run 1", ".npz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] + bytes(100))
    assert contents(tiny.run("label_curve", data, settings=settings(**FEW))) == contents(few)
    assert path.read_bytes() == whole


@pytest.mark.slow
def test_labels_shuffled_among_the_rows_leave_chance(tmp_path):
    """What an arm learns from labels that mean nothing is right as often as a guess; with true labels it is not."""
    data = tiny.prepare(tmp_path / "data")
    params = settings(n_steps=60, learning_rates=[0.01])
    worker = Worker(params, data, keys.store(params, data))
    bench = worker.bench
    x, bench.labels_test = tiny.rows(600, 7)
    bench.x_test = x.astype(np.float32) / 255
    truth, n_runs = bench.labels, 30
    for arm in ("logistic regression", "from scratch"):
        bench.labels = truth
        assert worker.score(ScoreCell(arm, "", 30, 0))["scores"]["accuracy"] > 0.9
        right = []
        for run in range(n_runs):
            bench.labels = np.random.default_rng(run).permutation(truth)
            right.append(worker.score(ScoreCell(arm, "", 30, run))["scores"]["accuracy"])
        # Each of the three groups of rows is given one of three labels: a run is right for 0 to 3 of them.
        assert np.mean(right) == pytest.approx(1 / 3, abs=3 * np.std(right, ddof=1) / n_runs**0.5)
        assert np.std(right, ddof=1) / n_runs**0.5 < 0.08


@pytest.mark.slow
def test_learning_rates_are_chosen_within_the_budget_with_equal_trials(tmp_path, monkeypatch):
    data = tiny.prepare(tmp_path / "data")
    params = settings(learning_rates=[1e-6, 0.03], n_steps=30)
    worker = Worker(params, data, keys.store(params, data))
    used = []
    fit = evaluation.Classifier.fit

    def count(self, arm, x, labels, **seeds):
        used.append((len(labels), self.budget.learning_rate))
        return fit(self, arm, x, labels, **seeds)

    monkeypatch.setattr(evaluation.Classifier, "fit", count)
    result = worker.score(ScoreCell("from scratch", "", 30, 0))
    assert (result["learning_rate"], result["n_trials"]) == (0.03, 2)
    assert used == [(15, 1e-6)] * 2 + [(15, 0.03)] * 2 + [(30, 0.03)]


@pytest.mark.slow
def test_where_only_the_budget_chooses_the_validation_rows_need_not_be_there(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    params = settings(learning_rates=[1e-6, 0.03])
    worker = Worker(params, data, keys.store(params, data))
    held_out = list((data / "prepare").glob("valid*"))
    assert held_out
    for path in held_out:
        path.unlink()
    assert worker.score(ScoreCell("from scratch", "", 15, 0))["n_labels_beyond"] == 0


@pytest.mark.slow
def test_rows_without_a_label_are_pretrained_on_and_never_drawn_or_chosen(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    path = data / "prepare" / "train_labels.npy"
    some = np.where(np.arange(67) % 2, np.load(path), UNLABELLED)
    np.save(path, some)
    params = settings(n_labels=[6, 33], headline=6)
    worker = Worker(params, data, keys.store(params, data))
    kept = worker.pretrain(EncoderCell("untied", 0))
    worker.store.write(EncoderCell("untied", 0).name, kept)
    assert kept["n_rows"] == 67
    assert worker.score(ScoreCell("linear probe", "untied", 33, 0))["n_labels_used"] == 33
    for choice in CHOICES:
        assert UNLABELLED not in some[worker.bench.chosen(choice, 12, keys.seeds(params, 0))]


@pytest.mark.slow
def test_a_learning_rate_that_diverges_is_never_chosen_and_without_another_one_refused(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    for rates, chosen in (([10.0, 0.01], 0.01), ([10.0, 30.0], None)):
        params = settings(learning_rates=rates, n_steps=60)
        bench = Worker(params, data, keys.store(params, data)).bench
        arm = CURVE_ARMS["from scratch"]
        if chosen:
            assert bench._tune(arm, bench.x[:30], bench.labels[:30], keys.seeds(params, 0)) == (chosen, 0)
        else:
            with pytest.raises(Diverged, match=r"from scratch, seed \d+: training diverged"):
                bench._tune(arm, bench.x[:30], bench.labels[:30], keys.seeds(params, 0))


def test_a_run_needs_its_encoder(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    worker = Worker(settings(), data, keys.store(settings(), data))
    with pytest.raises(
        ValueError, match="expected the weights of encoder - untied - run 2, received none: its pretraining failed"
    ):
        worker.encoder(EncoderCell("untied", 2))


def test_the_kernel_machine_has_no_budget_beyond_its_limit():
    assert keys.budgets("SVM", [20, 5000, 55_000]) == [20, 5000]
    assert keys.budgets("logistic regression", [20, 5000, 55_000]) == [20, 5000, 55_000]


# The tables, by hand.


def cell(arm="fine-tuned", pretraining="untied", n_labels=6, run=0, **more):
    """Return a cell's result."""
    result = {
        "cell": {"arm": arm, "pretraining": pretraining, "n_labels": n_labels, "run": run},
        "scores": {"accuracy": 0.5, "balanced_accuracy": 0.25}, "n_steps": 4, "n_trials": 2, "n_labels_used": 6,
        "drawn": "d" * 64, "weights": ["a" * 64, "b" * 64], "proof": {"before": ["c"]},
    }  # fmt: skip
    return result | more


def test_a_row_of_the_table_is_named_by_its_arm_and_by_a_pretraining_that_is_not_the_main_one():
    params = settings(**MANY)
    row = label_curve._row(params, cell())
    assert {name: row.pop(name) for name in ("log_loss", "calibration_error", "validated")} == pytest.approx(
        dict.fromkeys(("log_loss", "calibration_error", "validated"), np.nan), nan_ok=True
    )
    assert row == {
        "arm": "fine-tuned", "pretraining": "untied", "n_labels": 6, "run": 0, "kind": "trained", "accuracy": 0.5,
        "balanced_accuracy": 0.25, "n_steps": 4, "n_trials": 2, "n_labels_used": 6, "drawn": "d" * 12,
        "weights": "b" * 12,
    }  # fmt: skip
    fitted = label_curve._row(params, cell("SVM", "", n_steps=None))
    assert (fitted["arm"], fitted["kind"], fitted["n_steps"]) == ("SVM", "fitted", 0)
    assert label_curve._row(params, cell(validated=0.75))["validated"] == 0.75
    assert np.isnan(label_curve._row(params, cell(validated=None))["validated"])
    assert label_curve._row(params, cell(pretraining="tied"))["arm"] == "fine-tuned - tied"
    assert label_curve._proof(cell()) == {**cell()["cell"], "proof": {"before": ["c"]}, "weights": cell()["weights"]}


@pytest.mark.parametrize(
    ("arm", "against", "compared"),
    [("SVM", "from scratch", True), ("from scratch", "from scratch", False), ("fine-tuned", "random features", True),
     ("fine-tuned - tied", "fine-tuned", True), ("SVM", "fine-tuned", False), ("fine-tuned", "fine-tuned", False),
     ("LP-FT - tied", "fine-tuned", False)],
)  # fmt: skip
def test_every_arm_is_compared_with_untrained_encoders_and_its_variants_with_the_fine_tuned_one(arm, against, compared):
    assert label_curve._is_compared(arm, against) is compared


def test_families_are_the_main_question_and_all_others_with_one_base():
    pair = paired([0.1, 0.2, 0.4], [0.0, 0.0, 0.1])
    pairs = {("fine-tuned", "from scratch"): [pair, pair], ("SVM", "from scratch"): [pair],
             ("LP-FT", "from scratch"): [pair, pair], ("SVM", "random features"): [pair]}  # fmt: skip
    rows = list(label_curve._comparisons(pairs, [6, 15]))
    told = [(row["arm"], row["n_labels"], row["family"], row["n_family"], row["p_holm"]) for row in rows]
    assert told == [
        ("fine-tuned", 6, "main", 2, 0.5), ("fine-tuned", 15, "main", 2, 0.5),
        ("SVM", 6, "others against from scratch", 3, 0.75), ("LP-FT", 6, "others against from scratch", 3, 0.75),
        ("LP-FT", 15, "others against from scratch", 3, 0.75), ("SVM", 6, "others against random features", 1, 0.25),
    ]  # fmt: skip
    assert {name: rows[0][name] for name in dataclasses.asdict(pair)} == dataclasses.asdict(pair)
    assert rows[0]["against"] == "from scratch" and rows[0]["distinguishable"] == pair.distinguishable


def table(*cells_):
    return pd.DataFrame([label_curve._row(settings(**MANY), given) for given in cells_])


ENCODERS = {"encoder - untied - run 0": {"n_rows": 67, "n_steps": 18, "sha256": "x"}}


def test_the_ledger_counts_steps_trials_and_labels_of_every_arm():
    given = table(cell(), cell(run=1, n_steps=6, n_trials=3), cell("SVM", "", n_steps=None, n_labels_used=6))
    ledger = label_curve._ledger(given, ENCODERS, {})
    first, second = ledger.to_dict("records")
    assert first == {
        "arm": "fine-tuned", "kind": "trained", "n_cells": 2, "n_steps_least": 4, "n_steps_most": 6,
        "n_trials_least": 2, "n_trials_most": 3, "unlabelled_rows": 67,
        "unlabelled_steps": 18, "budgets": "UNEQUAL",
    }  # fmt: skip
    assert second["n_cells"] == 1
    assert (second["unlabelled_rows"], second["unlabelled_steps"]) == (0, 0)


@pytest.mark.parametrize(
    ("first", "second", "budgets"),
    [({}, {}, "equal"), ({}, {"n_trials": 1}, "UNEQUAL"), ({}, {"n_labels_used": 7}, "UNEQUAL"),
     ({"n_steps": 5}, {}, "equal"), ({"n_steps": 5, "n_trials": 1}, {"n_trials": 1}, "UNEQUAL"),
     ({"n_steps": 4, "n_trials": 1}, {"n_trials": 1}, "equal"), ({}, {"n_labels": 15, "n_trials": 1,
                                                                      "n_labels_used": 15}, "equal")],
)  # fmt: skip
def test_arms_are_equal_in_configurations_labels_and_untuned_steps(first, second, budgets):
    given = table(cell(**first), cell("from scratch", "", **second))
    assert {*label_curve._ledger(given, ENCODERS, {}).budgets} == {budgets}


def test_a_curve_is_the_means_over_runs_with_the_accuracys_interval():
    scores = [cell(n_labels=n, run=run, scores={"accuracy": a, "log_loss": a * 2})
              for n, row in ((6, (0.1, 0.3)), (15, (0.5, 0.5))) for run, a in enumerate(row)]  # fmt: skip
    first, second = label_curve._history(table(*scores))
    assert (first["arm"], first["n_labels"], second["n_labels"]) == ("fine-tuned", 6, 15)
    half = 12.706204736 * np.std([0.1, 0.3], ddof=1) / 2**0.5
    ends = [first[name] for name in ("accuracy", "log_loss", "accuracy_low", "accuracy_high")]
    assert ends == pytest.approx([0.2, 0.4, 0.2 - half, 0.2 + half])
    assert (second["accuracy_low"], second["accuracy_high"]) == (0.5, 0.5)


def test_metrics_hold_means_the_headlines_numbers_and_no_missing_one():
    ends = {"crossover": None, "pays_from": 9.0, "no_difference_from": None, "hurts_from": 15}
    found = {
        "difference": {"mean": 1, "sd": 8, "low": 2, "high": 3, "p": 4, "p_holm": 5, "n": 6, "n_family": 7},
        "labels_saved": {"ratio": 0.5, "low": None, "high": 2.5, "n_never": 1, "needed": 9}, **ends,
        "differences": [{"n_labels": 6, "mean": 7, "low": 8, "high": 9, "p": 0}],
    }  # fmt: skip
    given = table(cell(), cell(run=1, scores={"accuracy": 0.7}), cell("SVM", ""))
    ledger = pd.DataFrame({"budgets": ["equal", "equal"]})
    assert label_curve._metrics(given, found, ledger) == {
        "fine_tuned_accuracy_6": 0.6, "svm_accuracy_6": 0.5, "difference_mean": 1, "difference_low": 2,
        "difference_high": 3, "difference_p": 4, "difference_p_holm": 5, "difference_n": 6, "labels_saved_ratio": 0.5,
        "labels_saved_high": 2.5, "labels_saved_n_never": 1, "pays_from": 9.0, "hurts_from": 15,
        "difference_6_mean": 7, "difference_6_low": 8, "difference_6_high": 9, "n_cells": 3, "n_proofs": 2,
        "equal_budgets": 1,
    }  # fmt: skip
    assert label_curve._metrics(given, found, ledger.replace("equal", "UNEQUAL"))["equal_budgets"] == 0


def test_the_verdict_is_judged_from_the_cells_of_the_main_pretraining():
    """Few labels at the first budget, no score of the SVM at the last one."""
    arms = {"fine-tuned": 0.8, "from scratch": 0.7, "SVM": 0.75, "frozen encoder": 0.6}
    pretrained = ("fine-tuned", "frozen encoder")
    given = [
        cell(arm, "untied" if arm in pretrained else "", n, run, scores={"accuracy": level + run / 100},
             validated=None if n == 6 else level)
        for arm, level in arms.items() for n in (6, 15, 30) for run in (0, 1, 2) if arm != "SVM" or n < 30
    ]  # fmt: skip
    other = cell("LP-FT", "denoising masking", 15, scores={"accuracy": 1.0}, validated=1.0)
    found = label_curve.judge(settings(**MANY, margin=0.02), table(*given, other), np.array([0, 0, 0, 1]))
    assert (found.chance, found.headline, found.margin, found.tuned) == (0.75, 15, 0.02, True)
    assert [at.chosen for at in found.budgets] == [False, True, True]
    assert [[*at.without.counts] for at in found.budgets] == [["from scratch"], ["SVM"], ["from scratch"]]
    assert [at.against_without.pair.mean for at in found.budgets] == pytest.approx([0.1, 0.05, 0.1])
    assert found.clauses.use.counts == {"fine-tuned": 3} and found.clauses.against_scratch.minutes is None
    metrics = label_curve._verdict_metrics(found.findings()["budgets"])
    assert metrics["encoder_minus_best_15_mean"] == pytest.approx(0.05) and len(metrics) == 3 * 2 * 3
    assert metrics["encoder_minus_scratch_15_low"] == found.clauses.against_scratch.pair.low
    timed = label_curve.judge(settings(**MANY), table(*given), np.array([0, 0, 1]), seconds_per_run=60)
    assert timed.clauses.against_scratch.minutes == 0


def test_metrics_of_pretrainings_and_spreads_are_those_of_one_budget():
    row = {"arm": "fine-tuned - denoising masking", "against": "fine-tuned", "n_labels": 15, "mean": 1, "low": 2,
           "high": 3, "p": 4, "p_holm": 5}  # fmt: skip
    rows = [row, row | {"n_labels": 6, "mean": 9}, row | {"against": "from scratch", "mean": 8}]
    names = ("mean", "low", "high", "p", "p_holm")
    expected = {f"pretraining_denoising_masking_{name}": k for k, name in enumerate(names, start=1)}
    assert label_curve._pretraining_metrics(rows, 15) == expected
    spread = {"n_labels": 15, "n": 3, "sd_a": 1, "sd_b": 2, "ratio": 3, "low": 4, "high": 5, "p": 6}
    assert label_curve._spread_metrics([{"n_labels": 6, "sd_a": 0}, spread], 15) == {
        "spread_fine_tuned": 1, "spread_from_scratch": 2, "spread_ratio": 3, "spread_low": 4, "spread_high": 5,
        "spread_p": 6,
    }  # fmt: skip
    assert label_curve._spread_metrics([spread], 6) == {}
