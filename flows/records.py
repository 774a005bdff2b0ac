"""The record of a finished experiment: its commit, params.yaml, dvc.lock, and its files in DVC's cache."""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows import engine, objects, planning
from tasks.frame import config, experiment, files
from tasks.frame.errors import Changed, UsageError

DIFFERS = 1  # exit code
METRICS = "metrics.json"
N_DIGITS = 6  # of the data's hash, in a name that is taken
Objects = Iterator[tuple[str, str]]  # (file, its MD5)


@dataclass(frozen=True)
class Record:
    """A finished experiment.

    Args:
        commit: The commit of its code.
        params: The text of params.yaml.
        stages: The entry of each stage in dvc.lock.
        cache: The folder of DVC's cache.
    """

    commit: str
    params: str
    stages: Mapping[str, Any]
    cache: Path

    def outputs(self, stage: str) -> Objects:
        """Yield every file that a stage wrote; Changed if the list of files is damaged."""
        for out in self.stages[stage]["outs"]:
            is_folder = out["md5"].endswith(".dir")
            content = self.read(out["md5"], f"the list of {out['path']}", stage) if is_folder else b""
            yield from objects.listed(out["path"], out["md5"], content)

    def read(self, md5: str, file: str, stage: str) -> bytes:
        """Read a file from the cache; Changed if it is missing or damaged."""
        path = objects.place(self.cache, md5)
        if not path.exists():
            raise Changed(f"{path}: expected {file} of stage {stage}, received no file; `dvc fetch`")
        content = path.read_bytes()
        if (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != md5.removesuffix(".dir"):
            how = f"delete it, then `dvc fetch {stage}` or `make repro`"
            raise Changed(f"{path}: damaged: expected {file} of stage {stage}, received MD5 {found}; {how}")
        return content

    def metrics(self, stage: str) -> dict[str, float]:
        """Return a stage's final metrics under their dotted names."""
        found: dict[str, float] = {}
        for file, md5 in self.outputs(stage):
            if Path(file).name == METRICS:
                found |= experiment.stage_metrics(stage, json.loads(self.read(md5, file, stage)))
        return found

    def copy(self, stage: str, cache: Path) -> None:
        """Copy the outputs of a stage to another cache."""
        lists = [(out["path"], out["md5"]) for out in self.stages[stage]["outs"]]
        for file, md5 in {*lists, *self.outputs(stage)}:
            objects.place(cache, md5).parent.mkdir(parents=True, exist_ok=True)
            objects.place(cache, md5).write_bytes(self.read(md5, file, stage))

    def check_cache(self) -> int:
        """Read every file of every stage; return their number; Changed names the first damaged file."""
        n = 0
        for stage in self.stages:
            for file, md5 in self.outputs(stage):
                self.read(md5, file, stage)
                n += 1
        return n

    def check_outputs(self) -> None:
        """Raise Changed, with the file's name, if a file of the work tree differs from the output of its stage.

        DVC does not notice an edit that keeps a file's size and time.
        """
        for stage in self.stages:
            for file, md5 in self.outputs(stage):
                if (found := objects.md5(Path(file))) not in (md5, ""):
                    what = f"expected MD5 {md5}, which stage {stage} wrote, received {found}"
                    raise Changed(f"{file}: {what}; delete it, and `make repro` restores it")

    def check_code(self, folder: Path) -> None:
        """Raise UsageError if the source files in a checkout differ from those of the experiment."""
        for name, stage in self.stages.items():
            for dep in stage.get("deps", []):
                path = folder / dep["path"]
                if path.is_relative_to(folder / "data"):
                    continue
                if dep["md5"] != (files.data_hash(path) if path.is_dir() else objects.md5(path)):
                    at = f"{dep['path']} at commit {self.commit[:10]}"
                    raise UsageError(f"{at} is not the one that {name} was made with; commit it")


def find(name: str, *, finished: bool = True) -> Record:
    """Return the record of an experiment of `make experiment`; without a name, of the one in the work tree.

    Raises:
        UsageError: The experiment was not recorded; or `finished` is required, and the work tree is not up to date.
    """
    cache = engine.cache_folder()
    if not name:
        if finished and not planning.is_up_to_date():
            raise UsageError("data/ is not what dvc.yaml and params.yaml say; `make repro` first")
        params, lock = (Path(path).read_text(encoding="utf-8") for path in ("params.yaml", "dvc.lock"))
        stages = _stages(lock, Path("dvc.yaml").read_text(encoding="utf-8"), params)
        return Record(_git("rev-parse", "HEAD").strip(), params, stages, cache)
    named = _commits()
    if (commit := named.get(name)) is None:
        known = ", ".join(sorted(named)) or "none"
        raise UsageError(f"no recorded experiment {name}; there are {known}; `make experiment` records one")
    params, lock, dag = (_git("show", f"{commit}:{path}") for path in ("params.yaml", "dvc.lock", "dvc.yaml"))
    return Record(commit, params, _stages(lock, dag, params), cache)


def free_name(name: str) -> str:
    """Return the name to record the experiment in params.yaml by: with the data's hash, if `name` is of other data."""
    wanted = config.load().fetch.sha256
    if wanted is None or (there := parameters(name)) is None or there["fetch"].get("sha256") == wanted:
        return name
    return f"{name}-{wanted[:N_DIGITS]}"


def is_recorded(name: str) -> bool:
    """Return whether there is a recorded experiment of this name."""
    return name in _commits()


def parameters(name: str) -> Any:
    """Return the values of params.yaml of a recorded experiment; None if there is none of this name."""
    commit = _commits().get(name)
    return commit and YAML(typ="safe", pure=True).load(_git("show", f"{commit}:params.yaml"))


def _commits() -> dict[str, str]:
    """Return the newest commit of each recorded experiment, by name."""
    refs = _git("for-each-ref", "--sort=-creatordate", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    found: dict[str, str] = {}
    for commit, ref in (line.split() for line in refs if "/exec/" not in line):
        found.setdefault(ref.split("/")[-1], commit)
    return found


def _stages(lock: str, dag: str, params: str) -> Mapping[str, Any]:
    """Return the entries of dvc.lock for the stages of dvc.yaml, with the outputs that are in the cache.

    dvc.lock also keeps the stages of removed phases; these are left out.
    """
    kept, declared, given = (YAML(typ="safe", pure=True).load(text) for text in (lock, dag, params))
    specs = {name: spec for stage, spec in declared["stages"].items() for name in _instances(stage, spec, given)}
    return {
        name: _cached(kept["stages"][name], specs[name].get("do", specs[name]).get("metrics", []))
        for name in kept["stages"]
        if name in specs
    }


def _instances(name: str, spec: Mapping[str, Any], given: Any) -> list[str]:
    """Return the names of a stage's instances; for `foreach: ${phase}`, one per key of `phase` in params.yaml."""
    if "foreach" not in spec:
        return [name]
    keys = spec["foreach"]
    if isinstance(keys, str):
        keys = functools.reduce(lambda values, part: values[part], keys.strip("${} ").split("."), given)
    return [f"{name}@{key}" for key in keys]


def _cached(entry: Mapping[str, Any], metrics: Sequence[Any]) -> Mapping[str, Any]:
    """Return a stage's entry in dvc.lock without metrics that are declared with `cache: false`."""
    named = {path: says for metric in metrics if isinstance(metric, dict) for path, says in metric.items()}
    outs = [out for out in entry.get("outs", []) if named.get(out["path"], {}).get("cache", True)]
    return {**entry, "outs": outs} if named else entry


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise UsageError(f"git {arguments[0]}: {' '.join(done.stderr.split())}")
    return done.stdout
