"""tasks/sources/labelling.py: labels that stand for none, measured targets, and names that look like an error."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.sources import labelling
from tasks.sources.parts import Part


@pytest.fixture
def said(monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr(labelling, "say", lines.append)
    return lines


def objects(*labels):
    array = np.empty(len(labels), object)
    array[:] = labels
    return array


def marked(labels, *markers):
    part = Part(np.zeros((len(labels), 1)), objects(*labels), None, np.zeros(len(labels), bool))
    return labelling.marked(part, markers, "d.csv").labels.tolist()


def test_empty_labels_are_missing_and_no_other(said):
    assert marked([1, None, float("nan"), "", " ", "NA", -1]) == [1, None, None, None, None, "NA", -1]
    assert said == []


def test_a_marker_stands_for_the_label_in_each_of_its_forms_and_is_counted(said):
    assert marked([-1, "-1", -1.0, "-1.0", 1, "NA", "na"], -1, "NA", "none") == [None, None, None, None, 1, None, "na"]
    assert said == [
        "d.csv: rows WITHOUT a label by fetch.missing_labels: '-1' 4, 'NA' 1",
        "d.csv: fetch.missing_labels: no row has the label 'none'",
    ]


@pytest.mark.parametrize(
    "labels",
    [[0, 1] * 3, ["a", "b", "c"], ["0.5", "b"], [0, 1], ["03", "04"], [True, False, None], [None], [1, 2, 1, 2, 3]],
)
def test_classes_are_no_measured_targets(labels):
    labels = labels if labels != [1, 2, 1, 2, 3] else [1, 2, 3] * 2
    labelling.refuse_measured(objects(*labels), "y")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 0.5, 1], "3 different values in 'y', such as 0.5"),
        (["0.5", "1", "1", "1"], "2 different values in 'y', such as 0.5"),
        (["1,53", "1,61"], "2 different values in 'y', such as 1,53"),
        (["1e-3", "1", None], "2 different values in 'y', such as 1e-3"),
        ([5, 3, 4, 4, None], "3 different values in 'y', such as 5"),
    ],
)
def test_measured_targets_are_refused(labels, said):
    with pytest.raises(ValueError, match=f"{said}: a regression target; expected a few classes"):
        labelling.refuse_measured(objects(*labels), "y")


def test_half_as_many_values_as_rows_are_still_classes():
    labelling.refuse_measured(objects(*[1, 2, 3] * 2), "y")
    with pytest.raises(ValueError, match="4 different"):
        labelling.refuse_measured(objects(1, 2, 3, 4, 1, 2, 3), "y")


def test_names_that_look_like_an_error_are_pointed_out(said):
    labelling.warn_of(["a", "None", "-1", "b", " B", "n/a"])
    assert said == [
        "WARNING: 'None', '-1', 'n/a' counts as a class; for rows without a label: fetch.missing_labels",
        "WARNING: 'b' and ' B' are different classes, and differ only in case, blanks, quotes or form",
    ]
    labelling.warn_of(["cat", "dog"])
    assert len(said) == 2


def test_training_and_test_rows_have_the_same_classes():
    labelling.check_parts(objects("a", 1, None), objects(1.0, "a"))
    for train, test, complaint in (
        (["a", "b"], ["a", None], r"row 2 of the test rows: expected a label, received none \(1 such\)"),
        (["a", "b"], ["a"], r"class 'b' occurs in training rows only \(1 such classes\)"),
        (["a"], ["a", "b"], "class 'b' occurs in test rows only"),
    ):
        with pytest.raises(ValueError, match=complaint):
            labelling.check_parts(objects(*train), objects(*test))


def test_the_classes_are_told_with_their_rows_and_of_many_the_most_frequent(monkeypatch):
    said = []
    monkeypatch.setattr(labelling, "say", said.append)
    labelling.tell_classes(np.array([0, 1, 1, -1]), ["a", "b;c"])
    labelling.tell_classes(np.arange(12), [f"k{k}" for k in range(12)])
    assert said[0] == "2 classes: 'b;c' 2, 'a' 1; without a label 1"
    assert said[1].startswith("12 classes: 'k0' 1, ") and said[1].endswith("'k9' 1 and 2 more; without a label 0")


def test_signs_and_nines_look_like_a_missing_label_unless_the_other_classes_explain_them():
    assert labelling.suspect(["0", "1", "-9", "99"]) == ["-9", "99"]
    assert labelling.suspect([str(k) for k in range(100)]) == []
    assert labelling.suspect(["-", "a", "Unk"]) == ["-", "Unk"]
    assert labelling.suspect(["+", "-"]) == []
