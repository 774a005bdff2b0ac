"""PyTorch: eager as its tutorials write it, and the whole step compiled into one graph."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.serve import Run, order, serve

Step = Callable[[torch.Tensor], torch.Tensor]


def build(case: dict[str, Any]) -> Run:
    """Return an epoch of the stacked autoencoder."""
    torch.set_num_threads(case["threads"])
    x = torch.from_numpy(np.load(case["rows_file"]))
    network = _network(case, x.shape[1])
    step = (_compiled if case["variant"] == "compiled" else _eager)(network, case["learning_rate"])
    epochs = itertools.count()

    def epoch() -> float:
        shuffled = x[torch.from_numpy(order(len(x), next(epochs)))]
        total = torch.zeros(())
        for batch in shuffled.split(case["batch_size"]):
            total += step(batch) * len(batch)
        return float(total) / len(x)

    return epoch


def _network(case: dict[str, Any], n_inputs: int) -> torch.nn.Sequential:
    """Return the network without the output's sigmoid, which the loss holds."""
    torch.manual_seed(0)
    widths = [n_inputs, *case["units"], *case["units"][-2::-1], n_inputs]
    layers: list[torch.nn.Module] = []
    for a, b in itertools.pairwise(widths):
        dense = torch.nn.Linear(a, b)
        torch.nn.init.xavier_uniform_(dense.weight)
        torch.nn.init.zeros_(dense.bias)
        layers += [dense, torch.nn.SELU()]
    return torch.nn.Sequential(*layers[:-1])


def _eager(network: torch.nn.Module, learning_rate: float) -> Step:
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate)

    def step(x: torch.Tensor) -> torch.Tensor:
        loss = functional.binary_cross_entropy_with_logits(network(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _compiled(network: torch.nn.Module, learning_rate: float) -> Step:
    """Return forward pass, gradients and update as one graph, compiled for each shape."""
    torch.compiler.reset()  # what it compiled for other networks counts against its limit
    weights = {name: parameter.detach() for name, parameter in network.named_parameters()}

    def loss_of(values: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return functional.binary_cross_entropy_with_logits(torch.func.functional_call(network, values, (x,)), x)

    @torch.compile(dynamic=False, fullgraph=True)
    def step(x: torch.Tensor) -> torch.Tensor:
        gradients, loss = torch.func.grad_and_value(loss_of)(weights, x)
        for name, gradient in gradients.items():
            weights[name].sub_(learning_rate * gradient)
        return loss

    return step


if __name__ == "__main__":
    serve(build, {"torch": torch.__version__, "numpy": np.__version__})
