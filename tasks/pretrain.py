"""Stage `pretrain`: train the stacked autoencoder end to end (book, S2 to S4).

    python -m tasks.pretrain

Writes data/pretrain: the model, history.csv, metrics.json. At the book's settings the validation loss ends at 0.283
after 20 epochs, in about half a minute; the squared error per image is below PCA's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autoencoders.pieces import spaced
from autoencoders.pretraining import Recipe, Streams, Watch
from autoencoders.pretrainings import end_to_end
from autoencoders.projection import principal_components
from tasks.frame import files, models, progress, recipes, sizes, stage
from tasks.frame.sections import Params
from tasks.frame.view import Place


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Train the network of section `network` for `pretrain.epochs` epochs, and save it."""
    (train, scale), (valid, _) = (files.open_rows(data / "prepare", split) for split in ("train", "valid"))
    p, n_codings = params.pretrain, params.network.shape.units[-1]
    if p.noise is None:
        sizes.warn_if_wide("network.shape.units", n_codings, train.shape[1])
    recipe = Recipe(
        networks=(recipes.of_network(params.network, tied=p.tied),), epochs=p.epochs, noise=recipes.of_noise(p.noise),
        first=0,
    )  # fmt: skip
    watch = Watch(metrics=("mse", "rounded_accuracy"), on_epoch=progress.epochs("", p.epochs))
    model, history, _ = end_to_end.pretrain(train, valid, recipe, Streams.of(params.seed), scale=scale, watch=watch)
    models.write(out, model)
    files.write_table(out / "history.csv", history)
    metrics = files.last(history) | {"n_parameters": model.count_params()}
    files.write_json(out / "metrics.json", metrics | _per_image(train, valid, scale, metrics["val_mse"], n_codings))


def _per_image(train: np.ndarray, valid: np.ndarray, scale: float, mse: float, n_codings: int) -> dict[str, float]:
    """Return the squared error per validation image, summed over pixels, of the network and of PCA with equal codings.

    PCA is fitted to MOST_HELD of the training rows at most, evenly spaced.

    Reference:
        Hinton & Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, Science 313 (2006), figure 2.
    """
    x = files.floats(valid, scale)
    pca = principal_components(files.floats(spaced(train), scale), min(n_codings, *train.shape))
    missed = x - pca.inverse_transform(pca.transform(x))
    error = float(np.square(missed, dtype=np.float64).sum(axis=1).mean())
    ours = mse * x.shape[1]
    return {"val_squared_error": ours, "pca_val_squared_error": error, "pca_error_ratio": error / ours}


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
