"""Stage `encode@k`: the training and validation rows, encoded by phase k (book, S7).

    python -m tasks.encode K

Reads what phase k read, writes data/encode/K: train.npy and valid.npy, float32, the input of phase k+1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autoencoders.layerwise import encode
from tasks import files, models, stage
from tasks.config import Params


def run(params: Params, data: Path, out: Path, key: str) -> None:
    """Encode both splits."""
    model = models.read(data / "phase" / key)
    for split in ("train", "valid"):
        rows = files.read_rows(data.parent / params.phase[key].input, split)
        np.save(out / f"{split}.npy", encode(model, rows, batch_size=params.encode.batch_size), allow_pickle=False)
    files.write_json(out / "scale.json", {"scale": 1})


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
