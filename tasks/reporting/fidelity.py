"""Compare the figures printed in a book or paper with the metrics of this run.

Each figure names one of our metrics: `stack.val_loss_before`, a final metric of data/stack, or
`tying.tied.val_loss@10`, a curve's value at an epoch; where there are several runs, the mean over them.
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

    Returns: A row per figure: system, metric, printed, ours (nothing where this run trained no such phase or epoch),
        sd (over runs, where there are several), difference (ours - printed), within, verdict, note.
    Raises: ConfigError where no stage has such a metric.
    """
    values, path = measured(params, data), params.book.printed
    figures = enumerate(read(path), start=2)
    return [_row(figure, _look_up(figure.metric, values, f"{path}:{line}", params)) for line, figure in figures]


def measured(params: Params, data: Place) -> dict[str, list[float]]:
    """Return the values, one per run, of every metric: `stack.val_loss`, `tying.tied.val_loss@10`."""
    values = {name: [value] for name, value in experiment.metrics(params, data).items()}
    for stage, points in experiment.histories(params, data).items():
        for point in points:
            label, _, metric = point.name.rpartition("/")
            arm = label.partition(" run ")[0]
            name = ".".join(filter(None, [stage.replace("@", "."), arm, metric]))
            values.setdefault(f"{name}@{point.epoch}", []).append(point.value)
    return {name: value for name, value in values.items() if not name.startswith("book.")}


def summary(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many figures there are, how many of them were measured here, and how many of these agree."""
    verdicts = [row["verdict"] for row in rows]
    n_measured = len(verdicts) - verdicts.count(NOT_TRAINED)
    return {"n_printed": len(rows), "n_measured": n_measured, "n_agree": verdicts.count(AGREES)}


def _look_up(metric: str, values: Mapping[str, list[float]], where: str, params: Params) -> list[float]:
    """Return a metric's values, none where the phase or epoch that it names was not trained."""
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
    given = figure._asdict()
    note = given.pop("note")
    within = given.pop("within")
    return {
        **given,
        "ours": ours,
        "sd": sd,
        "difference": difference,
        "within": within,
        "verdict": verdict,
        "note": note,
    }
