"""Stage `layerwise`: compare three ways to train the phases of a greedy stack on the same images (book, S9).

    python -m tasks.layerwise

The ways are a model per phase; one model that bypasses or freezes the other layers; and the same model with the outputs
of the frozen layers computed once. From the same initial weights and batches, the weights must be equal up to rounding.
Writes data/layerwise/metrics.json: the largest difference between any two weights, and the largest weight for scale.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autoencoders.layerwise import Way, train_greedy
from autoencoders.pretraining import Recipe
from tasks.frame import files, progress, recipes, stage
from tasks.frame.sections import Params
from tasks.frame.view import Place

WAYS: tuple[Way, ...] = ("separate", "bypass", "bypass_cached")


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Train the phases in each way for a few epochs on a few rows, and compare the weights."""
    train, scale = files.open_rows(data / "prepare", "train")
    x = files.floats(train[: params.layerwise.n_rows], scale)
    networks = tuple(recipes.of_phase(phase) for phase in params.phase.values())
    recipe = Recipe(networks=networks, epochs=params.layerwise.epochs)
    weights = {}
    for way in WAYS:
        model = train_greedy(x, recipe, seed=params.seed, way=way)
        weights[way] = np.concatenate([w.ravel() for w in model.get_weights()])
        progress.say(f"{way}: {len(networks)} phases trained")
    first = weights["separate"]
    metrics = {f"difference_{way}": float(np.abs(weights[way] - first).max()) for way in WAYS[1:]}
    files.write_json(out / "metrics.json", metrics | {"largest_weight": float(np.abs(first).max())})


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
