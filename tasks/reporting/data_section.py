"""The part of the study's page on data of the user: classes, columns, and what to do next, by the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autoencoders.sentences import ALPHA, enumeration, level, method, more_runs, percent, width
from tasks.frame import files
from tasks.frame.sections import Params
from tasks.frame.view import Place
from tasks.reporting.study import Study
from tasks.reporting.wording import CHOICES

SPLITS = ("train", "valid", "test")
RULES = ("k-means", "uncertainty")  # ways to choose rows that need no labels
MOST_OPEN = 12  # classes or columns; of more, the table is folded
MOST_NAMED = 6  # categories of a column


def page(params: Params, data: Place, study: Study, confused: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of the section on the user's data; empty for other data sets.

    Args:
        params: The parameters.
        data: The folder of the stages' outputs.
        study: The study.
        confused: What `confusions.read` returned.
    """
    if params.fetch.dataset != "file":
        return {}
    manifest, metrics = (files.read_json(data / "prepare" / f"{name}.json") for name in ("manifest", "metrics"))
    schema = _schema(data)
    seen = {row["name"]: row for row in confused.get("classes", [])}
    counts = {split: manifest["splits"][split]["class_counts"] for split in SPLITS}
    classes = [
        {"name": name, **{split: counts[split][k] for split in SPLITS}, "recall": seen.get(name, {}).get("recall")}
        for k, name in enumerate(manifest["class_names"])
    ]
    return {
        "path": params.fetch.path,
        "classes": classes,
        "n_unlabelled": metrics["n_train"] - metrics["n_train_labelled"],
        "columns": schema["columns"],
        "ignored": schema["ignored"],
        "categories": _categories,
        "n_missing": sum(column["missing"] > 0 for column in schema["columns"]),
        "folded": {
            name: len(rows) > MOST_OPEN for name, rows in (("classes", classes), ("columns", schema["columns"]))
        },
        "next": [*_next(study, classes, metrics)],
    }


def _schema(data: Place) -> dict[str, Any]:
    """Return the columns of a table, and those that are ignored; none of images and arrays."""
    path = data / "label_curve" / "schema.json"
    none: dict[str, Any] = {"columns": [], "ignored": []}
    return none | (files.read_json(path) if Path(path).exists() else {})


def _categories(column: Mapping[str, Any]) -> str:
    """Return a column's first categories, and how many there are."""
    names = [name or "missing" for name in column["categories"]]
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return f"{len(names):,} categories: {', '.join(names[:MOST_NAMED])}{more}"


def _next(study: Study, classes: list[dict[str, Any]], metrics: Mapping[str, int]) -> Iterator[str]:
    """Yield what to do next, a sentence or two for each thing that the numbers support."""
    found = study.verdict
    at = next(row for row in found["budgets"] if row["n_labels"] == found["n_labels"])
    if not at["learnt"]:
        yield (
            f"Check the labels and the columns: with {at['n_labels']:,} labels no method is above chance, so that no"
            " number on this page recommends one."
        )
        return
    yield from _method(at, found["margin"], study)
    yield from _runs(at, found["margin"])
    yield from _labels(study, classes, metrics, at)


def _method(at: Mapping[str, Any], margin: float, study: Study) -> Iterator[str]:
    """Yield which method to use, and whether the autoencoder is worth its time."""
    n = f"{at['n_labels']:,} labels"
    if at["chosen"]:
        (arm, most), *_ = at["use"]["counts"]
        if 2 * most > (runs := sum(runs for _, runs in at["use"]["counts"])):
            of = f"{'an' if study.metric == 'accuracy' else 'a'} {study.metric} of {level(at['use'])}"
            yield f"Use {method(arm)} with {n}: cross-validation’s choices reach {of}."
        else:
            often = f"{method(arm)}, chosen most often, was chosen in {most} of {runs} runs"
            yield f"No method stands out with {n}: {often}."
    subject, other = _compared(at)
    told = at["against_without"]["outcome"]
    if told == "pays":
        yield f"Pretrain: with {n}, {subject} is above {other}."
    elif told != "undecided":
        place = f"within {width(margin)} of" if told == "within" else "behind"
        yield f"Leave the autoencoder out, unless you need its codings: with {n}, {subject} is {place} {other}."


def _compared(at: Mapping[str, Any]) -> tuple[str, str]:
    """Return both sides of the verdict in words: the best ones, or those named beforehand."""
    if at["chosen"]:
        return "the best use of the autoencoder", "the best method without it"
    return method(at["with_encoder"]["counts"][0][0]), method(at["without"]["counts"][0][0])


def _runs(at: Mapping[str, Any], margin: float) -> Iterator[str]:
    """Yield how to decide what is undecided."""
    subject, other = _compared(at)
    opponents = {"against_without": other, "against_scratch": "the same network from scratch"}
    if at["without"]["counts"] == at["from_scratch"]["counts"]:
        del opponents["against_scratch"]
    for name, opponent in opponents.items():
        told = at[name]
        if told["outcome"] == "undecided":
            what = "prepare.n_test" if told["n_needed"] is None else "label_curve.n_runs"
            yield (
                f"To decide between {subject} and {opponent}, raise {what} in the experiment's file and give its"
                f" command again: {more_runs(told, margin)}."
            )


def _labels(
    study: Study, classes: list[dict[str, Any]], metrics: Mapping[str, int], at: Mapping[str, Any]
) -> Iterator[str]:
    """Yield whether to label more, which classes, and how to choose the rows."""
    largest, n_labelled = study.budgets[-1], metrics["n_train_labelled"]
    if n_labelled >= 2 * largest:
        yield (
            f"Use the labels that you have: {n_labelled:,} training rows have one, and the study stops at {largest:,};"
            " add budgets to label_curve.n_labels."
        )
    yield from _more(study, at)
    k = len(classes)
    if short := [row for row in classes if row["train"] * k < largest]:
        row = min(short, key=lambda row: row["train"])
        others = f", and {len(short) - 1} other {'class' if len(short) == 2 else 'classes'}" if len(short) > 1 else ""
        yield (
            f"If you label more, label rows of ‘{row['name']}’{others}: it has {row['train']:,} labelled training rows,"
            f" and runs out of them at {row['train'] * k:,} labels balanced over classes."
        )
    known = [row for row in classes if row["recall"] is not None]
    if known and (worst := min(known, key=lambda row: row["recall"]))["recall"] < 1:
        yield (
            f"Look at ‘{worst['name']}’ first: of its {worst['test']:,} test rows, {percent(worst['recall'])} are"
            " right, the least of all classes."
        )
    rules = [row for row in study.choices if row["choice"] in RULES]
    if better := [CHOICES[row["choice"]] for row in rules if row["low"] > 0 and row["p_max_t"] <= ALPHA]:
        yield f"Choose the rows to label by a rule: {enumeration(better)} gained over a random draw (below)."


def _more(study: Study, at: Mapping[str, Any]) -> Iterator[str]:
    """Yield what twice the labels promise for the method to use, by its learning curve."""
    counts = (at["use"] or at["highest"])["counts"]
    row = next((row for row in study.predictions if row["arm"] == counts[0][0]), None)
    if row is None:
        return
    twice, margin = row["predicted"][0], study.verdict["margin"]
    promised = (
        f"with {twice['n_labels']:,}, {level({**twice, 'mean': twice['value']})} is predicted for {method(row['arm'])},"
    )
    now = f"which has {percent(row['score'])} with {row['largest']:,}"
    if twice["low"] > row["score"] + margin:
        yield f"More labels help: {promised} {now}."
    elif twice["high"] < row["score"] + margin:
        yield f"More labels of the same kind bring less than {width(margin)}: {promised} {now}."
    else:
        yield f"Whether twice the labels bring {width(margin)} cannot be told: {promised} {now}."
