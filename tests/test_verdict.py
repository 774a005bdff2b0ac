"""The study's verdict from scores alone, as a notebook asks for it: on constructed sets, the sentence is the truth."""

from __future__ import annotations

import doctest
import json
from functools import partial

import numpy as np
import pytest

from autoencoders import clauses, sentences
from autoencoders import verdict as module
from autoencoders.comparison import compare, outcome
from autoencoders.statistics import paired, runs_needed
from autoencoders.verdict import verdict
from tasks.frame.code import ROOT, closure, imports

NOISE = np.array([-3, -2, -1, -1, 1, 1, 2, 3]) / 1000
OWN = {"fine-tuned": [1, -1] * 4, "frozen encoder": [-1, -1, 1, 1] * 2, "SVM": [1, 1, -1, -1, -1, -1, 1, 1]}
GIVEN = {"with_encoder": ("fine-tuned", "frozen encoder"), "from_scratch": "from scratch", "margin": 0.01,
         "beforehand": ("fine-tuned", "SVM"), "chance": 0.25}  # fmt: skip


def runs(mean, arm="from scratch", sd=0.001):
    """Return accuracies (8, 1) around a mean: what all arms of a run share, and an arm's own noise of mean zero."""
    return (mean + NOISE + sd * np.array(OWN.get(arm, [0] * 8)))[:, None]


def judged(validated=None, **truth):
    """Return the verdict on arms of the given true accuracies; where they are validated, by their true accuracies."""
    means = {name.replace("_", " ").replace("fine tuned", "fine-tuned"): mean for name, mean in truth.items()}
    scores = {arm: runs(mean, arm) for arm, mean in means.items()}
    known = {arm: runs(mean - 0.02) for arm, mean in means.items()} if validated is None else validated
    return verdict(scores, known, budgets=[100], headline=100, **GIVEN)


TRUE = {"fine_tuned": 0.70, "frozen_encoder": 0.66, "from_scratch": 0.70, "SVM": 0.69}
EVERY = {
    "pretraining helps much": (
        TRUE | {"fine_tuned": 0.76, "frozen_encoder": 0.72},
        "With 100 labels, use fine-tuning: cross-validation chose it in 8 of 8 runs, and its choices reach 76.0 % (95 "
        "% CI 75.8 to 76.2). The best use of the autoencoder, fine-tuning, is 6.0 points above the best method without "
        "it, training from scratch (95 % CI 5.9 to 6.1, 8 runs).",
    ),
    "hurts": (
        TRUE | {"fine_tuned": 0.65, "frozen_encoder": 0.60},
        "With 100 labels, use training from scratch: cross-validation chose it in 8 of 8 runs, and its choices reach "
        "70.0 % (95 % CI 69.8 to 70.2). The best use of the autoencoder, fine-tuning, is 5.0 points behind the best "
        "method without it, training from scratch (95 % CI 4.9 to 5.1, 8 runs).",
    ),
    "does nothing": (
        TRUE | {"frozen_encoder": 0.68},
        "is within 1 point of the best method without it, training from scratch (0.0, 95 % CI −0.1 to +0.1, 8 runs); "
        "the ways to use the encoder disagree: a frozen encoder is 2.0 points behind the same network from scratch (95 "
        "% CI for all ways at once 1.9 to 2.1).",
    ),
    "a classical method wins": (
        TRUE | {"fine_tuned": 0.74, "frozen_encoder": 0.73, "SVM": 0.80},
        "With 100 labels, use an SVM: cross-validation chose it in 8 of 8 runs, and its choices reach 80.0 % (95 % CI "
        "79.8 to 80.2). The best use of the autoencoder, fine-tuning, is 6.0 points behind the best method without it, "
        "an SVM (95 % CI 5.9 to 6.1, 8 runs); it is 4.0 points above the same network from scratch (95 % CI 3.9 to "
        "4.1, 8 runs).",
    ),
    "random labels": (
        dict.fromkeys(TRUE, 0.2502),
        "Nothing was learnt: with 100 labels, no method is shown to be above chance, a balanced accuracy of 25.0 %; "
        "the highest, ",
    ),
    "one arm collapses": (
        TRUE | {"fine_tuned": 0.76, "frozen_encoder": 0.25},
        "; the ways to use the encoder disagree: a frozen encoder is 45.0 points behind the same network from "
        "scratch (95 % CI for all ways at once 44.9 to 45.1).",
    ),
}  # fmt: skip


@pytest.mark.parametrize("truth", EVERY)
def test_on_a_constructed_set_the_sentence_is_the_truth(truth):
    means, said = EVERY[truth]
    sentence = judged(**means).sentence
    said_so = {"W": sentence == said, "N": sentence.startswith(said)}.get(said[0], sentence.endswith(said))
    assert said_so, sentence
    assert ("disagree" in sentence) == ("disagree" in said)


def test_the_example_gives_what_it_says():
    assert doctest.testmod(module).attempted > 3
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("mean", "sd", "expected"),
    [(0.005, 0.001, "within"), (-0.005, 0.001, "within"), (0.03, 0.01, "pays"), (-0.03, 0.01, "costs"),
     (0.01, 0.001, "pays"), (0.012, 0.04, "undecided"), (0.0, 0.02, "undecided"), (0.0, 0.0, "within")],
)  # fmt: skip
def test_the_outcomes_come_in_their_order(mean, sd, expected):
    pair = paired((mean + sd * NOISE / NOISE.std(ddof=1)).tolist(), [0.0] * 8)
    assert outcome(pair, 0.01) == expected


def test_a_file_of_the_findings_gives_the_same_sentence():
    """JSON's keys come back sorted: the arm chosen most often must not depend on their order."""
    scores = {arm: runs(0.7, arm) for arm in ("from scratch", "SVM", "fine-tuned", "frozen encoder")}
    known = {arm: np.full((8, 1), 0.5) for arm in scores}
    known["SVM"][:3], known["fine-tuned"][3:] = 0.6, 0.7
    found = verdict(scores, known, budgets=[100], headline=100, **GIVEN)
    assert "use fine-tuning: cross-validation chose it in 5 of 8 runs" in found.sentence
    assert sentences.verdict(json.loads(json.dumps(found.findings(), sort_keys=True))) == found.sentence


def test_the_best_is_chosen_in_each_run_by_validation_and_never_by_a_test_score():
    scores = {arm: runs(0.7, arm) for arm in ("from scratch", "SVM", "fine-tuned", "frozen encoder")}
    known = {arm: np.full((8, 1), 0.5) for arm in scores}
    known["SVM"][:3], known["frozen encoder"][:6] = 0.6, 0.7
    found = verdict(scores, known, budgets=[100], headline=100, **GIVEN).clauses
    assert found.with_encoder.counts == {"frozen encoder": 7, "fine-tuned": 1}
    assert found.without.counts == {"SVM": 6, "from scratch": 2}, "equal ones take turns from run to run"
    assert found.use.counts == {"frozen encoder": 7, "fine-tuned": 1}
    best = np.where(np.arange(8) != 6, scores["frozen encoder"][:, 0], scores["fine-tuned"][:, 0])
    in_turn = np.isin(np.arange(8), (4, 6))
    other = np.where(in_turn, scores["from scratch"][:, 0], scores["SVM"][:, 0])
    assert found.against_without.pair == paired(best.tolist(), other.tolist())
    assert found.against_scratch.pair == paired(best.tolist(), scores["from scratch"][:, 0].tolist())
    swapped = verdict(scores | {"kNN": runs(0.9)}, known, budgets=[100], headline=100, **GIVEN).clauses
    assert swapped.without == found.without, (
        "an arm that was not validated is no candidate, however good its test score"
    )


def test_without_validated_scores_the_arms_named_beforehand_are_compared():
    none = judged({}, **TRUE)
    assert none.sentence == (
        "With 100 labels, nothing was tuned, so no method is chosen: of those named beforehand, fine-tuning reaches "
        "70.0 % (95 % CI 69.8 to 70.2) and an SVM reaches 69.0 % (95 % CI 68.8 to 69.2). Fine-tuning is 1.0 points "
        "above an SVM (95 % CI 0.9 to 1.1, 8 runs); it is within 1 point of the same network from scratch (0.0, 95 % "
        "CI −0.1 to +0.1, 8 runs); the ways to use the encoder disagree: a frozen encoder is 4.0 points behind the "
        "same network from scratch (95 % CI for all ways at once 3.9 to 4.1)."
    )
    gap = {arm: np.array([[np.nan]] + [[0.5]] * 7) for arm in ("fine-tuned", "SVM", "from scratch", "frozen encoder")}
    few = judged(gap, **TRUE)
    assert "there are too few labels to choose a method: of those named" in few.sentence
    assert few.clauses.use is None and few.clauses.with_encoder == none.clauses.with_encoder
    one_side = {arm: np.full((8, 1), 0.5) for arm in ("SVM", "from scratch")}
    assert judged(one_side, **TRUE).clauses.chosen is False, "no way to use the encoder was validated"


def test_where_the_opponent_named_did_not_run_the_network_from_scratch_takes_its_place():
    scores = {arm: np.hstack([runs(0.7, arm)] * 2) for arm in ("fine-tuned", "frozen encoder", "from scratch", "SVM")}
    scores["SVM"][:, 1] = np.nan
    found = verdict(scores, {}, budgets=[100, 9000], headline=9000, **GIVEN)
    assert [[*at.without.counts] for at in found.budgets] == [["SVM"], ["from scratch"]]
    assert found.sentence.count("within 1 point") == 1, "both clauses are the same one"


def test_the_sign_of_a_small_difference_is_said_where_the_95_percent_interval_leaves_out_zero():
    said = judged(**TRUE | {"fine_tuned": 0.705}).sentence
    assert "is above the best method without it, training from scratch, but within 1 point (+0.5, 95 % CI" in said
    said = judged(**TRUE | {"fine_tuned": 0.695}).sentence
    assert "is behind the best method without it, training from scratch, but within 1 point (−0.5, 95 % CI" in said


def test_an_undecided_clause_says_the_runs_and_minutes_that_would_tell():
    scores = {arm: runs(0.7, arm, sd=0.03) for arm in ("fine-tuned", "from scratch", "SVM")}
    given = GIVEN | {"with_encoder": ["fine-tuned"]}
    found = verdict(scores, {}, budgets=[100], headline=100, **given)
    pair = found.clauses.against_scratch
    assert (pair.outcome, pair.minutes, pair.n_needed) == ("undecided", None, runs_needed(pair.pair.sd, 0.01))
    assert (
        f"undecided against the same network from scratch: 0.0 points (95 % CI −2.7 to +2.7, 8 runs; {pair.n_needed} "
    )
    assert found.sentence.endswith(f"about {pair.n_needed} runs would tell 1 point).")
    timed = verdict(scores, {}, budgets=[100], headline=100, seconds_per_run=6, **given)
    assert timed.clauses.against_scratch.minutes == pytest.approx((pair.n_needed - 8) / 10)
    assert timed.sentence.endswith(
        f"{pair.n_needed} runs would tell 1 point, {-(-(pair.n_needed - 8) // 10)} minutes of a processor more)."
    )


def test_findings_are_json_of_every_budget_and_make_the_sentence():
    scores = {arm: np.hstack([runs(0.7, arm), runs(0.8, arm)]) for arm in ("fine-tuned", "from scratch", "SVM")}
    scores["SVM"][:, 1] = np.nan
    known = {arm: np.hstack([values[:, :1], np.full((8, 1), np.nan)]) for arm, values in scores.items()}
    found = verdict(scores, known, budgets=[20, 9000], headline=20, **GIVEN | {"with_encoder": ["fine-tuned"]})
    told = json.loads(json.dumps(found.findings(), allow_nan=False))
    assert sentences.verdict(told) == found.sentence
    assert (told["n_labels"], told["margin"], told["chance"], told["tuned"]) == (20, 0.01, 0.25, True)
    assert [row["n_labels"] for row in told["budgets"]] == [20, 9000]
    first, last = told["budgets"]
    assert (first["chosen"], last["chosen"], last["use"], last["least"]) == (True, False, None, None)
    pair = found.clauses.against_without.pair
    assert [first["against_without"][name] for name in ("n", "mean", "low", "high", "p")] == [
        pair.n, pair.mean, pair.low, pair.high, pair.p
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budgets": [50, 100]}, r"fine-tuned: expected scores of shape \(8, 2\), received \(8, 1\)"),
        ({"scores": {"SVM": runs(0.5)[:5]}}, r"SVM: expected scores of shape \(8, 1\), received \(5, 1\)"),
        ({"validated": {"SVM": runs(0.5)[:5]}}, r"SVM: expected scores of shape \(8, 1\), received \(5, 1\)"),
        ({"headline": 70}, r"headline: expected one of the budgets \[100\], received 70"),
        ({"scores": {"SVM": runs(60.0)}}, r"SVM: expected scores in \[0, 1\], received 59.99"),
        ({"scores": {"SVM": runs(0.5) * np.inf}}, r"SVM: expected scores in \[0, 1\], received inf"),
        ({"validated": {"SVM": runs(-0.1)}}, r"SVM: expected scores in \[0, 1\], received -0.1"),
        ({"scores": {"SVM": np.where(runs(0) > 0, np.nan, 0.5)}}, "SVM: expected scores of every run at a budget"),
        (
            {"scores": {"from scratch": np.full((8, 1), np.nan)}},
            "from scratch: expected scores of every run at every budget",
        ),
        (
            {"scores": {"fine-tuned": np.full((8, 1), np.nan)}},
            "fine-tuned: expected scores of every run at every budget",
        ),
        ({"beforehand": ("fine-tuned", "kNN")}, "expected scores of 'kNN', received those of fine-tuned, from scratch"),
    ],
)
def test_scores_that_do_not_fit_are_refused(changes, message):
    scores = {arm: runs(0.5, arm) for arm in ("fine-tuned", "from scratch", "SVM")} | changes.pop("scores", {})
    given = {"validated": {}, "budgets": [100], "headline": 100, **GIVEN, "with_encoder": ["fine-tuned"], **changes}
    with pytest.raises(ValueError, match=message):
        verdict(scores, given.pop("validated"), **given)


def test_budgets_ascend_and_one_run_is_refused():
    scores = {arm: np.hstack([runs(0.5, arm)] * 2) for arm in ("fine-tuned", "from scratch", "SVM")}
    given = GIVEN | {"with_encoder": ["fine-tuned"]}
    with pytest.raises(ValueError, match=r"budgets: expected ascending numbers, received \[100, 50\]"):
        verdict(scores, {}, budgets=[100, 50], headline=50, **given)
    one = {arm: values[:1] for arm, values in scores.items()}
    with pytest.raises(ValueError, match=r"shape \(2, 2\), received \(1, 2\)"):
        verdict(one, {}, budgets=[50, 100], headline=50, **given)


def test_it_needs_nothing_but_arrays():
    files = {*closure("autoencoders/verdict.py"), "autoencoders/sentences.py"}
    used = {name.split(".")[0] for file in files for name in imports(ROOT / file)}
    assert used & {"keras", "tensorflow", "pathlib", "os", "tasks"} == set()


def test_methods_at_chance_are_said_to_be_above_it_in_five_of_a_hundred_studies_at_most():
    draws = np.random.default_rng(0).normal(0.25, 0.02, (1000, 5, 6))
    assert np.mean([clauses._learnt(scores, 0.25, 0.0) for scores in draws]) == pytest.approx(0.05, abs=0.02)
    assert clauses._learnt(draws[0] + 0.2, 0.25, 0.0) and not clauses._learnt([np.full(6, 0.25)], 0.25, 0.0)


def test_with_the_scatter_of_a_guesser_two_runs_are_enough_to_be_above_chance():
    """Balanced accuracy: with nine tenths of the test rows in a class, an accuracy below 0.9 is no sign of chance."""
    arms = ("from scratch", "SVM", "fine-tuned")
    scores, balanced = ({arm: np.array([[low], [low + 0.1]]) for arm in arms} for low in (0.6, 0.7))
    given = GIVEN | {"with_encoder": ("fine-tuned",), "chance": 0.5}
    judge = partial(verdict, scores, {}, budgets=[100], headline=100, balanced=balanced, **given)
    assert judge(chance_sd=0.02).clauses.learnt and not judge(chance_sd=0.2).clauses.learnt
    assert "Nothing was learnt" in judge(chance_sd=0.2).sentence
    assert "has 75.0 % (95 % CI" in judge(chance_sd=0.2).sentence, "the highest, with its interval"


def test_without_a_majority_no_method_is_named_and_a_choice_that_the_test_rows_refute_is_doubted():
    scores = {arm: runs(mean, arm) for arm, mean in (("from scratch", 0.7), ("SVM", 0.8), ("fine-tuned", 0.7))}
    known = {arm: np.full((8, 1), 0.5) for arm in scores}
    known["SVM"][:4], known["fine-tuned"][4:] = 0.6, 0.6
    given = GIVEN | {"with_encoder": ("fine-tuned",)}
    found = verdict(scores, known, budgets=[100], headline=100, **given)
    assert found.sentence.startswith(
        "With 100 labels, no method is chosen in most runs (SVM in 4 and fine-tuned in 4 of 8); cross-validation's"
    )
    known["fine-tuned"][2:] = 0.7
    assert "; the test rows speak against it." in verdict(scores, known, budgets=[100], headline=100, **given).sentence


def test_an_undecided_clause_with_runs_enough_for_one_margin_asks_for_more():
    pair = np.array([0.006 + 0.008 * x / NOISE.std(ddof=1) for x in NOISE])
    found = compare(pair, np.zeros(8), 0.01)
    assert found.outcome == "undecided" and runs_needed(found.pair.sd, 0.01) <= 8
    assert not found.tells_margin and found.n_needed > 8


@pytest.mark.parametrize(
    "changes",
    [{"with_encoder": ["fine-tuned", "from scratch"]}, {"beforehand": ("SVM", "SVM")},
     {"beforehand": ("fine-tuned", "fine-tuned")}],
)  # fmt: skip
def test_arms_are_with_the_encoder_or_without_it(changes):
    scores = {arm: runs(0.5, arm) for arm in ("fine-tuned", "from scratch", "SVM")}
    with pytest.raises(ValueError, match=r"expected from scratch and .* without the encoder, .* with it"):
        verdict(scores, {}, budgets=[100], headline=100, **GIVEN | {"with_encoder": ["fine-tuned"]} | changes)


@pytest.mark.slow
def test_where_pretraining_does_nothing_five_in_a_hundred_studies_claim_a_difference():
    """Equal arms, the best of both sides chosen by noisy cross-validation; the margin has next to no width."""
    rng, n = np.random.default_rng(0), 1000
    scores = {arm: 0.5 + 0.01 * rng.standard_normal((6, n)) for arm in ("fine-tuned", "frozen encoder", "from scratch",
                                                                         "SVM")}  # fmt: skip
    known = {arm: 0.5 + 0.05 * rng.standard_normal((6, n)) for arm in scores}
    found = verdict(scores, known, budgets=range(n), headline=0, **GIVEN | {"margin": 1e-6})
    for name in ("against_scratch", "against_without"):
        claims = sum(getattr(at, name).outcome in ("pays", "costs") for at in found.budgets)
        assert claims / n == pytest.approx(0.05, abs=3 * (0.05 * 0.95 / n) ** 0.5)
    assert sum(at.least is not None for at in found.budgets) / n < 0.05
