"""The fault table and the campaign of kills: what is drawn, counted and shown; and, slower, the table's quick rows."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter

import pytest

from benchmarks.faults import __main__ as command
from benchmarks.faults import kills, page, rows, table
from benchmarks.faults.project import Project, ending, marked


def kill(chain: int, runner: str = "make repro", **facts) -> dict:
    usual = {"signal": "SIGKILL", "lost": False, "left": [], "traceback": False}
    return {"event": "kill", "chain": chain, "runner": runner, **usual, **facts}


def end(chain: int, runner: str = "make repro", **facts) -> dict:
    return {"event": "end", "chain": chain, "runner": runner, "rc": 0, "wrong": [], "twice": 0, **facts}


def test_kills_are_drawn_by_seed_and_number_and_cover_every_way():
    drawn = [kills.draw(1, number) for number in range(400)]
    assert drawn == [kills.draw(1, number) for number in range(400)]
    assert drawn != [kills.draw(2, number) for number in range(400)]
    assert {(one.signal, one.target) for one in drawn} == {*kills.WAYS}
    assert {one.moment for one in drawn} == {*kills.MOMENTS}
    assert all(0 <= one.share < 1 for one in drawn)
    assert Counter(one.signal for one in drawn)["SIGKILL"] > 100


def test_every_runner_gets_chains():
    drawn = [kills.draw_chain(1, number) for number in range(100)]
    assert {runner for runner, _ in drawn} == {*kills.RUNNERS}
    assert all(kills.CHAIN[0] <= length <= kills.CHAIN[1] for _, length in drawn)


def test_a_campaign_goes_on_from_its_file_also_where_the_last_line_is_torn(tmp_path):
    log = tmp_path / "kills.jsonl"
    assert kills.read(log) == []
    log.write_text(json.dumps(end(0)) + '\n{"event": "ki')
    assert kills.read(log) == [end(0)]


def test_what_is_counted_per_runner():
    events = [
        kill(0, left=["python worker"]), kill(0, signal="SIGTERM", lost=True, left=["x"], traceback=True),
        end(0, twice=3), kill(1, "dvc repro"), {"event": "refused", "chain": 1, "runner": "dvc repro", "rc": 255},
        end(1, "dvc repro", wrong=["data/pca/metrics.json"]), kill(2),
    ]  # fmt: skip
    ours, theirs = page.summarise(events)
    assert (ours["runner"], ours["chains"], ours["kills"], ours["signals"]) == ("make repro", 1, 2, 1)
    assert (ours["lost"], ours["left"], ours["left_signal"], ours["tracebacks"], ours["twice"]) == (1, 1, 1, 1, 3)
    assert (theirs["wrong"], theirs["refused"], theirs["failed"]) == (1, 1, 0)


def test_the_bound_of_a_share_never_seen_is_three_in_n():
    assert page.bound(0, 300) == pytest.approx(0.00994, abs=1e-5)  # 1 - 0.05 ** (1 / 300)
    assert page.bound(2, 2) == 1
    assert page.bound(8, 121) == pytest.approx(0.1166, abs=1e-3)


def test_the_page_says_what_was_tried_and_what_failed():
    tried = [
        {"key": "a", "tried": "a | b", "shown": "error: x", "code": 2, "survived": True, "problem": "", "plain": ""},
        {"key": "b", "tried": "c", "shown": "", "code": 0, "survived": False, "problem": "a trace", "plain": "exit 1"},
        {"key": "c", "tried": "d", "shown": "not tried", "code": None, "survived": None, "problem": "", "plain": ""},
    ]
    results = {
        "rows": tried,
        "date": "2026-01-01",
        "kills_date": "2026-01-02",
        "kills": page.summarise([kill(0), end(0)]),
    }
    text = page.page(results)
    assert "1 of 2 survived" in text
    assert r"| a \| b | error: x | 2 | yes |  |" in text
    assert "**no**: a trace | exit 1 |" in text
    assert "| all of ours | 1 | 1 | 0 |" in text


def test_the_kept_page_is_that_of_the_kept_results():
    if command.RESULTS.exists():
        kept = json.loads(command.RESULTS.read_text(encoding="utf-8"))
        assert command.RESULTS.with_suffix(".md").read_text(encoding="utf-8") == page.page(kept)


def test_faults_have_names_of_their_own_and_quick_ones_need_no_training():
    keys = [fault.key for fault in rows.ALL]
    assert len({*keys}) == len(keys)
    assert {fault.target for fault in rows.ALL if fault.quick} == {"prepare"}


def fake(tmp_path) -> Project:
    project = Project.__new__(Project)
    project.work = tmp_path / "work"
    project.work.mkdir()
    return project


def test_processes_are_found_by_their_mark_in_any_session_and_only_they_are_ended(tmp_path):
    run = fake(tmp_path).start("sh", "-c", "setsid sleep 60 & sleep 60")
    while not [pid for pid in marked(run.token) if os.getsid(pid) != os.getsid(run.process.pid)]:
        time.sleep(0.01)
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()
    while len(marked(run.token)) > 1:  # the one in a session of its own
        time.sleep(0.01)
    run.end()
    assert marked(run.token) == []


def test_the_last_word_is_the_error_and_names_no_folder(tmp_path):
    project = fake(tmp_path)
    with ending(project.start("sh", "-c", "echo warning: x >&2; echo error: $PWD/data: full >&2; exit 7")) as run:
        assert run.wait(10) == 7
    assert run.said == "error: data: full"
    fault = table.Fault("x", "x", codes=(7,), says="full")
    assert table._answer(fault, run) == ""
    assert table._answer(table.Fault("x", "x"), run) == "exit 7, expected 0"


@pytest.mark.slow
def test_the_quick_rows_of_the_table_are_survived(tmp_path):
    tried = command._table(tmp_path / "scratch", quick=True, only=None)
    assert {row["key"]: row["problem"] for row in tried if row["survived"] is False} == {}


@pytest.mark.soak
def test_a_handful_of_kills_leaves_nothing_wrong(tmp_path):
    log = tmp_path / "kills.jsonl"
    kills.campaign(tmp_path / "scratch", log, n=6, hours=0.5, seed=3, say=print)
    for row in page.summarise(kills.read(log)):
        assert (row["wrong"], row["failed"]) == (0, 0)
        if row["runner"] != "dvc repro":
            assert (row["refused"], row["lost"], row["left"], row["left_signal"]) == (0, 0, 0, 0)
