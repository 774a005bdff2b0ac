"""Autoencoders on disk: hyperparameters and weights; equal models give equal bytes."""

from __future__ import annotations

from pathlib import Path

from autoencoders.models import Autoencoder
from tasks.frame import files
from tasks.frame.errors import DataError
from tasks.frame.view import Place


def write(folder: Path, model: Autoencoder, name: str = "model") -> None:
    """Write NAME.json (hyperparameters) and NAME.weights.h5; unlike `.keras` files, these contain no date."""
    files.write_json(folder / f"{name}.json", model.get_config())
    model.save_weights(folder / f"{name}.weights.h5")


def read(folder: Place, name: str = "model") -> Autoencoder:
    """Build the model of NAME.json with its tied layers, and load its weights; DataError if they do not fit it."""
    model = Autoencoder.from_config(files.read_json(folder / f"{name}.json"))
    weights = Path(folder / f"{name}.weights.h5")
    try:
        model.load_weights(weights)
    except FileNotFoundError:
        raise FileNotFoundError(f"{weights}: no such file") from None
    except (ValueError, KeyError, OSError) as error:  # h5py raises OSError for a damaged file
        reason = str(error).partition("\n")[0]
        raise DataError(f"{weights}: expected the weights of the model in {name}.json: {reason}") from None
    return model
