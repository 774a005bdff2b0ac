"""The simulation of opponents: what it draws is equal, and only a pick by test scores flatters."""

from __future__ import annotations

import numpy as np

from benchmarks import opponent_choice


def test_an_opponent_picked_on_the_test_set_flatters_and_one_chosen_by_cross_validation_does_not():
    (picked, seems), (chosen, rarely) = opponent_choice.flattery(60, 6, 5).values()
    assert picked > 0.3 and abs(chosen) < 0.15 and seems > 0.2 > rarely


def test_the_methods_are_equal_and_share_the_draws():
    scores, validated = opponent_choice.studies(2000, 6, 2)
    assert [*scores] == [*validated] == ["with the encoder", "opponent 0", "opponent 1"]
    assert np.ptp([values.mean() for values in scores.values()]) < 0.001
    a, b = (values.ravel() for values in [*scores.values()][:2])
    assert np.corrcoef(a, b)[0, 1] > 0.8 > 0.1 > abs(np.corrcoef(a, validated["opponent 0"].ravel())[0, 1])
