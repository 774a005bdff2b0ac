"""What the method to use takes for what, at the headline: the part of the page on classes and their confusions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from autoencoders.sentences import percent
from tasks.frame import files
from tasks.frame.view import Place

MOST_CLASSES = 20  # of the matrix; of more classes, the page lists the largest confusions
MOST_SAID, MOST_LISTED = 3, 20
LEAST = 0.01  # share of a class's rows from which on a confusion is told in words


def read(data: Place) -> dict[str, Any]:
    """Return the confusions of stage `label_curve`; empty if it wrote none.

    Returns: `arm` and `n_labels`; `classes`, for each its name, test rows, recall and `took`, the largest confusion;
        `matrix`, shares of a class's rows, None of many classes; `largest`, the largest confusions; `sentence`.
    """
    path = data / "label_curve" / "confusions.csv"
    if not Path(path).exists():
        return {}
    table, manifest = files.read_table(path), files.read_json(data / "prepare" / "manifest.json")
    names, k = manifest["class_names"], len(manifest["class_names"])
    rows = np.zeros((k, k))
    rows[table.true, table.told] = table.rows
    n = rows.sum(axis=1)
    share = rows / np.maximum(n, 1)[:, None]
    wrong = share - np.diag(share.diagonal())
    order = np.dstack(np.unravel_index(np.argsort(-wrong, axis=None, kind="stable"), wrong.shape))[0]
    largest = [
        {"true": names[i], "told": names[j], "share": float(wrong[i, j]), "rows": round(float(n[i]))}
        for i, j in order[:MOST_LISTED].tolist() if wrong[i, j]
    ]  # fmt: skip
    classes = [
        {"name": name, "rows": round(float(n[i])), "recall": float(share[i, i]) if n[i] else None,
         "took": {"told": names[j := int(wrong[i].argmax())], "share": float(wrong[i, j])} if wrong[i].any() else None}
        for i, name in enumerate(names)
    ]  # fmt: skip
    matrix = share.tolist() if k <= MOST_CLASSES else None
    found = {"arm": table.arm[0], "n_labels": int(table.n_labels[0]), "classes": classes, "matrix": matrix}
    return found | {"largest": largest, "sentence": _sentence(largest)}


def largest_class(data: Place) -> dict[str, Any]:
    """Return the class with the most test rows, and its share of them: the accuracy of always naming it."""
    manifest = files.read_json(data / "prepare" / "manifest.json")
    counts = np.array(manifest["splits"]["test"]["class_counts"])
    return {"name": manifest["class_names"][counts.argmax()], "share": float(counts.max() / counts.sum())}


def _sentence(largest: list[dict[str, Any]]) -> str:
    """Return the largest confusions in words, if there are any of more than a row in a hundred."""
    told = [
        f"‘{row['true']}’ is taken for ‘{row['told']}’ in {percent(row['share'])} of its {row['rows']:,} test rows"
        for row in largest[:MOST_SAID]
        if row["share"] >= LEAST
    ]
    return "; ".join(told) + "." if told else "No class is taken for another one in more than a row in a hundred."
