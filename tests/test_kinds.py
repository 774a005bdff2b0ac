"""tasks/sources/kinds.py: the kind of a column of text, found or set."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sources import kinds


def kind(*words, mark="."):
    return kinds.typed(pd.Series(words, name="a", dtype="str"), None, mark)[1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["1", "2.5", "1e-3", "+7", ".5"], "number"),
        (["1", "NA", "n/a", "?", "-", " ", "None", "null", "NaN"], "number"),
        (["NA", "?"], "number"),  # all missing
        (["", " "], "number"),
        (["true", "FALSE", "NA"], "boolean"),
        (["yes", "no"], "category"),
        (["NA", "x"], "category"),
        (["2024-01-31", "-"], "date ISO8601"),
        (["1", "x"], "category"),
        (["0", "1", "2", "3+"], "category"),
        (["18-25", "26-35"], "category"),
        (["[0-10)", "[10-20)"], "category"),
        (["5mg", "10mg", "20mg"], "category"),
        ([f"{k}A" for k in range(6)] + [f"{k}B" for k in range(6)], "category"),  # seats
        (["555-1234"], "category"),
    ],
)
def test_the_kind_of_text(words, expected):
    assert kind(*words) == expected


@pytest.mark.parametrize(
    ("words", "row"),
    [
        ([*"123456789", "1O"], 10),
        (["1,5", "2"], 1),  # where the mark is a point
        (["2 000", "500"], 1),
        (["1.234,5", "7"], 1),
        (["1'000", "1'500"], 1),
        ([f"{k} %" for k in range(11)], 1),
        ([f"${k}" for k in range(11)], 1),
        ([f"{k}kg" for k in range(11)], 1),
        ([f"192.168.0.{k}" for k in range(9)], 1),
    ],
)
def test_what_is_nearly_numbers_is_refused_with_what_to_do(words, row):
    told = rf"row {row}, column 'a': expected a number, received .* fetch\.kinds: {{a: category}}, or .* fetch\.ignore"
    with pytest.raises(ValueError, match=told):
        kind(*words)
    assert kinds.typed(pd.Series(words, name="a"), "category")[0].tolist() == words


def test_a_category_has_no_blanks_around_it_and_an_empty_one_is_missing():
    cells = kinds.typed(pd.Series([" x", "x ", " ", "NA", None], name="a"), None)[0]
    assert cells.fillna("missing").tolist() == ["x", "x", "missing", "NA", "missing"]


@pytest.mark.parametrize(
    ("cells", "kind", "complaint"),
    [
        ([1.5 + 2j], None, "expected numbers, truth values, words or dates, received complex128"),
        ([1.5], "date ISO8601", "column 'a': expected the kind date, received number: set fetch.kinds"),
        (["x", "31.01.2024"], "date %d.%m.%Y", "row 1, column 'a': expected a date, received 'x'"),
        (["1,5", "2.5"], "number", "row 1, column 'a': expected a number, received '1,5'"),
    ],
)
def test_a_kind_that_does_not_fit_is_refused(cells, kind, complaint):
    with pytest.raises(ValueError, match=complaint):
        kinds.typed(pd.Series(cells, name="a"), kind)


def test_the_pattern_of_the_first_file_holds_for_the_others():
    first = kinds.typed(pd.Series(["31/01/2024"], name="a"), None)[1]
    second, again = kinds.typed(pd.Series(["01/02/2024"], name="a"), first)
    assert (second.tolist(), again) == ([pd.Timestamp("2024-02-01")], first)


words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=6) | st.sampled_from(
    ["1", "2.5", "NA", "true", "2024-01-31", "1/2/2024", "1,234", "1e999", "5 %", "-", "inf"]
)


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.lists(words | st.none(), min_size=1, max_size=12),
    st.sampled_from([None, "number", "boolean", "category", "date"]),
)
def test_any_text_has_a_kind_or_is_refused_in_one_line(cells, kind):
    column = pd.Series(cells, name="a", dtype="str")
    try:
        found, name = kinds.typed(column, kind)
    except ValueError as error:
        assert "column 'a'" in str(error) and type(error).__name__ == "InputError"  # noqa: PT017 - not all are refused
    else:
        assert len(found) == len(cells) and name.split()[0] == (kind or kinds.columns.kind(found))
        assert kinds.typed(column, name)[0].equals(found)


@pytest.mark.parametrize(
    ("cells", "markers", "missing"),
    [
        (pd.Series([-999, 2**53 + 1, 5]), [-999.0], [0]),
        (pd.Series([-999.0, 5.5, None]), ["-999"], [0, 2]),
        (pd.Series([2**63, 5], dtype="uint64"), [5], [1]),
        (pd.Series(["-999.0", " none yet ", "x", None]), [-999, "none yet"], [0, 1, 3]),
        (pd.Series(["u", "v"], dtype="category"), ["u"], [0]),
        (pd.Series([True, False]), [1], []),
        (pd.Series([[1], "u"], dtype=object), ["u"], [1]),  # a list is refused later, by name
        (pd.Series([-999, 5]), [], []),
    ],
)
def test_markers_become_missing_and_no_other_cell_changes(cells, markers, missing):
    found = kinds.without(cells, markers)
    assert [k for k, gone in enumerate(found.isna()) if gone] == missing
    assert list(found.dropna()) == [cell for k, cell in enumerate(cells) if k not in missing]
