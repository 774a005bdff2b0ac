"""Stage `visualize`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import tiny

from tasks import visualize
from tasks.frame import files, models
from tasks.reporting import catalogue


def test_the_map_comes_with_numbers_and_a_few_rows_with_their_reconstructions(tmp_path):
    data = tiny.untrained(tiny.prepare(tmp_path / "data"))
    out = tiny.run("visualize", data)
    metrics = files.read_json(out / "metrics.json")
    assert [metrics[f"{space}_dimensions"] for space in ("inputs", "codings", "map")] == [16, 4, 2]
    assert metrics["knn_accuracy_inputs"] > 0.9  # the classes are separable
    assert 0.5 < metrics["trustworthiness_map"] <= 1
    assert pd.read_csv(out / "map.csv").columns.tolist() == ["x", "y", "label"]
    reconstructed = np.load(out / "reconstructions.npy")
    assert reconstructed.shape == (2, 3, 16) and reconstructed.dtype == np.float32
    for name, rows in zip(visualize.NETWORKS, reconstructed, strict=True):
        few = files.read_rows(data / "prepare", "valid")[:3]
        np.testing.assert_array_equal(rows, np.asarray(models.read(data / name)(few)))
    assert catalogue.NETWORKS == visualize.NETWORKS
