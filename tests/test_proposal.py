"""The sizes that are chosen for the user's own data: for any rows, columns and classes they are valid and they fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autoencoders import rows
from flows import experiment_file
from tasks.frame import config, sizes
from tasks.frame.datasets import Record
from tasks.frame.errors import DataError
from tasks.sources import features
from tasks.study import proposal
from tasks.study.proposal import Choice, Facts
from tests.inputs import write_table

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = config.read(ROOT / "params.yaml")


def facts(counts, n_columns=20, kind="numbers", n_unlabelled=0, n_test=0):
    return Facts("mine", "mine.csv", kind, n_columns, counts, n_unlabelled, n_test)


def params(chosen, path):
    """Return the parameters of the experiment's file that is written."""
    experiment_file.write(path, "A comment\n\nof three lines.", chosen)
    changes, values = config.read(path), {**COMMITTED}
    assert changes == experiment_file.values(chosen)

    def merge(old, new):
        return {**old, **{k: merge(old[k], v) if isinstance(v, dict) and k in old else v for k, v in new.items()}}

    values = merge(values, {k: v for k, v in changes.items() if k != "phase"}) | {"phase": changes["phase"]}
    return config.check(values, path)


@pytest.mark.parametrize("n_columns", [1, 2, 7, 57, 784])
@pytest.mark.parametrize(
    ("counts", "n_unlabelled", "n_test"),
    [([60, 40], 0, 0), ([357, 212], 0, 0), ([45_000, 171, 10], 10_000, 0), ([800] * 26, 0, 0), ([60, 40], 10**6, 50),
     ([6000] * 10, 0, 10_000), ([30, 30, 30], 5, 0)],
)  # fmt: skip
def test_sizes_are_valid_and_fit_the_data(tmp_path, counts, n_columns, n_unlabelled, n_test):
    given = facts(counts, n_columns, n_unlabelled=n_unlabelled, n_test=n_test)
    found = params(proposal.choices(given), tmp_path / "mine.yaml")
    n_left = given.n_labelled - found.prepare.n_valid - found.prepare.n_test
    shares = [max(1, round(n * n_left / given.n_labelled)) for n in counts]
    said = sizes.Sizes(n_left + n_unlabelled, n_left, found.prepare.n_valid, n_columns, shares)
    wrong = [line for line in sizes._complaints(found, said) if not (n_columns == 1 and "pca.n_components" in line)]
    assert not wrong
    budgets = found.label_curve.n_labels
    assert 2 <= len(budgets) <= proposal.N_BUDGETS and budgets[-1] <= n_left
    assert (found.prepare.n_test == 0) == (n_test > 0)
    assert found.label_curve.network.shape.units[-1] < max(n_columns, 2)


@pytest.mark.parametrize(
    ("counts", "n_test", "metric", "why"),
    [
        ([90, 10], 0, "accuracy", "every class has a tenth"),
        ([900, 99], 0, "balanced accuracy", "class 'b' has 99 of 999 labelled rows"),
        ([900, 29], 0, "balanced accuracy", "its few test rows make wide intervals"),
        ([900, 5], 0, "balanced accuracy", "class 'b' has 5 of 905"),
        ([900, 4], 0, "accuracy", "class 'b' has 4 labelled rows, so one for testing"),
        ([900, 4], 50, "balanced accuracy", "class 'b' has 4 of 904"),
    ],
)
def test_the_metric_is_balanced_where_a_class_is_rare_and_has_two_test_rows(counts, n_test, metric, why):
    found = proposal._metric(facts(counts, n_test=n_test)._replace(names=["a", "b"]))
    assert found.value == metric and why in found.reason
    assert ("few test rows" in found.reason) == (metric != "accuracy" and counts[1] < 30 and not n_test)


def test_the_headline_is_what_one_has_if_rows_lack_labels_and_else_a_hundred_or_ten_a_class():
    def headline(*given):
        return {c.key: c.value for c in proposal.choices(facts(*given))}["label_curve.headline"]

    assert headline([2000, 2000]) == 100
    assert headline([400] * 26) == 200
    assert headline([2000, 2000], 20, "numbers", 1) == 2000


@pytest.mark.parametrize(
    ("kind", "loss", "last"),
    [("images", "binary_crossentropy", "sigmoid"), ("numbers", "mean_squared_error", "sigmoid"),
     ("table", "by_column", "linear")],
)  # fmt: skip
def test_the_loss_is_that_of_the_kind_of_rows(kind, loss, last):
    found = {c.key: c.value for c in proposal.choices(facts([90, 90], kind=kind))}
    assert found["label_curve.network.training.loss"] == loss
    assert found["label_curve.network.shape.output_activation"] == last


def test_a_pretraining_takes_about_so_many_steps_with_five_epochs_or_more():
    for n, expected in ((400, 200), (4000, 40), (40_000, 32), (1_000_000, 5)):
        found = {c.key: c.value for c in proposal.choices(facts([60, 40], n_unlabelled=n))}
        assert found["label_curve.pretrain_epochs"] == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("counts", [[10, 10], [1] * 20, [20, 8]])
def test_too_few_labelled_rows_for_two_budgets_are_the_datas_error(counts):
    with pytest.raises(DataError, match=rf"mine.csv: expected about \d+ labelled rows .* received {sum(counts)}"):
        proposal.choices(facts(counts))


@pytest.mark.parametrize(("least", "n_test"), [(3, 0), (2, 50)])
def test_a_class_of_fewer_rows_than_splits_is_refused_before_the_study_runs(least, n_test):
    given = facts([200, least, 100], n_test=n_test)._replace(names=["ill", "rare", "well"])
    assert proposal.choices(given)
    said = (
        rf"^mine.csv: expected {least} labelled rows or more of every class, .* received {least - 1} of class 'rare': "
    )
    with pytest.raises(DataError, match=said):
        proposal.choices(given._replace(class_counts=[200, least - 1, 100]))


def test_many_classes_that_are_numbers_may_be_a_regression_target():
    for counts in ([1] * 20, [50] * 19 + [2]):
        for names, hinted in (([str(n) for n in range(20)], True), ([f"c{n}" for n in range(20)], False)):
            with pytest.raises(DataError) as error:
                proposal.choices(facts(counts)._replace(names=names))
            assert ("regression target" in str(error.value)) == hinted


def test_repeated_rows_are_natural_unless_a_columns_values_tell_rows_apart(tmp_path):
    def kept(table):
        write_table(tmp_path / "t.parquet", table)
        return features.Table(tmp_path / "t.parquet")

    rng = np.random.default_rng(0)
    few = pd.DataFrame({"a": rng.integers(0, 4, 300), "b": rng.integers(0, 5, 300)})
    copies = pd.concat([few.assign(c=rng.normal(size=300))] * 2, ignore_index=True)
    for table, unlike in ((few, ""), (copies, "c"), (copies[["c"]], "")):
        record = Record(
            np.empty((len(table), 0)), np.arange(len(table)) % 2, ["n", "y"], None, None, 0, True, None, kept(table)
        )
        found = Facts.of(record, "mine", "mine.csv")
        assert (found.repeated, found.unlike) == (pytest.approx(1, abs=0.01), unlike)
        if not unlike:
            proposal.refuse_copies(found)
    grouped = Facts.of(record._replace(table=kept(copies), groups=np.arange(600) % 300), "mine", "mine.csv")
    assert not grouped.unlike and [len(part) for part in grouped.grouped[:2]] == [600, 600]
    with pytest.raises(DataError, match=r"^mine.csv: 100% of the rows occur more than once, though .* column 'c'"):
        proposal.refuse_copies(found._replace(unlike="c"))


@pytest.mark.parametrize(("n_groups", "n_test"), [(3, 0), (4, 0), (5, 0), (40, 0), (2, 9), (6, 9)])
def test_budgets_fit_what_whole_groups_leave_for_training(n_groups, n_test):
    y, groups = np.arange(160) % 2, np.arange(160) * 7 // 2 % n_groups
    given = facts([80, 80], n_test=n_test)._replace(grouped=(y, groups, 0), names=["n", "y"])
    chosen = {choice.key: choice.value for choice in proposal.choices(given)}
    held = {"n_valid": chosen["prepare.n_valid"], "n_test": chosen["prepare.n_test"]}
    left = len(rows.grouped_split(y, groups, **held, seed=0)[0])
    assert max(chosen["label_curve.n_labels"]) <= left <= 160 - sum(held.values())


def test_a_class_whose_groups_cannot_be_in_every_split_is_refused():
    y, groups = np.arange(160) % 2, np.arange(160) % 2
    with pytest.raises(DataError, match=r"^mine.csv: expected rows of every class for training, .* in 1 group, which"):
        proposal.choices(facts([80, 80])._replace(grouped=(y, groups, 0), names=["n", "y"]))


def test_what_is_said_of_the_data_names_rows_columns_and_classes():
    told = facts([1500, 30], 57, "table", 7, 9).told()
    assert told == (
        "mine.csv: table, 57 columns, 2 classes of 30 to 1,500 labelled rows, 7 rows without a label, 9 test rows"
    )


def test_a_file_has_each_value_with_its_reason_and_nothing_else(tmp_path):
    chosen = [Choice("a.b.c", [1, 2], "two"), Choice("a.d", "x: #y"), Choice("e.f", None, "none")]
    experiment_file.write(tmp_path / "x.yaml", "Title\n\nmore", chosen)
    assert (tmp_path / "x.yaml").read_text() == (
        '# Title\n#\n# more\n\na:\n  b:\n    c: [1, 2]  # two\n  d: "x: #y"\n\ne:\n  f: null  # none\n'
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]
    assert np.isscalar(config.read(tmp_path / "x.yaml")["a"]["d"])
