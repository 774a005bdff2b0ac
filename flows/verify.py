"""`make verify`: run a finished experiment again, from its commit and its raw data alone, and compare the results.

The run takes place in a clone in a temporary folder with its own cache; the work tree does not change, and nothing is
fetched. The clone's own code checks its parameters and runs its stages, so parameters may have been renamed since. This
module compares files and metrics only. On the same kind of machine, with the same versions, every metric must be equal
to the last bit. Otherwise a metric must lie within its recorded interval; a metric without an interval is printed, but
not judged.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

from flows import environment, objects, processes, records
from flows.records import DIFFERS, METRICS, Record
from tasks.frame import config, determinism, experiment, files, stage
from tasks.frame.errors import Refused, RunError, UsageError

PROGRAM = [sys.executable, "-m", "flows"]  # run in the clone, with the clone's code
RAW = "fetch"  # the stage whose output is copied to the clone
LEFT_OUT = ("track", "track_book")  # they write no metric, and need an MLflow store
# Variables that may point to the work tree, to finished cells, or to other machines.
OWN = ("DVC_", "MLFLOW_", "PREFECT_", "GIT_", "PYTHONPATH", "PIPELINE_CELLS", "PIPELINE_DASK")


def verify(name: str = "", *, elsewhere: bool = False) -> None:
    """Run an experiment again; print one line per stage, and a verdict.

    Args:
        name: A recorded experiment; empty for the one in the work tree.
        elsewhere: The record is from another kind of machine, or from other versions.

    Raises:
        RunError: A metric differs; a recorded file is damaged or missing; or the code was never committed.
    """
    record = records.find(name)
    n_files = record.check_cache()
    if not name:
        record.check_outputs()
    print(f"commit {record.commit[:10]}, {n_files} recorded files sound in DVC's cache; running it again", flush=True)
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        clone = Path(folder, "clone")
        _clone(record, clone)
        again = [name for name in record.stages if name not in LEFT_OUT]
        processes.run([*PROGRAM, "repro", *again], folder=clone, environment=_environment())
        _judge(record, clone, elsewhere=elsewhere)


def verify_cells(n: int) -> None:
    """Compute n of the study's finished cells again, drawn at random, and print one line per cell.

    Raises:
        RunError: There is no finished cell, or a cell differs from its record.
    """
    params = config.load()
    determinism.set_threads(params.threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # as in a stage
    with determinism.fixed(params.threads), stage.quiet():
        from tasks.study import runs

        names = runs.kept_names(params, stage.DATA)
        if not names:
            raise UsageError("no finished cells of these parameters, data and code; `make repro` first")
        drawn = random.SystemRandom().sample(names, min(n, len(names)))
    n_wrong = 0
    with determinism.fixed(params.threads):
        for name, is_same in runs.recompute(params, stage.DATA, drawn):
            print(f"{name}  {'the same' if is_same else 'DIFFERS'}", flush=True)
            n_wrong += not is_same
    if n_wrong:
        raise RunError(f"not reproduced: {n_wrong} of {len(drawn)} cells differ", exit_code=DIFFERS)
    print(f"Reproduced: {len(drawn)} of {len(names)} finished cells, drawn at random, are the same.")


def _clone(record: Record, clone: Path) -> None:
    """Make a clone at the recorded commit, with the recorded parameters and raw data."""
    _git("clone", "--quiet", "--shared", "--no-checkout", str(environment.ROOT), str(clone))
    _git("-C", str(clone), "checkout", "--quiet", "--detach", record.commit)
    kept_by_dvc = ["data", ":!data/raw", ".dvc/tmp"]  # DVC also commits an experiment's metrics and figures
    _git("-C", str(clone), "rm", "-r", "--quiet", "--ignore-unmatch", "--", *kept_by_dvc)
    (clone / "params.yaml").write_text(record.params, encoding="utf-8")
    with (clone / "dvc.lock").open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump({"schema": "2.0", "stages": {RAW: record.stages[RAW]}}, file)
    record.check_code(clone)
    cache = clone / ".dvc" / "cache"  # its own empty cache, so that nothing is restored
    (clone / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {cache}\n", encoding="utf-8")
    record.copy(RAW, cache / "files" / "md5")


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8", check=False, env=_environment())
    if done.returncode:
        raise Refused(f"git: {' '.join(done.stderr.split())}")


def _environment() -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    # The second is for code older than decision 0018: it switches off live logging to MLflow.
    return mine | {"DVC_NO_ANALYTICS": "true", "PIPELINE_WATCHERS": ""}


def _judge(record: Record, clone: Path, *, elsewhere: bool) -> None:
    """Print one line per stage; RunError if a metric differs from its record."""
    stages = [name for name in record.stages if name not in LEFT_OUT]
    found = {name: _metrics(record, name, clone) for name in stages}
    width = max(map(len, stages))
    n_wrong = 0
    for name, (old, new) in found.items():
        moved = [metric for metric in {**old, **new} if old.get(metric) != new.get(metric)]
        wrong = [metric for metric in moved if not (elsewhere and _agrees(metric, old, new))]
        n_wrong += len(wrong)
        said = [_difference(metric, old, new) for metric in wrong or moved]
        text = "; ".join([f"{len(old):>3} metrics, {_how(len(moved), len(wrong))}", *said[:3]])
        print(f"{name:<{width}}  {text}{' ...' if len(said) > 3 else ''}{_bytes(record, name, clone)}")
    if n_wrong:
        where = "" if elsewhere else "; --elsewhere where the machine or versions are others"
        n_metrics = sum(len({**old, **new}) for old, new in found.values())
        raise RunError(f"not reproduced: {n_wrong} of {n_metrics} metrics differ{where}", exit_code=DIFFERS)
    same = all(old == new for old, new in found.values())
    how = "are the same" if same else "agree within their intervals, where they have one"
    print(f"Reproduced: all {sum(len(old) for old, _ in found.values())} metrics of {len(stages)} stages {how}.")


def _metrics(record: Record, name: str, clone: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Return a stage's final metrics, recorded and new."""
    new: dict[str, float] = {}
    for file, _ in record.outputs(name):
        if Path(file).name == METRICS and (clone / file).exists():
            new |= experiment.stage_metrics(name, files.read_json(clone / file))
    return record.metrics(name), new


def _agrees(metric: str, old: Mapping[str, float], new: Mapping[str, float]) -> bool:
    """Return whether a metric exists and lies in its recorded interval; without an interval, it need only exist."""
    if metric not in old or metric not in new:
        return False
    base = metric.removesuffix("mean")
    low, high = (old.get(f"{base}{end}") for end in ("low", "high"))
    return base == metric or low is None or high is None or low <= new[metric] <= high


def _how(n_moved: int, n_wrong: int) -> str:
    if not n_moved:
        return "the same"
    return f"{n_wrong} differ" if n_wrong else f"{n_moved} moved, none out of its interval"


def _difference(metric: str, old: Mapping[str, float], new: Mapping[str, float]) -> str:
    was, now = (f"{values[metric]:.10g}" if metric in values else "none" for values in (old, new))
    return f"{metric}: recorded {was}, now {now}"


def _bytes(record: Record, name: str, clone: Path) -> str:
    """Return a phrase that names a stage's files that differ from the recorded ones; empty if none does."""
    others = [file for file, md5 in record.outputs(name) if objects.md5(clone / file) != md5]
    return f"; other bytes in {', '.join(others[:3])}{' ...' if len(others) > 3 else ''}" if others else ""
