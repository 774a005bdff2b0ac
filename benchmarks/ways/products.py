"""The floor: the matrix products of every training step and nothing else, by NumPy's BLAS or PyTorch's."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.serve import Run, serve

Product = Callable[[], Any]


def build(case: dict[str, Any]) -> Run:
    """Return an epoch's products, rows in their order on disk."""
    x = np.load(case["rows_file"])
    products = (_torch if case["variant"] == "torch" else _numpy)(case, x)

    def epoch() -> float:
        for product in products:
            product()
        return 0.0

    return epoch


def _shapes(case: dict[str, Any], n_inputs: int) -> list[tuple[int, int]]:
    return list(itertools.pairwise([n_inputs, *case["units"], *case["units"][-2::-1], n_inputs]))


def _step(x: Any, outputs: list[Any], kernels: list[Any], matmul: Callable[[Any, Any, Any], Any]) -> list[Product]:
    """Return one step's products: forward, the kernels' gradients, and the inputs' of all layers but the first."""
    inputs, products = [x, *outputs[:-1]], []
    for a, w, out in zip(inputs, kernels, outputs, strict=True):
        products.append(lambda a=a, w=w, out=out: matmul(a, w, out))
    for k, (a, w, out) in reversed(list(enumerate(zip(inputs, kernels, outputs, strict=True)))):
        products.append(lambda a=a, w=w, out=out: matmul(a.T, out, w))
        if k:
            products.append(lambda a=a, w=w, out=out: matmul(out, w.T, a))
    return products


def _numpy(case: dict[str, Any], x: np.ndarray) -> list[Product]:
    return _all(case, x, np.zeros, lambda a, b, out: np.matmul(a, b, out=out))


def _torch(case: dict[str, Any], x: np.ndarray) -> list[Product]:
    import torch

    torch.set_num_threads(case["threads"])
    torch.set_grad_enabled(False)
    return _all(case, torch.from_numpy(x), torch.zeros, lambda a, b, out: torch.mm(a, b, out=out))


def _all(case: dict[str, Any], x: Any, zeros: Callable[..., Any], matmul: Callable[..., Any]) -> list[Product]:
    """Return the products of every batch; the last, smaller batch has outputs of its own."""
    shapes = _shapes(case, x.shape[1])
    kernels = [zeros(shape) if zeros is not np.zeros else np.zeros(shape, np.float32) for shape in shapes]
    products: list[Product] = []
    outputs: dict[int, list[Any]] = {}
    for start in range(0, len(x), case["batch_size"]):
        batch = x[start : start + case["batch_size"]]
        n = len(batch)
        if n not in outputs:
            outputs[n] = [zeros((n, b)) if zeros is not np.zeros else np.zeros((n, b), np.float32) for _, b in shapes]
        products += _step(batch, outputs[n], kernels, matmul)
    return products


if __name__ == "__main__":
    serve(build, {"numpy": np.__version__})
