"""scikit-learn's 1,797 digits of 8 x 8 pixels, 0 to 16."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.frame.datasets import Record
from tasks.frame.sections import Fetch

FILE = "digits.npz"


def obtain(options: Fetch, raw: Path, out: Path) -> None:
    """Write the digits as an .npz file."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    np.savez(out / FILE, x=digits.data.astype(np.uint8), y=digits.target.astype(np.int64))


def read(folder: Path, dataset: str) -> Record:
    """Return the digits' pixels and labels."""
    with np.load(folder / FILE, allow_pickle=False) as archive:
        return Record(archive["x"], archive["y"], [str(k) for k in range(10)], [8, 8], 16, 0)
