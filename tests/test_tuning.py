"""Fair tuning: the configurations that are tried, the folds, and the one that is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from autoencoders.errors import Diverged, InputError, TransferError
from autoencoders.tuning import Tuned, can_tune, configurations, folds, n_configurations, tuned

SPACE = {"rate": (0.001, 0.1), "k": (2, 9)}
GIVEN = {"rate": 5.0, "k": 50, "fixed": 1.23456}
LABELS = np.array([0, 1, 1, 0, 2, 2, 0, 1, 2])


def drawn(n, given=GIVEN, space=SPACE, seed=3):
    return configurations(given, space, n, whole=["k"], seed=seed)


def test_the_given_configuration_is_first_and_the_others_lie_in_the_space_with_three_digits():
    first, *others = found = drawn(20)
    assert first == GIVEN and len(found) == 20
    assert all(a != b for k, a in enumerate(found) for b in found[:k])
    for settings in others:
        assert [*settings] == [*GIVEN] and settings["fixed"] == 1.23456
        assert 0.001 <= settings["rate"] <= 0.1 and settings["rate"] == float(f"{settings['rate']:.3g}")
        assert settings["k"] in range(2, 10) and type(settings["k"]) is int
    assert {settings["k"] for settings in others} == {*range(2, 10)}
    below = sum(settings["rate"] < 0.01 for settings in others)
    assert 8 <= below <= 11, "half of them in each decade: the scale is logarithmic"


def test_the_first_of_more_configurations_are_the_same_and_another_seed_draws_others():
    assert drawn(5) == drawn(12)[:5] and drawn(1) == [GIVEN]
    assert drawn(5)[1:] != drawn(5, seed=4)[1:]


def test_a_configuration_is_drawn_once_and_a_space_with_too_few_is_refused():
    given, space = {"k": 2}, {"k": (1, 3)}
    assert sorted(settings["k"] for settings in drawn(3, given, space)) == [1, 2, 3]
    with pytest.raises(InputError, match=r"^expected a space of 4 configurations or more, received "):
        drawn(4, given, space)
    assert drawn(1, given, {}) == [given]
    with pytest.raises(InputError, match="2 configurations"):
        drawn(2, given, {})


def test_rounding_does_not_leave_the_space():
    for ends in ((0.99951, 0.99999), (0.12341, 0.12349)):
        assert ends[0] <= drawn(2, {"rate": 0.5}, {"rate": ends})[1]["rate"] <= ends[1]


def test_configurations_of_a_space_are_counted():
    assert n_configurations({"k": (2, 9)}, ["k"]) == 8
    assert n_configurations({"k": (2, 9), "j": (1, 3)}, ["k", "j"]) == 24
    assert n_configurations({}, []) == n_configurations({"rate": (0.1, 0.1)}, []) == 1
    assert n_configurations({"rate": (0.1, 0.2), "k": (1, 1)}, ["k"]) == float("inf")


def test_folds_are_stratified_and_hold_every_row_out_once():
    found = folds(LABELS, 3)
    assert sorted(np.concatenate([outside for _, outside in found])) == [*range(9)]
    for inside, outside in found:
        assert sorted([*inside, *outside]) == [*range(9)]
        assert sorted(LABELS[outside]) == [0, 1, 2]


def test_a_class_with_fewer_rows_than_folds_is_missing_from_some_without_a_word():
    labels = np.array([0] * 5 + [1] * 2)
    assert [int((labels[outside] == 1).sum()) for _, outside in folds(labels, 5)].count(0) == 3


def test_the_first_of_equally_good_configurations_wins():
    asked = []

    def right_rows(settings, inside, outside):
        asked.append((settings, len(inside), len(outside)))
        return np.arange(3) < {"a": 1, "b": 2, "c": 2}[settings]

    assert tuned(["a", "b", "c"], LABELS, 3, right_rows) == Tuned("b", 6 / 9, [3, 6, 6])
    assert asked == [(settings, 6, 3) for settings in "abc" for _ in range(3)]


def test_right_answers_count_and_not_the_mean_of_the_folds():
    """Folds of 4 and 3 rows: 4 + 0 right answers are more than 0 + 3, of which the mean share is as large."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1])

    def right_rows(settings, inside, outside):
        return np.full(len(outside), len(outside) == settings)

    assert tuned([3, 4], labels, 2, right_rows) == Tuned(4, 4 / 7, [3, 4])


def test_weighted_answers_that_tie_are_chosen_as_others_the_first_wins():
    """Thirds: 0.1 + 0.2 is more than 0.3 in the last bit."""
    weights = np.array([0.3, 0.1, 0.2, 1.0])
    found = tuned([0, 1], np.array([0, 0, 1, 1]), 2, lambda k, _, rows: np.isin(rows, [[0], [1, 2]][k]), weights)
    assert found.right[1] > found.right[0] and found.settings == 0


@pytest.mark.parametrize("error", [Diverged, InputError])
def test_a_configuration_that_fails_is_never_chosen_and_all_that_fail_are_refused_by_the_first(error):
    def right_rows(settings, inside, outside):
        if settings.startswith("bad"):
            raise error(settings)
        return np.zeros(3, bool)

    assert tuned(["bad 1", "never right", "bad 2"], LABELS, 3, right_rows) == Tuned("never right", 0.0, [-1, 0, -1])
    with pytest.raises(error, match=r"^bad 1$"):
        tuned(["bad 1", "bad 2"], LABELS, 3, right_rows)


def test_another_error_is_no_bad_configuration():
    def right_rows(settings, inside, outside):
        raise TransferError("wrong weights")

    with pytest.raises(TransferError):
        tuned(["a", "b"], LABELS, 3, right_rows)


def test_configurations_are_chosen_from_five_labels_a_class_on():
    assert [can_tune(n, 3) for n in (14, 15, 16)] == [False, True, True]
