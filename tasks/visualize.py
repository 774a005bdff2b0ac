"""Stage `visualize`: reconstructions, a t-SNE map of the codings, and metrics (book, S4 and S5).

    python -m tasks.visualize

Writes data/visualize: reconstructions.npy, float32 (networks, n_images, d); map.csv (x, y, label); metrics.json: kNN
accuracy in pixel space, in the codings and on the map, and the map's trustworthiness. All on validation rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from autoencoders.projection import knn_accuracy, trustworthiness, tsne
from autoencoders.stacking import encode
from tasks.frame import files, models, progress, stage
from tasks.frame.sections import Params
from tasks.frame.view import Place

NETWORKS = ("pretrain", "stack")  # the models that reconstruct rows, in the order of the output


def run(params: Params, data: Place, out: Path, key: str) -> None:
    """Encode validation rows with `pretrain`'s model, map and measure the codings; reconstruct a few rows."""
    v = params.visualize
    rows = files.read_rows(data / "prepare", "valid")[: v.n_rows]
    labels = files.read_labels(data / "prepare", "valid")[: v.n_rows]
    networks = {name: models.read(data / name) for name in NETWORKS}
    codings = encode(networks["pretrain"], rows)
    progress.say(f"t-SNE of {len(codings)} codings")
    embedded = tsne(codings, perplexity=v.perplexity, seed=params.seed)
    spaces = {"inputs": rows, "codings": codings, "map": embedded}
    metrics = {f"knn_accuracy_{name}": knn_accuracy(x, labels, n_neighbors=v.n_neighbors) for name, x in spaces.items()}
    metrics["trustworthiness_map"] = trustworthiness(codings, embedded, n_neighbors=v.n_neighbors)
    metrics |= {f"{name}_dimensions": x.shape[1] for name, x in spaces.items()}
    files.write_json(out / "metrics.json", metrics)
    table = pd.DataFrame({"x": embedded[:, 0], "y": embedded[:, 1], "label": labels})
    table.to_csv(out / "map.csv", index=False, lineterminator="\n", float_format="%.5f")
    np.save(out / "reconstructions.npy", [np.asarray(model(rows[: v.n_images])) for model in networks.values()])


if __name__ == "__main__":
    raise SystemExit(stage.start(__file__))
