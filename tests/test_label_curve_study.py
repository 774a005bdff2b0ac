"""Stage `label_curve`, a small study from start to end: equal budgets, the same rows for every arm, the same tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tiny
from studies import FEW, MANY, contents, settings

from autoencoders.arms import CURVE_ARMS, is_pretrained
from autoencoders.metrics import class_weights
from autoencoders.statistics import two_way
from tasks.frame import files
from tasks.reporting import study
from tasks.study import keys, rows

OUTPUTS = (
    "cells.csv", "choices.csv", "comparisons.csv", "confusions.csv", "findings.json", "history.csv", "labels_saved.csv",
    "ledger.csv", "metrics.json", "planner.json", "proofs.json", "right.npz",
)  # fmt: skip
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tiny.run("label_curve", tiny.prepare(tmp_path_factory.mktemp("all") / "data"), settings=settings(**MANY))


def results(out, params):
    """Return the results of a finished study's cells."""
    data = out.parent
    store = keys.store(params, data)
    return {cell.name: store.kept(cell.name) for cell in keys.every(params, rows.size(data / "prepare"))}


def test_every_arm_budget_and_run_has_a_cell_and_every_pretrained_one_a_proof(out):
    table = pd.read_csv(out / "cells.csv", keep_default_na=False)
    n_arms = 1 + sum(2 if is_pretrained(CURVE_ARMS[arm]) else 1 for arm in tiny.params().label_curve.arms)
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


def test_all_arms_of_a_run_have_the_same_rows_and_untuned_networks_take_the_same_steps(out):
    table = pd.read_csv(out / "cells.csv")
    assert (table.groupby(["run", "n_labels"]).drawn.nunique() == 1).all()
    assert table.drawn.nunique() == 6
    ledger = pd.read_csv(out / "ledger.csv")
    assert set(table[(table.kind == "trained") & (table.n_trials == 1)].n_steps) == {4}
    assert ledger.set_index("arm").budgets.to_dict() == {
        arm: "untuned" if " - " in arm else "equal" for arm in ledger.arm
    }
    assert set(ledger.left_out_from) == {0} and ledger.seconds.max() > 0


def test_the_comparisons_are_paired_and_adjusted_within_their_family(out):
    table = pd.read_csv(out / "cells.csv")
    row = pd.read_csv(out / "comparisons.csv").set_index(["arm", "against", "n_labels"])
    scores = table[table.n_labels == 15].pivot(index="run", columns="arm", values="accuracy")
    expected = (scores["fine-tuned"] - scores["from scratch"]).mean()
    assert row.loc[("fine-tuned", "from scratch", 15), "mean"] == pytest.approx(expected)
    assert row.loc[("fine-tuned", "from scratch", 15), "n_family"] == 3
    assert (row.p_holm >= row.p).all() and (row.p_max_t >= row.p).all() and (row.se >= row.sd / 2**0.5 - 1e-15).all()


def test_accuracies_and_intervals_follow_from_the_bits_of_the_test_rows_that_were_right(out):
    held = dict(np.load(out / "right.npz"))
    n_rows = int(held.pop("n_rows"))
    right = {arm: np.unpackbits(bits, axis=-1, count=n_rows) for arm, bits in held.items()}
    for row in pd.read_csv(out / "cells.csv").itertuples():
        assert right[row.arm][row.run, [6, 15, 30].index(row.n_labels)].mean() == pytest.approx(row.accuracy, abs=1e-12)
    for row in pd.read_csv(out / "comparisons.csv").itertuples():
        k = [6, 15, 30].index(row.n_labels)
        found = two_way(right[row.arm][:, k].astype(int) - right[row.against][:, k])
        assert (row.low, row.high) == pytest.approx(found.interval(), abs=1e-12)


def test_the_curves_step_in_mlflow_is_the_number_of_labels(out):
    from tasks.frame import experiment

    points = experiment.history(out / "history.csv")
    assert {point.epoch for point in points} == {6, 15, 30}
    assert {"fine_tuned/accuracy", "fine_tuned_denoising_masking/log_loss", "svm/accuracy"} <= {p.name for p in points}


def test_ways_to_choose_rows_have_equal_budgets_and_a_paired_comparison(out):
    rows = pd.read_csv(out / "choices.csv").set_index("choice")
    assert list(rows.index) == ["random", "class-balanced", "k-means", "uncertainty"]
    assert set(rows.n_labels) == {12} and set(rows.n_steps) == {4} and rows.n_classes_least.between(1, 3).all()
    metrics = files.read_json(out / "metrics.json")
    difference = metrics["choice_k_means_accuracy"] - metrics["choice_random_accuracy"]
    assert metrics["choice_k_means_minus_random_mean"] == pytest.approx(difference) == rows.loc["k-means", "mean"]
    assert (
        study.read(settings(**MANY), out.parent)
        .verdict["choices"]
        .startswith("Against a random draw of 12 rows, a class-balanced draw ")
    )


def test_the_planner_has_a_law_for_every_arm_of_the_main_pretraining(out):
    planner = files.read_json(out / "planner.json")
    assert set(planner["arms"]) == set(tiny.params().label_curve.arms)
    assert [plan["target"] for plan in planner["arms"]["fine-tuned"]["plans"]] == [0.2, 0.999]
    assert planner["arms"]["fine-tuned"]["plans"][0]["answer"] == "reached"
    said = study.read(settings(**MANY), out.parent).verdict["planner"]
    assert said.startswith("Fine-tuning a pretrained encoder is at ") and "20.0 % is reached already" in said


def test_other_pretrainings_are_held_against_the_main_one(out):
    table = pd.read_csv(out / "comparisons.csv")
    rows = table.query("against == 'fine-tuned - untied'")
    assert set(rows.arm) == {"fine-tuned - denoising masking"} and len(rows) == 3
    assert not table[table.against != "fine-tuned - untied"].arm.str.contains(" - ").any(), "untuned, the others tuned"
    trials = pd.read_csv(out / "cells.csv").query("n_labels == 15").groupby("arm").n_trials.unique()
    assert [trials[f"fine-tuned{way}"].tolist() for way in ("", " - untied", " - denoising masking")] == [[2], [1], [1]]
    mean = rows.set_index("n_labels").loc[15, "mean"]
    assert files.read_json(out / "metrics.json")["pretraining_denoising_masking_mean"] == mean


def test_a_study_is_tuned_within_the_labels_and_has_the_same_tables_with_one_worker_and_two(tmp_path, monkeypatch):
    params = settings(n_runs=3)
    written = []
    for workers in ("1", "2"):
        monkeypatch.setenv("PIPELINE_WORKERS", workers)
        out = tiny.run("label_curve", tiny.prepare(tmp_path / workers / "data"), settings=params)
        written.append(contents(out))
    assert written[0] == written[1]
    kept = results(out, params)
    for cell in keys.score_cells(params, rows.size(out.parent / "prepare")):
        found, tried = kept[cell.name], keys.configurations(params, cell)
        assert found["n_labels_used"] == cell.n_labels and len(tried) == 2
        if cell.n_labels < 15:
            assert (found["n_trials"], found["validated"], found["trials"]) == (1, None, [])
        else:
            best = max(found["trials"])
            assert (found["n_trials"], found["validated"]) == (2, best / cell.n_labels)
            chosen = tried[found["trials"].index(best)]
            assert found["settings"].items() <= chosen.items() | {("seed", found["settings"].get("seed"))}
    told = files.read_json(out / "findings.json")
    assert [at["chosen"] for at in told["budgets"]] == [False, True, True] and told["tuned"]


def test_test_rows_and_labels_change_the_scores_and_no_setting_validation_or_weight(tmp_path, out):
    params = settings(**MANY)
    data = tiny.prepare(tmp_path / "data")
    folder, rng = data / "prepare", np.random.default_rng(0)
    np.save(folder / "test.npy", rng.integers(0, 255, np.load(folder / "test.npy").shape, dtype=np.uint8))
    np.save(folder / "test_labels.npy", rng.permutation(np.load(folder / "test_labels.npy")))
    other = tiny.run("label_curve", data, settings=params)
    assert (out / "proofs.json").read_bytes() == (other / "proofs.json").read_bytes()
    before, after = results(out, params), results(other, params)
    told = {name: ({**before[name]}, {**after[name]}) for name in before}
    for a, b in told.values():
        scores = [tuple(found.pop(name, None) for name in ("scores", "right", "confusion")) for found in (a, b)]
        assert a == b, "settings, trials, validated, weights, losses and drawn rows"
        assert scores[0] != scores[1] or {*scores[0]} == {None}


def test_a_study_of_balanced_accuracy_is_about_it_in_every_table_sentence_and_caption(tmp_path):
    data, params = tiny.prepare(tmp_path / "data"), settings(**FEW | {"targets": [0.9], "metric": "balanced accuracy"})
    x, labels = tiny.rows(40, 2)
    kept = np.r_[0:25, np.flatnonzero(labels[25:] == 0) + 25]  # more of the first class
    np.save(data / "prepare/test.npy", x[kept])
    np.save(data / "prepare/test_labels.npy", labels[kept])
    out = tiny.run("label_curve", data, settings=params)
    held = dict(np.load(out / "right.npz"))
    n_rows, classes = int(held.pop("n_rows")), held.pop("classes")
    right = {arm: np.unpackbits(bits, axis=-1, count=n_rows) for arm, bits in held.items()}
    weights = class_weights(classes)
    assert weights.max() > 1.2
    table, history = (pd.read_csv(out / f"{name}.csv") for name in ("cells", "history"))
    for row in table.itertuples():
        own = right[row.arm][row.run, [6, 15, 30].index(row.n_labels)]
        assert (own * weights).mean() == pytest.approx(row.balanced_accuracy, abs=1e-12)
    for row in pd.read_csv(out / "comparisons.csv").itertuples():
        k = [6, 15, 30].index(row.n_labels)
        found = two_way(right[row.arm][:, k].astype(int) - right[row.against][:, k], classes)
        assert (row.mean, row.low, row.high) == pytest.approx((found.mean, *found.interval()), abs=1e-12)
    last = history[(history.arm == "fine-tuned") & (history.n_labels == 30)].iloc[0]
    ends = two_way(right["fine-tuned"][:, 2], classes).interval()
    assert (last.balanced_accuracy_low, last.balanced_accuracy_high) == pytest.approx(ends, abs=1e-12)
    metrics, told = files.read_json(out / "metrics.json"), files.read_json(out / "findings.json")
    assert "fine_tuned_balanced_accuracy_30" in metrics and "fine_tuned_accuracy_30" not in metrics
    assert told["metric"] == "balanced accuracy"
    planned = files.read_json(out / "planner.json")["arms"]["fine-tuned"]["score"]
    assert planned == pytest.approx(last.balanced_accuracy)
    confused = pd.read_csv(out / "confusions.csv")
    assert confused.groupby("true").rows.sum().tolist() == np.bincount(classes).tolist()
