"""benchmarks/memory.py: the rows it makes are those it names, and its page follows from its numbers."""

from __future__ import annotations

import os

import numpy as np
import pytest

from autoencoders import columns
from benchmarks import memory
from tasks.frame.sections import Fetch
from tasks.sources import own_data
from tests.inputs import UNUSED, table_in

GIB = 2**30


def records(n_rows, *peaks):
    return [{"stage": stage, "n_rows": n_rows, "seconds": 9.0, "cpu": 2.0, "peak_bytes": peak}
            for stage, peak in zip(memory.STAGES, peaks, strict=False)]  # fmt: skip


def test_the_rows_are_pinned_by_their_hash_and_few_have_a_label(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "N_LABELLED", 30)
    digest = memory.write_rows(tmp_path / "x.npy", 200)
    given = memory.changes(tmp_path / "x.npy", digest)["fetch"]
    (tmp_path / "out").mkdir()
    own_data.obtain(Fetch(**UNUSED | given), tmp_path, tmp_path / "out")
    labels = np.load(tmp_path / "out/labels.npy")
    assert (np.load(tmp_path / "out/rows.npy").shape, (labels != -1).sum()) == ((200, 784), 30)


def test_the_page_says_whether_the_limit_was_held_and_what_a_row_costs(tmp_path):
    path = tmp_path / "memory.json"
    memory.keep(records(1000, GIB, GIB), path)
    memory.keep(records(4000, GIB, 3 * GIB), path)
    memory.keep(records(4000, GIB // 2, GIB), path)
    found = memory.json.loads(path.read_text("utf-8"))
    assert [(record["n_rows"], record["stage"]) for record in found["records"]] == [
        (n, stage) for n in (1000, 4000) for stage in memory.STAGES[:2]
    ]
    page = memory.page(found)
    assert "Reached: yes, 1,024 MiB at most (fetch, 1,000 rows)" in page
    assert "| fetch | 1,024 | 2,000 | 512 | 500 |\n| prepare | 1,024 | 2,000 | 1,024 | 500 |" in page
    found["records"][0]["peak_bytes"] = 2 * GIB
    assert "Reached: no, 2,048 MiB" in memory.page(found)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_has_twenty_columns_of_four_kinds_and_few_labels(tmp_path, monkeypatch, form):
    monkeypatch.setattr(memory, "N_LABELLED", 30)
    monkeypatch.setattr(memory, "AT_A_TIME", 90)
    memory.write_table(path := tmp_path / f"t.{form}", 200)
    given = memory.changes(path, memory._sha256(path))["fetch"]
    (tmp_path / "out").mkdir()
    own_data.obtain(Fetch(**UNUSED | given), tmp_path, tmp_path / "out")
    found = [columns.kind(column) for _, column in table_in(tmp_path / "out/table.parquet").items()]
    assert [found.count(kind) for kind in columns.KINDS] == [17, 0, 2, 1]
    assert 10 < (np.load(tmp_path / "out/labels.npy") != -1).sum() < 60


def test_a_size_of_which_a_stage_was_not_measured_has_empty_cells(tmp_path):
    path = tmp_path / "memory.json"
    memory.keep(records(1000, GIB, GIB), path)
    memory.keep([{"stage": "fetch, csv", "n_rows": 4000, "seconds": 9.0, "cpu": 2.0, "peak_bytes": GIB}], path)
    assert "| fetch, csv |  |  | 1,024 | 500 |" in memory.page(memory.json.loads(path.read_text("utf-8")))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_private_memory_is_that_of_this_process_and_grows_with_what_it_holds():
    before = memory.private_bytes(os.getpid())
    held = np.ones(2**23)
    assert 2**25 < memory.private_bytes(os.getpid()) - before < 2**28 and held[0] == 1
    assert memory.private_bytes(2**22 + 1) == 0
