"""When a training ends before its last epoch: nothing becomes better, or the loss has left its bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoencoders.errors import Diverged

Row = dict[str, float]  # epoch or step, loss, val_loss, val_METRIC


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when `monitor` has not become better for `patience` epochs; the best epoch's weights come back at the end.

    Attributes:
        patience: >= 1.
        monitor: A name in the rows of `Trainer.fit`; an accuracy is better when larger, all else when smaller.
    """

    patience: int
    monitor: str = "val_loss"

    def best(self, rows: Sequence[Row]) -> int:
        """Return the place of the best row, the first of equals; ValueError if rows do not have what is monitored."""
        if self.monitor not in rows[0]:
            known = ", ".join(name for name in rows[0] if name != "epoch")
            raise ValueError(f"early stopping: expected to monitor one of {known}, received {self.monitor}")
        sign = -1 if self.monitor.endswith("accuracy") else 1
        return min(range(len(rows)), key=lambda k: sign * rows[k][self.monitor])


def raise_if_diverged(rows: Sequence[Row], *, phase: int, learning_rate: float) -> None:
    """Raise Diverged, with the place and the numbers, if the last row is not finite or above three times the first."""
    first, last = rows[0]["loss"], rows[-1]["loss"]
    finite = all(np.isfinite(value) for value in rows[-1].values())
    if finite and last - first <= 2 * max(abs(first), 1e-6):  # three times the first; poisson goes below zero
        return
    unit, place = next((unit, rows[-1][unit]) for unit in ("epoch", "step") if unit in rows[-1])
    where = f"phase {phase}, {unit} {place}" if phase else f"{unit} {place}"
    numbers = ", ".join(f"{name} {value:g}" for name, value in rows[-1].items() if name != unit)
    before = f", after loss {first:g} in {unit} {rows[0][unit]}" if len(rows) > 1 else ""
    raise Diverged(
        f"training diverged in {where}: {numbers}{before}; the learning rate is {learning_rate:g}, try a smaller one"
    )


def raise_if_useless(
    x: np.ndarray,
    outputs: np.ndarray,
    loss: Callable[[Any, Any], Any],
    *,
    first: float | None,
    was_constant: bool,
    phase: int,
    learning_rate: float,
) -> None:
    """Raise Diverged after a training that has diverged to a finite loss, which its rows do not show.

    An epoch's loss is that of all its steps: where the first few have thrown the weights so far that every unit is
    saturated, it is high, but the same from the first epoch on.

    Args:
        x: Some rows, (n, d).
        outputs: What the network makes of them; of another shape where the model has a loss of its own, not checked.
        loss: Of (targets, outputs), per row.
        first: The first epoch's loss; None with noise, where epochs' losses are of other inputs than these.
        was_constant: Whether outputs were the same for every row before the training.
        phase, learning_rate: For the message.
    """
    if outputs.shape != x.shape:
        return
    mean = np.broadcast_to(x.mean(axis=0), x.shape)
    last, guessed = (float(np.mean(loss(x, answer))) for answer in (outputs, mean))
    collapsed = is_constant(outputs) and not was_constant and not is_constant(x)
    worse = first is not None and last >= guessed and last > first + 0.05 * abs(first)
    if collapsed or worse:
        where = f" in phase {phase}" if phase else ""
        alike = ", and every row has the same output" if collapsed else ""
        before = "" if first is None else f" {first:g} in the first epoch,"
        raise Diverged(
            f"training diverged{where}: loss {last:g} in the end,{before} {guessed:g} for each column's mean{alike};"
            f" the learning rate is {learning_rate:g}, try a smaller one"
        )


def is_constant(outputs: np.ndarray) -> bool:
    """Return whether outputs (n, ...) are the same for every row, to rounding, as where all units are saturated."""
    return float(np.ptp(outputs, axis=0).max()) <= 1e-6 * max(1.0, float(np.abs(outputs).max()))
