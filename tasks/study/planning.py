"""Planning: the labels needed for a target accuracy, the rows to label, and the variation between runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from autoencoders import power_law
from autoencoders.arms import CHOICES, slug
from autoencoders.label_efficiency import adjusted
from autoencoders.statistics import paired, spread_ratio
from tasks.frame.sections import Params

AHEAD = (2, 4, 10)  # multiples of the largest budget, for predicted accuracies


def planner(params: Params, curves: dict[str, np.ndarray], main: str) -> dict[str, Any]:
    """Return each arm's power law (with 3 budgets or more), its plans, and its predictions of held-out budgets.

    Args:
        params: The parameters.
        curves: Accuracies (n_runs, n_budgets) by arm; an arm with fewer budgets has the smallest ones.
        main: The arm of the report's sentence.
    """
    budgets, seed = params.label_curve.n_labels, params.seed
    long = {arm: scores for arm, scores in curves.items() if scores.shape[1] >= power_law.LEAST_BUDGETS}
    checks = [
        {"arm": arm, **asdict(check), "within": check.within}
        for arm, scores in long.items()
        for check in power_law.held_out(budgets[: scores.shape[1]], scores, seed=seed)
    ]
    arms = {arm: _law(params, budgets[: scores.shape[1]], scores) for arm, scores in long.items()}
    return {"main": main, "n_steps": params.label_curve.classifier.n_steps, "arms": arms, "held_out": checks}


def _law(params: Params, budgets: list[int], scores: np.ndarray) -> dict[str, Any]:
    law = power_law.fit(budgets, scores, seed=params.seed)
    ends = ("value", "low", "high")
    return {
        **dict(zip(("limit", "amplitude", "exponent"), map(float, law.fitted), strict=True)),
        "limit_interval": list(law.limit()[1:]),
        "largest": budgets[-1],
        "accuracy": float(law.means[-1]),
        "predicted": [
            {"n_labels": k * budgets[-1], **dict(zip(ends, law.predict(k * budgets[-1]), strict=True))} for k in AHEAD
        ],
        "plans": [asdict(power_law.plan(law, target)) for target in params.label_curve.targets],
    }


def planner_metrics(found: dict[str, Any]) -> dict[str, float]:
    """Return the main arm's law and plans, and the errors of predictions of held-out budgets over all arms."""
    metrics: dict[str, float] = {}
    if (law := found["arms"].get(found["main"])) is not None:
        metrics |= {f"planner_{name}": law[name] for name in ("limit", "amplitude", "exponent")}
        metrics |= dict(zip(("planner_limit_low", "planner_limit_high"), law["limit_interval"], strict=True))
        metrics |= {f"planner_labels_{plan['target']:g}": plan["labels"] for plan in law["plans"] if plan["labels"]}
    if checks := found["held_out"]:
        errors = [abs(check["predicted"] - check["measured"]) for check in checks]
        metrics |= {
            "planner_held_out_n": len(checks),
            "planner_held_out_error_mean": float(np.mean(errors)),
            "planner_held_out_error_most": max(errors),
            "planner_held_out_within": float(np.mean([check["within"] for check in checks])),
        }
    return metrics


def choices(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare each way to choose rows for labelling with random choice, run by run; return a row for each."""
    table = pd.DataFrame(
        [{**result["cell"], "accuracy": result["scores"]["accuracy"], "n_classes": result["n_classes"],
          "n_steps": result["n_steps"]} for result in results]
    )  # fmt: skip
    if table.empty:
        return []
    scores = table.pivot(index="run", columns="choice", values="accuracy")
    others = [choice for choice in CHOICES[1:] if choice in scores]
    pairs = {choice: paired(scores[choice].tolist(), scores[CHOICES[0]].tolist()) for choice in others}
    p_holm = dict(zip(pairs, adjusted(list(pairs.values())), strict=True))
    rows = []
    for choice in [CHOICES[0], *others]:
        group = table[table.choice == choice]
        compared = asdict(pairs[choice]) | {"p_holm": p_holm[choice]} if choice in pairs else {}
        spent = {"n_steps": int(group.n_steps.max()), "n_classes_least": int(group.n_classes.min())}
        seen = {"n_labels": int(group.n_labels.iloc[0]), "accuracy": float(group.accuracy.mean())}
        rows.append({"choice": choice, **seen, **spent, **compared})
    return rows


def choice_metrics(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return each way's mean accuracy, and its difference from random choice."""
    metrics: dict[str, float] = {}
    for row in rows:
        choice = slug(row["choice"])
        metrics[f"choice_{choice}_accuracy"] = row["accuracy"]
        names = ("mean", "low", "high", "p", "p_holm", "n")
        metrics |= {f"choice_{choice}_minus_random_{name}": row[name] for name in names if name in row}
    return metrics


def spreads(budgets: list[int], curve: np.ndarray, base: np.ndarray) -> list[dict[str, Any]]:
    """Compare the standard deviations of two arms over runs at every budget; scores are (n_runs, n_budgets)."""
    if len(curve) < 3:
        return []
    pairs = [spread_ratio(a.tolist(), b.tolist()) for a, b in zip(curve.T, base.T, strict=True)]
    return [{"n_labels": n, **asdict(pair)} for n, pair in zip(budgets, pairs, strict=True) if pair is not None]
