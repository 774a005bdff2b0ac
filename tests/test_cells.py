"""Cells: computed once, kept whole, damaged ones computed again, failed ones listed."""

from __future__ import annotations

import os
import platform
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny

from autoencoders.errors import InputError
from tasks.frame import cells, code
from tasks.frame.cells import Failure, Store


@dataclass(frozen=True)
class Square:
    """A cell that is quickly computed."""

    number: int

    @property
    def name(self) -> str:
        return f"square of {self.number}"


def store(folder, given=0):
    return Store(folder, {cell.name: given for cell in [*SQUARES, Square(9)]} | {"row": 0, "none": 0})


SQUARES = [Square(k) for k in range(4)]


def square(cell):
    if cell.number == 9:
        raise InputError("nine is\nnot for us")
    return {"value": cell.number**2}


def test_a_finished_cell_is_not_computed_again(tmp_path):
    done = []
    for _ in range(2):
        results, failures = cells.run(SQUARES, store(tmp_path, 1), square, lambda c, _: done.append(c.number))
    assert done == [0, 1, 2, 3]
    assert results["square of 3"] == {"value": 9}
    assert failures == []


def test_other_parameters_are_other_cells(tmp_path):
    one, same, other = (Store(tmp_path, {"a": {"seed": seed}, "b": 0}) for seed in (1, 1, 2))
    assert one.path("a") == same.path("a") != other.path("a")
    assert one.path("b") == other.path("b")


@pytest.mark.parametrize("damage", [b"", b"{", b'{"content": {"value": 5}, "sha256": "0"}', b"[1]", b"\xff"])
def test_a_damaged_cell_is_computed_again(tmp_path, damage):
    kept = store(tmp_path)
    cells.run(SQUARES, kept, square)
    kept.path("square of 2").write_bytes(damage)
    results, _ = cells.run(SQUARES, kept, square)
    assert results["square of 2"] == {"value": 4} == kept.read("square of 2")


def test_a_failed_cell_is_listed_and_the_others_are_computed(tmp_path):
    kept = store(tmp_path)
    results, failures = cells.run([Square(9), *SQUARES], kept, square)
    assert len(results) == 4
    assert failures == [Failure("square of 9", "nine is")]
    assert "not for us" in kept.path("square of 9", ".error.txt").read_text()
    assert str(cells.study_failed(failures, 5, kept.folder)) == "1 of 5 cells failed, first square of 9: nine is"


def test_a_failure_without_words_is_listed_by_its_kind(tmp_path):
    def fail(cell):
        raise RuntimeError

    _, failures = cells.run(SQUARES[:1], store(tmp_path), fail)
    assert failures == [Failure("square of 0", "RuntimeError: ")]


def test_a_cell_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """A power cut may else leave a name without bytes."""
    kept, calls = store(tmp_path), []
    monkeypatch.setattr(cells.os, "fsync", lambda fd: calls.append(os.fstat(fd).st_ino))
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda a, b: calls.append((a.stat().st_ino, b.name)) or replace(a, b))
    kept.write("square of 2", {"value": 4})
    number = kept.path("square of 2").stat().st_ino
    assert calls == [number, (number, kept.path("square of 2").name)]


def test_keys_stay_in_their_order_which_a_tables_columns_take_over(tmp_path):
    store(tmp_path).write("row", {"b": 1, "a": 2.5})
    assert list(store(tmp_path).kept("row").items()) == [("b", 1), ("a", 2.5)]
    with pytest.raises(OSError, match=r"none \w{16}\.json: expected a finished cell, found none"):
        store(tmp_path).kept("none")


def test_an_interrupt_stops_at_once_and_keeps_what_is_finished(tmp_path):
    def stop(cell):
        if cell.number == 2:
            raise KeyboardInterrupt
        return square(cell)

    with pytest.raises(KeyboardInterrupt):
        cells.run(SQUARES, store(tmp_path), stop)
    again = []
    cells.run(SQUARES, store(tmp_path), square, lambda cell, _: again.append(cell.number))
    assert again == [2, 3]


def test_the_codes_hash_follows_imports_and_not_what_can_only_refuse_or_show(tmp_path):
    files = {
        "tasks/a.py": "from autoencoders import b\nfrom tasks import config\nimport numpy\n",
        "tasks/frame/config.py": "from autoencoders import c\n",
        "autoencoders/b.py": "x = 1\n",
        "autoencoders/c.py": "x = 1\n",
    }
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    found = code.closure("tasks/a.py", root=tmp_path)
    assert found == {"tasks/a.py", "autoencoders/b.py"}
    before = code.digest(found, tmp_path)
    (tmp_path / "autoencoders/b.py").write_text("x = 2\n")
    assert code.digest(found, tmp_path) != before


def test_a_cell_under_anothers_name_is_none(tmp_path):
    kept = Store(tmp_path, {"a": {"run": 0}, "b": {"run": 1}})
    kept.write("a", {"value": 4})
    kept.path("b").write_bytes(kept.path("a").read_bytes())
    assert kept.read("a") == {"value": 4} and kept.read("b") is None


def test_cells_without_a_file_are_counted_and_several_failures_told_with_their_list(tmp_path):
    kept = store(tmp_path / "new" / "folder")
    kept.write("square of 1", 1)
    assert kept.n_missing(["square of 0", "square of 1", "square of 2"]) == 2
    said = str(cells.study_failed([Failure("a", "x"), Failure("b", "y")], 7, tmp_path))
    assert said == f"2 of 7 cells failed, first a: x; all of them are listed in {tmp_path / 'failed.json'}"


def test_the_processors_seconds_stand_beside_a_result_and_change_neither_it_nor_its_hash(tmp_path, monkeypatch):
    kept, clock = store(tmp_path), iter([1.0, 3.5])
    monkeypatch.setattr(cells.time, "process_time", lambda: next(clock))
    results, _ = cells.run([SQUARES[2]], kept, square)
    assert results["square of 2"] == kept.read("square of 2") == {"value": 4}
    assert kept.seconds("square of 2") == 2.5
    kept.write("row", 1)
    kept.path("none").write_text("[1]")
    assert [kept.seconds(name) for name in ("row", "none", "square of 3")] == [None, None, None]


def test_cells_stand_beside_the_data():
    assert cells.folder("toy", Path("some/data")) == Path("some/.cells/toy")


def test_versions_and_what_is_set_for_the_libraries_are_shared_by_all_cells(monkeypatch):
    names = ("TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS", "TF_XLA_FLAGS", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    plain = cells.versions()
    assert {*plain} == {"keras", "numpy", "scikit-learn", "scipy", "tensorflow", "python", "machine", "cpu"}
    for name in names:
        monkeypatch.setenv(name, f"of {name}")
    assert cells.versions() == plain | {name: f"of {name}" for name in names}
    assert plain["numpy"] == np.__version__ and plain["python"] == platform.python_version()
    assert plain["machine"] == platform.machine()
    shared = cells.shared(tiny.params().model_copy(update={"threads": 3}), "tasks/frame/cells.py")
    assert shared["threads"] == 3 and shared["versions"] == cells.versions()
    counts = code.closure("tasks/frame/cells.py") | code.FOR_EVERY_STAGE
    glued = cells.shared(tiny.params(), "tasks/frame/cells.py", glue=["tasks/frame/recipes.py"])
    assert glued["code"] == code.digest(counts | {"tasks/frame/recipes.py"})
    assert len(plain["cpu"]) == 12
    assert shared["code"] == code.digest(counts) and cells.digest([1, {"b": 1, "a": 2}]) == cells.digest(
        [1, {"a": 2, "b": 1}]
    )


def test_the_folder_of_cells_can_be_one_that_machines_share(monkeypatch):
    monkeypatch.setenv(cells.VARIABLE, "/shared/cells")
    assert cells.folder("toy", Path("some/data")) == Path("/shared/cells/toy")


def test_two_machines_whose_processes_have_the_same_number_write_a_cell_at_the_same_time(tmp_path, monkeypatch):
    kept, both = store(tmp_path), threading.Barrier(2)
    sync = os.fsync

    def sync_together(fd):
        both.wait(10)  # both have opened their file
        sync(fd)

    monkeypatch.setattr(cells.os, "fsync", sync_together)
    with ThreadPoolExecutor(2) as machines:
        writes = [machines.submit(kept.write, "row", [k] * 1000) for k in (1, 2)]
        assert [write.result() for write in writes] == [None, None]
    assert kept.read("row") in ([1] * 1000, [2] * 1000)
    assert [path.name for path in tmp_path.iterdir()] == [kept.path("row").name]


def test_what_is_left_is_counted_once_a_second_and_exactly_near_the_end(monkeypatch):
    now, looks, there = [0.0], [], 0
    store = SimpleNamespace(n_missing=lambda names: looks.append(now[0]) or 100 - there)
    monkeypatch.setattr(cells.time, "monotonic", lambda: now[0])
    left, told = cells.Left(store, []), []
    for k in range(99):
        there, now[0] = k + 1 + (k >= 10), k / 50  # another process finishes one, too
        told.append(left.after_one())
    assert (told[0], told[10], told[49], told[50], told[-1]) == (99, 89, 50, 48, 0)
    assert looks[:2] == [0.0, 1.0] and len(looks) == 2 + cells.FEW
