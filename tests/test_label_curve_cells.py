"""Single cells of a study: the rows and labels that they see, what they learn, and how they are tuned."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
from studies import MANY, UNTUNED, settings

from autoencoders import evaluation, study
from autoencoders.arms import CHOICES
from autoencoders.errors import Diverged
from autoencoders.labels import UNLABELLED
from autoencoders.study import CODINGS
from tasks.study import keys
from tasks.study.keys import EncoderCell, ScoreCell
from tasks.study.worker import Worker

ENCODER = EncoderCell("untied", 0)
SCRATCH = ScoreCell("from scratch", "", 30, 0)
SLOW_AND_QUICK = [{"learning_rate": rate, "weight_decay": 0.01, "n_steps": 30} for rate in (1e-6, 0.03)]


def a_worker(tmp_path, params):
    """Return a worker of a study without cells."""
    data = tiny.prepare(tmp_path / "data")
    return Worker(params, data, keys.store(params, data))


def pretrained(tmp_path, params):
    """Return a worker that has its first encoder."""
    worker = a_worker(tmp_path, params)
    worker.store.write(ENCODER.name, worker.pretrain(ENCODER))
    return worker


def configured(monkeypatch, tried):
    """Let every cell choose among these configurations."""
    monkeypatch.setattr(keys, "configurations", lambda params, cell: tried)


@pytest.mark.slow
def test_doubtful_rows_are_chosen_beside_a_random_half_and_other_runs_have_other_rows(tmp_path):
    params = settings(**MANY)
    worker = pretrained(tmp_path, params)
    bench, seeds, own = worker.bench(0), keys.seeds(params, 0), params.label_curve.classifier.settings
    bench.load(worker.encoder(ENCODER))
    ways = ("random", "k-means", "uncertainty")
    random, central, doubtful = (bench.chosen(way, 12, seeds, own) for way in ways)
    assert doubtful[:6].tolist() == random[:6].tolist() and doubtful.tolist() != random.tolist()
    assert [len(set(rows)) for rows in (random, central, doubtful)] == [12, 12, 12]
    assert bench.chosen("random", 12, keys.seeds(params, 1), own).tolist() != random.tolist()


@pytest.mark.slow
def test_codings_are_standardised_by_the_unlabelled_rows_whichever_rows_are_asked_for(tmp_path):
    worker = pretrained(tmp_path, settings(**MANY))
    bench = worker.bench(0)
    bench.load(worker.encoder(ENCODER))
    few = bench.features(CODINGS, bench.x_test[:7])
    unlabelled = evaluation.outputs(bench.source.encoder.layers, bench.unlabelled)
    codings = evaluation.outputs(bench.source.encoder.layers, bench.x_test)
    expected = (codings - unlabelled.mean(axis=0)) / unlabelled.std(axis=0)
    np.testing.assert_allclose(bench.features(CODINGS, bench.x_test), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(few, expected[:7], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_fewer_unlabelled_rows_are_some_of_all_and_the_same_in_every_run(tmp_path):
    worker = a_worker(tmp_path, settings(n_unlabelled=20, pretrain_epochs=1))
    bench = worker.bench(0)
    assert worker.bench(1) is bench
    assert bench.unlabelled.shape == (20, 16)
    everything = {row.tobytes() for row in np.asarray(bench.x)}
    assert {row.tobytes() for row in np.asarray(bench.unlabelled)} <= everything
    assert worker.pretrain(ENCODER)["n_rows"] == 20


@pytest.mark.slow
def test_labels_shuffled_among_the_rows_leave_chance(tmp_path):
    """What an arm learns from labels that mean nothing is right as often as a guess; with true labels it is not."""
    params = settings(classifier={"n_steps": 60, "learning_rate": 0.01}, tuning=UNTUNED)
    worker = a_worker(tmp_path, params)
    bench = worker.bench(0)
    x, bench.labels_test = tiny.rows(600, 7)
    bench.x_test = worker.rows(0).mapped(x)
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
def test_a_configuration_is_chosen_within_the_budget_and_the_validation_rows_need_not_be_there(tmp_path, monkeypatch):
    worker = a_worker(tmp_path, settings())
    held_out = list((tmp_path / "data/prepare").glob("valid*"))
    assert held_out
    for path in held_out:
        path.unlink()
    configured(monkeypatch, SLOW_AND_QUICK)
    used = []
    fit = evaluation.Classifier.fit

    def count(self, arm, x, labels, *, budget, **seeds):
        used.append((len(labels), budget.learning_rate))
        return fit(self, arm, x, labels, budget=budget, **seeds)

    monkeypatch.setattr(evaluation.Classifier, "fit", count)
    result = worker.score(SCRATCH)
    assert (result["settings"], result["n_trials"], result["n_labels_used"]) == (SLOW_AND_QUICK[1], 2, 30)
    assert result["validated"] == result["trials"][1] / 30 > result["trials"][0] / 30
    assert used == [(15, 1e-6)] * 2 + [(15, 0.03)] * 2 + [(30, 0.03)]


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["from scratch", "fine-tuned", "linear probe", "SVM", "extra trees"])
def test_labels_that_were_not_drawn_change_nothing(tmp_path, monkeypatch, arm):
    worker = pretrained(tmp_path, settings())
    monkeypatch.setattr(study, "draw_labelled", lambda *_, **__: np.arange(15))
    cell = ScoreCell(arm, "untied" if arm in ("fine-tuned", "linear probe") else "", 15, 0)
    before, bench = worker.score(cell), worker.bench(0)
    assert before["n_trials"] == 2
    bench.labels = np.concatenate([bench.labels[:15], (bench.labels[15:] + 1) % 3])
    assert worker.score(cell) == before
    bench.labels = (bench.labels + 1) % 3
    assert worker.score(cell) != before, "labels that were drawn count"


@pytest.mark.slow
def test_a_configuration_that_diverges_is_never_chosen_and_without_another_one_refused(tmp_path, monkeypatch):
    worker = a_worker(tmp_path, settings())
    far = SLOW_AND_QUICK[1] | {"learning_rate": 1e30}
    configured(monkeypatch, [far, SLOW_AND_QUICK[1]])
    result = worker.score(SCRATCH)
    assert result["settings"] == SLOW_AND_QUICK[1] and result["trials"][0] == -1
    configured(monkeypatch, [far, far | {"n_steps": 40}])
    with pytest.raises(Diverged, match=r"from scratch, seed \d+: training diverged"):
        worker.score(SCRATCH)


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
        chosen = worker.bench(0).chosen(choice, 12, keys.seeds(params, 0), params.label_curve.classifier.settings)
        assert UNLABELLED not in some[chosen]


def test_a_run_needs_its_encoder(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    worker = Worker(settings(), data, keys.store(settings(), data))
    with pytest.raises(
        ValueError, match="expected the weights of encoder - untied - run 2, received none: its pretraining failed"
    ):
        worker.encoder(EncoderCell("untied", 2))
