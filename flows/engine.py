"""Run a stage of dvc.yaml through DVC's own `reproduce`, but in this process.

`dvc repro` starts a shell for each stage; here the stage's function is called instead, so that TensorFlow is imported
only once. DVC does the rest: it decides what is up to date, and writes dvc.lock, the cache and the locks. So after
either runner the other skips every stage. While a stage is reproduced, one private name of DVC is replaced,
`dvc.stage.run.cmd_run`; tests/test_contract.py compares the two runners.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import dvc
from dvc.dvcfile import Lockfile
from dvc.repo import Repo
from dvc.stage import run as dvc_run
from dvc.utils.serialize import modify_yaml

from flows import commands, interrupts, loaded, objects, repository
from flows.environment import variables
from tasks.frame import code
from tasks.frame.errors import Edited, Refused

How = Literal["ran", "restored", "skipped"]
Elsewhere = Callable[[str | list[str], dict[str, str]], None]

_one_at_a_time = threading.Lock()  # Keras' seeds and the replaced function are global to the process


def reproduce(name: str, *, force: bool = False, isolated: bool = False, elsewhere: Elsewhere | None = None) -> How:
    """Bring one stage up to date, as `dvc repro --single-item NAME` does; return how.

    Args:
        name: As in `planning.plan`.
        force: Run the stage even if it is up to date or in the cache.
        isolated: Run the stage in its own process.
        elsewhere: Runs a stage's commands, with environment variables, in another process; meanwhile other threads may
            reproduce other stages.

    Raises:
        RunError: DVC failed, an isolated stage failed, or the code was edited since this process started (Edited).
        Exception: The stage's own.
    """
    interrupts.check()
    loaded.refuse_edited()
    ran: list[str] = []
    with _one_at_a_time, interrupts.held() as let_through, repository.opened(wait=True) as repo:

        def run(stage: Any, dry: bool = False, run_env: Any = None) -> None:
            ran.append(name)
            told = {"DVC_STAGE": stage.addressing, "DVC_ROOT": repo.root_dir}
            _compare_inputs(stage)
            if elsewhere is None:
                with let_through(), variables(**told):
                    commands.run(stage.cmd, isolated=isolated)
            else:
                with _others_turn():
                    elsewhere(stage.cmd, told)
            loaded.refuse_edited()  # before DVC hashes the code

        with _replaced(run):
            done = repo.reproduce(name, single_item=True, force=force)
        if done and not ran and not _is_sound(repo, done[0]):
            with _replaced(run):
                repo.reproduce(name, single_item=True)
    return "skipped" if not done else "ran" if ran else "restored"


def recorded() -> list[str]:
    """Return the names of the stages in dvc.lock, in its order."""
    with repository.opened(wait=False) as repo:
        return [*Lockfile(repo, "dvc.lock").load().get("stages", {})]


def put_in_order(before: Sequence[str], order: Sequence[str]) -> None:
    """Sort dvc.lock: first the stages that it had `before`, then new ones in the order of a single process."""
    new = [name for name in order if name not in before]
    with _one_at_a_time, interrupts.held(), repository.opened(wait=True) as repo, repo.lock:
        names = [*Lockfile(repo, "dvc.lock").load().get("stages", {})]
        wanted = [name for name in [*before, *new] if name in names]
        if [name for name in names if name in wanted] != wanted:
            with modify_yaml("dvc.lock") as content:
                stages = content["stages"]
                for name in wanted:
                    stages[name] = stages.pop(name)


def keep_only(names: Sequence[str]) -> None:
    """Leave other stages out of dvc.lock and metrics/: they are of other parameters, and DVC's cache may lack them."""
    with _one_at_a_time, interrupts.held(), repository.opened(wait=True) as repo, repo.lock:
        others = {*Lockfile(repo, "dvc.lock").load().get("stages", {})} - {*names}
        with modify_yaml("dvc.lock") if others else nullcontext({}) as content:
            for name in others:
                del content["stages"][name]
    for file in {file for name in {*code.stages(Path())} - {*names} for file in code.metrics(name, Path())}:
        file.unlink(missing_ok=True)


def save_experiment(name: str, stages: Sequence[str] = (), untracked: Sequence[str] = ()) -> None:
    """Record the workspace as DVC experiment `name`; replace an earlier one.

    Args:
        name: Its name.
        stages: The stages that belong to it; empty for all.
        untracked: Files to include that git does not track.
    """
    with interrupts.held(), repository.translated(), Repo() as repo:  # DVC stashes and restores the work tree's changes
        repo.experiments.save(targets=[*stages] or None, name=name, force=True, include_untracked=[*untracked])


def cache_folder() -> Path:
    """Return the folder of DVC's cache, which names files by their MD5."""
    with repository.opened(wait=False) as repo:
        return Path(repo.cache.local.path)


@contextmanager
def _replaced(run: Callable[..., None]) -> Iterator[None]:
    """Let DVC call `run` instead of starting a stage's command."""
    original = getattr(dvc_run, "cmd_run", None)
    if original is None:
        wanted = "flows/engine.py replaces dvc.stage.run.cmd_run, which this DVC does not have"
        raise Refused(f"dvc {dvc.__version__}: {wanted}; `make setup` installs one that does")

    def called(*arguments: Any, **options: Any) -> None:
        dvc_run.cmd_run = original  # DVC calls it once, and another thread may be next
        run(*arguments, **options)

    dvc_run.cmd_run = called
    try:
        yield
    finally:
        dvc_run.cmd_run = original


@contextmanager
def _others_turn() -> Iterator[None]:
    """Release DVC to other threads while this thread's stage computes."""
    _one_at_a_time.release()
    try:
        yield
    finally:
        _one_at_a_time.acquire()


def _compare_inputs(stage: Any) -> None:
    """Make DVC raise Edited if an input of the stage has changed before DVC records it.

    The stage itself has checked its inputs (tasks/frame/declared.py); this covers the time between its check and DVC's.
    """
    save = stage.save_deps
    save()
    before = [dep.hash_info for dep in stage.deps]

    def save_and_compare(**options: Any) -> None:
        save(**options)
        for dep, read in zip(stage.deps, before, strict=True):
            if dep.hash_info != read:
                raise Edited(f"{dep}: edited while {stage.addressing} ran; not recorded: run again")

    stage.save_deps = save_and_compare


def _is_sound(repo: Repo, stage: Any) -> bool:
    """Return whether restored outputs are the recorded ones; delete the others."""
    cache, tmp = Path(repo.cache.local.path), Path(repo.tmp_dir)
    outs = [(os.path.relpath(out.fs_path), out.hash_info.value) for out in stage.outs if out.use_cache]
    wrong = [path for path, name in outs if not objects.put_right(cache, path, name, tmp)]
    return not wrong
