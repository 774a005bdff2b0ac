"""autoencoders/rows.py: features, classes, splits, scaling, duplicates."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoencoders import rows
from autoencoders.labels import UNLABELLED
from autoencoders.pieces import pieces


def test_a_missing_label_column_is_answered_with_the_columns_found():
    with pytest.raises(ValueError, match="no column 'label' for the labels, found: a, kind"):
        rows.check_columns(["a", "kind"], 1, "label")


def test_columns_named_twice_are_refused():
    with pytest.raises(ValueError, match="more than once: label"):
        rows.check_columns(["a", "label", "label"], 1, "label")


@pytest.mark.parametrize("name", ["", " ", "Unnamed: 0"])
def test_a_column_without_a_name_is_refused(name):
    with pytest.raises(ValueError, match="column 2 has no name; name it, or remove it"):
        rows.check_columns(["a", name, "label"], 2, "label")


def test_a_table_of_labels_alone_is_refused():
    with pytest.raises(ValueError, match="received no column besides the labels"):
        rows.check_columns(["label"], 2, "label")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_value_that_is_not_finite_is_named(bad):
    x = np.zeros((4, 3), np.float32)
    x[2, 1] = x[3, 0] = x[3, 2] = bad
    with pytest.raises(ValueError, match=rf"row 3, column 2: .*received {bad} \(3 such values in 2 rows\)"):
        rows.finite(x)


def test_pixels_are_counted_as_columns_of_an_image_laid_flat():
    x = np.zeros((2, 4, 4))
    x[1, 1, 0] = np.nan
    with pytest.raises(ValueError, match="row 2, column 5"):
        rows.finite(x)


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        (["b", "a", "b"], [1, 0, 1], ["a", "b"]),
        ([10, 9, 10], [1, 0, 1], ["9", "10"]),
        (["10", "9", "10"], [1, 0, 1], ["9", "10"]),  # sorted as numbers, not as text
        (["03", "3", "3"], [0, 1, 1], ["03", "3"]),  # an identifier keeps its zero
        ([3.0, -1.0, 3.0], [1, 0, 1], ["-1", "3"]),
        ([True, False, True], [1, 0, 1], ["False", "True"]),
        (["0", "0.0", 0.0, 0, "1."], [0, 0, 0, 0, 1], ["0", "1"]),
        (["0.0", "x", 0, "-0"], [0, 1, 0, 0], ["0", "x"]),
        (["NA", "None", "NA"], [0, 1, 0], ["NA", "None"]),
    ],
)
def test_classes_are_numbered_in_sorted_order(labels, numbers, names):
    y, found = rows.classes(np.array(labels, dtype=object))
    assert y.dtype == np.int64
    assert (y.tolist(), found) == (numbers, names)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", "  "])
def test_a_row_may_be_without_a_label(missing):
    y, names = rows.classes(np.array([1, missing, 2], dtype=object))
    assert (y.tolist(), names) == ([0, UNLABELLED, 1], ["1", "2"])


def test_a_measured_target_is_no_class():
    with pytest.raises(ValueError, match=r"row 2: expected a class .*received 0.5"):
        rows.classes(np.array([1.0, 0.5]))


@pytest.mark.parametrize("labels", [[], [1], [1, 1, 1]])
def test_fewer_than_two_classes_are_refused(labels):
    with pytest.raises(ValueError, match=f"received {len(set(labels))} in {len(labels)} labelled rows"):
        rows.classes(np.array(labels, dtype=object))


def test_rows_without_a_label_are_for_training():
    labels = np.array([UNLABELLED, 0, 1] * 10)
    train, valid, test = split(labels, 5, 6)
    assert UNLABELLED not in labels[valid] and UNLABELLED not in labels[test]
    assert (labels[train] == UNLABELLED).sum() == 10 and len(train) == 19


def split(labels, n_valid, n_test, seed=0):
    return rows.stratified_split(np.asarray(labels), n_valid=n_valid, n_test=n_test, seed=seed)


@given(st.lists(st.integers(0, 4), min_size=12, max_size=80), st.integers(0, 5), st.integers(0, 5), st.integers(0, 9))
def test_every_row_is_in_exactly_one_split_and_the_sizes_are_those_asked_for(labels, n_valid, n_test, seed):
    train, valid, test = split(labels, n_valid, n_test, seed)
    assert (len(valid), len(test)) == (n_valid, n_test)
    assert sorted(np.concatenate([train, valid, test])) == list(range(len(labels)))


@given(st.integers(2, 6), st.integers(1, 5), st.integers(1, 5), st.integers(0, 9))
def test_balanced_classes_stay_balanced(n_classes, n_valid, n_test, seed):
    labels = np.repeat(np.arange(n_classes), 12)
    _, valid, test = split(labels, n_valid * n_classes, n_test * n_classes, seed)
    assert np.bincount(labels[valid]).tolist() == [n_valid] * n_classes
    assert np.bincount(labels[test]).tolist() == [n_test] * n_classes


def test_uneven_classes_keep_their_proportions():
    labels = np.repeat([0, 1], [900, 100])
    for part, size in zip(split(labels, 100, 200), (700, 100, 200), strict=True):
        assert abs((labels[part] == 1).sum() - size / 10) <= 1


def test_the_seed_alone_sets_the_split():
    labels = np.arange(60) % 3
    first, again, other = split(labels, 9, 9, 1), split(labels, 9, 9, 1), split(labels, 9, 9, 2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[2], other[2])


def test_rows_sorted_by_class_come_out_mixed():
    train, _, _ = split(np.repeat([0, 1], 100), 20, 20)
    assert 10 < (train[:40] < 100).sum() < 30


def test_columns_are_scaled_by_the_training_rows_and_others_clipped():
    train = np.array([[0.0, 5.0, -2.0], [10.0, 5.0, 2.0]])
    other = np.array([[5.0, 7.0, -9.0], [99.0, 5.0, 0.0]])
    scaling = rows.Scaling.of(train, np.arange(len(train)))
    scaled, clipped = scaling(train), scaling(other)
    assert scaled.dtype == clipped.dtype == np.float32
    assert scaled.tolist() == [[0, 0, 0], [1, 0, 1]]  # the constant column becomes 0
    assert clipped[:, [0, 2]].tolist() == [[0.5, 0.0], [1.0, 0.5]]


def test_the_pixels_of_an_image_share_one_range():
    x = np.array([[0.0, 1.0], [2.0, 4.0]])
    scaled = rows.Scaling.of(x, np.arange(2), by_column=False)(x)
    assert scaled.tolist() == [[0, 0.25], [0.5, 1]]


def test_a_column_of_large_numbers_keeps_its_differences():
    x = np.array([[1.7e9], [1.7e9 + 1], [1.7e9 + 2]])
    scaled = rows.Scaling.of(x, np.arange(3))(x)
    assert scaled[:, 0].tolist() == [0, 0.5, 1]


def test_repeated_rows_are_counted_each_time_they_occur():
    def count(x, *seen):
        return rows.count_leaked(*(rows.digests(np.array(one, np.uint8).reshape(-1, 2)) for one in (x, *seen)))

    seen = [[1, 2], [3, 4]]
    assert count([[3, 4], [2, 1], [3, 4]], seen) == 2
    assert count([[1, 2]], seen[1:], seen[:1]) == 1
    assert count([], seen) == 0
    assert count([[1, 2]], []) == 0


def test_a_seeds_split_is_that_of_every_run_before():
    _, valid, test = split(np.arange(12) % 3, 3, 3, seed=4)
    assert (valid.tolist(), test.tolist()) == ([8, 6, 7], [2, 3, 10])


def test_the_range_of_a_column_may_be_beyond_the_greatest_float():
    train = np.array([[-1.7e308], [1.7e308], [0]])
    scaling = rows.Scaling.of(train, np.arange(3))
    assert [scaling(part)[:, 0].tolist() for part in (train, train / 2)] == [[0, 1, 0.5], [0.25, 0.75, 0.5]]
    narrow = rows.Scaling.of(np.array([[-1.7e308], [-1.6e308]]), np.arange(2))
    assert narrow(np.array([[1.7e308]])).tolist() == [[1]]


def test_whole_numbers_are_finite():
    rows.finite(np.array([[1, 2]]))


def test_no_more_than_twenty_columns_are_told():
    with pytest.raises(ValueError, match=r"found: c0, .*, c19$"):
        rows.check_columns([f"c{k}" for k in range(22)], 2, "label")


def test_whole_numbers_and_words_among_each_other_are_words():
    y, names = rows.classes(np.array(["-3", 2.0, "x", "--4", True], dtype=object))
    assert names == ["--4", "-3", "2", "True", "x"] and y.tolist() == [1, 2, 4, 0, 3]


def grouped(labels, groups, n_valid, n_test, seed=0):
    return rows.grouped_split(np.asarray(labels), np.asarray(groups), n_valid=n_valid, n_test=n_test, seed=seed)


@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 9)), min_size=30, max_size=80), st.integers(0, 9))
def test_every_group_is_in_one_split_and_the_held_out_rows_are_labelled_and_no_fewer_than_asked_for(given, seed):
    labels, groups = np.array([*given, *((k % 3, k) for k in range(10))]).T
    parts = grouped(labels, groups, 5, 4, seed)
    _, valid, test = parts
    assert len(np.unique(np.concatenate(parts))) == sum(map(len, parts))
    together = [{*groups[part]} for part in parts]
    assert not (together[0] & together[1] or together[0] & together[2] or together[1] & together[2])
    assert min(labels[valid].min(), labels[test].min()) >= 0 and len(valid) >= 5 and len(test) >= 4
    left = np.setdiff1d(np.arange(len(labels)), np.concatenate(parts))
    assert (labels[left] == UNLABELLED).all() and {*groups[left]} <= together[1] | together[2]
    again = grouped(labels, groups, 5, 4, seed)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


def test_groups_of_one_class_each_are_divided_so_that_every_split_has_every_class():
    groups = np.repeat(np.arange(12), 5)
    labels = groups % 2
    for seed in range(5):
        parts = grouped(labels, groups, 20, 10, seed)
        assert [np.bincount(labels[part]).tolist() for part in parts] == [[15, 15], [10, 10], [5, 5]]


def test_no_test_rows_are_drawn_where_none_are_asked_for_and_groups_without_labels_are_for_training():
    labels, groups = np.array([0, 1] * 6 + [UNLABELLED] * 6), np.repeat(np.arange(9), 2)
    train, valid, test = grouped(labels, groups, 4, 0)
    assert (len(train), len(valid), len(test)) == (14, 4, 0) and {*range(12, 18)} <= {*train}


@pytest.mark.parametrize("seed", range(5))
def test_a_class_of_three_rows_is_in_every_part_and_no_row_is_lost(seed):
    labels = np.repeat([0, 1, 2], [300, 3, 1])
    parts = rows.stratified_split(labels, n_valid=30, n_test=100, seed=seed)
    assert [(labels[part] == 1).sum() for part in parts] == [1, 1, 1]
    assert [len(part) for part in parts] == [174, 30, 100]
    assert sorted(np.concatenate(parts)) == list(range(304))
    assert (labels[parts[0]] == 2).sum() + (labels[parts[1]] == 2).sum() + (labels[parts[2]] == 2).sum() == 1


def test_checks_and_scales_in_pieces_are_those_of_all_rows_at_once(monkeypatch):
    x = np.random.default_rng(0).normal(size=(50, 3))
    x[[7, 30, 31], 1] = np.nan, np.inf, np.nan
    some, numbers = np.where(np.isfinite(x), x, 0), np.random.default_rng(1).permutation(50)[:41]
    found = []
    for n_rows in (50, 4):
        monkeypatch.setattr(rows, "pieces", lambda shape, n=n_rows: pieces(shape, n * 24))
        with pytest.raises(ValueError, match=r"^row 8, column 2: .* received nan \(3 such values in 3 rows\)$"):
            rows.finite(x)
        found.append((rows.Scaling.of(some, numbers)(some), rows.digests(some).tolist()))
    low, high = (function(some[numbers], axis=0) for function in (np.min, np.max))
    np.testing.assert_array_equal(found[0][0], np.clip((some - low) / (high - low), 0, 1).astype(np.float32))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1] and len({*found[0][1]}) == len(np.unique(some, axis=0))
