"""Disks that are full, or will be: told before the run, named when a write meets it, and nothing wrong recorded."""

from __future__ import annotations

import errno
import sqlite3
import sys
from collections import namedtuple

import pytest
from dvc_objects.fs.local import LocalFileSystem

from flows import engine, loaded, planning, repository, space
from tasks.frame import files
from tasks.frame.errors import RunError

NO_SPACE = OSError(errno.ENOSPC, "No space left on device")
Usage = namedtuple("Usage", "total used free")


def disk(monkeypatch, free: int) -> None:
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: Usage(10**9, 0, free))


def finish() -> None:
    for name in planning.begin()[0]:
        engine.reproduce(name)


@pytest.mark.slow
def test_a_run_that_will_not_fit_is_refused_before_it_starts(tiny_project, monkeypatch):
    finish()
    disk(monkeypatch, 10)
    assert planning.begin()[1]  # nothing to do needs no room
    (tiny_project / "tasks/first.py").write_text("edited = True")
    monkeypatch.setattr(loaded, "_hashes", {})
    with pytest.raises(RunError, match=r"^\.dvc/cache: expected .* MB free.*received 0\.0 MB; free some") as error:
        planning.begin()
    assert error.value.exit_code == 7
    disk(monkeypatch, 10**9)
    assert planning.begin() == (planning.plan(), False)


def test_data_that_comes_back_from_the_cache_takes_no_more_of_the_cache(tmp_path, monkeypatch):
    disk(monkeypatch, 10)
    space.check([(tmp_path / "data/a", 6), (tmp_path / "cache", 4)])
    with pytest.raises(RunError, match=r"data/a and .*cache: expected"):
        space.check([(tmp_path / "data/a", 6), (tmp_path / "cache", 5)])


@pytest.mark.slow
def test_a_file_that_does_not_reach_the_cache_fails_the_stage_which_runs_again(tiny_project, monkeypatch):
    put = LocalFileSystem.put_file

    def put_file(self, source, target, **options):
        if "/cache/files/" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(target))
        return put(self, source, target, **options)

    planning.make_ready()
    monkeypatch.setattr(LocalFileSystem, "put_file", put_file)
    with pytest.raises(RunError, match=r"\.dvc/cache/files/.*: no space left on its disk; free some") as error:
        engine.reproduce("first")
    assert error.value.exit_code == 7
    assert not (tiny_project / "dvc.lock").exists()
    monkeypatch.setattr(LocalFileSystem, "put_file", put)
    assert engine.reproduce("first") == "ran"


def test_dvcs_database_on_a_full_disk_is_one_line(tiny_project, monkeypatch):
    def repo(**_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(repository, "Repo", repo)
    with pytest.raises(RunError, match=r"no space left on its disk") as error:
        planning.make_ready()
    assert error.value.exit_code == 7


def test_a_write_that_failed_for_another_reason_is_left_as_it_is(tmp_path):
    for error in (PermissionError(errno.EACCES, "no"), ConnectionError("MLflow"), ValueError("rows")):
        assert files.full_disk(error, tmp_path) is None
    assert "f: no space left" in str(files.full_disk(OSError(errno.ENOSPC, "No space", "f"), tmp_path))
    assert f"{tmp_path}: no space left" in str(files.full_disk(NO_SPACE, tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="maps are allocated on Linux alone")
def test_a_mapped_array_has_its_place_on_disk_before_it_is_written(tmp_path, monkeypatch):
    path = tmp_path / "y.npy"
    with path.open("wb") as file:
        file.truncate(20_000)  # sparse
    files._allocate(path)
    assert path.stat().st_blocks * 512 >= 20_000

    def refuse(*_):
        raise NO_SPACE

    monkeypatch.setattr(files.os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match=r"No space left on device.*y\.npy"):
        files._allocate(path)
