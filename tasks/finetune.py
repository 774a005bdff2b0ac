"""Stage `finetune`: does pretraining pay with few labels? (book, S10, done right)

    python -m tasks.finetune

Every arm trains the same classifier on the same few labelled rows of a run, with the same number of gradient steps and
a proof of every weight transfer. Only this stage and `label_curve` read the test set. Each training is stored in .cells
as soon as it is finished. Writes data/finetune: scores.csv (arm, run, accuracy, steps), history.csv (mean over runs),
metrics.json (means per arm, and paired comparisons with training from scratch and with random features),
comparisons.csv, proofs.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from autoencoders.arms import ARMS, FROM_SCRATCH, RANDOM_FEATURES, Arm, slug
from autoencoders.evaluation import Budget, Classifier
from autoencoders.labels import draw_labelled
from autoencoders.statistics import holm, paired
from tasks.frame import cells, files, models, parallel, progress, stage
from tasks.frame.cells import Store
from tasks.frame.sections import Params
from tasks.frame.view import Place

AGAINST = (FROM_SCRATCH, RANDOM_FEATURES)


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Train every arm in every run, score on the test set, compare arms run by run."""
    f = params.finetune
    runs = [(arm, k) for arm in ARMS for k in range(f.n_runs)]
    work = 3 * f.n_steps * f.batch_size * models.read(data / f.encoder).encoder.count_params()
    store = _store(params, data)
    train = partial(_train, params, data, store)
    parallel.fill(train, runs, store, lambda run: [_name(*run)], threads=params.threads, work=work)
    results = [store.kept(_name(*run)) for run in runs]
    scores = pd.DataFrame([result["score"] for result in results])
    table = scores.pivot(index="run", columns="arm", values="accuracy")
    comparisons = pd.DataFrame([row for base in AGAINST for row in _compare(table, base)])
    metrics = {f"{slug(arm.name)}_accuracy": float(table[arm.name].mean()) for arm in ARMS}
    metrics |= {f"{slug(arm.name)}_accuracy_sd": float(table[arm.name].std(ddof=1)) for arm in ARMS}
    metrics |= {"n_labels": f.n_labels, "n_proofs": len(results)}
    for row in comparisons.to_dict("records"):
        prefix = f"{slug(row['arm'])}_minus_{slug(row['against'])}"
        metrics |= {f"{prefix}_{name}": row[name] for name in ("mean", "low", "high", "p")}
    scores.to_csv(out / "scores.csv", index=False, lineterminator="\n")
    comparisons.to_csv(out / "comparisons.csv", index=False, lineterminator="\n")
    history = pd.DataFrame([row for result in results for row in result["history"]])
    curves = history.groupby(["arm", "step"], sort=False, as_index=False).mean()
    curves.to_csv(out / "history.csv", index=False, lineterminator="\n")
    files.write_json(out / "proofs.json", [result["proof"] for result in results])
    files.write_json(out / "metrics.json", metrics)


def _store(params: Params, data: Place) -> Store:
    """Return the store of finished trainings, with their keys."""
    f, rows = params.finetune, [f"{split}{end}.npy" for split in ("train", "test") for end in ("", "_labels")]
    shared = cells.shared(params, "tasks/finetune.py") | {
        "recipe": f.model_dump(exclude={"encoder", "n_runs"}),
        "kernel_initializer": params.network.shape.kernel_initializer,
        "rows": [files.md5(data / "prepare" / name) for name in (*rows, "scale.json")],
        "encoder": [files.md5(data / f.encoder / name) for name in ("model.json", "model.weights.h5")],
        "seed": params.seed,
    }
    given = {
        _name(arm, k): {**shared, "arm": [arm.encoder, arm.trains], "run": k} for arm in ARMS for k in range(f.n_runs)
    }
    return Store(cells.folder("finetune", data), given)


def _name(arm: Arm, run: int) -> str:
    return f"{arm.name} - run {run}"


def _train(params: Params, data: Place, store: Store, runs: Sequence[tuple[Arm, int]]) -> list[None]:
    """Train, score and store each (arm, run), with shared compiled functions."""
    f = params.finetune
    train, scale = files.open_rows(data / "prepare", "train")
    test = files.read_rows(data / "prepare", "test")
    labels = {split: files.read_labels(data / "prepare", split) for split in ("train", "test")}
    classifier = Classifier(
        models.read(data / f.encoder),
        n_classes=int(labels["train"].max()) + 1,
        kernel_initializer=params.network.shape.kernel_initializer,
        budget=Budget(n_steps=f.n_steps, batch_size=f.batch_size, optimizer=f.optimizer, learning_rate=f.learning_rate),
    )
    for arm, k in runs:
        chosen = draw_labelled(labels["train"], f.n_labels, seed=params.seed, draw=k)
        x, y = files.floats(train[chosen], scale), labels["train"][chosen]
        history, proof = classifier.fit(arm, x, y, seed=params.seed + k)
        accuracy = classifier.score(test, labels["test"])
        progress.say(f"{arm.name}  run {k + 1}/{f.n_runs}  test accuracy {accuracy:.4f}")
        score = {"arm": arm.name, "run": k, "accuracy": accuracy, "n_steps": int(history[-1]["step"])}
        rows = [{"arm": arm.name, **row} for row in history]
        proved = {"arm": arm.name, "run": k, **asdict(proof)}
        store.write(_name(arm, k), {"score": score, "history": rows, "proof": proved})
    return [None] * len(runs)


def _compare(table: pd.DataFrame, base: str) -> list[dict[str, Any]]:
    """Compare every other arm with `base`, run by run; adjust the p values for their number."""
    arms = [arm.name for arm in ARMS if arm.name != base]
    pairs = [paired(table[arm].tolist(), table[base].tolist()) for arm in arms]
    adjusted = holm([pair.p for pair in pairs])
    return [
        {"arm": arm, "against": base, **asdict(pair)} | {"p_holm": p, "distinguishable": pair.distinguishable}
        for arm, pair, p in zip(arms, pairs, adjusted, strict=True)
    ]


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
