"""The images for every way: Fashion-MNIST from stage `prepare`, or random ones of the same shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.workers import ROOT

PREPARED = ROOT / "data" / "prepare"
REAL, MADE_UP = "Fashion-MNIST images", "random images (there is no data/prepare)"


def images(folder: Path = PREPARED) -> tuple[np.ndarray, np.ndarray, str]:
    """Return 55,000 images, uint8 (n, 784), their labels, int64 (n,), and the name of the data."""
    try:
        x, y = np.load(folder / "train.npy"), np.load(folder / "train_labels.npy")
        if x.dtype == np.uint8 and x.shape == (55_000, 784):
            return x, y, REAL
    except OSError:
        pass
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (55_000, 784), dtype=np.uint8)
    x[rng.random(x.shape) < 0.5] = 0  # as many black pixels as photographs of clothes have
    return x, np.arange(55_000) % 10, MADE_UP


def write_rows(x: np.ndarray, n: int, folder: Path) -> str:
    """Write the first n rows, scaled to float32 in [0, 1], once; return the file's name."""
    path = folder / f"{n}.npy"
    if not path.exists():
        np.save(path, x[:n].astype(np.float32) / 255)
    return str(path)


def write_bytes(x: np.ndarray, n: int, folder: Path) -> str:
    """Write n rows as bytes, repeating the images; return the file's name."""
    path = folder / f"{n}_bytes.npy"
    rows = np.lib.format.open_memmap(path, "w+", np.uint8, (n, x.shape[1]))
    for start in range(0, n, len(x)):
        rows[start : start + len(x)] = x[: n - start]
    rows.flush()
    return str(path)


def write_labelled(x: np.ndarray, y: np.ndarray, n_test: int, folder: Path) -> Path:
    """Write 10,000 labelled rows, and `n_test` test rows, for benchmarks/small_fits.py."""
    scaled, n = x[: 10_000 + n_test].astype(np.float32) / 255, 10_000
    path = folder / "labelled.npz"
    np.savez(path, x=scaled[:n], y=y[:n], test_x=scaled[n:], test_y=y[n : n + n_test])
    return path
