"""Planning: the labels needed for a target accuracy, the rows to label, and the variation between runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from autoencoders import learning_curves
from autoencoders.arms import CHOICES, slug
from autoencoders.families import max_t
from autoencoders.label_efficiency import adjusted
from autoencoders.statistics import paired, spread_ratio
from autoencoders.study import unpacked
from tasks.frame.sections import Params

DRAWS = BASELINE, BALANCED = "random", "class-balanced"  # what the ways to choose are compared with
AHEAD = (2, learning_curves.FAR)  # multiples of the largest budget, for predicted accuracies


def planner(params: Params, curves: dict[str, np.ndarray], main: str) -> dict[str, Any]:
    """Return each arm's predictions and plans (with 3 budgets or more), and its predictions of held-out budgets.

    Args:
        params: The parameters.
        curves: Scores (n_runs, n_budgets) by arm; an arm with fewer budgets has the smallest ones.
        main: The arm of the report's sentence.
    """
    budgets, seed = params.label_curve.n_labels, params.seed
    long = {arm: scores for arm, scores in curves.items() if scores.shape[1] >= learning_curves.LEAST_BUDGETS}
    checks = [
        {"arm": arm, **asdict(check), "within": check.within}
        for arm, scores in long.items()
        for check in learning_curves.held_out(budgets[: scores.shape[1]], scores, seed=seed)
    ]
    arms = {arm: _curve(params, budgets[: scores.shape[1]], scores) for arm, scores in long.items()}
    return {"main": main, "n_steps": params.label_curve.classifier.n_steps, "arms": arms, "held_out": checks}


def _curve(params: Params, budgets: list[int], scores: np.ndarray) -> dict[str, Any]:
    curve = learning_curves.fit(budgets, scores, seed=params.seed)
    ends = ("value", "low", "high")
    return {
        "largest": budgets[-1],
        "score": float(curve.means[-1]),
        "laws": curve.weights(),
        "predicted": [
            {"n_labels": k * budgets[-1], **dict(zip(ends, curve.predict(k * budgets[-1]), strict=True))} for k in AHEAD
        ],
        "plans": [asdict(learning_curves.plan(curve, target)) for target in params.label_curve.targets],
    }


def planner_metrics(found: dict[str, Any]) -> dict[str, float]:
    """Return the main arm's predictions and plans, and the errors of predictions of held-out budgets over all arms."""
    metrics: dict[str, float] = {}
    if (curve := found["arms"].get(found["main"])) is not None:
        for at in curve["predicted"]:
            metrics |= {f"planner_{at['n_labels']}_{end}": at[end] for end in ("value", "low", "high")}
        metrics |= {f"planner_labels_{plan['target']:g}": plan["labels"] for plan in curve["plans"] if plan["labels"]}
    if checks := found["held_out"]:
        errors = [abs(check["predicted"] - check["measured"]) for check in checks]
        metrics |= {
            "planner_held_out_n": len(checks),
            "planner_held_out_error_mean": float(np.mean(errors)),
            "planner_held_out_error_most": max(errors),
            "planner_held_out_within": float(np.mean([check["within"] for check in checks])),
        }
    return metrics


def choices(
    results: list[dict[str, Any]], n_test: int | None, metric: str = "accuracy", classes: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """Compare each way to choose rows for labelling with a random and a class-balanced draw, run by run.

    Args:
        results: Those of the choice cells.
        n_test: Number of test rows, for intervals over runs and rows; None if runs differ in their test rows.
        metric: The scores to compare.
        classes: Of the test rows, for balanced accuracy.

    Returns: A row for each way. All comparisons are one family.
    """
    table = pd.DataFrame(
        [{**result["cell"], "score": result["scores"][slug(metric)], "n_classes": result["n_classes"],
          "n_steps": result["n_steps"]} for result in results]
    )  # fmt: skip
    if table.empty:
        return []
    scores = table.pivot(index="run", columns="choice", values="score")
    ways = [choice for choice in CHOICES if choice in scores]
    right = {
        way: np.array([unpacked(result["right"], n_test) for result in sorted(results, key=lambda r: r["cell"]["run"])
                       if result["cell"]["choice"] == way]) for way in ways if n_test is not None
    }  # fmt: skip
    compared = [(way, base) for base in DRAWS if base in ways for way in ways if ways.index(way) > ways.index(base)]
    pairs = [paired(scores[a].tolist(), scores[b].tolist(), rights=(right[a], right[b]) if right else None,
                    classes=classes) for a, b in compared]  # fmt: skip
    family = np.array([scores[a] - scores[b] for a, b in compared]).reshape(len(compared), len(scores)).T
    tests = {
        names: asdict(pair) | {"p_holm": by_holm, "p_max_t": float(by_max_t)}
        for names, pair, by_holm, by_max_t in zip(compared, pairs, adjusted(pairs), max_t(family), strict=True)
    }
    rows = []
    for way in ways:
        group = table[table.choice == way]
        spent = {"n_steps": int(group.n_steps.max()), "n_classes_least": int(group.n_classes.min())}
        seen = {"n_labels": int(group.n_labels.iloc[0]), slug(metric): float(group.score.mean())}
        balanced = {f"balanced_{name}": value for name, value in tests.get((way, BALANCED), {}).items()}
        rows.append({"choice": way, **seen, **spent, **tests.get((way, BASELINE), {}), **balanced})
    return rows


def choice_metrics(rows: list[dict[str, Any]], metric: str = "accuracy") -> dict[str, float]:
    """Return each way's mean score, and its difference from a random and from a class-balanced draw."""
    metrics: dict[str, float] = {}
    for row in rows:
        choice = slug(row["choice"])
        metrics[f"choice_{choice}_{slug(metric)}"] = row[slug(metric)]
        for name in ("mean", "low", "high", "p", "p_holm", "p_max_t", "n"):
            for base, key in (("random", name), ("class_balanced", f"balanced_{name}")):
                if key in row:
                    metrics[f"choice_{choice}_minus_{base}_{name}"] = row[key]
    return metrics


def spreads(budgets: list[int], curve: np.ndarray, base: np.ndarray) -> list[dict[str, Any]]:
    """Compare the standard deviations of two arms over runs at every budget; scores are (n_runs, n_budgets)."""
    if len(curve) < 3:
        return []
    pairs = [spread_ratio(a.tolist(), b.tolist()) for a, b in zip(curve.T, base.T, strict=True)]
    return [{"n_labels": n, **asdict(pair)} for n, pair in zip(budgets, pairs, strict=True) if pair is not None]
