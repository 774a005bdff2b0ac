"""Whole runs of the DAG in a clone: in one process, by `dvc repro`, and compared with the book's Keras code."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Row, Say
from benchmarks.processes import Took, again, record, together
from benchmarks.workers import ROOT
from tasks.frame import config

ONE_PROCESS, BY_DVC = "python -m flows repro, one process", "dvc repro, a process per stage"
BOOK = ("pca", "pretrain", "tying", "stack", "layerwise", "visualize", "finetune")  # and all they need
BOOK_OURS, BOOK_KERAS = "python -m flows repro, the book's stages", "the book's Keras code, in one process"
COMMANDS = {
    ONE_PROCESS: [sys.executable, "-m", "flows", "repro"],
    BY_DVC: [sys.executable, "-m", "dvc", "repro", "--quiet"],
}
WORK = {
    "full": "every stage runs",
    "restored": "outputs and dvc.lock deleted, every stage out of the run cache",
    "no-op": "nothing to do",
}


class Clone:
    """A copy of the work tree, with the parameters of an experiment.

    Args:
        folder: The copy's new folder.
        changes: Values that differ from params.yaml, or the name of a file in experiments/.
    """

    def __init__(self, folder: Path, changes: str | Mapping[str, Any], threads: int) -> None:
        self.folder, self.threads = folder, threads
        for name in filter(
            None, _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        ):
            if (ROOT / name).is_file() and name != "dvc.lock":
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        if not isinstance(changes, str):
            (folder / "experiments" / "bench.yaml").write_text(json.dumps(changes), encoding="utf-8")
        _git(folder, "init", "--quiet")
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", "--message", "As it stands")
        name = changes if isinstance(changes, str) else "bench"
        write = f"from flows import environment, experiments; environment.settle(); experiments.write({name!r})"
        self.run([sys.executable, "-c", write])

    def run(self, command: list[str]) -> tuple[Took, str]:
        """Run a command in the clone; return its time and memory, and its output."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        site = str(self.folder / ".dvc" / "tmp" / "site")
        here = {"PATH": path, "DVC_SITE_CACHE_DIR": site, "DVC_NO_ANALYTICS": "true", "PYTHONPATH": ""}
        took, said = together([command], self.threads, folder=self.folder, variables=here)
        return took, said[0]

    def forget(self, *, cache: bool) -> None:
        """Delete every output and, if asked, DVC's cache."""
        for path in self.folder.glob("data/*/"):
            if path.name != "raw":
                shutil.rmtree(path)
        for name in (".cells", *((".dvc/cache", ".dvc/tmp") if cache else ())):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "dvc.lock").unlink(missing_ok=True)


def runners(folder: Path, threads: int, rounds: int, say: Say, targets: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Measure full, restored and no-op runs of the smoke experiment, by one runner and then by the other.

    Args:
        folder: To clone into.
        threads: Of every library.
        rounds: Repetitions of no-op and restored runs; full runs are done once.
        say: Prints a line.
        targets: Stages to bring up to date, with their dependencies; empty for all.
    """
    say("The DAG of the smoke experiment: full, restored, nothing to do")
    rows: dict[str, dict[str, Row]] = {
        work: {label: _row(label, "peer" if label == BY_DVC else "ours") for label in COMMANDS} for work in WORK
    }
    clone = _cloned(folder, "smoke", threads, [row for by_way in rows.values() for row in by_way.values()])
    for label, command in COMMANDS.items() if clone else ():
        run = _runner(clone, [*command, *targets])
        clone.forget(cache=True)
        if not again(rows["full"][label], run):
            continue
        for _ in range(rounds):
            clone.forget(cache=False)
            if not again(rows["restored"][label], run) or not again(rows["no-op"][label], run):
                break
    which = f"the stages that {', '.join(targets)} needs" if targets else "all stages"
    note = f"scikit-learn's 1,797 digits, {which}; whole processes, imports included."
    return [
        record(f"dag-{work}", f"the DAG, {told}", note, [*rows[work].values()], 1 if work == "full" else rounds, say)
        for work, told in WORK.items()
    ]


def book(x: np.ndarray, y: np.ndarray, folder: Path, threads: int, fewer: int, say: Say) -> dict[str, Any]:
    """Measure the book's stages once, by this project and by the book's Keras code.

    Args:
        x: uint8 (n, 784); one eleventh is kept for validation and one for test.
        y: Labels, int64 (n,).
        folder: To clone into.
        threads: Of every library.
        fewer: Divisor of the numbers of epochs and seeds; 1 gives the book's run of params.yaml.
    """
    say(f"The book's stages, epochs and seeds divided by {fewer}")
    data = folder / "images.npz"
    np.savez(data, x=x.reshape(-1, 28, 28), y=y)
    changes = settings(config.read(ROOT / "params.yaml"), data, len(x) // 11, fewer)
    ours, theirs = _row(BOOK_OURS, "ours"), _row(BOOK_KERAS, "peer")
    if clone := _cloned(folder / "clone", changes, threads, [ours, theirs]):
        again(ours, _staged(clone, [*COMMANDS[ONE_PROCESS], *BOOK], ours, _seconds_by_stage))
        script = [sys.executable, str(ROOT / "benchmarks" / "naive.py"), str(data), str(clone.folder / "params.yaml")]
        again(theirs, _staged(clone, script, theirs, json.loads))
    note = (
        f"{len(x):,} images, every stage of the book, epochs and seeds of params.yaml"
        f"{f' divided by {fewer}' if fewer > 1 else ''}; "
        "imports and compilation included. Keras' side is one script that trains, encodes, maps and fine-tunes the "
        "same, and saves nothing."
    )
    return record("book", "the book's stages", note, [ours, theirs], 1, say) | {"fewer": fewer}


def settings(params: Mapping[str, Any], data: Path, n_held_out: int, fewer: int) -> dict[str, Any]:
    """Return the book's differences from params.yaml: the data, and fewer epochs and seeds."""

    def part(section: str, *keys: str) -> dict[str, int]:
        return {key: max(2 if key == "n_runs" else 1, -(-params[section][key] // fewer)) for key in keys}

    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    phases = {key: {**phase, "epochs": max(1, -(-phase["epochs"] // fewer))} for key, phase in params["phase"].items()}
    return {
        "fetch": {"dataset": "file", "path": str(data), "sha256": digest},
        "prepare": {"n_valid": n_held_out, "n_test": n_held_out, "max_leaked": 1.0},
        "pca": part("pca", "converged_epochs", "image_epochs"), "pretrain": part("pretrain", "epochs"),
        "tying": part("tying", "n_runs", "epochs"), "phase": phases, "stack": part("stack", "epochs"),
        "finetune": part("finetune", "n_runs"), "book": {"printed": None},
        "label_curve": {"n_labels": [20, 100, 500], "headline": 100},  # not run, but its sizes are checked, too
    }  # fmt: skip


def _row(label: str, role: str) -> Row:
    return {"label": label, "role": role, "seconds": [], "cpu": [], "peak_bytes": 0}


def _cloned(folder: Path, changes: str | Mapping[str, Any], threads: int, rows: list[Row]) -> Clone | None:
    """Return a clone; if it cannot be made, note the reason in the rows."""
    try:
        return Clone(folder, changes, threads)
    except (subprocess.CalledProcessError, OSError) as error:
        for row in rows:
            row["skipped"] = f"no clone of the project: {str(error).partition(chr(10))[0]}"
        return None


def _runner(clone: Clone, command: list[str]) -> Callable[[], Took]:
    return lambda: clone.run(command)[0]


def _staged(clone: Clone, command: list[str], row: Row, parse: Callable[[str], dict[str, float]]) -> Callable[[], Took]:
    """Return a function that runs a command and notes each stage's seconds, from its output, in the row."""

    def run() -> Took:
        took, said = clone.run(command)
        row["stages"] = parse(said)
        return took

    return run


def _seconds_by_stage(said: str) -> dict[str, float]:
    """Return each stage's seconds from the table that a run prints."""
    found = re.findall(r"^(\S+) +ran +([\d.]+) s$", said, re.MULTILINE)
    return {stage: float(seconds) for stage, seconds in found}


def _git(folder: Path, *arguments: str) -> str:
    somebody = ["-c", "user.name=Somebody", "-c", "user.email=somebody@localhost"]
    return subprocess.run(["git", *somebody, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
