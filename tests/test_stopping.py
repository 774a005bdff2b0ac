"""When a training stops: the limits of divergence from both sides, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from autoencoders.errors import Diverged
from autoencoders.stopping import EarlyStopping, is_constant, raise_if_diverged, raise_if_useless

X = np.array([[0.0], [2.0]])  # its column mean has a mean squared error of 1


def squared(targets, outputs):
    return ((targets - outputs) ** 2).mean(axis=1)


@pytest.mark.parametrize(
    ("first", "last", "stops"),
    [(1.0, 3.0, False), (1.0, 3.01, True), (-1.0, 1.0, False), (-1.0, 1.01, True), (0.0, 2e-6, False),
     (0.0, 2.1e-6, True), (1.0, -9.0, False)],
)  # fmt: skip
def test_a_loss_may_rise_to_three_times_the_first(first, last, stops):
    rows = [{"step": 250, "loss": first}, {"step": 500, "loss": last}]
    if not stops:
        return raise_if_diverged(rows, phase=0, learning_rate=0.1)
    with pytest.raises(Diverged) as raised:
        raise_if_diverged(rows, phase=0, learning_rate=0.1)
    assert str(raised.value) == (
        f"training diverged in step 500: loss {last:g}, after loss {first:g} in step 250; the learning rate is 0.1, "
        "try a smaller one"
    )


def test_a_first_row_that_is_not_finite_has_none_before_it():
    with pytest.raises(Diverged, match=r"^training diverged in phase 1, epoch 1: loss nan; the learning rate is 2, "):
        raise_if_diverged([{"epoch": 1, "loss": np.nan}], phase=1, learning_rate=2.0)


def useless(outputs, *, first, was_constant=False, phase=0, x=X):
    """Return what is said of these outputs, or None."""
    try:
        raise_if_useless(x, np.array(outputs), squared, first=first, was_constant=was_constant, phase=phase,
                         learning_rate=0.5)  # fmt: skip
    except Diverged as error:
        return str(error)


SAID = "training diverged: loss 1 in the end, 0.9 in the first epoch, 1 for each column's mean; the learning rate is "


@pytest.mark.parametrize(
    ("outputs", "first", "said"),
    [
        ([[1.0], [1.0]], 0.9, f"{SAID}0.5, try a smaller one"),  # as bad as the mean, and worse than the first epoch
        ([[1.0], [1.0]], 0.96, None),  # by less than a twentieth
        ([[1.0], [1.0]], None, None),
        ([[2.0], [0.0]], None, None),
        ([[2.0], [0.0]], 3.9, None),
        ([[2.0], [0.0]], 0.02, SAID.replace("loss 1", "loss 4").replace("0.9", "0.02") + "0.5, try a smaller one"),
        ([[0.5], [2.0]], 0.01, None),  # better than the mean
        ([[1.0, 1.0], [1.0, 1.0]], 0.1, None),  # a classifier's outputs
    ],
)
def test_a_loss_that_ended_above_its_beginning_and_the_means_is_refused(outputs, first, said):
    assert useless(outputs, first=first, was_constant=True) == said


def test_a_network_that_came_to_answer_every_row_alike_is_refused():
    assert useless([[1.0], [1.0]], first=None, phase=2) == (
        "training diverged in phase 2: loss 1 in the end, 1 for each column's mean, and every row has the same output; "
        "the learning rate is 0.5, try a smaller one"
    )
    assert useless([[3.0], [3.0]], first=None, x=np.array([[3.0], [3.0]])) is None, "so are the rows"
    assert useless([[3.0], [3.0]], first=0.0, x=np.array([[3.0], [3.0]])) is None, "no loss is no rise"


@pytest.mark.parametrize(
    ("outputs", "constant"),
    [([[0.0], [1e-6]], True), ([[0.0], [1.5e-6]], False), ([[10.0], [10.000005]], True), ([[10.0], [10.00002]], False),
     ([[0.0, 1.0], [0.0, 1.0]], True), ([[0.0, 1.0], [0.0, 1.1]], False), ([[0.0], [0.0]], True)],
)  # fmt: skip
def test_outputs_are_constant_up_to_rounding_in_every_column(outputs, constant):
    assert is_constant(np.array(outputs)) is constant


def test_the_validation_loss_is_monitored_and_the_smallest_is_best():
    rows = [{"epoch": 1, "val_loss": 3.0}, {"epoch": 2, "val_loss": 1.0}, {"epoch": 3, "val_loss": 1.0}]
    assert EarlyStopping(1).best(rows) == 1
    with pytest.raises(ValueError, match=r"^early stopping: expected to monitor one of loss, a, received val_loss$"):
        EarlyStopping(1).best([{"epoch": 1, "loss": 0.0, "a": 0.0}])
