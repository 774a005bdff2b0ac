"""DVC's repository: open and lock it, and translate DVC's errors into one line each."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.exceptions import DvcException, NotDvcRepoError, ReproductionError
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.scm import SCMError
from dvc.stage.exceptions import StageNotFound
from dvc.utils.serialize import YAMLFileCorruptedError
from dvc.utils.strictyaml import YAMLValidationError
from dvc_data.hashfile.cache import DiskError

from flows import healing, space
from tasks.frame.errors import Busy, FullDisk, Refused, RunError, UsageError

UNCLEAR = (DvcException, SCMError, DiskError, sqlite3.Error)  # errors whose messages need translation
UNUSABLE = (StageNotFound, YAMLFileCorruptedError, YAMLValidationError)

logging.getLogger("dvc").setLevel(logging.WARNING)
logging.getLogger("dvc_data.hashfile.transfer").addFilter(space.raise_hidden)


@contextmanager
def opened(*, wait: bool) -> Iterator[Repo]:
    """Open the DVC repository of this folder; wait for its lock, without limit or for 3 seconds."""
    healing.heal_databases(Path(os.environ.get("DVC_SITE_CACHE_DIR", ".dvc/tmp/site")))
    with translated(), Repo(_wait_for_lock=wait) as repo:
        yield repo


@contextmanager
def looked_at() -> Iterator[Repo]:
    """Open and lock the repository of this folder; within the block, DVC reads the graph only once."""
    with opened(wait=False) as repo, lock_repo(repo):
        yield repo


def share(folder: Path) -> bool:
    """Let a clone in `folder` use the cache and the remotes of the repository of this folder.

    Returns:
        Whether there is a default remote.
    """
    with opened(wait=False) as repo, translated():
        config, cache = repo.config, Path(repo.cache.local.path).parents[1]
    sections = {"core": {"remote": config["core"].get("remote")}, "cache": {**config["cache"], "dir": cache}}
    sections |= {f"'remote \"{name}\"'": remote for name, remote in config["remote"].items()}
    lines = []
    for section, values in sections.items():  # DVC's own function writes ASCII only
        given = {key: ",".join(v) if isinstance(v, list) else v for key, v in values.items() if v is not None}
        lines += [f"[{section}]", *(f"    {key} = {value}" for key, value in given.items())]
    (folder / ".dvc/config.local").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return config["core"].get("remote") is not None


@contextmanager
def translated() -> Iterator[None]:
    """Replace DVC's error for a failed stage by the stage's own error, and other errors of DVC by one line."""
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
    """Return an error of DVC as an error of this project, with one readable line."""
    if full := _full_disk(error):
        return full
    if isinstance(error, sqlite3.Error | DiskError):
        where = os.environ.get("DVC_SITE_CACHE_DIR", ".dvc/tmp/site")
        return Refused(f"DVC's databases in {where}: {error}; delete the folder: it only caches")
    if isinstance(error, LockError):
        return busy(re.findall(r"\(PID (\d+)\)", str(error)) or _lock_file())
    if isinstance(error, NotDvcRepoError):
        return Refused(f"{Path.cwd()} is no DVC project: clone the whole project with git")
    if isinstance(error, SCMError) and not Path(".git").exists():
        return Refused(f"{Path.cwd()} is not kept by git: clone the project, or run `git init` here")
    text = " ".join(str(error).split())
    return (UsageError if isinstance(error, UNUSABLE) else RunError)(f"dvc: {text}")


def _full_disk(error: BaseException) -> FullDisk | None:
    return space.full(error, Path(".dvc/cache"), Path(".dvc/tmp"))


def busy(pids: Iterable[str | int]) -> Busy:
    """Return the error that names the processes that work on this project."""
    who = ", ".join(f"PID {pid}" for pid in sorted(pids)) or "of unknown PID"
    return Busy(f"another process is working on this project ({who}); wait for it to end, or end it")


def _lock_file() -> list[str]:
    """Return the PID of the process that holds DVC's main lock."""
    path = Path(".dvc/tmp/lock")
    return path.read_text(encoding="utf-8").split()[:1] if path.exists() else []
