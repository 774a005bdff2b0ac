"""Stage `pca`: a linear autoencoder against PCA (book, S1), with numbers.

    python -m tasks.pca

A linear autoencoder trained on squared error must end in the PCA subspace. Writes data/pca: metrics.json (mean squared
error of both, the gap, the principal angles between the subspaces) for the book's 3-D set (after the book's
epochs, and after many) and for the images, pca.png.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autoencoders.models import Autoencoder
from autoencoders.projection import book_points, pca_basis, principal_angles
from autoencoders.training import Trainer
from tasks import figures, files, progress, stage
from tasks.sections import Params


def run(params: Params, data: Path, out: Path, key: str) -> None:
    """Train on both sets, compare with the optimum, draw the 3-D set."""
    p = params.pca
    points = book_points(p.n_rows)
    model = Autoencoder(3, [2], activation="linear", output_activation="linear", seed=params.seed)
    trainer = Trainer(model, loss="mean_squared_error", optimizer="sgd", learning_rate=p.learning_rate)
    trainer.fit(points, epochs=p.epochs, batch_size=32, seed=params.seed)
    metrics = _compare(model, trainer, points, "points")
    trainer.fit(points, epochs=p.converged_epochs, batch_size=32, seed=params.seed, phase=1)
    metrics |= _compare(model, trainer, points, "points_converged")

    images = files.read_rows(data / "prepare", "train")
    images -= images.mean(axis=0)
    linear = Autoencoder(
        images.shape[1], [p.n_components], activation="linear", output_activation="linear", seed=params.seed
    )
    image_trainer = Trainer(linear, loss="mean_squared_error", optimizer="adam", learning_rate=p.image_learning_rate)
    history = image_trainer.fit(
        images, epochs=p.image_epochs, batch_size=p.image_batch_size, seed=params.seed,
        on_epoch=progress.epochs("images", p.image_epochs),
    )  # fmt: skip
    files.write_table(out / "history.csv", [{"data": "images", **row} for row in history])
    files.write_json(out / "metrics.json", metrics | _compare(linear, image_trainer, images, "images"))
    figures.linear_codings(points, np.asarray(model.encoder(points)), out / "pca.png")


def _compare(model: Autoencoder, trainer: Trainer, x: np.ndarray, name: str) -> dict[str, float]:
    """Return errors, gap (share of the optimum) and angles between the decoder's span and the PCA subspace."""
    kernel = np.asarray(model.decoder.layers[0].kernel)  # (k, d)
    basis, optimum = pca_basis(x, len(kernel))
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
