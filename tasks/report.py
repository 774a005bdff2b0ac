"""Stage `report`: the label-efficiency study's HTML page, and parts of a paper, from the study's files.

    python -m tasks.report

Writes data/report: report.html, one file that needs no network; verdict.json and verdict.txt, the study's result in
sentences; label-curve.png; paper, tables, methods and figure for LaTeX; final.json, the study's final metrics, of
which git keeps a copy as metrics/report.json, so that `dvc metrics diff` needs no cache.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoencoders.arms import FROM_SCRATCH, slug
from autoencoders.sentences import number
from tasks.frame import experiment, files, progress, stage
from tasks.frame.sections import Params
from tasks.frame.view import Place
from tasks.reporting import (
    catalogue,
    confusions,
    data_section,
    page,
    page_figures,
    paper,
    registration,
    study,
    study_figure,
    unlabelled,
)
from tasks.reporting.page_figures import Point

LEVELS, GAPS = study_figure.LEVELS, study_figure.GAPS  # parts of the verdict
COLOUR = {told: k for k, told in enumerate(LEVELS.values())} | {told: k + 1 for k, told in enumerate(GAPS.values())}


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Write the verdict, draw the figures and fill the page."""
    found = study.read(params, data)
    lines = unlabelled.table(found, params.label_curve.pretrainings[0])
    found.verdict["unlabelled"] = unlabelled.sentence(lines, params.label_curve.headline)
    registered = registration.page(params, data)
    found.verdict["registration"] = registered["sentence"]
    parts = ("sentence", "unlabelled", "planner", "choices")
    sentences = [found.verdict[name] for name in parts if found.verdict[name]]
    files.write_json(out / "verdict.json", found.verdict)
    (out / "verdict.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    files.write_json(out / "final.json", experiment.metrics(params, data))
    drawn = catalogue.of_study(found)
    for name, draw in drawn.items():
        draw(out / f"{name}.png")
    paper.write_study(params, data, out / "paper", found, drawn)
    confused, always = confusions.read(data), confusions.largest_class(data)
    page.write(
        out / "report.html", params, data,
        study=study.page(found, params) | {"unlabelled": lines, "confused": confused, "always": always},
        own=data_section.page(params, data, found, confused), figures=_figures(found) | _unlabelled(lines),
        tuning=found.tuning, registration=registered,
        units=params.label_curve.network.shape.units,
    )  # fmt: skip
    progress.say(" ".join(sentences))


def _figures(found: study.Study) -> dict[str, Any]:
    """Return the verdict's two figures and every arm's, each for a wide and a narrow page, and the last accuracies."""
    colours, others = page_figures.palette(found.drawn(), found.compared())
    history = {arm: study.records(rows) for arm, rows in found.history.groupby("arm")}
    means = {arm: [Point(row["n_labels"], *(100 * row[f"{slug(found.metric)}{end}"] for end in ("", "_low", "_high")))
                   for row in history[arm]] for arm in found.drawn()}  # fmt: skip
    pairs = {arm: [Point(row["n_labels"], *(100 * row[end] for end in ("mean", "low", "high")))
                   for row in found.rows(arm, FROM_SCRATCH)] for arm in found.compared()}  # fmt: skip
    sizes = {"wide": page_figures.WIDE, "narrow": page_figures.NARROW}
    levels, gaps = ({told: [Point(at["n_labels"], *(100 * at[name][end] for end in ("mean", "low", "high")))
                            for at in found.verdict["budgets"]] for name, told in names.items()}
                    for names in (LEVELS, GAPS))  # fmt: skip
    margin = 100 * found.verdict["margin"]
    last = {arm: line[-1] for arm, line in means.items() if line[-1].n_labels == found.budgets[-1]}
    return {
        "levels": {n: page_figures.curve(levels, size["curve"], COLOUR) for n, size in sizes.items()},
        "gaps": {
            n: page_figures.curve(gaps, size["differences"], COLOUR, zero=True, margin=margin)
            for n, size in sizes.items()
        },
        "curve": {name: page_figures.curve(means, size["curve"], colours) for name, size in sizes.items()},
        "differences": {
            name: page_figures.curve(pairs, size["differences"], others, zero=True) for name, size in sizes.items()
        },
        "last": [f"{arm} {number(p.value, 1)} %" for arm, p in last.items()],
    }


def _unlabelled(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figure of what unlabelled rows are worth, for a wide and a narrow page; none without lines."""
    if not lines:
        return {}
    curves = unlabelled.curves(lines)
    colours, along = {told: k for k, told in enumerate(curves)}, "rows to pretrain on"
    sizes = {"wide": page_figures.WIDE, "narrow": page_figures.NARROW}
    return {
        "unlabelled": {
            name: page_figures.curve(curves, size["differences"], colours, zero=True, along=along)
            for name, size in sizes.items()
        }
    }


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
