"""Compare the figures printed in a book or paper with the metrics of this run.

Each figure names one of our metrics: `stack.val_loss_before` is a final metric of data/stack, and
`tying.tied.val_loss@10` is a curve's value at epoch 10. Metrics of several runs are averaged.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.frame import experiment
from tasks.frame.errors import ConfigError
from tasks.frame.printed import Printed, read
from tasks.frame.sections import Params
from tasks.frame.view import Place

COLUMNS = ("system", "metric", "printed", "ours", "sd", "difference", "within", "verdict", "note")
AGREES, DEPARTS, NOT_TRAINED = "agrees", "departs", "not trained"


def table(params: Params, data: Place) -> list[dict[str, Any]]:
    """Look up every figure of the file that `book.printed` names.

    Returns: A row per figure: system, metric, printed, ours (None if this run did not train that phase or epoch),
        sd (over runs; None for a single run), difference (ours - printed), within, verdict, note.
    Raises: ConfigError if no stage has the metric.
    """
    values, path = measured(params, data), params.book.printed
    figures = enumerate(read(path), start=2)
    return [_row(figure, _look_up(figure.metric, values, f"{path}:{line}", params)) for line, figure in figures]


def measured(params: Params, data: Place) -> dict[str, list[float]]:
    """Return every metric's values, one per run, under names such as `stack.val_loss` and `tying.tied.val_loss@10`."""
    values = {name: [value] for name, value in experiment.metrics(params, data).items()}
    for stage, points in experiment.histories(params, data).items():
        for point in points:
            label, _, metric = point.name.rpartition("/")
            arm = label.partition(" run ")[0]
            name = ".".join(filter(None, [stage.replace("@", "."), arm, metric]))
            values.setdefault(f"{name}@{point.epoch}", []).append(point.value)
    return {name: value for name, value in values.items() if not name.startswith("book.")}


def summary(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Count the printed figures, those that this run measured, and those of them that agree."""
    verdicts = [row["verdict"] for row in rows]
    n_measured = len(verdicts) - verdicts.count(NOT_TRAINED)
    return {"n_printed": len(rows), "n_measured": n_measured, "n_agree": verdicts.count(AGREES)}


def _look_up(metric: str, values: Mapping[str, list[float]], where: str, params: Params) -> list[float]:
    """Return a metric's values, an empty list if this run did not train the phase or epoch that it names."""
    if metric in values:
        return values[metric]
    name = metric.partition("@")[0]
    curves = {known.partition("@")[0] for known in values if "@" in known}
    stage, key, *_ = [*name.split("."), ""]
    if ("@" in metric and name in curves) or (stage == "phase" and key.isdigit() and key not in params.phase):
        return []
    known = sorted({known for known in values if "@" not in known} | {f"{curve}@EPOCH" for curve in curves})
    near = difflib.get_close_matches(metric, known, n=1)
    same = [name for name in known if name.startswith(f"{stage}.")]
    stages = sorted({name.split(".")[0] for name in known})
    expected = f"one of {', '.join(same)}" if same else f"a metric of {', '.join(stages)}"
    hint = f", did you mean {near[0]}?" if near else ""
    raise ConfigError(f"{where}: metric: expected {expected}, received {metric!r}{hint}")


def _row(figure: Printed, values: list[float]) -> dict[str, Any]:
    ours = difference = sd = None
    verdict = NOT_TRAINED
    if values:
        ours = float(np.mean(values))
        difference = ours - figure.printed
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
        verdict = AGREES if abs(difference) <= figure.within + 1e-12 else DEPARTS
    return figure._asdict() | {"ours": ours, "sd": sd, "difference": difference, "verdict": verdict}
