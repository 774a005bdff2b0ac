"""The list of figures: each reads the stages' files and draws one .png or .pdf for the pages and the paper."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from autoencoders.statistics import Paired
from tasks.frame import files
from tasks.frame.sections import Params
from tasks.frame.view import Place
from tasks.reporting import figures, study_figure
from tasks.reporting.study import Study

Figures = dict[str, Callable[[Path], None]]
NETWORKS = ("pretrain", "stack")  # the models whose reconstructions stage `visualize` writes, in its order


def of_study(study: Study) -> Figures:
    """Return the study's figure, the verdict's accuracies and differences by label budget, under its name."""
    others = {arm: study.scores(arm).mean(axis=0) for arm in study.drawn()}
    draw = partial(study_figure.label_curve, study.verdict, others, note=study.tuning)
    return {"label-curve": lambda path: draw(path=path)}


def of_book(params: Params, data: Place) -> Figures:
    """Return the figures of the book's stages, each under its name."""
    return {
        "few-labels": partial(_few_labels, params, data),
        "tying": partial(_tying, data),
        "pca": partial(_pca, data),
        "reconstructions": partial(_reconstructions, data),
        "map": partial(_map, data),
        "losses": partial(figures.loss_curves, histories(params, data)),
    }


def histories(params: Params, data: Place) -> dict[str, pd.DataFrame]:
    """Return the training histories, one per panel of the figure of losses, under the panel's title."""
    folders = {"pretrain": data / "pretrain"}
    folders |= {f"phase {number}": data / "phase" / number for number in params.phase}
    folders["stack, fine-tuned"] = data / "stack"
    return {title: files.read_table(folder / "history.csv") for title, folder in folders.items()}


def _few_labels(params: Params, data: Place, path: Path) -> None:
    scores = files.read_table(data / "finetune" / "scores.csv").pivot(index="run", columns="arm", values="accuracy")
    comparisons = files.read_table(data / "finetune" / "comparisons.csv")
    figures.few_labels(scores, comparisons, params.finetune.n_labels, path)


def _tying(data: Place, path: Path) -> None:
    found = files.read_json(data / "tying" / "metrics.json")
    paired = Paired(**{name: found[f"difference_{name}"] for name in Paired.__dataclass_fields__})
    figures.tying(files.read_table(data / "tying" / "history.csv"), paired, path)


def _pca(data: Place, path: Path) -> None:
    points, codings = [*"xyz"], ["coding_1", "coding_2"]
    table = files.read_table(data / "pca" / "points.csv", **dict.fromkeys([*points, *codings], "float32"))
    figures.linear_codings(table[points].to_numpy(), table[codings].to_numpy(), path)


def _reconstructions(data: Place, path: Path) -> None:
    shape = files.read_json(data / "prepare" / "manifest.json")["image_shape"]
    again = files.read_array(data / "visualize" / "reconstructions.npy")
    rows = files.read_rows(data / "prepare", "valid")[: again.shape[1]]
    figures.reconstructions(rows, dict(zip(NETWORKS, again, strict=True)), shape, path)


def _map(data: Place, path: Path) -> None:
    table = files.read_table(data / "visualize" / "map.csv")
    manifest = files.read_json(data / "prepare" / "manifest.json")
    rows = files.read_rows(data / "prepare", "valid")[: len(table)]
    figures.coding_map(table[["x", "y"]].to_numpy(), table.label.to_numpy(), rows, manifest, path)
