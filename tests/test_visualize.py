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


def test_every_measure_has_the_parameters_and_the_space_it_is_of(tmp_path, monkeypatch):
    told = []

    def knn(x, labels, n_neighbors):
        told.append(("knn", x.shape, len(labels), n_neighbors))
        return x.shape[1] / 100

    def trust(x, embedded, n_neighbors):
        told.append(("trust", x.shape, embedded.shape, n_neighbors))
        return 0.5

    def tsne(x, perplexity, seed):
        told.append(("tsne", x.shape, perplexity, seed))
        return np.stack([np.arange(len(x)) / 3, -np.arange(len(x))], axis=1)

    for name, function in (("knn_accuracy", knn), ("trustworthiness", trust), ("tsne", tsne)):
        monkeypatch.setattr(visualize, name, function)
    data = tiny.untrained(tiny.prepare(tmp_path / "data"))
    out = tiny.run("visualize", data)
    assert told == [
        ("tsne", (40, 4), 5, 42), ("knn", (40, 16), 40, 3), ("knn", (40, 4), 40, 3), ("knn", (40, 2), 40, 3),
        ("trust", (40, 4), (40, 2), 3),
    ]  # fmt: skip
    assert files.read_json(out / "metrics.json") == {
        "knn_accuracy_inputs": 0.16, "knn_accuracy_codings": 0.04, "knn_accuracy_map": 0.02, "trustworthiness_map": 0.5,
        "inputs_dimensions": 16, "codings_dimensions": 4, "map_dimensions": 2,
    }  # fmt: skip
    labels = files.read_labels(data / "prepare", "valid")
    lines = (out / "map.csv").read_text().splitlines()
    assert lines[:3] == ["x,y,label", f"0.00000,0.00000,{labels[0]}", f"0.33333,-1.00000,{labels[1]}"]
