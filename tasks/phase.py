"""Stage `phase@k`: train one shallow autoencoder of the greedy stack (book, S7).

    python -m tasks.phase K

Phase 1 reads the images, phase k the codings of phase k-1. Writes data/phase/K: the model, history.csv, metrics.json.
"""

from __future__ import annotations

from pathlib import Path

from autoencoders.pretraining import Recipe, Streams, Watch
from autoencoders.pretrainings import greedy
from tasks.frame import files, models, progress, recipes, sizes, stage
from tasks.frame.sections import Params
from tasks.frame.view import Place


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Train phase `key` on its input, and save it."""
    p = params.phase[key]
    rows = data / Path(p.input).relative_to("data")
    (train, scale), (valid, _) = (files.open_rows(rows, split) for split in ("train", "valid"))
    if p.noise is None:
        sizes.warn_if_wide(f"phase.{key}.units", p.units, train.shape[1])
    recipe = Recipe(networks=(recipes.of_phase(p),), epochs=p.epochs, noise=recipes.of_noise(p.noise), first=int(key))
    metrics = ("mse", "rounded_accuracy") if p.loss == "binary_crossentropy" else ("mse",)
    watch = Watch(metrics=metrics, on_epoch=progress.epochs("", p.epochs))
    model, history, _ = greedy.pretrain(train, valid, recipe, Streams.of(params.seed), scale=scale, watch=watch)
    models.write(out, model)
    files.write_table(out / "history.csv", history)
    files.write_json(out / "metrics.json", files.last(history))


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
