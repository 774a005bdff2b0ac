"""A data set and parameters so small that a stage runs in a second."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np

from tasks.frame import config, declared, files, view
from tasks.frame.declared import Declared
from tasks.frame.sections import Params

ROOT = Path(__file__).resolve().parents[1]
D, N_CLASSES = 16, 3


def params(**sections: dict[str, Any]) -> Params:
    """Return params.yaml made tiny, with the changes named: `params(stack={"epochs": 0})`."""
    values = copy.deepcopy(config.read(ROOT / "params.yaml"))
    phase = {"units": 8, "epochs": 2, "batch_size": 8}
    small: dict[str, Any] = {
        "network": {"shape": {"units": [8, 4]}, "training": {"batch_size": 8}},
        "pca": {"n_components": 3, "epochs": 2, "converged_epochs": 2, "image_epochs": 2, "image_batch_size": 16},
        "pretrain": {"epochs": 2},
        "tying": {"n_runs": 2, "epochs": 2},
        "phase": {"1": {**values["phase"]["1"], **phase}, "2": {**values["phase"]["2"], **phase, "units": 4}},
        "stack": {"epochs": 2, "batch_size": 8},
        "layerwise": {"n_rows": 20, "epochs": 1},
        "visualize": {"n_images": 3, "n_rows": 40, "perplexity": 5, "n_neighbors": 3},
        "finetune": {"n_labels": 12, "n_runs": 2, "n_steps": 4, "batch_size": 8},
        "label_curve": {
            "n_labels": [6, 15, 30], "headline": 15, "n_runs": 3, "pretrain_epochs": 2, "choice_labels": 12,
            "beforehand": {"with_encoder": "fine-tuned", "without": "from scratch"},
            "network": {"shape": {"units": [8, 4]}, "training": {"batch_size": 8}},
            "classifier": {"n_steps": 4, "batch_size": 8},
            "tuning": {"n_configurations": 2, "spaces": {"network": {"n_steps": [2, 4]}}},
        },
    }  # fmt: skip
    for changes in (small, sections):
        for name, section in changes.items():
            values[name] = section if name == "phase" else merged(values[name], section)
    return config.check(values, Path("params.yaml"))


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a section with changes, those of its parts entry by entry; a learner's settings are replaced."""
    parts = {
        name: merged(values[name], part)
        for name, part in changes.items()
        if name in ("shape", "training", "network", "classifier", "tuning", "spaces")
    }
    return {**values, **changes, **parts}


def rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n rows of three separable classes: uint8 (n, 16) and labels int64 (n,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % N_CLASSES
    centres = np.random.default_rng(0).integers(40, 200, size=(N_CLASSES, D))
    return np.clip(centres[labels] + rng.normal(0, 20, (n, D)), 0, 255).astype(np.uint8), labels.astype(np.int64)


def prepare(data: Path) -> Path:
    """Write a tiny data/prepare; return `data`."""
    folder = data / "prepare"
    folder.mkdir(parents=True)
    for seed, (split, n) in enumerate({"train": 67, "valid": 45, "test": 30}.items()):
        x, labels = rows(n, seed)
        np.save(folder / f"{split}.npy", x)
        np.save(folder / f"{split}_labels.npy", labels)
    files.write_json(folder / "scale.json", {"scale": 255})
    counts = {"train": [23, 22, 22], "valid": [15, 15, 15], "test": [10, 10, 10]}
    splits = {split: {"class_counts": own} for split, own in counts.items()}
    names = ["a", "b", "c"]
    files.write_json(folder / "manifest.json", {"image_shape": [4, 4], "class_names": names, "splits": splits})
    return data


def table(data: Path) -> Path:
    """Write a tiny data/prepare of a table: two numbers, a category of three, a number, a category of two."""
    folder = prepare(data) / "prepare"
    for split in ("train", "valid", "test"):
        numbers, labels = np.load(folder / f"{split}.npy")[:, :3] / 255, np.load(folder / f"{split}_labels.npy")
        first, second = np.eye(3)[labels], np.eye(2)[np.arange(len(labels)) // 2 % 2]
        columns = np.concatenate([numbers[:, :2], first, numbers[:, 2:], second], axis=1).astype(np.float32)
        np.save(folder / f"{split}.npy", columns)
    variance = [float(v) for v in np.load(folder / "train.npy").var(axis=0)]
    blocks = [("squares", 0, 2), ("categories", 2, 5), ("squares", 5, 6), ("categories", 6, 8)]
    named = [
        {"kind": kind, "start": a, "stop": b, "variance": variance[a:b] if kind == "squares" else None}
        for kind, a, b in blocks
    ]
    files.write_json(folder / "schema.json", {"blocks": named})
    files.write_json(folder / "scale.json", {"scale": 1})
    manifest = files.read_json(folder / "manifest.json")
    files.write_json(folder / "manifest.json", manifest | {"image_shape": None, "class_names": ["a", "b", "c"]})
    return data


BY_COLUMN = {"network": {"shape": {"output_activation": "linear"}, "training": {"loss": "by_column"}}}


def untrained(data: Path) -> Path:
    """Write the models of `pretrain`, `stack` and every phase as they are before training; return `data`."""
    from tasks.frame import models, recipes

    given, width = params(), D
    for number, phase in given.phase.items():
        (data / "phase" / number).mkdir(parents=True)
        models.write(data / "phase" / number, recipes.of_phase(phase).shape.model(width, seed=int(number)))
        width = phase.units
    for seed, name in enumerate(("pretrain", "stack")):
        (data / name).mkdir()
        models.write(data / name, recipes.of_network(given.network).shape.model(D, seed=seed))
    return data


def run(name: str, data: Path, key: str = "", settings: Params | None = None) -> Path:
    """Run one stage on `data`, of which it sees what this project's dvc.yaml declares; return the folder it wrote."""
    import importlib

    out = data / name / key
    out.mkdir(parents=True)
    given = settings or params()
    reads = declared.find(name, key, given.model_dump(), ROOT / "dvc.yaml")
    below = Declared([str(data / Path(dep).relative_to("data")) for dep in reads.deps if dep.startswith("data/")],
                     reads.params)  # fmt: skip
    seen = view.params(given, below), view.folder(data, name, below)
    importlib.import_module(f"tasks.{name}").run(*seen, out, key)
    return out


def printed(folder: Path, *figures: dict[str, Any]) -> dict[str, str]:
    """Write printed numbers; return the section `book` that names their file."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"system": "a system", "within": 1.0, "note": "", **figure} for figure in figures]
    columns = ("system", "metric", "printed", "within", "note")
    files.write_table(folder / "printed.csv", [{name: row[name] for name in columns} for row in rows])
    return {"printed": str(folder / "printed.csv")}


def run_phases(data: Path, settings: Params | None = None) -> None:
    """Run every phase and encode stage."""
    settings = settings or params()
    for key in settings.phase:
        run("phase", data, key, settings)
        run("encode", data, key, settings)
