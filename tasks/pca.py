"""Stage `pca`: compare a linear autoencoder with PCA (book, S1).

    python -m tasks.pca

A linear autoencoder trained on squared error must converge to the PCA subspace. Writes data/pca: metrics.json (mean
squared error of both, the gap, the principal angles between the subspaces) for the book's 3-D data set (after the
book's number of epochs, and after many more) and for the images; history.csv; points.csv, the 3-D points and codings.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from autoencoders.models import Autoencoder
from autoencoders.pieces import spaced
from autoencoders.projection import book_points, pca_basis, principal_angles
from autoencoders.training import Trainer
from tasks.frame import files, progress, stage
from tasks.frame.config import PARAMS
from tasks.frame.errors import ConfigError
from tasks.frame.sections import Params
from tasks.frame.view import Place

Optimum = tuple[np.ndarray, float]  # an orthonormal basis (d, k), and the mean squared error of the projection on it


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Train on both data sets, of MOST_HELD images at most, evenly spaced; compare with the optimum."""
    p = params.pca
    points = book_points(p.n_rows)
    flat = pca_basis(points, 2)
    model = Autoencoder(3, [2], activation="linear", output_activation="linear", seed=params.seed)
    trainer = Trainer(model, loss="mean_squared_error", optimizer="sgd", learning_rate=p.learning_rate)
    trainer.fit(points, epochs=p.epochs, batch_size=32, seed=params.seed)
    metrics = _compare(model, trainer, points, flat, "points")
    trainer.fit(points, epochs=p.converged_epochs, batch_size=32, seed=params.seed, phase=1)
    metrics |= _compare(model, trainer, points, flat, "points_converged")

    train, scale = files.open_rows(data / "prepare", "train")
    images = files.floats(spaced(train), scale)
    images -= images.mean(axis=0)
    best = _optimum(images, p.n_components)
    linear = Autoencoder(
        images.shape[1], [p.n_components], activation="linear", output_activation="linear", seed=params.seed
    )
    image_trainer = Trainer(linear, loss="mean_squared_error", optimizer="adam", learning_rate=p.image_learning_rate)
    history = image_trainer.fit(
        images, epochs=p.image_epochs, batch_size=p.image_batch_size, seed=params.seed,
        on_epoch=progress.epochs("images", p.image_epochs),
    )  # fmt: skip
    files.write_table(out / "history.csv", [{"data": "images", **row} for row in history])
    files.write_json(out / "metrics.json", metrics | _compare(linear, image_trainer, images, best, "images"))
    codings = np.asarray(model.encoder(points))
    columns = {**dict(zip("xyz", points.T, strict=True)), "coding_1": codings[:, 0], "coding_2": codings[:, 1]}
    pd.DataFrame(columns).to_csv(out / "points.csv", index=False, lineterminator="\n")


def _optimum(x: np.ndarray, n_components: int) -> Optimum:
    """Return the PCA subspace and its error; raise ConfigError if PCA has no error to compare with."""
    basis, error = pca_basis(x, n_components)
    if error <= 1e-6 * float(np.square(x, dtype=np.float64).mean()):  # float32 rounding errors are smaller
        raise ConfigError(
            f"{PARAMS}: pca.n_components: expected fewer than the dimensions of the {len(x):,} training rows, received"
            f" {n_components}, with which PCA reproduces the rows exactly; choose a smaller number"
        )
    return basis, error


def _compare(model: Autoencoder, trainer: Trainer, x: np.ndarray, best: Optimum, name: str) -> dict[str, float]:
    """Return both errors, their gap relative to the optimum, and the angles between decoder and PCA subspace."""
    basis, optimum = best
    kernel = np.asarray(model.decoder.layers[0].kernel)  # (k, d)
    angles = principal_angles(kernel.T, basis)
    mse = trainer.evaluate(x)["loss"]
    return {
        f"{name}_mse": mse,
        f"{name}_mse_svd": optimum,
        f"{name}_gap": mse / optimum - 1,
        f"{name}_largest_angle_degrees": float(angles.max()),
        f"{name}_median_angle_degrees": float(np.median(angles)),
    }


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
