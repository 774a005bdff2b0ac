"""Few-label classifiers: equal budgets, proofs that catch what the textbook missed, and stage `finetune`."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tiny

from autoencoders import evaluation
from autoencoders.arms import ALL, ARMS, Arm
from autoencoders.errors import Diverged, TransferError
from autoencoders.evaluation import Budget, Classifier
from autoencoders.models import Autoencoder, seeded_initializer
from autoencoders.training import Trainer
from autoencoders.transfer import fingerprint, prove_transfer
from tasks import finetune
from tasks.frame import files, models

X, LABELS = tiny.rows(20, 5)
X = X.astype(np.float32) / 255
WHOLE, FROZEN, LP_FT = (next(a for a in ARMS if a.trains == trains) for trains in ((ALL,), (0,), (0, ALL)))
SCRATCH, RANDOM = (next(a for a in ARMS if (a.encoder, a.trains) == ("random", (n,))) for n in (ALL, 0))
BUDGET = Budget(n_steps=6, batch_size=8, optimizer="adam", learning_rate=0.01)


def classifier() -> Classifier:
    pretrained = Autoencoder(16, [8, 4], seed=9)
    return Classifier(pretrained, n_classes=3, kernel_initializer="glorot_uniform", budget=BUDGET)


@pytest.mark.slow
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_exactly_the_layers_of_an_arm_train(arm):
    model = classifier()
    before = [fingerprint(layer) for layer in model._start(arm, 0)]
    rows, proof = model.fit(arm, X, LABELS, seed=0)
    most = max(2 if n == ALL else n for n in arm.trains)
    changed = [fingerprint(layer) != old for layer, old in zip(model.layers, before, strict=True)]
    assert changed == [k >= 2 - most for k in range(2)]
    assert proof.before == tuple(before)
    assert rows[-1]["step"] == BUDGET.n_steps


@pytest.mark.slow
def test_every_arm_takes_the_same_number_of_gradient_steps():
    for arm in ARMS:
        model = classifier()
        rows, _ = model.fit(arm, X, LABELS, seed=0)
        assert rows[-1]["step"] == 6
        assert sum(int(trainer.optimizer.iterations) for trainer in model.trainers.values()) == 6


@pytest.mark.parametrize("rate", [1.0, 30.0])
def test_a_training_that_diverges_to_a_finite_loss_is_refused_by_arm_seed_and_rate(rate):
    """Within 250 steps there is one row, and no row before it to be worse than."""
    budget = Budget(n_steps=60, batch_size=8, optimizer="adam", learning_rate=rate)
    model = Classifier(Autoencoder(16, [8, 4], seed=9), n_classes=3, kernel_initializer="he_normal", budget=budget)
    with pytest.raises(
        Diverged, match=rf"from scratch, seed 7: training diverged: loss .*; the learning rate is {rate:g}"
    ):
        model.fit(SCRATCH, X, LABELS, seed=7)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [LABELS, np.random.default_rng(0).permutation(LABELS)], ids=["true", "random"])
@pytest.mark.parametrize(("rate", "n_steps"), [(1e-12, 2), (1e-3, 2), (1e-2, 300)])
def test_a_training_that_only_learns_little_is_no_divergence(labels, rate, n_steps):
    budget = Budget(n_steps=n_steps, batch_size=8, optimizer="adam", learning_rate=rate)
    model = Classifier(Autoencoder(16, [8, 4], seed=9), n_classes=3, kernel_initializer="he_normal", budget=budget)
    for arm in (SCRATCH, RANDOM):
        for seed in range(4):
            model.fit(arm, X, labels, seed=seed)


def test_a_classifier_built_without_its_weights_is_caught(monkeypatch):
    """The textbook's bug (handson-ml2, issue 246): a clone has new random weights, and nobody copies the old ones."""
    monkeypatch.setattr(evaluation, "transfer", lambda source, target: None)
    with pytest.raises(TransferError, match="does not hold the weights of 'encoder_1'"):
        classifier().fit(FROZEN, X, LABELS, seed=0)


def test_a_frozen_layer_that_changes_and_a_trained_one_that_does_not_are_caught():
    source, target = Autoencoder(4, [3, 2], seed=0), Autoencoder(4, [3, 2], seed=0)
    proof = prove_transfer(source.encoder.layers, target.encoder.layers, n_frozen=1)
    with pytest.raises(TransferError, match="'encoder_2' did not change"):
        proof.finish(target.encoder.layers)
    target.encoder.layers[0].bias.assign([1, 1, 1])
    with pytest.raises(TransferError, match="'encoder_1' changed though it is frozen"):
        proof.finish(target.encoder.layers)


@pytest.mark.parametrize(
    ("arm", "said"), [(WHOLE, "'encoder_1' did not change"), (FROZEN, "'encoder_1' changed though")]
)
def test_a_training_that_did_not_do_what_its_arm_says_is_caught_at_its_end(monkeypatch, arm, said):
    """A trainer that trains nothing, and one that reaches what is frozen."""
    model = classifier()

    def fit_steps(*_, **__):
        if not arm.trains[0]:
            model.layers[0].bias.assign(np.ones(8))
        return [{"step": 6, "loss": 0.0}]

    monkeypatch.setattr(evaluation.Trainer, "fit_steps", fit_steps)
    with pytest.raises(TransferError, match=said):
        model.fit(arm, X, LABELS, seed=0)


@pytest.mark.parametrize("n_trained", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_training_on_the_frozen_layers_outputs_is_training_with_them_frozen(n_trained):
    """Keras' own way (trainable = False, the whole network in every step) gives the same weights, to rounding."""
    cached, whole = classifier(), classifier()
    cached.fit(Arm("cached", "pretrained", (n_trained,)), X, LABELS, seed=3)
    whole._start(FROZEN, 3)
    for layer in whole.layers[: 2 - n_trained]:
        layer.trainable = False
    trainer = Trainer(whole.model, loss="sparse_categorical_crossentropy", optimizer="adam", learning_rate=0.01)
    trainer.fit_steps(X, LABELS, n_steps=6, batch_size=8, seed=3)
    for a, b in zip(cached.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.slow
def test_a_second_seed_is_trained_as_if_it_were_the_first():
    twice, once = classifier(), classifier()
    for arm, seed in ((WHOLE, 2), (LP_FT, 1), (LP_FT, 2)):
        twice.fit(arm, X, LABELS, seed=seed)
    once.fit(LP_FT, X, LABELS, seed=2)
    for a, b in zip(twice.model.get_weights(), once.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_scratch_and_random_features_start_from_the_same_weights_and_another_seed_from_others():
    scratch, frozen = (arm for arm in ARMS if arm.encoder == "random")
    start = [
        [fingerprint(layer) for layer in classifier()._start(arm, seed)]
        for arm, seed in ((scratch, 0), (frozen, 0), (frozen, 1))
    ]
    assert start[0] == start[1] != start[2]


def test_the_heads_first_weights_are_the_stream_of_the_layer_after_the_encoders():
    model = classifier()
    model._start(ARMS[0], 5)
    expected = seeded_initializer("glorot_uniform", 5, 3)((4, 3))
    np.testing.assert_array_equal(model.head.get_weights()[0], expected)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    data = tiny.untrained(tiny.prepare(tmp_path_factory.mktemp("finetune") / "data"))
    return tiny.run("finetune", data, settings=tiny.params(finetune={"n_runs": 3}))


def test_every_arm_and_run_has_a_score_a_proof_and_equal_steps(out):
    scores = pd.read_csv(out / "scores.csv")
    assert scores.groupby("arm").run.apply(list).tolist() == [[0, 1, 2]] * len(ARMS)
    assert scores.n_steps.nunique() == 1
    proofs = files.read_json(out / "proofs.json")
    assert len(proofs) == len(scores) == files.read_json(out / "metrics.json")["n_proofs"]
    pretrained = {tuple(p["before"]) for p in proofs if p["arm"] in ("frozen encoder", "fine-tuned")}
    assert len(pretrained) == 1  # all of them hold the one autoencoder's weights


def test_differences_are_taken_run_by_run(out):
    table = pd.read_csv(out / "scores.csv").pivot(index="run", columns="arm", values="accuracy")
    comparisons = pd.read_csv(out / "comparisons.csv").set_index(["arm", "against"])
    row = comparisons.loc[("fine-tuned", "from scratch")]
    assert row["mean"] == pytest.approx((table["fine-tuned"] - table["from scratch"]).mean())
    assert (comparisons.p_holm >= comparisons.p).all()


@pytest.mark.slow
def test_the_test_sets_labels_change_nothing_but_the_scores(tmp_path, out):
    data = tiny.prepare(tmp_path / "data")
    labels = data / "prepare" / "test_labels.npy"
    np.save(labels, np.random.default_rng(0).permutation(np.load(labels)))
    tiny.untrained(data)
    other = tiny.run("finetune", data, settings=tiny.params(finetune={"n_runs": 3}))
    for file in ("history.csv", "proofs.json"):
        assert (out / file).read_bytes() == (other / file).read_bytes()
    assert (out / "scores.csv").read_bytes() != (other / "scores.csv").read_bytes()


STOP = {"at": -1}  # the number of trainings after which the next is interrupted


@pytest.fixture
def fits(tmp_path, monkeypatch):
    """Return every (arm, seed, rows) that `finetune` asks a classifier to train, of which none is trained."""
    asked = []

    def fit(self, arm, x, labels, *, seed):
        if len(asked) == STOP["at"]:
            raise KeyboardInterrupt
        asked.append((arm.name, seed, x.tobytes()))
        source = self._start(arm, seed)
        return [{"step": 4, "loss": 0.1 + seed}], prove_transfer(source, self.layers, n_frozen=0)

    monkeypatch.setitem(STOP, "at", -1)
    monkeypatch.setattr(Classifier, "fit", fit)
    for name in ("one", "two"):
        folder = tiny.prepare(tmp_path / name / "data") / "pretrain"
        folder.mkdir()
        models.write(folder, Autoencoder(16, [8, 4], seed=9))
    return asked


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_draw_has_rows_and_weights_of_its_own_and_all_arms_share_them(tmp_path, fits):
    tiny.run("finetune", tmp_path / "one" / "data", settings=tiny.params(finetune={"n_runs": 3}))
    assert [name for name, *_ in fits] == [arm.name for arm in ARMS for _ in range(3)]
    draws = [[(seed, x) for name, seed, x in fits if name == arm.name] for arm in ARMS]
    assert all(draw == draws[0] for draw in draws)
    assert len({seed for seed, _ in draws[0]}) == len({x for _, x in draws[0]}) == 3


def test_after_a_stop_only_what_is_missing_is_trained_and_the_bytes_are_the_same(tmp_path, fits):
    params, (one, two) = tiny.params(), (tmp_path / name / "data" for name in ("one", "two"))
    undisturbed = contents(tiny.run("finetune", one, settings=params))
    every = fits.copy()
    fits.clear()
    STOP["at"] = 5
    with pytest.raises(KeyboardInterrupt):
        tiny.run("finetune", two, settings=params)
    assert fits == every[:5]
    STOP["at"] = -1
    shutil.rmtree(two / "finetune")
    assert contents(tiny.run("finetune", two, settings=params)) == undisturbed
    assert fits == every


def test_what_is_kept_depends_on_the_encoder_and_the_rows(tmp_path, fits):
    one, params = tmp_path / "one" / "data", tiny.params()
    before = finetune._store(params, one).stems
    more = finetune._store(tiny.params(finetune={"n_runs": 9}), one).stems
    assert before.items() <= more.items() and len(more) == len(ARMS) * 9
    models.write(one / "pretrain", Autoencoder(16, [8, 4], seed=8))
    other = finetune._store(params, one).stems
    labels = one / "prepare" / "train_labels.npy"
    np.save(labels, np.load(labels)[::-1])
    again = finetune._store(params, one).stems
    assert all(len({stems[name] for stems in (before, other, again)}) == 3 for name in before)


@pytest.mark.parametrize(("n_stages", "steps"), [(1, [7]), (2, [4, 3]), (3, [3, 2, 2])])
def test_steps_are_divided_among_stages_the_first_ones_having_more(n_stages, steps):
    assert Budget(n_steps=7, batch_size=1, optimizer="sgd", learning_rate=1.0).steps(n_stages) == steps


def test_a_rate_falls_to_zero_as_half_a_cosine_or_not_at_all():
    budget = Budget(n_steps=4, batch_size=1, optimizer="sgd", learning_rate=0.2, decays=True)
    rates = budget.rates(4)
    expected = [0.2, 0.1 * (1 + 0.5**0.5), 0.1, 0.1 * (1 - 0.5**0.5)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    assert rates.dtype == np.float32 and len(budget.rates(7)) == 7
    assert budget.rates(1000)[-1] == pytest.approx(0.2 * (np.pi / 2000) ** 2, rel=0.02), "near zero"
    assert BUDGET.rates(4) is None and BUDGET.weight_decay == 0


@pytest.mark.slow
def test_each_stage_decays_anew_with_the_budget_that_is_given(monkeypatch):
    asked = []
    fit_steps = Trainer.fit_steps
    monkeypatch.setattr(
        Trainer, "fit_steps", lambda self, *a, **given: asked.append(given) or fit_steps(self, *a, **given)
    )
    model, budget = classifier(), replace(BUDGET, n_steps=5, learning_rate=0.1, weight_decay=0.3, decays=True)
    rows, proof = model.fit(LP_FT, X, LABELS, seed=3, budget=budget)
    assert [given["n_steps"] for given in asked] == [3, 2] and {given["weight_decay"] for given in asked} == {0.3}
    for given, n in zip(asked, (3, 2), strict=True):
        np.testing.assert_array_equal(given["rates"], budget.rates(n))
    (first, layers), (second, last) = model.stages
    assert (first, second) == (2, 0) and rows[-1]["step"] == 5
    assert tuple(layers) == proof.before and last == [fingerprint(layer) for layer in model.layers]
    assert all(a != b for a, b in zip(layers, last, strict=True))


def test_a_frozen_layer_that_changes_in_the_first_stage_is_caught_though_the_second_trains_it(monkeypatch):
    model, fit_steps = classifier(), Trainer.fit_steps

    def careless(self, *a, **given):
        model.layers[0].bias.assign(np.ones(8))
        return fit_steps(self, *a, **given)

    monkeypatch.setattr(Trainer, "fit_steps", careless)
    with pytest.raises(TransferError, match="layer 'encoder_1' changed though it is frozen"):
        model.fit(LP_FT, X, LABELS, seed=0)


@pytest.mark.parametrize(("given", "order"), [({}, 3), ({"order_seed": 8}, 8)])
def test_stages_go_on_counting_steps_and_the_order_of_rows_may_have_a_seed_of_its_own(monkeypatch, given, order):
    asked = []

    def fit_steps(self, x, labels, **settings):
        asked.append((x.shape, settings))
        return [{"step": 1, "loss": 2.0}, {"step": settings["n_steps"], "loss": 1.0}]

    monkeypatch.setattr(evaluation.Trainer, "fit_steps", fit_steps)
    monkeypatch.setattr(evaluation.TransferProof, "finish", lambda *_: None)
    model = classifier()
    rows, proof = model.fit(LP_FT, X, LABELS, seed=3, **given)
    settings = {"n_steps": 3, "batch_size": 8, "seed": order, "rates": None, "weight_decay": 0.0}
    assert asked == [((20, 4), settings | {"phase": 0}), ((20, 16), settings | {"phase": 1})]
    assert [row["step"] for row in rows] == [1, 3, 4, 6] and proof.n_frozen == 0
    model.fit(WHOLE, X, LABELS, seed=3)
    assert [n_frozen for n_frozen, _ in model.stages] == [0], "those of the last training alone"


def test_a_trainer_is_kept_and_begins_anew():
    model = classifier()
    trainer = model._trainer(2)
    trainer.optimizer.iterations.assign(5)
    assert model._trainer(2) is trainer and int(trainer.optimizer.iterations) == 0
    assert model._trainer(1) is not trainer and model._trainer(1).model.input_shape == (None, 8)


def test_a_score_is_the_share_of_right_answers():
    model = classifier()
    guesses = model.probabilities(X).argmax(axis=1)
    assert model.score(X, np.where(np.arange(20) < 5, (guesses + 1) % 3, guesses)) == 0.75


SURE, EVEN, WRONG = np.eye(3)[[0, 1, 2, 2]] * 0.7 + 0.1, np.full((4, 3), 1 / 3), np.eye(3)[[1, 2, 0, 0]] * 0.7 + 0.1
TRUE = np.array([0, 1, 2, 2])
WORSE = "x: training diverged: loss 2.30259 on its 4 labelled rows in the end, {} before the first step, 1.03972 for "


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (EVEN, SURE, None),
        (EVEN, WRONG, f"{WORSE.format(1.09861)}guessing by class frequency; the learning rate is 0.01, "),
        (SURE, WRONG, f"{WORSE.format(0.223144)}guessing by class frequency; the learning rate is 0.01, "),
        (WRONG, WRONG, None),
        (WRONG * 0.9, WRONG, None),
        (WRONG**0.92, WRONG, None),  # a tenth more, and no more
        (WRONG**0.9, WRONG, WORSE.format(2.07233)),
        (SURE, EVEN, "class frequency, and every row has the same answer; the learning rate is 0.01, try a smaller"),
        (EVEN, EVEN, None),
    ],
)
def test_a_training_may_make_its_own_rows_worse_by_a_tenth_and_answers_alike_only_where_it_began_so(
    before, after, said
):
    if said is None:
        return classifier()._raise_if_useless("x", before, after, TRUE)
    with pytest.raises(Diverged) as raised:
        classifier()._raise_if_useless("x", before, after, TRUE)
    assert said in str(raised.value)


def test_a_loss_is_clipped_as_in_keras():
    assert evaluation._log_loss(np.array([0.0, 1.0])) == -np.log(1e-7) / 2


def test_scores_metrics_and_comparisons_follow_from_the_trainings(tmp_path, fits, monkeypatch, capsys):
    answers = iter([0.5, 0.7, 0.6, 0.6, 0.4, 0.6, 0.3, 0.5, 0.2, 0.4, 0.1, 0.2])
    monkeypatch.setattr(Classifier, "score", lambda self, x, labels: next(answers))
    asked, fill = [], finetune.parallel.fill
    monkeypatch.setattr(
        finetune.parallel, "fill", lambda *words, **more: asked.append(more) or fill(*words, **{**more, "work": 0.0})
    )
    said = []
    monkeypatch.setattr(finetune.progress, "say", said.append)
    params = tiny.params()
    out = tiny.run("finetune", tmp_path / "one" / "data", settings=params)
    n_weights = Autoencoder(16, [8, 4], seed=9).encoder.count_params()
    assert asked == [{"threads": params.threads, "work": 3 * 4 * 8 * n_weights}]
    first = ARMS[0].name
    assert said[:2] == [f"{first}  run 1/2  test accuracy 0.5000", f"{first}  run 2/2  test accuracy 0.7000"]
    scores = pd.read_csv(out / "scores.csv")
    assert scores.columns.tolist() == ["arm", "run", "accuracy", "n_steps"]
    assert scores.iloc[1].tolist() == [first, 1, 0.7, 4]
    history = pd.read_csv(out / "history.csv")
    assert history.columns.tolist() == ["arm", "step", "loss"]
    assert history.iloc[0].tolist() == [first, 4, pytest.approx(0.1 + 42.5)]
    metrics = files.read_json(out / "metrics.json")
    names = [finetune.slug(arm.name) for arm in ARMS]
    assert (metrics["n_labels"], metrics["n_proofs"]) == (12, 12)
    assert metrics[f"{names[0]}_accuracy"] == pytest.approx(0.6)
    assert metrics[f"{names[0]}_accuracy_sd"] == pytest.approx(0.02**0.5)
    pairs = [(arm, base) for base in ("from_scratch", "random_features") for arm in names if arm != base]
    ends = [f"{arm}_minus_{base}_{end}" for arm, base in pairs for end in ("mean", "low", "high", "p")]
    one = [f"{name}_accuracy{end}" for end in ("", "_sd") for name in names]
    assert {*metrics} == {*one, *ends, "n_labels", "n_proofs"}
    comparisons = pd.read_csv(out / "comparisons.csv")
    assert [*zip(comparisons.arm.map(finetune.slug), comparisons.against.map(finetune.slug), strict=True)] == pairs
    assert comparisons.columns.tolist() == [
        "arm", "against", "n", "mean", "sd", "low", "high", "p", "p_holm", "distinguishable"
    ]  # fmt: skip
    proof = files.read_json(out / "proofs.json")[1]
    assert (proof["arm"], proof["run"]) == (first, 1) and "before" in proof
