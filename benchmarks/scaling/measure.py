"""What the study's cells cost on this machine: every number of the page that is not a simulation's.

The smoke experiment's study with more runs, on scikit-learn's digits, in a clone: `flows repro --shard 1/1` computes
its cells and no table. Each run has a new store; the ways take turns.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.dag import Clone
from benchmarks.memory import private_bytes
from benchmarks.processes import Took, together
from benchmarks.scaling import paper
from benchmarks.workers import ROOT, environment
from tasks.frame import cells, config
from tasks.frame import compiled as functions
from tasks.frame.cells import Store
from tasks.study import cluster, dask_worker, effort, keys, rows, shards
from tasks.study.keys import Cell, EncoderCell

ONE, WORKERS, SHARDS = "one process", "2 workers", "2 shards"
DASK = {"Dask, 1 worker": 1, "Dask, 2 workers": 2}
RUNS = 12  # so that the cells take longer than the start of a process
WAYS = (ONE, WORKERS, SHARDS, *DASK)
Say = Callable[[str], None]


def measured(rounds: int, say: Say, n_runs: int = RUNS) -> dict[str, Any]:
    """Measure everything; return it by part."""
    changes = config.read(ROOT / "experiments/smoke.yaml")
    changes["label_curve"]["n_runs"] = n_runs
    with tempfile.TemporaryDirectory(prefix="scaling-") as name:
        clone = Clone(Path(name, "clone"), changes, 1)
        clone.run(_flows("repro", "prepare"))
        found: dict[str, Any] = {"ways": {way: [] for way in WAYS}, "start": [], "compiled": [], "driver": []}
        stores = (Path(name, f"cells {k}") for k in range(1000))
        for k in range(rounds):
            found["compiled"].append(compiled(clone, next(stores), next(stores)))
            for way in (ONE, WORKERS, SHARDS):
                store = next(stores)
                found["ways"][way].append(once(clone, store, way))
                if way == ONE:
                    found["start"].append(once(clone, store, ONE))
            for way, n in DASK.items():
                with workers(clone, n) as (address, processes):
                    once(clone, next(stores), address, processes)  # TensorFlow starts, functions are loaded
                    found["ways"][way].append(once(clone, store := next(stores), address, processes))
                    if n == 1:
                        found["driver"].append(driver(clone, store, address))
            say(f"round {k + 1}: {json.dumps({key: value[-1] for key, value in found['ways'].items()})}")
        return found | of_cells(clone, store) | planning(clone, Path(name, "many"))


def _flows(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flows", *arguments]


def once(clone: Clone, store: Path, way: str, there: Sequence[psutil.Process] = ()) -> dict[str, float]:
    """Compute a store's missing cells; return seconds, processor time, and the largest process's memory in bytes.

    Args:
        clone: The project.
        store: The folder of cells.
        way: A way of this machine, or the address of Dask's scheduler.
        there: The workers, whose processor time counts, too.
    """
    variables = {"PIPELINE_CELLS": str(store), "PIPELINE_WORKERS": "2" if way == WORKERS else "1"}
    parts = ["1/2", "2/2"] if way == SHARDS else ["1/1"]
    dask = ["--dask", way] if "://" in way else []
    before = sum(_cpu(process) for process in there)
    took, _ = together([_flows("repro", "--shard", part, *dask) for part in parts], 1, folder=clone.folder,
                       variables=_variables(clone) | variables)  # fmt: skip
    cpu = took.cpu + sum(_cpu(process) for process in there) - before
    peak = max([took.peak_bytes, *map(private_bytes, [process.pid for process in there])])
    return Took(took.seconds, cpu, peak)._asdict()


def _cpu(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def _variables(clone: Clone) -> dict[str, str]:
    """Return an environment in which nothing is kept outside the clone, compiled functions neither."""
    site = str(clone.folder / ".dvc/tmp/site")
    return {"DVC_SITE_CACHE_DIR": site, "DVC_NO_ANALYTICS": "true", "PYTHONPATH": "", functions.VARIABLE: ""}


def compiled(clone: Clone, cold: Path, warm: Path) -> dict[str, float]:
    """Return the functions that a process compiles without kept ones and with them, and its processor time."""
    found: dict[str, float] = {}
    clone.forget(cache=False)  # the kept functions lie beside the cells
    clone.run(_flows("repro", "prepare"))
    for name, store in (("without", cold), ("with", warm)):
        before = _n_compiled(clone)
        found[f"cpu {name}"] = once(clone, store, ONE)["cpu"]
        found[f"compiled {name}"] = _n_compiled(clone) - before
    return found | {"bytes": sum(path.stat().st_size for path in _kept(clone))}


def _kept(clone: Clone) -> list[Path]:
    return [*clone.folder.glob(".cells/compiled/*/*.pb")]


def _n_compiled(clone: Clone) -> int:
    return len(_kept(clone))


@contextmanager
def workers(clone: Clone, n: int) -> Iterator[tuple[str, list[psutil.Process]]]:
    """Start a scheduler of Dask and n workers in a clone; yield its address and the workers that compute."""
    with tempfile.TemporaryDirectory() as folder:
        file, started = Path(folder, "scheduler.json"), []
        env = environment(1) | _variables(clone)
        lines = [["scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0",
                  "--scheduler-file", str(file)]]  # fmt: skip
        lines += [[*dask_worker.START.format("").split()[3:], "--scheduler-file", str(file)]] * n
        try:
            for line in lines:
                started.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "dask", *line], cwd=clone.folder, env=env, stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                    )
                )  # fmt: skip
                _wait(file.exists)
            _wait(lambda: len(_computing(started)) == n)
            yield json.loads(file.read_text("utf-8"))["address"], _computing(started)
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()


def _computing(started: Sequence[subprocess.Popen[bytes]]) -> list[psutil.Process]:
    """Return the processes that compute cells, which Dask's nannies start."""
    children = [child for one in started for child in psutil.Process(one.pid).children(recursive=True)]
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def _wait(there: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            raise TimeoutError(f"Dask: expected its processes within {seconds:.0f} s, found none")
        time.sleep(0.1)


class Forgetful(Store):
    """A store that says once of each cell that it is missing, so that the driver sends it; workers find it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.folder, store.given)
        self._told: set[str] = set()

    def read(self, name: str) -> Any | None:
        if name not in self._told:
            self._told.add(name)
            return None
        return super().read(name)


@contextmanager
def opened(clone: Clone, folder: Path, n_runs: int | None = None) -> Iterator[tuple[Any, Path, Store, list[Cell]]]:
    """Yield a clone's parameters, data, store and cells; with `n_runs`, those of label-study on its data."""
    before, data = os.environ.get(cells.VARIABLE), clone.folder / "data"
    os.environ[cells.VARIABLE] = str(folder)
    try:
        params = config.check(config.read(clone.folder / config.PARAMS), clone.folder / config.PARAMS)
        size = rows.size(data / "prepare")
        if n_runs:
            params = paper.params_of(paper.DataSet("", *size), n_runs)
        yield params, data, keys.store(params, data), keys.every(params, size)
    finally:
        os.environ.pop(cells.VARIABLE)
        if before is not None:
            os.environ[cells.VARIABLE] = before


def driver(clone: Clone, folder: Path, address: str) -> dict[str, float]:
    """Return the seconds and the driver's processor time of a cell that has nothing to compute; it is stored."""
    with opened(clone, folder) as (params, data, store, wanted):
        for _ in range(2):  # the first time the worker compares data, code and versions
            start, cpu = time.perf_counter(), time.process_time()
            failures = cluster.fill(params, data, Forgetful(store), wanted, address, lambda *_: None)
            if failures:
                raise RuntimeError(f"{failures[0].cell}: {failures[0].reason}")
        n = len(wanted)
        return {"seconds": (time.perf_counter() - start) / n, "cpu": (time.process_time() - cpu) / n}


def of_cells(clone: Clone, folder: Path) -> dict[str, Any]:
    """Return the cells' processor time by what they compute, beside the table's, and their bytes."""
    found: dict[str, Any] = {}
    with opened(clone, folder) as (params, data, store, wanted):
        size = rows.size(data / "prepare")
        for cell in wanted:
            kind = "encoder" if isinstance(cell, EncoderCell) else getattr(cell, "arm", "a choice of rows")
            own = found.setdefault(kind, {"n": 0, "seconds": 0.0, "table": 0.0})
            own["n"] += 1
            own["seconds"] += store.seconds(cell.name) or 0.0
            own["table"] += effort.seconds(params, cell, size)
        results = [store.path(cell.name).stat().st_size for cell in wanted]
        weights = [store.path(c.name, ".npz").stat().st_size for c in wanted if isinstance(c, EncoderCell)]
        prepared = sum(path.stat().st_size for path in (data / "prepare").iterdir())
    bytes_of = {"result": statistics.fmean(results), "encoder": statistics.fmean(weights), "prepare": prepared}
    return {"cells": found, "bytes": bytes_of}


def planning(clone: Clone, folder: Path) -> dict[str, Any]:
    """Return what is done beside the cells, by each machine or the driver, for label-study with twenty runs: seconds.

    `key` of a cell; `deal` of a cell for each shard, and `count`, to list what is left, of a cell for each name.
    """
    start = time.process_time()
    with opened(clone, folder, paper.N_SEEDS) as (params, data, store, wanted):
        n, key = len(wanted), time.process_time() - start
        for cell in wanted:
            store.path(cell.name).touch()
        start, names = time.process_time(), [cell.name for cell in wanted]
        for _ in range(5):
            store.n_missing(names)
        count, start = (time.process_time() - start) / 5, time.process_time()
        shards.deal(params, rows.size(data / "prepare"), paper.N_MACHINES)
        deal = time.process_time() - start
    return {"planning": {"n": n, "key": key / n, "deal": deal / n / paper.N_MACHINES, "count": count / n}}


def rates(found: dict[str, Any]) -> dict[str, float]:
    """Return the numbers that the simulation takes, as `paper.study` names them: medians over rounds."""

    def median(key: str, name: str) -> float:
        return statistics.median(row[name] for row in found[key])

    first = statistics.median(row["cpu without"] - row["cpu with"] for row in found["compiled"])
    own = {"start": median("start", "cpu"), "first": max(0.0, first), "driver": median("driver", "cpu")}
    return own | {"result": found["bytes"]["result"]} | {k: found["planning"][k] for k in ("key", "deal", "count")}
