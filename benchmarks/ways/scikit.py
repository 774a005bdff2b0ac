"""scikit-learn's t-SNE and PCA."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from benchmarks.serve import Run, serve


def codings(x: np.ndarray) -> np.ndarray:
    """Return what is mapped: 30 principal components of the rows, float64 (n, 30)."""
    return PCA(30, svd_solver="covariance_eigh").fit_transform(x.astype(np.float64))


def build(case: dict[str, Any]) -> Run:
    """Return the map or the PCA."""
    x = np.load(case["rows_file"])
    if case["kind"] == "map":
        z = codings(x)
        return lambda: float(TSNE(perplexity=30, random_state=0).fit_transform(z)[-1, 0])
    return lambda: float(PCA(case["units"][-1]).fit(x).noise_variance_)


if __name__ == "__main__":
    serve(build, {"scikit-learn": sklearn.__version__})
