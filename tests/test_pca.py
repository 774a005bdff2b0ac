"""PCA against the linear autoencoder: the reference numbers against scikit-learn, and stage `pca`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tiny
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness as sklearn_trustworthiness

from autoencoders import projection
from autoencoders.projection import book_points, knn_accuracy, pca_basis, principal_angles, trustworthiness, tsne
from tasks.frame import files

X = np.random.default_rng(0).normal(size=(50, 6)) @ np.diag([5, 4, 3, 1, 0.5, 0.1])
X -= X.mean(axis=0)


def test_the_optimum_is_what_scikit_learn_finds():
    model = PCA(2).fit(X)
    basis, optimum = pca_basis(X, 2)
    assert optimum == pytest.approx(np.square(X - model.inverse_transform(model.transform(X))).mean())
    assert principal_angles(basis, model.components_.T).max() < 1e-5


def test_angles_are_right_on_planes_made_by_hand():
    xy, xz = np.eye(3)[:, :2], np.eye(3)[:, [0, 2]]
    np.testing.assert_allclose(principal_angles(xy, xz), [90, 0], atol=1e-6)
    np.testing.assert_allclose(principal_angles(xy, xy @ [[1, 2], [3, 4]]), [0, 0], atol=1e-5)


def test_the_books_points_are_centred_and_nearly_flat():
    points = book_points(60)
    assert (points.shape, points.dtype) == ((60, 3), np.float32)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-6)
    assert pca_basis(points, 2)[1] < 0.005


def test_the_books_points_are_those_of_its_notebook():
    rng = np.random.RandomState(4)
    angles, noise, w1, w2 = rng.rand(60) * 3 * np.pi / 2 - 0.5, 0.1, 0.1, 0.3
    data = np.empty((60, 3))
    data[:, 0] = np.cos(angles) + np.sin(angles) / 2 + noise * rng.randn(60) / 2
    data[:, 1] = np.sin(angles) * 0.7 + noise * rng.randn(60) / 2
    data[:, 2] = data[:, 0] * w1 + data[:, 1] * w2 + noise * rng.randn(60)
    np.testing.assert_allclose(book_points(60), data - data.mean(axis=0), atol=1e-6)


def test_a_linear_autoencoder_trained_long_enough_ends_in_the_pca_subspace(tmp_path):
    settings = tiny.params(pca={"epochs": 5, "converged_epochs": 300})
    out = tiny.run("pca", tiny.prepare(tmp_path / "data"), settings=settings)
    metrics = files.read_json(out / "metrics.json")
    assert 0 <= metrics["points_converged_gap"] < 0.1
    assert metrics["points_converged_gap"] < metrics["points_gap"]
    assert metrics["points_converged_largest_angle_degrees"] < 2
    assert metrics["images_gap"] > 0
    assert {path.name for path in out.iterdir()} == {"metrics.json", "history.csv", "points.csv"}
    history, points = (pd.read_csv(out / f"{name}.csv") for name in ("history", "points"))
    assert history.data.tolist() == ["images"] * 2 and history.epoch.tolist() == [1, 2]
    assert points.columns.tolist() == ["x", "y", "z", "coding_1", "coding_2"]
    np.testing.assert_allclose(points[["x", "y", "z"]], book_points(len(points)), atol=1e-5)


def test_a_map_keeps_clusters_apart_and_is_the_same_twice():
    centres = np.random.default_rng(1).normal(scale=20, size=(3, 5))
    labels = np.arange(90) % 3
    x = (centres[labels] + np.random.default_rng(2).normal(size=(90, 5))).astype(np.float32)
    embedded = tsne(x, perplexity=10, seed=0)
    assert knn_accuracy(embedded, labels, n_neighbors=5) == 1.0
    assert trustworthiness(x, embedded, n_neighbors=5) > 0.9
    np.testing.assert_array_equal(embedded, tsne(x, perplexity=10, seed=0))


def test_a_maps_settings_reach_its_library(monkeypatch):
    import openTSNE

    asked = []

    class Noted:
        def __init__(self, **settings):
            asked.append(settings)

        def fit(self, x):
            return x[:, :2]

    monkeypatch.setattr(openTSNE, "TSNE", Noted)
    assert tsne(np.ones((3, 4), np.float32), perplexity=7, seed=3).dtype == np.float64
    assert asked == [{"perplexity": 7, "initialization": "pca", "negative_gradient_method": "bh", "n_jobs": 1,
                      "random_state": 3}]  # fmt: skip


def test_neighbours_are_counted_in_five_folds(monkeypatch):
    asked = []
    score = lambda model, x, labels, **given: asked.append((model.n_neighbors, given)) or np.array([0.0, 1.0])  # noqa: E731
    monkeypatch.setattr(projection, "cross_val_score", score)
    assert knn_accuracy(X, np.zeros(50), n_neighbors=3) == 0.5 and asked == [(3, {"cv": 5})]
    near = [trustworthiness(X, X[:, 4:], n_neighbors=k) for k in (3, 9)]
    assert near == [sklearn_trustworthiness(X, X[:, 4:], n_neighbors=k) for k in (3, 9)] and near[0] != near[1]


@pytest.mark.parametrize("k", [1, 6])
def test_a_basis_may_have_one_component_to_all(k):
    basis, optimum = pca_basis(X, k)
    assert basis.shape == (6, k) and optimum == pytest.approx(np.linalg.eigvalsh(X.T @ X / 50)[: 6 - k].sum() / 6)
    with pytest.raises(ValueError, match=f"n_components: expected 1 to 6, received {7 * (k == 6)}"):
        pca_basis(X, 7 * (k == 6))
    model = projection.principal_components(X, k)
    assert (model.n_components, model.svd_solver) == (k, "covariance_eigh")
