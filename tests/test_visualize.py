"""Stage `visualize`."""

from __future__ import annotations

import pandas as pd
import tiny

from tasks import files


def test_the_map_comes_with_numbers_and_figures(tmp_path):
    data = tiny.prepare(tmp_path / "data")
    tiny.run("pretrain", data)
    tiny.run_phases(data)
    tiny.run("stack", data)
    out = tiny.run("visualize", data)
    metrics = files.read_json(out / "metrics.json")
    assert [metrics[f"{space}_dimensions"] for space in ("inputs", "codings", "map")] == [16, 4, 2]
    assert metrics["knn_accuracy_inputs"] > 0.9  # the classes are separable
    assert 0.5 < metrics["trustworthiness_map"] <= 1
    assert pd.read_csv(out / "map.csv").columns.tolist() == ["x", "y", "label"]
    assert {"map.png", "reconstructions.png"} <= {p.name for p in out.iterdir()}
