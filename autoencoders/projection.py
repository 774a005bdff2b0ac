"""PCA, to compare a linear autoencoder with; t-SNE maps of the codings, and measures of their quality."""

from __future__ import annotations

import numpy as np
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness as sklearn_trustworthiness
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier


def book_points(n_rows: int) -> np.ndarray:
    """Return the book's 3-D data set, centred: points near a tilted arc, float32 (n_rows, 3).

    Reference:
        Géron, Hands-On Machine Learning, 2nd ed., chapter 17, "Performing PCA with an Undercomplete Linear
        Autoencoder"; the generator and seed of its notebook give the same points here.
    """
    rng = np.random.RandomState(4)
    angle = rng.rand(n_rows) * 3 * np.pi / 2 - 0.5
    x = np.cos(angle) + np.sin(angle) / 2 + 0.05 * rng.randn(n_rows)
    y = 0.7 * np.sin(angle) + 0.05 * rng.randn(n_rows)
    z = 0.1 * x + 0.3 * y + 0.1 * rng.randn(n_rows)
    points = np.stack([x, y, z], axis=1)
    return (points - points.mean(axis=0)).astype(np.float32)


def principal_components(x: np.ndarray, n_components: int) -> PCA:
    """Fit PCA to rows x, float32 (n, d)."""
    return PCA(n_components, svd_solver="covariance_eigh").fit(x)


def pca_basis(x: np.ndarray, n_components: int) -> tuple[np.ndarray, float]:
    """Return the PCA basis of centred rows, and the mean squared error of their projection onto it, the optimum.

    Args:
        x: Rows with columns of mean zero, (n, d).
        n_components: k, 1 <= k <= d.

    Returns: Orthonormal basis, float64 (d, k), largest variance first; mean squared error per value, >= 0.

    Raises:
        ValueError: n_components is out of range.

    Reference:
        Eckart & Young, The Approximation of One Matrix by Another of Lower Rank, Psychometrika 1 (1936).
    """
    if not 1 <= n_components <= x.shape[1]:
        raise ValueError(f"n_components: expected 1 to {x.shape[1]}, received {n_components}")
    covariance = np.asarray(x.T @ x, dtype=np.float64) / len(x)
    values, vectors = np.linalg.eigh(covariance)  # ascending
    return vectors[:, ::-1][:, :n_components], float(values[: x.shape[1] - n_components].sum() / x.shape[1])


def principal_angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the angles between the spans of the columns of a (d, k) and b (d, k): degrees in [0, 90], largest first.

    Reference:
        Björck & Golub, Numerical Methods for Computing Angles Between Linear Subspaces, Math. Comp. 27 (1973).
    """
    return np.degrees(subspace_angles(a, b))


def tsne(codings: np.ndarray, *, perplexity: float, seed: int) -> np.ndarray:
    """Map the codings to two dimensions by t-SNE, (n, d) -> float64 (n, 2).

    Reference:
        van der Maaten & Hinton, Visualizing Data using t-SNE, JMLR 9 (2008);
        Barnes-Hut: van der Maaten, Accelerating t-SNE using Tree-Based Algorithms, JMLR 15 (2014).
    """
    from openTSNE import TSNE  # takes a second to import

    model = TSNE(
        perplexity=perplexity, initialization="pca", negative_gradient_method="bh", n_jobs=1, random_state=seed
    )
    return np.asarray(model.fit(codings.astype(np.float64)))


def knn_accuracy(x: np.ndarray, labels: np.ndarray, *, n_neighbors: int) -> float:
    """Return the accuracy in [0, 1] of k nearest neighbours on rows (n, d), labels (n,), by 5-fold cross-validation."""
    model = KNeighborsClassifier(n_neighbors)
    return float(cross_val_score(model, x, labels, cv=5).mean())


def trustworthiness(x: np.ndarray, embedded: np.ndarray, *, n_neighbors: int) -> float:
    """Return the degree to which neighbours in the map (n, 2) are neighbours in x (n, d): in [0, 1], 1 is best.

    Reference:
        Venna & Kaski, Neighborhood Preservation in Nonlinear Projection Methods, ICANN (2001).
    """
    return float(sklearn_trustworthiness(x, embedded, n_neighbors=n_neighbors))
