"""Registrations: what one freezes, whose it is, and what has changed since."""

from __future__ import annotations

import copy

import pytest
import tiny
from made_up import make, settings

from flows import register
from tasks.frame import code
from tasks.frame.errors import ConfigError
from tasks.reporting import registration


@pytest.fixture
def data(tmp_path):
    return make(tmp_path / "data")


@pytest.fixture
def now(data):
    return registration.of(settings(), data / "prepare")


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Return a file of registrations with a comment only, in the repository's place."""
    path = tmp_path / registration.NAME
    path.write_text("# A comment.\n")
    monkeypatch.setattr(registration, "FILE", path)
    return path


def entry(now, **changes):
    """Return a registration with changes in its section `label_curve`."""
    found = {"written": "2026-11-30 18:00 UTC", **copy.deepcopy(now)}
    found["label_curve"] |= changes
    return found


def test_the_repositorys_file_is_read(monkeypatch):
    monkeypatch.setattr(registration, "FILE", code.ROOT / registration.NAME)
    assert isinstance(registration.read(), dict)


def test_a_registration_freezes_the_data_the_seed_and_every_value_of_the_study(now):
    params = settings()
    assert now["label_curve"] == params.label_curve.model_dump() and now["seed"] == 42
    rows = {"rows": 30, "sha256": "a" * 64, "labels_sha256": "b" * 64}
    assert now["data"] == {"dataset": "fashion-mnist", "path": None, "train": rows, "test": rows}
    assert now["hypothesis"].startswith("With 15 labels, the best use of the autoencoder is above the same network")
    assert "where it chooses none, they are fine-tuned and from scratch." in now["opponents"]
    assert now["outcomes"].startswith("Within 1 point, if the 90 % interval")


def test_what_is_written_is_read_again_and_the_comments_stay(file, now):
    for name in ("one", "two"):
        register._add({name: entry(now)})
    assert file.read_text().startswith("# A comment.\none:\n  written: ") and " \n" not in file.read_text()
    assert registration.read() == {"one": entry(now), "two": entry(now)}


@pytest.mark.parametrize(("text", "words"), [
    ("one: {seed: 3}", r"registered\.yaml: one: expected a registration with written, hypothesis"),
    ("- 3", r"registered\.yaml: the file: expected a registration"),
    ("one: {", "not readable as YAML"),
])  # fmt: skip
def test_a_file_that_holds_no_registrations_is_refused_with_one_line(file, text, words):
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as error:
        registration.read()
    assert "\n" not in str(error.value)


def test_a_study_is_registered_by_its_data_and_headline_or_its_title(now):
    other = entry(now, headline=6) | {"title": "Another"}
    assert registration.find({"a": other, "b": entry(now)}, now) == "b"
    assert registration.find({"a": entry(now) | {"title": "Another"}}, now) == "a", "a new title hides nothing"
    assert registration.find({"a": other, "b": entry(now, headline=6)}, now) == "b", "nor does a new headline"
    assert registration.find({"a": other}, now) is None
    elsewhere = entry(now) | {"data": {**now["data"], "dataset": "digits"}}
    assert registration.find({"a": elsewhere}, now) is None
    new_rows = entry(now) | {"data": {**now["data"], "test": {"rows": 40, "sha256": "c", "labels_sha256": "d"}}}
    assert registration.find({"a": new_rows}, now) == "a", "nor do other rows of the same source"


def test_every_frozen_value_is_compared_what_has_changed_first(now):
    was = entry(now, n_runs=9, arms=["SVM"])
    del was["label_curve"]["targets"]
    rows = registration.compared(was, now)
    assert [row["name"] for row in rows[:4]] == [
        "label_curve.n_runs", "label_curve.arms", "label_curve.targets", "data.dataset",
    ]  # fmt: skip
    assert rows[0] == {"name": "label_curve.n_runs", "registered": "9", "now": "3"}
    assert rows[2] == {"name": "label_curve.targets", "registered": "", "now": "[0.85, 0.9]"}
    assert registration.changed(was, now) == rows[:3] and registration.changed(entry(now), now) == []
    names = {row["name"] for row in rows}
    assert {"seed", "data.test.sha256", "label_curve.tuning.n_configurations", "label_curve.headline"} <= names
    assert all(name.startswith(registration.FROZEN) for name in names)


@pytest.mark.parametrize(("changes", "said"), [
    ({}, "Registered as mine, written 2026-11-30 18:00 UTC; unchanged since."),
    ({"n_runs": 9}, "Registered as mine, written 2026-11-30 18:00 UTC; 1 of its 68 frozen values has changed since."),
    ({"n_runs": 9, "margin": 0.02}, "Registered as mine, written 2026-11-30 18:00 UTC; 2 of its 68 frozen values have"
                                    " changed since."),
])  # fmt: skip
def test_the_page_says_whether_anything_has_changed(file, data, now, changes, said):
    register._add({"mine": entry(now, **changes)})
    found = registration.page(settings(), data)
    assert found["sentence"].replace(f"its {len(found['rows'])}", "its 68") == said
    assert (found["name"], found["n_changed"]) == ("mine", len(changes))


def test_a_study_that_was_not_registered_says_so_and_which_of_the_same_data_is(file, data, now):
    assert registration.page(settings(), data)["sentence"] == "This study was not registered before it ran."
    for name, headline in (("one", 6), ("two", 30)):
        register._add({name: entry(now, headline=headline) | {"title": "Another"}})
    said = registration.page(settings(), data)["sentence"]
    assert said.endswith("before it ran; of the same data, one with 6 labels, two with 30 labels are.")


def test_a_registration_is_of_the_parameters_that_the_page_may_read(data, now):
    seen = tiny.view.params(settings(), tiny.Declared([], ["seed", "fetch", "label_curve", "report"]))
    assert registration.of(seen, data / "prepare") == now
