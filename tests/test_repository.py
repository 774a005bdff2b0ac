"""DVC's repository: its errors as one line each, its databases, its messages."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from dvc.exceptions import DvcException, NotDvcRepoError, ReproductionError
from dvc.lock import LockError
from dvc.scm import SCMError
from dvc.stage.exceptions import StageNotFound

from flows import (
    healing,
    repository,
    space,
)  # fmt: skip
from tasks.frame.errors import Busy, FullDisk, Refused, RunError, UsageError

DAG = SimpleNamespace(relpath="dvc.yaml")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (sqlite3.OperationalError("locked"), Refused,
         "DVC's databases in .dvc/tmp/site: locked; delete the folder: it only caches"),
        (LockError("held (PID 12) and (PID 3)"), Busy,
         "another process is working on this project (PID 12, PID 3); wait for it to end, or end it"),
        (LockError("held"), Busy,
         "another process is working on this project (PID 77); wait for it to end, or end it"),
        (NotDvcRepoError("x"), Refused, "{here} is no DVC project: clone the whole project with git"),
        (SCMError("x"), Refused, "{here} is not kept by git: clone the project, or run `git init` here"),
        (StageNotFound(DAG, "x"), UsageError, "dvc: Stage 'x' not found inside 'dvc.yaml' file"),
        (DvcException("two\n  lines"), RunError, "dvc: two lines"),
    ],
)  # fmt: skip
def test_an_error_of_dvc_is_one_line(here, monkeypatch, error, kind, text):
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    (here / ".dvc/tmp").mkdir(parents=True)
    (here / ".dvc/tmp/lock").write_text("77 lock\n")
    with pytest.raises(RunError) as shown, repository.translated():
        raise error
    assert (type(shown.value), str(shown.value)) == (kind, text.format(here=here))


def test_a_lock_whose_holder_nobody_knows_and_a_project_of_git_say_so(here):
    assert str(repository._line(LockError("held"))) == (
        "another process is working on this project (of unknown PID); wait for it to end, or end it"
    )
    (here / ".git").mkdir()
    assert str(repository._line(SCMError("no commit"))) == "dvc: no commit"


def test_a_failed_stage_raises_its_own_error_with_its_cause():
    cause, own = KeyError("why"), ValueError("its own")
    own.__cause__ = cause
    with pytest.raises(ValueError, match="its own") as error, repository.translated():
        raise ReproductionError("a") from own
    assert error.value.__cause__ is cause
    for behind, text in ((None, "dvc: a"), (DvcException("clear"), "dvc: clear")):
        with pytest.raises(RunError) as error, repository.translated():
            raise ReproductionError("a") from behind
        assert str(error.value) == text
    full = OSError(errno.ENOSPC, "No space left", "f")
    with pytest.raises(FullDisk, match=r"^f: no space left"), repository.translated():
        raise ReproductionError("a") from full
    with pytest.raises(FullDisk, match=r"^f: no space left"), repository.translated():
        raise full
    with pytest.raises(PermissionError), repository.translated():
        raise PermissionError("a")


@pytest.mark.parametrize(("site", "folder"), [(None, ".dvc/tmp/site"), ("mine", "mine")])
def test_dvcs_databases_are_healed_where_they_are_before_it_is_opened(monkeypatch, site, folder):
    healed = []
    monkeypatch.setattr(healing, "heal_databases", healed.append)
    monkeypatch.setattr(repository, "Repo", lambda **options: nullcontext(options))
    monkeypatch.setattr(os, "environ", {"DVC_SITE_CACHE_DIR": site} if site else {})
    for wait in (True, False):
        with repository.opened(wait=wait) as repo:
            assert repo == {"_wait_for_lock": wait}
    assert healed == [Path(folder)] * 2


def test_the_messages_of_dvc_below_a_warning_are_not_shown():
    assert logging.getLogger("dvc").level == logging.WARNING
    assert space.raise_hidden in logging.getLogger("dvc_data.hashfile.transfer").filters
