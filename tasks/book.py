"""Stage `book`: the book's HTML page, and its tables and figures for LaTeX, from the files of the book's stages.

    python -m tasks.book

Writes data/book: book.html, one file that needs no network; every figure as .png; paper, tables and figures for LaTeX;
fidelity.csv, the printed numbers and ours; metrics.json, how many of them agree; final.json, the stages' final
metrics, of which git keeps a copy as metrics/book.json; and for DVC's plots phases.csv, the curves of all phases, and
tying.csv, the means over runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from autoencoders.arms import FINE_TUNED, FROM_SCRATCH, RANDOM_FEATURES
from autoencoders.sentences import places
from tasks.frame import experiment, files, stage
from tasks.frame.sections import Params
from tasks.frame.view import Place
from tasks.reporting import catalogue, fidelity, page, page_map, paper, study, wording

STAGES = ("pca", "pretrain", "tying", "stack", "layerwise", "visualize", "finetune")
EMBEDDED = ("few-labels", "tying", "reconstructions", "pca", "losses")
VECTORS = ("few-labels", "tying", "losses")  # drawn for a paper, too


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Compare the printed numbers with ours, draw the figures and fill the page."""
    printed = fidelity.table(params, data)
    pd.DataFrame(printed, columns=fidelity.COLUMNS).to_csv(out / "fidelity.csv", index=False, lineterminator="\n")
    counts = fidelity.summary(printed)
    files.write_json(out / "metrics.json", counts)
    files.write_json(
        out / "final.json", experiment.metrics(params, data) | {f"book.{name}": n for name, n in counts.items()}
    )
    _write_curves(params, data, out)
    drawn = catalogue.of_book(params, data)
    for name, draw in drawn.items():
        draw(out / f"{name}.png")
    paper.write_book(params, data, out / "paper", printed, {name: drawn[name] for name in VECTORS})
    metrics = {name: files.read_json(data / name / "metrics.json") for name in STAGES}
    n_features = files.read_json(data / "prepare" / "metrics.json")["n_features"]
    page.write(
        out / "book.html", params, data,
        map=page_map.read(data), units=params.network.shape.units,
        shape_of_stack=page.shape(n_features, [phase.units for phase in params.phase.values()]),
        m=metrics,
        phases=_phases(params, data, n_features),
        few=_few_labels(params, data),
        tying_verdict=wording.tying(metrics["tying"]),
        fidelity={"rows": printed, "verdict": wording.fidelity(counts), "shifts": wording.shifts(printed), **counts},
        images={name: page.embedded(out / f"{name}.png") for name in EMBEDDED},
    )  # fmt: skip


def _write_curves(params: Params, data: Place, out: Path) -> None:
    """Write the curves for DVC's plots: one per phase, and the means of tied and of untied weights over runs."""
    curves = {f"phase {number}": files.read_table(data / "phase" / number / "history.csv") for number in params.phase}
    long = pd.concat([frame.assign(phase=name) for name, frame in curves.items()])
    long[["phase", "epoch", "loss", "val_loss"]].to_csv(out / "phases.csv", index=False, lineterminator="\n")
    runs = files.read_table(data / "tying" / "history.csv")
    means = runs.pivot_table(index="epoch", columns="arm", values="val_loss", aggfunc="mean")
    means.to_csv(out / "tying.csv", lineterminator="\n")


def _few_labels(params: Params, data: Place) -> dict[str, Any]:
    """Return the verdict on pretraining, a row per arm (best first), and the proofs of transferred weights."""
    folder = data / "finetune"
    comparisons = study.records(files.read_table(folder / "comparisons.csv"))
    against = {(row["arm"], row["against"]): row | {"places": places(row, 100, 1)} for row in comparisons}
    verdict, others = wording.few_labels(comparisons, params.finetune.n_labels)
    scores = files.read_table(folder / "scores.csv")
    arms = []
    for arm in scores.groupby("arm").accuracy.mean().sort_values(ascending=False).index:
        rows = scores[scores.arm == arm]
        arms.append(
            {
                "name": arm,
                "trains": wording.ARMS.get(arm, ("", ""))[1],
                "mean": rows.accuracy.mean(),
                "sd": rows.accuracy.std(ddof=1),
                "steps": sorted(set(rows.n_steps)),
                "differences": [against.get((arm, base)) for base in (FROM_SCRATCH, RANDOM_FEATURES)],
            }
        )
    return {
        "verdict": verdict,
        "others": others,
        "main": against[FINE_TUNED, FROM_SCRATCH],
        "arms": arms,
        "same_steps": scores.n_steps.nunique() == 1,
        "proofs": files.read_json(folder / "proofs.json"),
    }


def _phases(params: Params, data: Place, n_features: int) -> list[dict[str, Any]]:
    """Return a row per phase: its shape, its recipe, its last losses."""
    widths = [n_features, *(phase.units for phase in params.phase.values())]
    return [
        {
            "number": number,
            "shape": page.shape(n_inputs, [phase.units]),
            "recipe": phase,
            "metrics": files.read_json(data / "phase" / number / "metrics.json"),
        }
        for (number, phase), n_inputs in zip(params.phase.items(), widths, strict=False)
    ]


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
