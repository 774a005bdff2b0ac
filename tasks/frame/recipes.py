"""Conversion of the networks in params.yaml to the library's records."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import chain, repeat

from autoencoders.blocks import ByColumn
from autoencoders.pretraining import Network, Noise, Shape, Training
from autoencoders.standardisation import Standardisation
from tasks.frame import network_section, sections


def of_network(
    network: network_section.Network,
    *,
    tied: bool = False,
    standardisation: Standardisation | None = None,
    by_column: ByColumn | None = None,
) -> Network:
    """Return the recipe of the network that is trained end to end; a loss `by_column` takes the place of its name."""
    given = {**network.shape.model_dump(), "tied": tied, "standardisation": standardisation}
    shape = Shape(**{**given, "units": tuple(given["units"])})
    training = network.training.model_dump()
    return Network(shape, Training(**{**training, "loss": by_column or training["loss"]}))


def of_layers(
    network: network_section.Network,
    *,
    standardisation: Standardisation | None = None,
    by_column: ByColumn | None = None,
) -> list[Network]:
    """Return the recipes of the network's layers, for greedy pretraining; all have the network's training.

    The first layer's network reproduces the rows as the whole network does; the others reproduce codings, with the
    codings' activation and squared error.
    """
    first = of_network(network, standardisation=standardisation, by_column=by_column)
    inner = Network(
        replace(first.shape, output_activation=first.shape.activation, standardisation=None),
        replace(first.training, loss="mean_squared_error"),
    )
    return [
        replace(whole, shape=replace(whole.shape, units=(units,)))
        for units, whole in zip(first.shape.units, chain([first], repeat(inner)), strict=False)
    ]


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
