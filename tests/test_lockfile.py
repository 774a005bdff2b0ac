"""dvc.lock written one entry at a time: always the bytes that DVC writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc.utils.serialize import dumps_yaml, modify_yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows import lockfile

leaf = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=90)
    | st.sampled_from(["1e-5", "no", "a: b", "- a", "# a", "&a", "*a", "?", "é" * 90, "word " * 40, "a\nb", "", "\x85"])
)  # fmt: skip
values = st.recursive(leaf, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3))
entries = st.fixed_dictionaries({"cmd": st.text(min_size=1, max_size=90), "params": values, "deps": st.lists(leaf)})
names = st.sampled_from(["a", "a@1", "a@2", "ab", "phase: 1", "? x", "ü", "1", "x" * 130])


def put(modify, path: Path, name: str, entry: dict) -> None:
    """Do what DVC does when a stage has been run."""
    with modify(str(path)) as content:
        if not content:
            content.update({"schema": "2.0"})
        content["stages"] = content.get("stages", {})
        content["stages"].update({name: entry})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(names, entries), min_size=1, max_size=4))
def test_whatever_the_entries_hold_the_bytes_are_those_of_dvc(tmp_path, puts):
    dvcs, ours = tmp_path / "dvc", tmp_path / "ours"
    for path in (dvcs, ours):
        path.unlink(missing_ok=True)
    modify = lockfile.entry_by_entry(modify_yaml, dumps_yaml, {})
    for name, entry in puts:
        try:
            put(modify_yaml, dvcs, name, entry)
        except Exception as error:  # noqa: BLE001 - of ruamel, many kinds
            with pytest.raises(type(error)):
                put(modify, ours, name, entry)
            break
        put(modify, ours, name, entry)
        assert ours.read_bytes() == dvcs.read_bytes()


class Counting:
    """DVC's `modify_yaml`, its calls counted."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, path, fs=None):
        self.calls += 1
        return modify_yaml(path, fs=fs)


def test_dvc_itself_writes_only_the_first_entry(tmp_path):
    path, dvcs = tmp_path / "dvc.lock", Counting()
    modify = lockfile.entry_by_entry(dvcs, dumps_yaml, {})
    for i in [0, 1, 2, 1]:
        put(modify, path, f"phase@{i}", {"cmd": "python", "deps": [{"path": "a", "md5": "12"}]})
    assert dvcs.calls == 1


@pytest.mark.parametrize("edit", ["# mine\n", "  x:\n      cmd: python\n", "plots: []\n"])
def test_a_file_that_somebody_has_edited_is_left_to_dvc(tmp_path, edit):
    path, dvcs = tmp_path / "dvc.lock", Counting()
    modify = lockfile.entry_by_entry(dvcs, dumps_yaml, {})
    for i in range(2):
        put(modify, path, f"phase@{i}", {"cmd": "python"})
    path.write_text(path.read_text() + edit)
    put(modify, path, "phase@0", {"cmd": "ls"})
    assert dvcs.calls == 2
