"""PCA against the linear autoencoder: the reference numbers against scikit-learn, and stage `pca`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import tiny
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness as sklearn_trustworthiness

from autoencoders import projection
from autoencoders.projection import book_points, knn_accuracy, pca_basis, principal_angles, trustworthiness, tsne
from tasks import pca
from tasks.frame import files
from tasks.frame.errors import ConfigError

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


class Trained:
    """Stands in for a trainer: notes what it is asked for."""

    told: ClassVar[list] = []

    def __init__(self, model, **settings):
        self.told.append((model.get_config()["n_inputs"], model.get_config()["units"], settings))

    def fit(self, x, *, on_epoch=None, **settings):
        self.told.append((x.shape, settings))
        return [{"epoch": 1, "loss": 0.5}]

    def evaluate(self, x):
        return {"loss": 3.0}


def test_both_autoencoders_are_linear_and_trained_on_squared_error_as_the_parameters_say(tmp_path, monkeypatch):
    monkeypatch.setattr(pca, "Trainer", Trained)
    monkeypatch.setattr(Trained, "told", [])
    params = tiny.params(pca={"n_rows": 20, "epochs": 5, "converged_epochs": 7})
    p, data = params.pca, tiny.prepare(tmp_path / "data")
    metrics = files.read_json(tiny.run("pca", data, settings=params) / "metrics.json")
    few, first, second, wide, third = Trained.told
    loss = {"loss": "mean_squared_error"}
    assert few == (3, [2], {**loss, "optimizer": "sgd", "learning_rate": p.learning_rate})
    assert first == ((20, 3), {"epochs": 5, "batch_size": 32, "seed": 42})
    assert second == ((20, 3), {"epochs": 7, "batch_size": 32, "seed": 42, "phase": 1})
    assert wide == (16, [3], {**loss, "optimizer": "adam", "learning_rate": p.image_learning_rate})
    assert third == ((67, 16), {"epochs": 2, "batch_size": 16, "seed": 42})
    rows = files.read_rows(data / "prepare", "train")
    assert metrics["images_mse_svd"] == pytest.approx(pca_basis(rows - rows.mean(axis=0), 3)[1])
    assert metrics["images_mse"] == 3.0 and metrics["images_gap"] == pytest.approx(3 / metrics["images_mse_svd"] - 1)


def test_the_largest_angle_and_the_middle_one_are_told(monkeypatch):
    monkeypatch.setattr(pca, "principal_angles", lambda kernel, basis: np.array([1.0, 2.0, 9.0]))
    model = SimpleNamespace(decoder=SimpleNamespace(layers=[SimpleNamespace(kernel=np.ones((2, 3)))]))
    trainer = SimpleNamespace(evaluate=lambda x: {"loss": 3.0})
    assert pca._compare(model, trainer, X, (None, 2.0), "a") == {
        "a_mse": 3.0, "a_mse_svd": 2.0, "a_gap": 0.5, "a_largest_angle_degrees": 9.0, "a_median_angle_degrees": 2.0
    }  # fmt: skip


@pytest.mark.parametrize(("error", "refused"), [(0.99e-6, True), (1e-6, True), (1.01e-6, False)])
def test_where_pca_has_no_error_there_is_nothing_to_compare_with(monkeypatch, error, refused):
    monkeypatch.setattr(pca, "pca_basis", lambda x, n: ("basis", error))
    x = np.ones((1234, 2))
    if not refused:
        assert pca._optimum(x, 2) == ("basis", error)
        return
    with pytest.raises(ConfigError) as shown:
        pca._optimum(x, 2)
    assert str(shown.value) == (
        "params.yaml: pca.n_components: expected fewer than the dimensions of the 1,234 training rows, received 2, with"
        " which PCA reproduces the rows exactly; choose a smaller number"
    )
