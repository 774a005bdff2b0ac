"""A data folder with made-up results: what every stage before `report` writes, without training anything."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import tiny

from autoencoders import label_efficiency
from autoencoders.verdict import verdict
from tasks.frame import files

ARMS = ("fine-tuned", "LP-FT", "top layer fine-tuned", "frozen encoder", "from scratch", "random features")
PAIRS = [(arm, base) for base in ("from scratch", "random features") for arm in ARMS if arm != base]
BUDGETS = (6, 15, 30)
KIND = {"logistic regression": "fitted"}
METRICS = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "calibration_error")
CONFUSED = {(0, 0): 7.5, (0, 1): 2.5, (1, 0): 0.5, (1, 1): 9.0, (1, 2): 0.5, (2, 2): 10.0}  # by true class, told
PHASE = {"noise": None, "units": 8, "epochs": 2, "batch_size": 8, "activation": "selu", "output_activation": "sigmoid",
         "loss": "binary_crossentropy", "optimizer": "sgd", "learning_rate": 0.5, "l2": 0.0,
         "kernel_initializer": "glorot_uniform"}  # fmt: skip


def settings(n_phases=2, **sections):
    before = {1: "data/prepare"} | {k: f"data/encode/{k - 1}" for k in range(2, n_phases + 1)}
    phase = {str(k): {**PHASE, "input": before[k]} for k in range(1, n_phases + 1)}
    return tiny.params(phase=phase, **{"book": {"printed": None}, **sections})


def make(data, *, n_phases=2, image_shape=(4, 4), low=0.01, high=0.03, finetuned=True):
    """Write what the stages write, with numbers made up; pretraining adds (low + high) / 2."""
    curve = [{"epoch": k, "loss": 0.4 / k, "val_loss": 0.5 / k, "val_mse": 0.1 / k} for k in (1, 2)]
    last = {"loss": 0.2, "val_loss": 0.25, "val_mse": 0.05}
    for name in ["pretrain", *(f"phase/{k}" for k in range(1, n_phases + 1))]:
        write(data / name, {**last, "n_parameters": 310}, curve)
    before = {"val_loss_before": 0.3, "val_mse_before": 0.06}
    if finetuned:
        write(data / "stack", last | before, curve)
    else:
        write(data / "stack", {"val_loss": 0.3, "val_mse": 0.06, **before}, [{"epoch": 0, "val_loss": 0.3}])
    runs = [
        {"arm": arm, "run": run, "epoch": epoch, "loss": 0.3, "val_loss": 0.3 + run / 100}
        for arm in ("tied", "untied") for run in (0, 1) for epoch in (1, 2)
    ]  # fmt: skip
    difference = {"mean": -0.01, "sd": 0.001, "low": -0.02, "high": -0.005, "n": 2, "p": 0.5}
    arms = {f"{arm}_{name}": value for arm in ("tied", "untied")
            for name, value in (("val_loss", 0.3), ("val_loss_sd", 0.01), ("n_parameters", 310))}  # fmt: skip
    write(data / "tying", {f"difference_{name}": value for name, value in difference.items()} | arms, runs)
    linear = ("mse", "mse_svd", "gap", "largest_angle_degrees", "median_angle_degrees")
    write(data / "pca", {f"{of}_{n}": 0.1 for of in ("points", "points_converged", "images") for n in linear})
    differences = {"difference_bypass": 1e-7, "difference_bypass_cached": 2e-7, "largest_weight": 0.3}
    write(data / "layerwise", differences)
    spaces = {f"knn_accuracy_{space}": 0.8 for space in ("inputs", "codings", "map")}
    dimensions = {"inputs_dimensions": 16, "codings_dimensions": 4, "map_dimensions": 2}
    write(data / "visualize", {**spaces, **dimensions, "trustworthiness_map": 0.99})
    points = [{"x": k % 7, "y": k % 5, "label": k % 3} for k in range(45)]
    files.write_table(data / "visualize" / "map.csv", points)
    finetune(data / "finetune", low, high)
    label_curve(data / "label_curve", (low + high) / 2)
    counts = {"n_train": 67, "n_train_labelled": 67, "n_valid": 45, "n_test": 30, "n_features": 16, "n_classes": 3}
    write(data / "prepare", {**counts, "leaked_rows_valid": 0, "leaked_rows_test": 1})
    split = {"rows": 30, "sha256": "a" * 64, "labels_sha256": "b" * 64, "class_counts": [10, 10, 10]}
    np.save(data / "prepare/valid.npy", tiny.rows(45, 1)[0])
    files.write_json(data / "prepare/scale.json", {"scale": 255})
    shape = list(image_shape) if image_shape else None
    names = ["a", "<b> & co", "c"]
    manifest = {"dataset": "made <up>", "image_shape": shape, "class_names": names, "leaked_rows": {}}
    files.write_json(
        data / "prepare/manifest.json", manifest | {"splits": dict.fromkeys(("train", "valid", "test"), split)}
    )
    np.save(data / "visualize/reconstructions.npy", np.zeros((2, 3, 16), np.float32))
    columns = ("x", "y", "z", "coding_1", "coding_2")
    files.write_table(data / "pca/points.csv", [dict.fromkeys(columns, k / 7) for k in range(5)])
    return data


def write(folder, metrics, history=None):
    folder.mkdir(parents=True)
    files.write_json(folder / "metrics.json", metrics)
    if history:
        files.write_table(folder / "history.csv", history)


def finetune(folder, low, high):
    write(folder, {"n_labels": 12})
    rows = [{"arm": arm, "run": run, "accuracy": 0.7 + k / 100, "n_steps": 4}
            for k, arm in enumerate(ARMS) for run in (0, 1)]  # fmt: skip
    files.write_table(folder / "scores.csv", rows)
    found = {"n": 2, "mean": (low + high) / 2, "sd": 0.01, "low": low, "high": high, "p": 0.03, "p_holm": 0.04}
    comparisons = [{"arm": arm, "against": base, **found, "distinguishable": True} for arm, base in PAIRS]
    files.write_table(folder / "comparisons.csv", comparisons)
    files.write_json(folder / "proofs.json", [{"arm": arm, "run": run} for arm in ARMS for run in (0, 1)])


def label_curve(folder, gain, *, n_runs=3):
    """Write a study of tiny.params(): from scratch reaches .5, .6, .7; pretraining adds `gain`, other arms lose."""
    folder.mkdir(parents=True)
    budgets = list(BUDGETS)
    rng = np.random.default_rng(0)
    base = np.array([0.5, 0.6, 0.7]) + rng.normal(0, 0.01, (n_runs, 3))
    gains = {"logistic regression": -0.05, "random features": -0.2, "from scratch": 0.0, "frozen encoder": -0.1,
             "fine-tuned": gain, "fine-tuned - tied": 2 * gain}  # fmt: skip
    curves = {
        arm: base + more + (arm != "from scratch") * rng.normal(0, 0.002, base.shape) for arm, more in gains.items()
    }
    way = {
        arm: "tied" if "tied" in arm else "untied" if arm in ("fine-tuned", "frozen encoder") else "" for arm in curves
    }
    cells = [
        {"arm": arm, "pretraining": way[arm], "n_labels": n, "run": run, "kind": KIND.get(arm, "trained"),
         "accuracy": scores[run, k], "balanced_accuracy": scores[run, k], "roc_auc": 0.9, "log_loss": 1.0,
         "calibration_error": 0.1, "validated": 0.5, "n_steps": 4, "n_trials": 1, "n_labels_used": n,
         "drawn": "a", "weights": "b"}
        for arm, scores in curves.items() for k, n in enumerate(budgets) for run in range(n_runs)
    ]  # fmt: skip
    bases = ("from scratch", "random features")
    pairs = {(a, b): label_efficiency.compare(curves[a], curves[b]) for b in bases for a in curves if a != b}
    comparisons = [
        {"arm": arm, "against": against, "n_labels": n, **asdict(pair), "n_family": 3,
         "family": "main" if arm == "fine-tuned" else "others", "p_holm": min(1.0, 3 * pair.p), "p_max_t": pair.p,
         "se": pair.sd / n_runs**0.5, "df": n_runs - 1.0, "se_rows": 0.004,
         "distinguishable": pair.distinguishable}
        for (arm, against), line in pairs.items() for n, pair in zip(budgets, line, strict=True)
    ]  # fmt: skip
    saved = {arm: label_efficiency.labels_saved(budgets, curves[arm], base) for arm in curves if way[arm]}
    ledger = [
        {"arm": arm, "kind": KIND.get(arm, "trained"), "n_cells": 3 * n_runs, "n_steps_least": 4, "n_steps_most": 4,
         "n_trials_least": 1, "n_trials_most": 1, "seconds": 1.5, "left_out_from": 0,
         "unlabelled_rows": 67 if way[arm] else 0, "unlabelled_steps": 18 if way[arm] else 0, "budgets": "equal",
         "se_runs": 0.003 if arm != "from scratch" else np.nan, "se_rows": 0.004 if arm != "from scratch" else np.nan}
        for arm in curves
    ]  # fmt: skip
    history = pd.DataFrame(cells).groupby(["arm", "n_labels"], sort=False)[list(METRICS)].mean().reset_index()
    ends = {arm: label_efficiency.band(scores) for arm, scores in curves.items()}
    history["accuracy_low"] = [low for _, low, _ in ends.values() for low in low]
    history["accuracy_high"] = [high for _, _, high in ends.values() for high in high]
    files.write_table(folder / "cells.csv", cells)
    files.write_table(folder / "comparisons.csv", comparisons)
    rows = [{"arm": arm, **asdict(row)} for arm, rows in saved.items() for row in rows]
    files.write_table(folder / "labels_saved.csv", rows)
    files.write_table(folder / "ledger.csv", ledger)
    history.to_csv(folder / "history.csv", index=False)
    proofs = [{"arm": c["arm"], "run": c["run"], "proof": {"before": [c["pretraining"], str(c["run"])], "n_frozen": 2}}
              for c in cells if c["pretraining"]]  # fmt: skip
    files.write_json(folder / "proofs.json", proofs)
    main = {arm: scores for arm, scores in curves.items() if " - " not in arm}
    few = np.array([np.nan, 0, 0])  # with the first budget there are too few labels to choose
    found = verdict(
        main, {arm: base + gains[arm] + few for arm in main}, with_encoder=[arm for arm in main if way[arm]],
        from_scratch="from scratch", budgets=budgets, headline=15, margin=0.01,
        beforehand=("fine-tuned", "logistic regression"), chance=1 / 3,
    ).findings()  # fmt: skip
    found["fine_tuned"] = label_efficiency.findings(budgets, curves["fine-tuned"], base, 15)
    files.write_json(folder / "findings.json", found)
    plan = {"target": 0.85, "answer": "told", "labels": 80, "low": 70, "high": None, "more": 50}
    predicted = [{"n_labels": n, "value": 0.75, "low": 0.7, "high": 0.8} for n in (60, 90)]
    curve = {"largest": 30, "score": 0.72, "laws": {"power": 1.0}, "predicted": predicted, "plans": [plan]}
    check = {"arm": "fine-tuned", "n_labels": 30, "predicted": 0.7, "measured": 0.72, "within": True}
    planner = {"main": "fine-tuned", "n_steps": 4, "arms": {"fine-tuned": curve}, "held_out": [check]}
    files.write_json(folder / "planner.json", planner)
    seen = {"n_labels": 15, "n_steps": 4, "n_classes_least": 3}
    chosen = [
        {"choice": "random", "accuracy": 0.6, **seen},
        {
            "choice": "uncertainty",
            "accuracy": 0.62,
            **seen,
            "mean": 0.02,
            "low": 0.01,
            "high": 0.03,
            "n": 3,
            "p": 0.25,
            "p_holm": 0.25,
            "p_max_t": 0.25,
        },
    ]
    pd.DataFrame(chosen).to_csv(folder / "choices.csv", index=False)
    confused = [
        {"arm": "fine-tuned", "n_labels": 15, "true": a, "told": b, "rows": n} for (a, b), n in CONFUSED.items()
    ]
    files.write_table(folder / "confusions.csv", confused)
    spread = {"n": n_runs, "sd_a": 0.01, "sd_b": 0.02, "ratio": 0.5, "low": 0.3, "high": 0.9, "p": 0.03}
    files.write_table(folder / "spreads.csv", [{"n_labels": n, **spread} for n in budgets])
    files.write_json(folder / "metrics.json", {"n_cells": len(cells), "difference_mean": gain})


SCHEMA = {
    "columns": [
        {"name": "age & <height>", "kind": "number", "start": 0, "stop": 2, "scaling": "least to greatest", "low": 0.0,
         "high": 1e-5, "missing": 3, "categories": None},
        {"name": "town", "kind": "category", "start": 2, "stop": 16, "scaling": None, "low": None, "high": None,
         "missing": 0, "categories": ["", *"abcdefghijkl", "a very long name of a town, without an end"]},
    ],
    "ignored": [{"name": "id", "why": "an identifier: it counts the rows"}],
    "blocks": [],
}  # fmt: skip


def own_data(data, **changes):
    """Make `data` that of a user's table with unlabelled rows; return the parameters that name it."""
    files.write_json(data / "label_curve/schema.json", SCHEMA)
    metrics = files.read_json(data / "prepare/metrics.json")
    files.write_json(data / "prepare/metrics.json", metrics | {"n_train_labelled": 60})
    return settings(fetch={"dataset": "file", "path": "data/raw/my table.csv"}, **changes)
