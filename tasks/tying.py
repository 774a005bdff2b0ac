"""Stage `tying`: compare tied with untied weights, in pairs of runs that differ in nothing else (book, S2 against S6).

    python -m tasks.tying

Both arms of a pair start from the same encoder kernels and see the same rows in the same order for the same number of
epochs. The runs are divided over processes, and each is stored in .cells as soon as it is finished. Writes data/tying:
history.csv (arm, run, epoch), and metrics.json with the mean difference, its t interval and the exact sign-flip p.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from autoencoders.pretraining import Network, Recipe, Streams, Watch
from autoencoders.pretrainings import end_to_end
from autoencoders.statistics import paired
from tasks.frame import cells, files, parallel, progress, recipes, stage
from tasks.frame.cells import Store
from tasks.frame.sections import Params
from tasks.frame.view import Place

ARMS = {"tied": True, "untied": False}


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Train both arms in every run, and compare the last epoch's validation losses."""
    n, d = files.open_rows(data / "prepare", "train")[0].shape
    n_parameters = {arm: _network(params, arm).shape.model(d, seed=0).count_params() for arm in ARMS}
    runs = _runs(params)
    work = 3 * params.tying.epochs * n * max(n_parameters.values())  # a backward pass counts twice
    store = _store(params, data)
    train = partial(_train, params, data, store)
    parallel.fill(train, runs, store, lambda run: [_name(*run)], threads=params.threads, work=work)
    history = pd.DataFrame([row for run in runs for row in store.kept(_name(*run))])
    last = history[history.epoch == params.tying.epochs].pivot(index="run", columns="arm", values="val_loss")
    comparison = paired(last["tied"].tolist(), last["untied"].tolist())
    metrics = {f"difference_{name}": value for name, value in vars(comparison).items()}
    for arm in ARMS:
        metrics |= {f"{arm}_val_loss": last[arm].mean(), f"{arm}_val_loss_sd": last[arm].std(ddof=1)}
        metrics[f"{arm}_n_parameters"] = n_parameters[arm]
    history.to_csv(out / "history.csv", index=False, lineterminator="\n")
    files.write_json(out / "metrics.json", metrics)


def _store(params: Params, data: Place) -> Store:
    """Return the store of finished trainings, with their keys."""
    shared = cells.shared(params, "tasks/tying.py") | {
        "recipe": params.model_dump(include={"network": True, "tying": {"epochs"}}),
        "rows": [files.md5(data / "prepare" / name) for name in ("train.npy", "valid.npy", "scale.json")],
    }
    given = {_name(*run): {**shared, "tied": ARMS[run[0]], "seed": params.seed + run[1]} for run in _runs(params)}
    return Store(cells.folder("tying", data), given)


def _runs(params: Params) -> list[tuple[str, int]]:
    """Return every (arm, run)."""
    return [(arm, k) for arm in ARMS for k in range(params.tying.n_runs)]


def _name(arm: str, run: int) -> str:
    return f"{arm} - run {run}"


def _train(params: Params, data: Place, store: Store, runs: Sequence[tuple[str, int]]) -> list[None]:
    """Train each (arm, run), and store a row per epoch; each arm is compiled once."""
    (train, scale), (valid, _) = (files.open_rows(data / "prepare", split) for split in ("train", "valid"))
    epochs = params.tying.epochs
    for arm, k in runs:
        recipe = Recipe(networks=(_network(params, arm),), epochs=epochs, first=0)
        watch = Watch(metrics=("rounded_accuracy",), on_epoch=progress.epochs(f"{arm} run {k}", epochs))
        _, history, _ = end_to_end.pretrain(train, valid, recipe, Streams.of(params.seed + k), scale=scale, watch=watch)
        store.write(_name(arm, k), [{"arm": arm, "run": k, **row} for row in history])
    return [None] * len(runs)


def _network(params: Params, arm: str) -> Network:
    return recipes.of_network(params.network, tied=ARMS[arm])


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
