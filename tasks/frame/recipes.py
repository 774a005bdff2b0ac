"""Conversion of the networks in params.yaml to the library's records."""

from __future__ import annotations

from dataclasses import fields

from autoencoders.pretraining import Network, Noise, Shape, Training
from tasks.frame import sections


def of_network(network: sections.Network, *, tied: bool = False) -> Network:
    """Return the recipe of the network that is trained end to end."""
    shape = network.shape.model_dump()
    return Network(
        Shape(**{**shape, "units": tuple(shape["units"])}, tied=tied), Training(**network.training.model_dump())
    )


def of_phase(phase: sections.Phase) -> Network:
    """Return the recipe of a greedy phase's network."""
    given = phase.model_dump()
    shape, training = (
        {part.name: given[part.name] for part in fields(record) if part.name in given} for record in (Shape, Training)
    )
    return Network(Shape(**{**shape, "units": (given["units"],)}), Training(**training))


def of_noise(noise: sections.Noise | None) -> Noise | None:
    """Return the noise on the inputs; None for none."""
    return None if noise is None else Noise(**noise.model_dump())
