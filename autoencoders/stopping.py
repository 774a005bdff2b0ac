"""Stop a training early: no more improvement, or divergence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoencoders.errors import Diverged

Row = dict[str, float]  # epoch or step, loss, val_loss, val_METRIC


@dataclass(frozen=True)
class EarlyStopping:
    """Stop if `monitor` has not improved for `patience` epochs, and restore the best epoch's weights.

    Attributes:
        patience: >= 1.
        monitor: A column of the history of `Trainer.fit`; larger is better for an accuracy, smaller for all others.
    """

    patience: int
    monitor: str = "val_loss"

    def best(self, rows: Sequence[Row]) -> int:
        """Return the index of the best row, the first of equals; raise ValueError if rows lack the monitored column."""
        if self.monitor not in rows[0]:
            known = ", ".join(name for name in rows[0] if name != "epoch")
            raise ValueError(f"early stopping: expected to monitor one of {known}, received {self.monitor}")
        sign = -1 if self.monitor.endswith("accuracy") else 1
        return min(range(len(rows)), key=lambda k: sign * rows[k][self.monitor])


def raise_if_diverged(rows: Sequence[Row], *, phase: int, learning_rate: float) -> None:
    """Raise Diverged if the last row is not finite or its loss is above three times the first row's."""
    first, last = rows[0]["loss"], rows[-1]["loss"]
    finite = all(np.isfinite(value) for value in rows[-1].values())
    if finite and last - first <= 2 * max(abs(first), 1e-6):  # three times the first; poisson can be negative
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
    """Raise Diverged if a training diverged to a finite loss, which the history does not show.

    If the first few steps of a training saturate every unit, its loss is high but the same in all epochs.

    Args:
        x: Some rows, (n, d).
        outputs: The network's outputs for these rows; outputs of another shape are not checked.
        loss: Function of (targets, outputs) that returns a loss per row; if the best constant output is not each
            column's mean, its method `best_constant(x)` returns that, (d,).
        first: The first epoch's loss; None with noise, since its loss is that of noisy inputs.
        was_constant: Whether the outputs were the same for every row before the training.
        phase, learning_rate: Numbers for the message.
    """
    if outputs.shape != x.shape:
        return
    best = getattr(loss, "best_constant", None)
    constant = np.broadcast_to(best(x) if best else x.mean(axis=0), x.shape)
    last, guessed = (float(np.mean(loss(x, answer))) for answer in (outputs, constant))
    collapsed = is_constant(outputs) and not was_constant and not is_constant(x)
    worse = first is not None and last >= guessed and last > first + 0.05 * abs(first)
    if collapsed or worse:
        where = f" in phase {phase}" if phase else ""
        guess = "the best answer that is the same for every row" if best else "each column's mean"
        alike = ", and every row has the same output" if collapsed else ""
        before = "" if first is None else f" {first:g} in the first epoch,"
        raise Diverged(
            f"training diverged{where}: loss {last:g} in the end,{before} {guessed:g} for {guess}{alike};"
            f" the learning rate is {learning_rate:g}, try a smaller one"
        )


def is_constant(outputs: np.ndarray) -> bool:
    """Return whether outputs (n, ...) are the same for every row, up to rounding, as with saturated units."""
    return float(np.ptp(outputs, axis=0).max()) <= 1e-6 * max(1.0, float(np.abs(outputs).max()))
