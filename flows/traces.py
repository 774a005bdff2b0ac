"""Traces of test scores: what this clone knows of studies that scored the same test rows at the same label budget.

What was deleted, or took place in another clone, leaves no trace here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows import engine, experiments
from tasks.frame import cells, config, files, stage
from tasks.frame.sections import Params

SCORING = ("label_curve", "finetune")  # the stages that score on test rows
RESULTS = Path("docs/results")


def find(params: Params) -> Iterator[str]:
    """Yield every trace, in words; the cheap places first."""
    n = params.label_curve.headline
    yield from _cells(n)
    yield from _locks(files.data_hash(stage.DATA / "prepare"), n)
    yield from _results(params)


def _cells(n_labels: int) -> Iterator[str]:
    """Yield the finished cells of these test rows, of any code and settings."""
    test = [files.md5(stage.DATA / "prepare" / f"test{end}.npy") for end in ("", "_labels")]
    for path in sorted(path for name in SCORING for path in cells.folder(name, stage.DATA).glob("*.json")):
        if _cell(path) == (n_labels, test):
            yield f"{path} is a finished cell of these test rows"


def _cell(path: Path) -> tuple[int, list[str]] | None:
    """Return the budget of a cell and the hashes of its test rows and their labels; None if it is no score."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))["given"]
        rows = given["rows"]
        if path.parent.name == "finetune":
            return given["recipe"]["n_labels"], rows[2:4]
        return given["n_labels"], [rows["test"], rows["test_labels"]]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _locks(data: str, n_labels: int) -> Iterator[str]:
    """Yield the runs on data/prepare with this hash: of the work tree, of DVC's cache, of commits and experiments."""
    for where, text in _texts():
        for name in SCORING if data in text else ():
            if n_labels in _budgets(name, text, data):
                yield f"{where} has a run of stage {name} on these data"


def _texts() -> Iterator[tuple[str, str]]:
    """Yield every dvc.lock, and every run that DVC keeps, with its place."""
    if Path("dvc.lock").exists():
        yield "dvc.lock", Path("dvc.lock").read_text(encoding="utf-8")
    for path in sorted((engine.cache_folder().parents[1] / "runs").glob("*/*/*")):
        yield os.path.relpath(path), path.read_text(encoding="utf-8")
    # All branches, recorded experiments (refs/exps) and what was reset since.
    log = _git("log", "--all", "--reflog", "-m", "--format=commit %H", "--raw", "--no-abbrev", "--", "dvc.lock")
    commit, seen = "", set[str]()
    for line in log.splitlines():
        if line.startswith("commit "):
            commit = line[: len("commit ") + 10]
        elif line.startswith(":") and (blob := line.split()[3]) not in seen | {"0" * 40}:
            seen.add(blob)
            yield f"dvc.lock of {commit}", _git("cat-file", "blob", blob)


def _budgets(name: str, text: str, data: str) -> set[int]:
    """Return the label budgets of a stage in dvc.lock, or in DVC's file of one run, if it read data of this hash."""
    found = re.search(rf"(?m)^  {name}:\n((?:    .*\n)+)", text)
    own = found[1] if found else text if f"cmd: python -m tasks.{name}\n" in text and "\nstages:" not in text else ""
    entry = (YAML(typ="safe", pure=True).load(own) if data in own else None) or {}
    given = entry.get("params", {}).get(config.PARAMS, {}).get(name, {})
    return _of_section(name, given)


def _of_section(name: str, given: Mapping[str, Any]) -> set[int]:
    if name == "finetune":
        return {given.get("n_labels", 0)}
    return {*given.get("n_labels", []), *([given.get("choice_labels", 0)] if given.get("choices") else [])}


def _results(params: Params) -> Iterator[str]:
    """Yield the results in docs/results of experiments with the same data and budget, by their parameters."""
    text = experiments.committed_text()
    kept = {RESULTS / "label-curve.json": YAML(typ="safe", pure=True).load(text)}  # of the default run
    for name in experiments.names():
        paths = (RESULTS / f"{name}{end}" for end in (".md", ".json"))
        kept |= {path: experiments.merged_values(text, name) for path in paths if path.exists()}
    same = params.model_dump(include={"seed", "fetch", "prepare"})
    for path, values in kept.items():
        has_budget = params.label_curve.headline in _of_section("label_curve", values["label_curve"])
        if path.exists() and has_budget and {name: values[name] for name in same} == same:
            yield f"{path} has results of these data"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8", check=False)
    return done.stdout if done.returncode == 0 else ""
