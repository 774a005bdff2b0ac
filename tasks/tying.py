"""Stage `tying`: tied against untied weights, paired over seeds, one factor changed (book, S2 against S6).

    python -m tasks.tying

Both arms of a pair start from the same encoder kernels and see the same rows in the same order for the same number of
epochs. Writes data/tying: history.csv (arm, seed, epoch), metrics.json with the mean difference, its t interval and the
exact sign-flip p, and tying.png.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autoencoders.models import Autoencoder
from autoencoders.statistics import paired
from autoencoders.training import Trainer
from tasks import figures, files, progress, stage
from tasks.config import Params

ARMS = {"tied": True, "untied": False}


def run(params: Params, data: Path, out: Path, key: str) -> None:
    """Train both arms for every seed, compare the last epoch's validation losses."""
    train, valid = (files.read_rows(data / "prepare", split) for split in ("train", "valid"))
    history = pd.DataFrame([row for arm in ARMS for row in _train_arm(params, arm, train, valid)])
    last = history[history.epoch == params.tying.epochs].pivot(index="seed", columns="arm", values="val_loss")
    comparison = paired(last["tied"].tolist(), last["untied"].tolist())
    metrics = {f"difference_{name}": value for name, value in vars(comparison).items()}
    for arm in ARMS:
        metrics |= {f"{arm}_val_loss": last[arm].mean(), f"{arm}_val_loss_sd": last[arm].std(ddof=1)}
        metrics[f"{arm}_n_parameters"] = _network(params, arm, train.shape[1], 0).count_params()
    history.to_csv(out / "history.csv", index=False, lineterminator="\n")
    files.write_json(out / "metrics.json", metrics)
    figures.tying(history, comparison, out / "tying.png")


def _train_arm(params: Params, arm: str, train: np.ndarray, valid: np.ndarray) -> list[dict[str, Any]]:
    """Train one arm for every seed; compiled once, since every seed only brings new first weights."""
    n, t = params.network, params.tying
    model = _network(params, arm, train.shape[1], params.seed)
    trainer = Trainer(
        model, loss=n.loss, optimizer=n.optimizer, learning_rate=n.learning_rate, metrics=["rounded_accuracy"]
    )
    rows: list[dict[str, Any]] = []
    for seed in range(params.seed, params.seed + t.n_seeds):
        model.set_weights(_network(params, arm, train.shape[1], seed).get_weights())
        trainer.restart()
        history = trainer.fit(
            train, epochs=t.epochs, batch_size=n.batch_size, seed=seed, validation=(valid, valid),
            on_epoch=progress.epochs(f"{arm} seed {seed}", t.epochs),
        )  # fmt: skip
        rows += [{"arm": arm, "seed": seed, **row} for row in history]
    return rows


def _network(params: Params, arm: str, n_inputs: int, seed: int) -> Autoencoder:
    n = params.network
    return Autoencoder(
        n_inputs, n.units, activation=n.activation, output_activation=n.output_activation,
        kernel_initializer=n.kernel_initializer, l2=n.l2, tied=ARMS[arm], seed=seed,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
