"""The confusions of classes: counted over runs by the study, shown in shares of a class's test rows on the page."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import tiny
from made_up import make
from pages import page
from studies import MANY, settings

from autoencoders.clauses import Choice
from tasks.frame import files
from tasks.reporting import confusions
from tasks.study import confusions as counted

pytestmark = pytest.mark.usefixtures("undrawn")


def cell(arm, run, confusion, pretraining="", n_labels=15, fixed=False):
    named = {"arm": arm, "pretraining": pretraining, "n_labels": n_labels, "run": run, "fixed": fixed}
    return {"cell": named, "confusion": confusion}


def test_confusions_are_means_over_the_runs_of_the_method_to_use():
    found = SimpleNamespace(use=Choice({"SVM": 2}, 0, 0, 0), highest=Choice({"kNN": 2}, 0, 0, 0), n_labels=15)
    results = [
        cell("SVM", 0, [[0, 0, 3], [0, 1, 1]]), cell("SVM", 1, [[0, 0, 4], [1, 1, 2]]), cell("kNN", 0, [[0, 0, 9]]),
        cell("SVM", 0, [[0, 0, 7]], n_labels=6),
    ]  # fmt: skip
    rows = [tuple(row.values()) for row in counted.table(settings(), results, found)]
    assert rows == [("SVM", 15, 0, 0, 3.5), ("SVM", 15, 0, 1, 0.5), ("SVM", 15, 1, 1, 1.0)]
    found.use = None
    assert [row["rows"] for row in counted.table(settings(), results, found)] == [9.0], "the highest of those compared"


def test_other_pretrainings_and_fixed_settings_of_the_arm_do_not_count():
    found = SimpleNamespace(use=Choice({"fine-tuned": 2}, 0, 0, 0), n_labels=15)
    own = cell("fine-tuned", 0, [[0, 0, 3]], "untied")
    others = [
        cell("fine-tuned", 0, [[0, 0, 9]], "denoising masking"),
        cell("fine-tuned", 0, [[0, 0, 9]], "untied", fixed=True),
    ]
    assert [row["rows"] for row in counted.table(settings(**MANY), [*others, own], found)] == [3.0]


def test_the_page_tells_the_largest_confusions_in_words_and_shows_every_share(tmp_path):
    data = make(tmp_path / "data")
    found = confusions.read(data)
    assert found["sentence"] == (
        "‘a’ is taken for ‘<b> & co’ in 25.0 % of its 10 test rows; ‘<b> & co’ is taken for ‘a’ in 5.0 % of its 10 "
        "test rows; ‘<b> & co’ is taken for ‘c’ in 5.0 % of its 10 test rows."
    )
    assert [row["recall"] for row in found["classes"]] == [0.75, 0.9, 1.0] and found["classes"][2]["took"] is None
    text = page("report", data).text
    assert f"Which classes are confused? {found['sentence']}" in text
    assert "a 10 75.0 25.0 – <b> & co 10 5.0 90.0 5.0 c 10 – – 100.0" in text
    assert "Always naming the largest class, ‘a’, is right in 33.3 % of the test images." in text
    assert "always ‘a’ – 33.3 33.3 – 0.500 – – logistic regression" in text


def test_of_many_classes_the_page_lists_the_largest_confusions_and_has_no_matrix(tmp_path, monkeypatch):
    monkeypatch.setattr(confusions, "MOST_CLASSES", 2)
    data = make(tmp_path / "data")
    assert confusions.read(data)["matrix"] is None
    assert (
        "The 3 largest confusions class is taken for of its test images in % a <b> & co 10 25.0"
        in page("report", data).text
    )


def test_without_confusions_there_is_no_section_and_without_errors_no_confusion(tmp_path):
    data = make(tmp_path / "data")
    right = [{"arm": "SVM", "n_labels": 15, "true": k, "told": k, "rows": 10} for k in range(3)]
    files.write_table(data / "label_curve/confusions.csv", right)
    assert (
        confusions.read(data)["sentence"].startswith("No class is taken for another")
        and confusions.read(data)["largest"] == []
    )
    assert "Which classes are confused? No class is taken for another one" in page("report", data).text
    (data / "label_curve/confusions.csv").unlink()
    (data / "report").rename(data / "first")
    assert confusions.read(data) == {} and "Which classes are confused?" not in page("report", data).text


def test_the_largest_class_is_that_of_the_test_rows(tmp_path):
    folder = tiny.prepare(tmp_path / "data") / "prepare"
    manifest = files.read_json(folder / "manifest.json")
    manifest["splits"]["test"]["class_counts"] = [3, 96, 1]
    files.write_json(folder / "manifest.json", manifest)
    assert confusions.largest_class(tmp_path / "data") == {"name": "b", "share": 0.96}
