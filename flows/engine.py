"""dvc.yaml's graph, and DVC's own `reproduce` with the stages run in this process. The only file that imports dvc.

Where `dvc repro` would start a shell, the stage's function is called here, so that TensorFlow is imported once and not
once a stage. All else is DVC's: what is up to date, dvc.lock, the cache, the locks. So after either runner the other
skips every stage. One private name of DVC is replaced while a stage is reproduced, `dvc.stage.run.cmd_run`;
tests/test_contract.py holds the two runners against each other.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import dvc.api
from dvc.dvcfile import FileIsGitIgnored, Lockfile
from dvc.exceptions import DvcException, NotDvcRepoError, ReproductionError
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.scm import SCMError
from dvc.stage import run as dvc_run
from dvc.stage.exceptions import StageNotFound
from dvc.utils.serialize import YAMLFileCorruptedError, modify_yaml
from dvc.utils.strictyaml import YAMLValidationError
from dvc_data.hashfile.cache import DiskError

from flows import commands, healing, interrupts, objects, space
from flows.environment import variables
from flows.processes import RunError
from tasks.frame import code, config, sizes, stage
from tasks.reporting import fidelity

How = Literal["ran", "restored", "skipped"]
Elsewhere = Callable[[str | list[str], dict[str, str]], None]
CODE = ("autoencoders", "tasks")
SPREADING = "tasks/frame/parallel.py"  # a stage that runs this file divides its own work over processes
UNCLEAR = (DvcException, SCMError, DiskError, sqlite3.Error)  # errors that are for no person as they stand
UNUSABLE = (StageNotFound, YAMLFileCorruptedError, YAMLValidationError)
USAGE, FAILED, BUSY, EDITED, BROKEN = 2, 1, 5, 6, 7  # exit codes

_one_at_a_time = threading.Lock()  # Keras' seeds belong to the process, and so does the function that is replaced
_loaded: dict[Path, dict[str, str]] = {}  # what this process imports has to be what DVC hashes

logging.getLogger("dvc").setLevel(logging.WARNING)
logging.getLogger("dvc_data.hashfile.transfer").addFilter(space.raise_hidden)


def make_ready() -> None:
    """Check params.yaml, heal what a killed run has torn, delete what it or a removed phase has left.

    Raises:
        config.ConfigError: params.yaml cannot be used.
        RunError: This is no DVC project, or another run is going on in it.
    """
    with _made_ready():
        pass


def plan(targets: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the stages that `targets` need, or all, in an order in which they can run, as in dvc.yaml where possible.

    Returns:
        For each stage the stages whose outputs it reads.
    """
    with _looked_at() as repo:
        return _order(repo, targets)


def is_up_to_date(targets: Sequence[str] = ()) -> bool:
    """Return whether `reproduce` would skip every stage that `targets` need, found by one look at all of them."""
    with _looked_at() as repo:
        return not _status(repo, targets)


def begin(targets: Sequence[str] = (), *, force: bool = False) -> tuple[dict[str, list[str]], bool]:
    """Do `make_ready`, and return what `plan` does and whether nothing is to be done, by one reading of the files.

    Raises:
        RunError: As `make_ready`, or the disk lacks the room that the stages to run took the last time.
        config.ConfigError: A size is beyond the data that are there.
    """
    with _made_ready() as repo:
        graph, stale = _order(repo, targets), _status(repo, targets)
        # Here and not in the stage alone, whose last output DVC deletes before the stage can refuse.
        if stale and not {*stage.BEFORE_SIZES} & stale.keys():
            sizes.check(config.load(), stage.DATA / "prepare", trains=False)
        space.check(_to_write(repo, graph, stale, force=force))
        return graph, not force and not stale


def cache_folder() -> Path:
    """Return the folder in which DVC keeps files under their MD5."""
    with _repository(wait=False) as repo:
        return Path(repo.cache.local.path)


def spreading() -> set[str]:
    """Return the stages that divide their own work over processes."""
    with _repository(wait=False) as repo:
        return {s.addressing for s in repo.index.stages if any(dep.def_path == SPREADING for dep in s.deps)}


def reproduce(name: str, *, force: bool = False, isolated: bool = False, elsewhere: Elsewhere | None = None) -> How:
    """Bring one stage up to date, as `dvc repro --single-item NAME` does; return what that took.

    Args:
        name: As in `plan`.
        force: Run it even where it is up to date, or in the cache.
        isolated: Run it in a process of its own.
        elsewhere: Runs a stage's commands, with environment variables, in another process; meanwhile other threads may
            reproduce other stages.

    Raises:
        RunError: DVC could not do it, the code was edited since this process started, or an isolated stage failed.
        Exception: The stage's own.
    """
    interrupts.check()
    _refuse_edited_code()
    ran: list[str] = []
    with _one_at_a_time, interrupts.held() as let_through, _repository(wait=True) as repo:

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
            _refuse_edited_code()  # DVC hashes the code afterwards

        with _replaced(run):
            done = repo.reproduce(name, single_item=True, force=force)
        if done and not ran and not _is_sound(repo, done[0]):
            with _replaced(run):
                repo.reproduce(name, single_item=True)
    return "skipped" if not done else "ran" if ran else "restored"


def recorded() -> list[str]:
    """Return the names in dvc.lock, in its order."""
    with _repository(wait=False) as repo:
        return [*Lockfile(repo, "dvc.lock").load().get("stages", {})]


def put_in_order(before: Sequence[str], order: Sequence[str]) -> None:
    """Let dvc.lock name what it named `before`, and then what is new, as one process that runs in that order does."""
    new = [name for name in order if name not in before]
    with _one_at_a_time, interrupts.held(), _repository(wait=True) as repo, repo.lock:
        names = [*Lockfile(repo, "dvc.lock").load().get("stages", {})]
        wanted = [name for name in [*before, *new] if name in names]
        if [name for name in names if name in wanted] != wanted:
            with modify_yaml("dvc.lock") as content:
                stages = content["stages"]
                for name in wanted:
                    stages[name] = stages.pop(name)


def save_experiment(name: str) -> None:
    """Record the workspace as DVC experiment `name`, in place of an earlier one of that name."""
    with interrupts.held(), _translated():  # DVC stashes the work tree's changes, and brings them back
        dvc.api.exp_save(name=name, force=True)


@contextmanager
def _replaced(run: Callable[..., None]) -> Iterator[None]:
    """Let DVC call `run` where it would start a stage's command, and be quick about dvc.lock."""
    original = getattr(dvc_run, "cmd_run", None)
    if original is None:
        wanted = "flows/engine.py replaces dvc.stage.run.cmd_run, which this DVC does not have"
        raise RunError(f"dvc {dvc.__version__}: {wanted}; `make setup` installs one that does", exit_code=BROKEN)

    def called(*arguments: Any, **options: Any) -> None:
        dvc_run.cmd_run = original  # DVC calls it once, and another thread may come next
        run(*arguments, **options)

    dvc_run.cmd_run = called
    try:
        yield
    finally:
        dvc_run.cmd_run = original


@contextmanager
def _others_turn() -> Iterator[None]:
    """Let other threads work with DVC, which has unlocked the repository for the stage of this one."""
    _one_at_a_time.release()
    try:
        yield
    finally:
        _one_at_a_time.acquire()


@contextmanager
def _repository(*, wait: bool) -> Iterator[Repo]:
    """Open the DVC repository of this folder; for its lock wait until it is free, or 3 seconds."""
    healing.heal_databases(Path(os.environ.get("DVC_SITE_CACHE_DIR", ".dvc/tmp/site")))
    with _translated(), Repo(_wait_for_lock=wait) as repo:
        yield repo


@contextmanager
def _looked_at() -> Iterator[Repo]:
    """Open and lock the repository of this folder; in the block DVC reads the graph once."""
    with _repository(wait=False) as repo, lock_repo(repo):
        yield repo


@contextmanager
def _made_ready() -> Iterator[Repo]:
    """Do what `make_ready` says, then as `_looked_at`."""
    fidelity.check(config.load().book.printed)
    _loaded.setdefault(Path.cwd(), _code())
    _refuse_linked_data()
    with _looked_at() as repo:
        tmp = Path(repo.tmp_dir)
        if others := healing.lock_holders(tmp / "rwlock"):
            raise _busy(others)
        try:
            Lockfile(repo, "dvc.lock").load()
        except FileIsGitIgnored:
            raise
        except DvcException:
            healing.move_aside(Path("dvc.lock"), tmp)
        for stage in _stages(repo):
            if stage.cmd and stage.wdir != repo.root_dir:
                where = f"{stage.addressing}: expected the project's root as working directory, received {stage.wdir}"
                raise RunError(f"dvc.yaml: {where}; only `dvc repro` runs such a stage", exit_code=USAGE)
        healing.prune(Path(out.fs_path) for out in repo.index.outs if out.use_cache)
        yield repo


def _compare_inputs(stage: Any) -> None:
    """Let DVC, when it looks at what a stage has read, raise RunError where it finds something else than now.

    The stage itself has looked by then (tasks/frame/declared.py); this closes the moment between its look and DVC's.
    """
    save = stage.save_deps
    save()
    before = [dep.hash_info for dep in stage.deps]

    def save_and_compare(**options: Any) -> None:
        save(**options)
        for dep, read in zip(stage.deps, before, strict=True):
            if dep.hash_info != read:
                raise RunError(f"{dep}: edited while {stage.addressing} ran; not recorded: run again", exit_code=EDITED)

    stage.save_deps = save_and_compare


def _is_sound(repo: Repo, stage: Any) -> bool:
    """Return whether what DVC has restored of a stage is what it recorded; delete what is not."""
    cache, tmp = Path(repo.cache.local.path), Path(repo.tmp_dir)
    outs = [(os.path.relpath(out.fs_path), out.hash_info.value) for out in stage.outs if out.use_cache]
    wrong = [path for path, name in outs if not objects.put_right(cache, path, name, tmp)]
    return not wrong


def _order(repo: Repo, targets: Sequence[str]) -> dict[str, list[str]]:
    stages, graph = _stages(repo), repo.index.graph  # an edge leads from a stage to one that it needs
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
    """Return what has changed of each stage that is not up to date."""
    status: dict[str, list[Any]] = repo.status(targets=[*targets] or None, with_deps=True)
    return status


def _to_write(
    repo: Repo, graph: Mapping[str, Sequence[str]], stale: Mapping[str, list[Any]], *, force: bool
) -> Iterator[tuple[Path, int]]:
    """Yield the folders that a run will write to, data/ and the cache, and the bytes that the last run wrote there."""
    stages, again = {s.addressing: s for s in repo.index.stages}, set[str]()
    for name, needs in graph.items():
        outs = [(Path(out.fs_path), int(out.meta.size or 0)) for out in stages[name].outs]
        lost = all(isinstance(change, dict) and [*change] == ["changed outs"] for change in stale.get(name, []))
        if force or again & {*needs} or not lost or (name in stale and not stages[name].outs_cached()):
            again.add(name)
            yield from ((Path(repo.cache.legacy.path), size) for _, size in outs)
        if name in again or name in stale:
            yield from ((stage.DATA, size) for path, size in outs if not path.exists())  # DVC deletes what is there


@contextmanager
def _translated() -> Iterator[None]:
    """Raise a stage's own error in place of DVC's about it, and DVC's own as one line."""
    try:
        yield
    except ReproductionError as error:
        cause = error.__cause__
        if isinstance(cause, UNCLEAR) or cause is None:
            raise _line(cause or error) from None
        raise _full_disk(cause) or cause from cause.__cause__
    except (OSError, *UNCLEAR) as error:
        if isinstance(error, UNCLEAR):
            raise _line(error) from None
        raise _full_disk(error) or error from None


def _line(error: BaseException) -> RunError:
    """Return what DVC says as one line for a person."""
    if full := _full_disk(error):
        return full
    if isinstance(error, sqlite3.Error | DiskError):
        where = os.environ.get("DVC_SITE_CACHE_DIR", ".dvc/tmp/site")
        return RunError(f"DVC's databases in {where}: {error}; delete the folder: it only caches", exit_code=BROKEN)
    if isinstance(error, LockError):
        return _busy(re.findall(r"\(PID (\d+)\)", str(error)) or _lock_file())
    if isinstance(error, NotDvcRepoError):
        return RunError(f"{Path.cwd()} is no DVC project: clone the whole of it with git", exit_code=BROKEN)
    if isinstance(error, SCMError) and not Path(".git").exists():
        return RunError(f"{Path.cwd()} is not kept by git: clone the project, or run `git init` here", exit_code=BROKEN)
    text = " ".join(str(error).split())
    return RunError(f"dvc: {text}", exit_code=USAGE if isinstance(error, UNUSABLE) else FAILED)


def _full_disk(error: BaseException) -> RunError | None:
    return space.full(error, Path(".dvc/cache"), Path(".dvc/tmp"))


def _stages(repo: Repo) -> list[Any]:
    """Return the stages, as dvc.yaml orders them; RunError says what is wrong where DVC finds none."""
    if stages := list(repo.index.stages):
        return stages
    path = Path("dvc.yaml")
    what = "received no file" if not path.exists() else "received none" if path.read_text().strip() else "it is empty"
    restore = "`git checkout dvc.yaml` brings back the committed one"
    raise RunError(f"{path}: expected stages, {what}; {restore}", exit_code=USAGE)


def _refuse_linked_data() -> None:
    """Raise RunError where the folder of outputs is a symbolic link, which neither git nor DVC goes through."""
    if stage.DATA.is_symlink():
        target = os.readlink(stage.DATA)
        found = f"expected a folder, received a symbolic link to {target}, which git and DVC do not follow"
        do = f"`rm {stage.DATA} && git checkout {stage.DATA}`, then keep the files elsewhere by"
        how = "`dvc cache dir --local DISK/cache && dvc config --local cache.type symlink`"
        raise RunError(f"{stage.DATA}: {found}: {do} {how}", exit_code=BROKEN)


def _busy(pids: Any) -> RunError:
    who = ", ".join(f"PID {pid}" for pid in sorted(pids)) or "of unknown PID"
    return RunError(
        f"another process is working on this project ({who}); wait for it to end, or end it", exit_code=BUSY
    )


def _lock_file() -> list[str]:
    """Return the PID of the process that holds DVC's main lock."""
    path = Path(".dvc/tmp/lock")
    return path.read_text(encoding="utf-8").split()[:1] if path.exists() else []


def _collect(repo: Repo, target: str) -> list[Any]:
    """Return the stages that a target names: a stage, or all phases of one."""
    try:
        return list(repo.stage.collect(target))
    except StageNotFound:
        known = ", ".join(dict.fromkeys(s.addressing for s in repo.index.stages))
        raise RunError(f"dvc.yaml has no stage {target}; it has {known}", exit_code=USAGE) from None


def _code() -> dict[str, str]:
    """Return the hash of every file of code that a stage may import."""
    paths = code.everything(Path(), CODE)
    return {path.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _refuse_edited_code() -> None:
    """Raise RunError if a file is no longer what this process has imported or may import."""
    before, now = _loaded.setdefault(Path.cwd(), _code()), _code()
    if edited := sorted(path for path, _ in before.items() ^ now.items()):
        files = ", ".join(dict.fromkeys(edited))
        raise RunError(f"{files}: edited since this run started; not recorded: run again", exit_code=EDITED)
