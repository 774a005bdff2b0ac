"""The page's section on data of the user: what is there, and what to do next, by the numbers alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from made_up import SCHEMA, make, own_data, settings
from pages import page

from tasks.reporting import data_section

pytestmark = pytest.mark.usefixtures("undrawn")


def side(mean=0.0, outcome="undecided", n_needed=34):
    return {"outcome": outcome, "mean": mean, "n_needed": n_needed, "tells_margin": True, "minutes": 3.2}


def choice(**counts):
    return {"counts": [[arm, n] for arm, n in counts.items()], "mean": 0.9, "low": 0.88, "high": 0.92}


def told(*, classes=(), predictions=(), choices=(), n_labelled=100, metric="accuracy", **changes):
    """Return what to do next with 15 labels of budgets 6 and 30, with changes to the findings."""
    at = {
        "n_labels": 15, "learnt": True, "chosen": True, "use": choice(SVM=3), "highest": choice(SVM=3),
        "with_encoder": choice(probe=3), "without": choice(SVM=3), "from_scratch": choice(scratch=3),
        "against_without": side(outcome="within"), "against_scratch": side(outcome="pays"),
    } | changes  # fmt: skip
    verdict = {"budgets": [{"n_labels": 6}, at], "n_labels": 15, "margin": 0.01}
    study = SimpleNamespace(
        verdict=verdict, metric=metric, budgets=[6, 30], predictions=[*predictions], choices=[*choices]
    )
    rows = [{"name": name, "train": train, "test": 10, "recall": recall} for name, train, recall in classes]
    return [*data_section._next(study, rows, {"n_train_labelled": n_labelled})]


USE = "Use an SVM with 15 labels: cross-validation’s choices reach an accuracy of 90.0 % (95 % CI 88.0 to 92.0)."


def test_the_method_to_use_is_the_verdicts_and_the_autoencoder_is_advised_only_where_it_pays():
    use, pretrain, *_ = told(n_labelled=30)
    assert use == USE
    assert pretrain == (
        "Leave the autoencoder out, unless you need its codings: with 15 labels, the best use of the autoencoder is "
        "within 1 point of the best method without it."
    )
    assert "is behind the best method" in told(against_without=side(outcome="costs"))[1]
    expected = "Pretrain: with 15 labels, the best use of the autoencoder is above the best method without it."
    assert told(against_without=side(outcome="pays"))[1] == expected
    assert "a balanced accuracy of 90.0 %" in told(metric="balanced accuracy")[0]
    expected = "No method stands out with 15 labels: an SVM, chosen most often, was chosen in 1 of 2 runs."
    assert told(use=choice(SVM=1, kNN=1))[0] == expected
    assert "Pretrain: with 15 labels, probe is above an SVM." in told(
        chosen=False, use=None, against_without=side(outcome="pays")
    )


def test_where_nothing_was_learnt_no_method_is_recommended():
    (said,) = told(learnt=False)
    assert said.startswith("Check the labels and the columns: with 15 labels no method is above chance")


def test_what_is_undecided_takes_more_runs_or_more_test_rows():
    (said,) = [line for line in told(against_without=side()) if "decide" in line]
    assert said == (
        "To decide between the best use of the autoencoder and the best method without it, raise label_curve.n_runs "
        "in the experiment's file and give its command again: about 34 runs would tell 1 point, 4 minutes of a "
        "processor more."
    )
    assert "raise prepare.n_test in" in told(against_without=side(n_needed=None))[1]
    both = told(against_without=side(), against_scratch=side(), without=choice(scratch=3))
    assert sum("decide" in line for line in both) == 1, "from scratch is the best method without it"


@pytest.mark.parametrize(
    ("ends", "said"),
    [((0.915, 0.95), "More labels help: with 60, 93.0 % (95 % CI 91.5 to 95.0) is predicted for an SVM, which"),
     ((0.88, 0.905), "More labels of the same kind bring less than 1 point: with 60,"),
     ((0.88, 0.95), "Whether twice the labels bring 1 point cannot be told: with 60,")],
)  # fmt: skip
def test_more_labels_are_advised_where_the_curves_interval_promises_a_margin(ends, said):
    twice = {"n_labels": 60, "value": 0.93, "low": ends[0], "high": ends[1]}
    rows = [{"arm": arm, "score": 0.9, "largest": 30, "predicted": [twice]} for arm in ("kNN", "SVM")]
    assert any(line.startswith(said) for line in told(predictions=rows))
    assert not any("predicted" in line for line in told(predictions=rows[:1])), "no curve of this method"


def test_labels_that_are_there_are_used_first_and_a_class_that_runs_out_is_named():
    assert any(line.startswith("Use the labels that you have: 60 training") for line in told(n_labelled=60))
    assert not any(line.startswith("Use the labels") for line in told(n_labelled=59))
    (said,) = [line for line in told(classes=[("a", 80, 0.9), ("b", 9, 0.8), ("c", 8, 1.0)]) if "label more" in line]
    assert said == (
        "If you label more, label rows of ‘c’, and 1 other class: it has 8 labelled training rows, and runs out of "
        "them at 24 labels balanced over classes."
    )
    worst = "Look at ‘b’ first: of its 10 test rows, 80.0 % are right, the least of all classes."
    assert worst in told(classes=[("a", 80, 0.9), ("b", 15, 0.8)])
    assert not any("Look" in line or "label more" in line for line in told(classes=[("a", 80, 1.0), ("b", 15, 1.0)]))


def test_rows_are_chosen_by_a_rule_only_if_it_is_above_a_random_draw():
    ways = [{"choice": "random"}, {"choice": "class-balanced", "low": 0.1, "p_max_t": 0.01}]
    ways += [
        {"choice": "k-means", "low": 0.01, "p_max_t": 0.05},
        {"choice": "uncertainty", "low": -0.01, "p_max_t": 0.3},
    ]
    (said,) = [line for line in told(choices=ways) if "rule" in line]
    assert "labelling rows central to clusters of the codings gained over a random draw" in said and "doubt" not in said
    ways[2]["p_max_t"] = 0.06
    assert not any("rule" in line for line in told(choices=ways)), "the exact test does not confirm it"


def test_the_page_of_own_data_shows_its_path_classes_columns_and_rows_without_a_label(tmp_path):
    data = make(tmp_path / "data", image_shape=None)
    text = page("report", data, own_data(data, report={"title": "Mine", "source": "Somebody’s book"})).text
    assert (
        text.startswith("Mine data/raw/my table.csv Mine ") and "Somebody’s book" not in text.split(" parameters ")[0]
    )
    assert "a 10 10 10 75.0 <b> & co 10 10 10 90.0 c 10 10 10 100.0 without a label 7 – – –" in text
    assert (
        "2 columns became 16 inputs in 0 to 1, scaled by training rows alone; 1 has missing values; 1 is left out."
        in text
    )
    assert "age & <height> number least to greatest: 0 to 1.0 × 10⁻⁵ 2 3" in text
    assert "town category 14 categories: missing, a, b, c, d, e and 8 more 14 –" in text
    assert "1 column left out column why id an identifier: it counts the rows" in text
    assert text.index("Your data, and what to do next Use fine-tuning with 15 labels") < text.index("Accuracy against")


def test_long_lists_are_folded_and_other_data_sets_have_no_such_section(tmp_path, monkeypatch):
    monkeypatch.setattr(data_section, "MOST_OPEN", 1)
    data = make(tmp_path / "data", image_shape=None)
    text = page("report", data, own_data(data)).text
    assert (
        "Classes All 3 classes class training" in text and f"All {len(SCHEMA['columns'])} columns column kind" in text
    )
    (data / "report").rename(data / "first")
    text = page("report", data, settings()).text
    assert "Your data" not in text and "left out column why" not in text
