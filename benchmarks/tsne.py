"""Comparison of t-SNE libraries for the map: time, trustworthiness and repeatability on `pretrain`'s codings.

    python benchmarks/tsne.py [REPEATS]

Runs are interleaved; medians are printed. The result on two cores is in docs/log.md.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openTSNE
import sklearn.manifold

from autoencoders.projection import trustworthiness
from autoencoders.stacking import encode
from tasks.frame import files, models


def opentsne(method: str, n_jobs: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return the embedding by openTSNE with this gradient method and number of threads."""

    def embed(x: np.ndarray) -> np.ndarray:
        return np.asarray(openTSNE.TSNE(negative_gradient_method=method, n_jobs=n_jobs, random_state=0).fit(x))

    return embed


def main(repeats: int) -> None:
    """Print a row per library and setting."""
    rows = files.read_rows(Path("data/prepare"), "valid")
    codings = encode(models.read(Path("data/pretrain")), rows).astype(np.float64)
    ways = {
        "scikit-learn": sklearn.manifold.TSNE(random_state=0).fit_transform,
        "openTSNE, Barnes-Hut, 1 thread": opentsne("bh", 1),
        "openTSNE, Barnes-Hut, 2 threads": opentsne("bh", 2),
        "openTSNE, FFT, 1 thread": opentsne("fft", 1),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    maps: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, embed in ways.items():
            start = time.perf_counter()
            maps[name].append(embed(codings))
            seconds[name].append(time.perf_counter() - start)
    print(f"{len(codings)} codings of {codings.shape[1]} numbers, {repeats} interleaved runs")
    print("| library | median s | trustworthiness | same map twice |\n|---|---|---|---|")
    for name in ways:
        trust = trustworthiness(codings, maps[name][0], n_neighbors=10)
        same = all(np.array_equal(maps[name][0], other) for other in maps[name])
        print(f"| {name} | {statistics.median(seconds[name]):.1f} | {trust:.4f} | {'yes' if same else 'no'} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
