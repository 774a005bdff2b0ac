"""The plan of a run: the order of the stages, which of them are up to date, and the checks before the first stage."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.dvcfile import FileIsGitIgnored, Lockfile
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage.exceptions import StageNotFound

from flows import healing, loaded, repository, space
from tasks.frame import config, sizes, stage
from tasks.frame.errors import Refused, UsageError

SPREADING = "tasks/frame/parallel.py"  # a stage that depends on this file divides its own work over processes


def make_ready() -> None:
    """Repair files that a killed run damaged; delete its unfinished outputs and outputs of removed phases.

    Raises:
        RunError: This folder is no DVC project, or another process is working on it.
    """
    with _made_ready():
        pass


def plan(targets: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return `targets` and their upstream stages, or all stages, in running order, close to dvc.yaml's order.

    Returns:
        For each stage, the stages whose outputs it reads.
    """
    with repository.looked_at() as repo:
        return _order(repo, targets)


def is_up_to_date(targets: Sequence[str] = ()) -> bool:
    """Return whether `targets` and their upstream stages are up to date, or all stages."""
    with repository.looked_at() as repo:
        return not _status(repo, targets)


def begin(targets: Sequence[str] = (), *, force: bool = False) -> tuple[dict[str, list[str]], bool]:
    """Check params.yaml, do `make_ready`; return the plan, as `plan` does, and whether there is nothing to do.

    Raises:
        RunError: As `make_ready`, or the disk has less free space than the outputs to write took in the last run.
        ConfigError: params.yaml is not valid, or a size is out of range for the data.
    """
    params = stage.check(config.read(Path(config.PARAMS)))
    with _made_ready() as repo:
        graph, stale = _order(repo, targets), _status(repo, targets)
        # Not in the stage alone: DVC deletes the stage's last output before the stage can check.
        if stale and not {*stage.before_sizes()} & stale.keys():
            sizes.check(params, stage.DATA / "prepare", trains=False, book=bool({*graph} - {*sizes.STUDY}))
        space.check(_to_write(repo, graph, stale, force=force))
        return graph, not force and not stale


def spreading() -> set[str]:
    """Return the names of the stages that divide their own work over processes."""
    with repository.opened(wait=False) as repo:
        return {s.addressing for s in repo.index.stages if any(dep.def_path == SPREADING for dep in s.deps)}


@contextmanager
def _made_ready() -> Iterator[Repo]:
    """Do `make_ready`; then as `repository.looked_at`."""
    loaded.remember()
    _refuse_linked_data()
    with repository.looked_at() as repo:
        tmp = Path(repo.tmp_dir)
        if others := healing.lock_holders(tmp / "rwlock"):
            raise repository.busy(others)
        try:
            Lockfile(repo, "dvc.lock").load()
        except FileIsGitIgnored:
            raise
        except DvcException:
            healing.move_aside(Path("dvc.lock"), tmp)
        for stage in _stages(repo):
            if stage.cmd and stage.wdir != repo.root_dir:
                where = f"{stage.addressing}: expected the project's root as working directory, received {stage.wdir}"
                raise UsageError(f"dvc.yaml: {where}; only `dvc repro` runs such a stage")
        healing.prune(Path(out.fs_path) for out in repo.index.outs if out.use_cache)
        yield repo


def _order(repo: Repo, targets: Sequence[str]) -> dict[str, list[str]]:
    stages, graph = _stages(repo), repo.index.graph  # edges lead from a stage to its upstream stages
    missing = [s for target in targets for s in _collect(repo, target)] or list(graph)
    needed: set[Any] = set()
    while missing:
        needed.add(stage := missing.pop())
        missing += set(graph[stage]) - needed
    left, order = [s for s in stages if s in needed], []
    while left:
        order.append(next(s for s in left if not set(graph[s]) & set(left)))
        left.remove(order[-1])
    return {s.addressing: [need.addressing for need in order if need in graph[s]] for s in order}


def _status(repo: Repo, targets: Sequence[str]) -> dict[str, list[Any]]:
    """Return the changes of each stage that is not up to date."""
    status: dict[str, list[Any]] = repo.status(targets=[*targets] or None, with_deps=True)
    return status


def _to_write(
    repo: Repo, graph: Mapping[str, Sequence[str]], stale: Mapping[str, list[Any]], *, force: bool
) -> Iterator[tuple[Path, int]]:
    """Yield (folder, bytes) for the outputs to write, in data/ and the cache; bytes as in the last run."""
    stages, again = {s.addressing: s for s in repo.index.stages}, set[str]()
    for name, needs in graph.items():
        outs = [(Path(out.fs_path), int(out.meta.size or 0)) for out in stages[name].outs]
        lost = all(isinstance(change, dict) and [*change] == ["changed outs"] for change in stale.get(name, []))
        if force or again & {*needs} or not lost or (name in stale and not stages[name].outs_cached()):
            again.add(name)
            yield from ((Path(repo.cache.legacy.path), size) for _, size in outs)
        if name in again or name in stale:
            yield from (
                (stage.DATA, size) for path, size in outs if not path.exists()
            )  # DVC deletes existing outputs first


def _stages(repo: Repo) -> list[Any]:
    """Return the stages in the order of dvc.yaml; UsageError if there are none."""
    if stages := list(repo.index.stages):
        return stages
    path = Path("dvc.yaml")
    what = "received no file" if not path.exists() else "received none" if path.read_text().strip() else "it is empty"
    restore = "`git checkout dvc.yaml` brings back the committed one"
    raise UsageError(f"{path}: expected stages, {what}; {restore}")


def _collect(repo: Repo, target: str) -> list[Any]:
    """Return the stages that a target names: one stage, or all instances of one."""
    try:
        return list(repo.stage.collect(target))
    except StageNotFound:
        known = ", ".join(dict.fromkeys(s.addressing for s in repo.index.stages))
        raise UsageError(f"dvc.yaml has no stage {target}; it has {known}") from None


def _refuse_linked_data() -> None:
    """Raise Refused if the folder of outputs is a symbolic link, which git and DVC do not follow."""
    if stage.DATA.is_symlink():
        target = os.readlink(stage.DATA)
        found = f"expected a folder, received a symbolic link to {target}, which git and DVC do not follow"
        do = f"`rm {stage.DATA} && git checkout {stage.DATA}`, then keep the files elsewhere by"
        how = "`dvc cache dir --local DISK/cache && dvc config --local cache.type symlink`"
        raise Refused(f"{stage.DATA}: {found}: {do} {how}")
