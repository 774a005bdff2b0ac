"""Max-t: by hand, against an enumeration written out, and on simulated families."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from autoencoders import families
from autoencoders.families import max_t
from autoencoders.statistics import paired


def written_out(differences):
    """Return step-down max-t with Student's t, flip by flip and step by step."""
    n, m = differences.shape

    def t(flipped):
        return np.abs(flipped.mean(axis=0)) / (flipped.std(axis=0, ddof=1) / n**0.5)

    seen = t(differences)
    order = sorted(range(m), key=lambda j: -seen[j])
    flips = [t(np.array(signs)[:, None] * differences) for signs in product((1, -1), repeat=n)]
    found, least = np.empty(m), 0.0
    for place, j in enumerate(order):
        behind = order[place:]
        least = max(least, np.mean([flip[behind].max() >= seen[j] - 1e-9 for flip in flips]))
        found[j] = least
    return found


@pytest.mark.parametrize(("n", "m"), [(4, 1), (5, 3), (7, 6)])
def test_it_is_step_down_max_t_of_students_t_over_all_joint_sign_flips(n, m):
    rng = np.random.default_rng(n)
    differences = rng.normal(np.linspace(0, 1.5, m), 1, (n, m))
    np.testing.assert_allclose(max_t(differences), written_out(differences), atol=1e-12)


def test_one_member_has_the_exact_tests_p_and_the_least_p_does_not_depend_on_the_number_of_members():
    rng = np.random.default_rng(0)
    d = rng.normal(0.5, 1, 8)
    assert max_t(d[:, None]) == pytest.approx(paired(d, np.zeros(8)).p)
    strong = np.column_stack([np.arange(1.0, 9), rng.normal(0, 1, (8, 300))])
    assert max_t(strong)[0] >= 2 / 2**8
    every = np.arange(1.0, 9)[:, None] * np.linspace(1, 2, 300)
    assert max_t(every) == pytest.approx(np.full(300, 2 / 2**8)), "Holm: 300 * 2 / 2^8, no claim"


def test_members_that_move_as_one_cost_nothing_and_others_a_lot_less_than_holm():
    d = np.array([0.3, 0.1, 0.4, 0.2, 0.5, -0.1])
    np.testing.assert_allclose(max_t(np.stack([d, 2 * d, -d], axis=1)), [paired(d, np.zeros(6)).p] * 3)


def test_differences_that_are_all_zero_have_p_one_and_a_constant_one_the_least():
    assert max_t(np.zeros((5, 2))).tolist() == [1.0, 1.0]
    assert max_t(np.column_stack([np.zeros(5), np.ones(5)])).tolist() == [1.0, 2 / 2**5]
    assert max_t(np.empty((5, 0))).size == 0


def test_seventeen_runs_are_drawn_and_pieces_change_nothing(monkeypatch):
    d = np.random.default_rng(3).normal(0.4, 1, (17, 3))
    drawn = max_t(d)
    monkeypatch.setattr(families, "MOST_ENUMERATED", 17)
    np.testing.assert_allclose(drawn, max_t(d), atol=0.01)
    monkeypatch.setattr(families, "CHUNK", 10)
    small = d[:6]
    in_pieces = max_t(small)
    monkeypatch.setattr(families, "CHUNK", 4096)
    np.testing.assert_array_equal(in_pieces, max_t(small))


def test_a_family_without_an_effect_is_refuted_in_five_of_a_hundred():
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(1000, 8, 1))
    wrong = [(max_t(s + rng.normal(size=(8, 10))) <= 0.05).any() for s in shared]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.02)
