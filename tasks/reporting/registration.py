"""A study's registration: what it froze before any test score existed, and what has changed since.

registered.yaml holds all of them, by name; `make register` (flows/register.py) adds one. A study's registration is that
of the same source of data at the same headline budget, or else with the same title.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from autoencoders.sentences import width
from tasks.frame import code, config, files
from tasks.frame.errors import ConfigError
from tasks.frame.experiment import flatten
from tasks.frame.sections import Params
from tasks.frame.view import Place

NAME = "registered.yaml"
FILE = code.ROOT / NAME
FROZEN = ("data", "seed", "label_curve")
TOLD = ("written", "hypothesis", "opponents", "outcomes", "title")
Entry = Mapping[str, Any]


def read() -> dict[str, Any]:
    """Return the registrations by name; ConfigError if the file is not readable or an entry lacks a key."""
    found = config.read(FILE) or {}
    entries = found.items() if isinstance(found, dict) else [("the file", found)]
    for name, entry in entries:
        if not isinstance(entry, dict) or {*entry} != {*TOLD, *FROZEN}:
            raise ConfigError(
                f"{NAME}: {name}: expected a registration with {', '.join((*TOLD, *FROZEN))}, as `make register`"
                f" writes it; `git checkout {NAME}` brings back the committed file"
            )
    return dict(found)


def of(params: Params, prepared: Place) -> dict[str, Any]:
    """Return what a registration of this study says and freezes, without the time.

    Args:
        params: The parameters.
        prepared: The folder data/prepare, of which the manifest is read.
    """
    c, splits = params.label_curve, files.read_json(prepared / "manifest.json")["splits"]
    rows = {
        split: {name: splits[split][name] for name in ("rows", "sha256", "labels_sha256")}
        for split in ("train", "test")
    }
    return {
        "hypothesis": (
            f"With {c.headline:,} labels, the best use of the autoencoder is above the same network from scratch, and"
            " above the best method without it."
        ),
        "opponents": (
            "In each run, cross-validation on that run's labels chooses the best use of the autoencoder and the best"
            f" method without it; where it chooses none, they are {c.beforehand.with_encoder} and"
            f" {c.beforehand.without}."
        ),
        "outcomes": (
            f"Within {width(c.margin)}, if the 90 % interval of the paired difference lies inside it; else pays or"
            " costs, if the 95 % interval leaves out zero; else undecided."
        ),
        "title": params.report.title,
        "data": {"dataset": params.fetch.dataset, "path": params.fetch.path, **rows},
        "seed": params.seed,
        "label_curve": params.label_curve.model_dump(),
    }


def find(registrations: Mapping[str, Entry], now: Entry) -> str | None:
    """Return the name of a study's registration; None if there is none."""
    same = of_source(registrations, now)
    at_headline = [name for name in same if headline(registrations[name]) == headline(now)]
    titled = [name for name in same if registrations[name]["title"] == now["title"]]
    return next(iter(at_headline or titled), None)


def of_source(registrations: Mapping[str, Entry], now: Entry) -> list[str]:
    """Return the names of the registrations of the same source of data."""
    return [name for name, entry in registrations.items() if source(entry) == source(now)]


def source(entry: Entry) -> tuple[Any, Any]:
    """Return where a registration's data come from: the data set, and a file's path."""
    return entry["data"]["dataset"], entry["data"]["path"]


def headline(entry: Entry) -> int:
    """Return a registration's headline budget."""
    return int(entry["label_curve"]["headline"])


def compared(entry: Entry, now: Entry) -> list[dict[str, str]]:
    """Return a row for every frozen value: its name, registered and now; what has changed first."""
    was, is_now = (dict(flatten({name: given[name] for name in FROZEN})) for given in (entry, now))
    rows = [
        {"name": name, "registered": _shown(name, was), "now": _shown(name, is_now)}
        for name in dict.fromkeys([*was, *is_now])
    ]
    return sorted(rows, key=lambda row: row["registered"] == row["now"])


def changed(entry: Entry, now: Entry) -> list[dict[str, str]]:
    """Return the rows of `compared` that have changed."""
    return [row for row in compared(entry, now) if row["registered"] != row["now"]]


def page(params: Params, data: Place) -> dict[str, Any]:
    """Return the variables of the page: a sentence, the registration, and a row for every frozen value."""
    registrations, now = read(), of(params, data / "prepare")
    name = find(registrations, now)
    if name is None:
        return {"sentence": _unregistered(registrations, now), "name": "", "entry": {}, "rows": [], "n_changed": 0}
    entry, rows = registrations[name], compared(registrations[name], now)
    n = len(changed(entry, now))
    what = (
        f"{n} of its {len(rows)} frozen values {'has' if n == 1 else 'have'} changed since" if n else "unchanged since"
    )
    sentence = f"Registered as {name}, written {entry['written']}; {what}."
    return {"sentence": sentence, "name": name, "entry": entry, "rows": rows, "n_changed": n}


def _unregistered(registrations: Mapping[str, Entry], now: Entry) -> str:
    others = [f"{name} with {headline(registrations[name]):,} labels" for name in of_source(registrations, now)]
    told = f"; of the same data, {', '.join(others)} {'is' if len(others) == 1 else 'are'}" if others else ""
    return f"This study was not registered before it ran{told}."


def _shown(name: str, values: Mapping[str, Any]) -> str:
    """Return a value as in YAML; empty if there is none of that name."""
    value = values.get(name, "")
    return value if isinstance(value, str) else json.dumps(value)
