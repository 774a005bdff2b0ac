"""Stage `encode@k`: encode the training and validation rows with the model of phase k (book, S7).

    python -m tasks.encode K

Reads the input of phase k, writes data/encode/K: train.npy and valid.npy, float32, the input of phase k+1. Rows stream
from file to file, so memory use does not depend on their number.
"""

from __future__ import annotations

from pathlib import Path

from autoencoders.stacking import encoder
from tasks.frame import files, models, stage
from tasks.frame.sections import Params
from tasks.frame.view import Place


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Encode both splits and write them with scale.json."""
    model = models.read(data / "phase" / key)
    folder = data / Path(params.phase[key].input).relative_to("data")
    batch_size, width = params.encode.batch_size, model.encoder.layers[-1].units
    for split in ("train", "valid"):
        _, scale = files.open_rows(folder, split)
        codings = encoder(model, batch_size=batch_size, scale=scale)
        files.map_rows(
            folder / f"{split}.npy", out / f"{split}.npy", codings,
            width=width, at_a_time=batch_size,
        )  # fmt: skip
    files.write_json(out / "scale.json", {"scale": 1})


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
