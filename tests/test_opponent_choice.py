"""The simulation of opponents: what it draws is equal, and only a pick by test scores flatters."""

from __future__ import annotations

import numpy as np

from benchmarks import opponent_choice


def test_an_opponent_picked_on_the_test_set_flatters_and_one_chosen_by_cross_validation_does_not():
    (picked, seems), (chosen, rarely) = opponent_choice.flattery(60, 6, 5).values()
    assert picked > 0.3 and abs(chosen) < 0.3 and seems > 0.12 > rarely


def test_the_methods_are_equal_and_share_the_draws_and_the_rows():
    rng = np.random.default_rng(0)
    studies = [opponent_choice.study(rng, 6, 2) for _ in range(200)]
    right, validated = ({arm: np.array([one[k][arm] for one in studies]) for arm in studies[0][k]} for k in (0, 1))
    assert [*right] == [*validated] == ["with the encoder", "opponent 0", "opponent 1"]
    means = [bits.mean() for bits in right.values()]
    assert np.ptp(means) < 0.005 and abs(np.mean(means) - opponent_choice.TRUTH) < 0.005
    a, b = (bits.mean(axis=(2, 3)).ravel() for bits in [*right.values()][:2])
    assert np.corrcoef(a, b)[0, 1] > 0.5 > 0.1 > abs(np.corrcoef(a, validated["opponent 0"].ravel())[0, 1])
    hard = [bits.mean(axis=(1, 2)).ravel() for bits in [*right.values()][:2]]
    assert np.corrcoef(*hard)[0, 1] > 0.5, "rows are hard for all"
