"""Stage `phase@k`: one shallow autoencoder of the greedy stack (book, S7).

    python -m tasks.phase K

Phase 1 reads the images, phase k the codings of phase k-1. Writes data/phase/K: the model, history.csv, metrics.json.
"""

from __future__ import annotations

from pathlib import Path

from autoencoders.layerwise import PhaseSpec, train_phase
from tasks.frame import files, models, progress, sizes, stage
from tasks.frame.sections import Params
from tasks.frame.view import Place


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Train phase `key` on its input and keep it."""
    values = params.phase[key].model_dump()
    rows = data / Path(values.pop("input")).relative_to("data")
    spec = PhaseSpec(**values)
    (train, scale), (valid, _) = (files.open_rows(rows, split) for split in ("train", "valid"))
    sizes.warn_if_wide(f"phase.{key}.units", spec.units, train.shape[1])
    model, history = train_phase(
        train,
        spec,
        number=int(key),
        seed=params.seed,
        validation=valid,
        scale=scale,
        on_epoch=progress.epochs("", spec.epochs),
    )
    models.write(out, model)
    files.write_table(out / "history.csv", history)
    files.write_json(out / "metrics.json", files.last(history))


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
