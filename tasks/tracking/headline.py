"""What MLflow shows first: an experiment's few headline metrics, its curves over the labels, and the note on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from autoencoders.arms import slug
from tasks.frame.experiment import Point
from tasks.frame.sections import Params

ENDS = ("mean", "low", "high")
CURVES = {  # name in MLflow, short enough for the charts' titles: name in verdict.json
    "with_encoder": "with_encoder",
    "without_encoder": "without",
    "minus_scratch": "against_scratch",
    "minus_best": "against_without",
}
OF_BOOK = ("pretrain.val_loss", "stack.val_loss", "finetune.fine_tuned_minus_from_scratch_mean")
FIGURE = "figures/report/label-curve.png"


def metrics(verdict: Mapping[str, Any], final: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics of the experiment's run: of the study at the verdict's number of labels, and of the book.

    Args:
        verdict: The content of report/verdict.json; empty without a study.
        final: Every final metric by its dotted name.
    """
    budgets = verdict.get("budgets", [])
    at: Mapping[str, Any] = next((at for at in budgets if at["n_labels"] == verdict["n_labels"]), {})
    level = {slug(verdict["metric"]): "use" if at["use"] else "highest"} if at else {}
    parts = level | {f"encoder_{name}": part for name, part in CURVES.items() if part.startswith("against_")}
    found = {
        name + ("" if end == "mean" else f"_{end}"): at[part][end]
        for name, part in parts.items()
        for end in ENDS
        if at.get(part)
    }
    return found | {name: final[name] for name in OF_BOOK if name in final}


def curves(verdict: Mapping[str, Any]) -> list[Point]:
    """Return mean, low and high of levels and gaps, each a curve whose step is the number of labels."""
    return [
        Point(f"{name}/{end}", at["n_labels"], at[part][end])
        for at in verdict.get("budgets", [])
        for name, part in CURVES.items()
        for end in ENDS
        if at.get(part)
    ]


def note(params: Params, verdict: Mapping[str, Any], run_id: str) -> str:
    """Return the note on the experiment's run, in Markdown: the verdict, its figure, and where the rest is."""
    where = "Artifacts: the page (.html), every metric by stage (metrics), the figures. Child runs: stages and arms."
    said = [f"**{params.report.title}.** {verdict.get('sentence', '')}".rstrip()]
    said += [verdict[name] for name in ("unlabelled", "planner", "choices", "registration") if verdict.get(name)]
    if verdict.get("sentence"):
        said.append(f"![Label curve](get-artifact?path={quote(FIGURE, safe='')}&run_uuid={run_id})")
    return "\n\n".join([*said, where, params.report.source])
