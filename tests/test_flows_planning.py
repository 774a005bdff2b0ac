"""The plan of a run: what is to be written, which sizes are checked, what is refused."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows import (
    planning,
    repository,
)  # fmt: skip
from tasks.frame.errors import Refused, UsageError


def stage_of(name, path, size, *, cached):
    return SimpleNamespace(
        addressing=name, outs_cached=lambda: cached,
        outs=[SimpleNamespace(fs_path=str(path), meta=SimpleNamespace(size=size))],
    )  # fmt: skip


LOST = [{"changed outs": {"data/a": "deleted"}}]


@pytest.mark.parametrize(
    ("stale", "cached", "there", "force", "expected"),
    [
        ({}, True, True, False, []),
        ({}, True, True, True, [("cache", 5), ("cache", 7)]),
        ({"a": LOST}, True, False, False, [("data", 5)]),  # comes back from the cache
        ({"a": LOST}, False, False, False, [("cache", 5), ("data", 5), ("cache", 7)]),
        ({"a": [{"changed deps": {}}]}, True, True, False, [("cache", 5), ("cache", 7)]),  # what reads it runs, too
        ({"a": ["changed command"]}, True, False, False, [("cache", 5), ("data", 5), ("cache", 7)]),
        ({"b": [{"changed deps": {}, "changed outs": {}}]}, True, True, False, [("cache", 7)]),
    ],
)
def test_what_will_be_written_is_what_runs_again_and_what_comes_back(here, stale, cached, there, force, expected):
    for name in ("a", "b"):
        if there or name == "b":
            (here / name).touch()
    stages = [stage_of("a", here / "a", 5, cached=cached), stage_of("b", here / "b", 7, cached=True)]
    repo = SimpleNamespace(
        index=SimpleNamespace(stages=stages), cache=SimpleNamespace(legacy=SimpleNamespace(path="cache"))
    )
    found = planning._to_write(repo, {"a": [], "b": ["a"]}, stale, force=force)
    assert [(path.name, size) for path, size in found] == expected


def test_an_output_of_unknown_size_takes_no_room(here):
    repo = SimpleNamespace(
        index=SimpleNamespace(stages=[stage_of("a", here / "a", None, cached=True)]),
        cache=SimpleNamespace(legacy=SimpleNamespace(path="cache")),
    )
    assert [size for _, size in planning._to_write(repo, {"a": []}, {}, force=True)] == [0, 0]


@pytest.mark.parametrize(
    ("stale", "force", "checked", "done"),
    [({}, False, [], True), ({}, True, [], False), ({"other": []}, False, ["sizes"], False),
     ({"fetch": [], "other": []}, False, [], False)],
)  # fmt: skip
def test_sizes_are_checked_before_a_run_unless_they_are_about_to_change(monkeypatch, stale, force, checked, done):
    told = []
    monkeypatch.setattr(planning.config, "read", lambda path: path)
    monkeypatch.setattr(planning.stage, "check", lambda read: ("params", read))
    monkeypatch.setattr(planning, "_made_ready", lambda: nullcontext("repo"))
    monkeypatch.setattr(planning, "_order", lambda repo, targets: {"of": [repo, *targets]})
    monkeypatch.setattr(planning, "_status", lambda repo, targets: stale)
    monkeypatch.setattr(planning, "_to_write", lambda *words, force: (words, force))
    monkeypatch.setattr(planning.sizes, "check", lambda *words, **told_by: told.append(("sizes", words, told_by)))
    monkeypatch.setattr(planning.space, "check", lambda needs: told.append(("space", needs)))
    graph = {"of": ["repo", "a"]}
    assert planning.begin(["a"], force=force) == (graph, done)
    *sizes, room = told
    which = {"trains": False, "book": True}  # "of" is no stage of a study
    assert room == ("space", (("repo", graph, stale), force))
    assert sizes == [("sizes", (("params", Path("params.yaml")), Path("data/prepare")), which)] * len(checked)


def test_stages_that_are_up_to_date_are_asked_for_with_what_they_need(monkeypatch):
    asked = []
    repo = SimpleNamespace(status=lambda **options: asked.append(options) or {})
    monkeypatch.setattr(repository, "looked_at", lambda: nullcontext(repo))
    assert planning.is_up_to_date(["a"]) is True
    assert planning.is_up_to_date() is True
    assert asked == [{"targets": ["a"], "with_deps": True}, {"targets": None, "with_deps": True}]


@pytest.mark.parametrize(
    ("text", "what"),
    [(None, "received no file"), ("vars: []", "received none"), (" \n", "it is empty")],
)
def test_where_there_are_no_stages_the_file_is_named_with_the_way_back(here, text, what):
    if text is not None:
        (here / "dvc.yaml").write_text(text)
    with pytest.raises(UsageError) as error:
        planning._stages(SimpleNamespace(index=SimpleNamespace(stages=[])))
    wanted = f"dvc.yaml: expected stages, {what}; `git checkout dvc.yaml` brings back the committed one"
    assert str(error.value) == wanted


def test_linked_data_are_refused_with_the_way_to_keep_them_elsewhere(here):
    (here / "big").mkdir()
    (here / "data").symlink_to("big")
    with pytest.raises(Refused) as error:
        planning._refuse_linked_data()
    assert str(error.value) == (
        "data: expected a folder, received a symbolic link to big, which git and DVC do not follow: `rm data && git"
        " checkout data`, then keep the files elsewhere by `dvc cache dir --local DISK/cache && dvc config --local"
        " cache.type symlink`"
    )
