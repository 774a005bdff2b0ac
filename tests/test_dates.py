"""tasks/sources/dates.py: a column's dates have one pattern, and none that can be read in two ways."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sources import dates


@pytest.mark.parametrize(
    ("words", "pattern", "first"),
    [
        (["2024-01-31", "2024-1-5"], "ISO8601", "2024-01-31"),
        (["2024-01-31T10:00:00Z", "2024-01-31 10:00"], "ISO8601", "2024-01-31 10:00"),
        (["2024-01-31T10:00:00+02:00"], "ISO8601", "2024-01-31 08:00"),
        (["0001-01-01", "9999-12-31"], "ISO8601", "0001-01-01"),
        (["2024/01/31"], "%Y/%m/%d", "2024-01-31"),
        (["3.1.2024", "31.1.2024"], "%d.%m.%Y", "2024-01-03"),
        (["03.01.24"], "%d.%m.%y", "2024-01-03"),
        (["03/01/2024", "31/01/2024"], "%d/%m/%Y", "2024-01-03"),
        (["03/01/2024", "01/31/2024"], "%m/%d/%Y", "2024-03-01"),
        (["03-01-24 10:30", "31-01-24 23:00"], "%d-%m-%y %H:%M", "2024-01-03 10:30"),
        (["1/31/2024 10:30:00 PM"], "%m/%d/%Y %I:%M:%S %p", "2024-01-31 22:30"),
        (["31 Jan 2024"], "%d %b %Y", "2024-01-31"),
        (["Jan 31, 2024"], "%b %d, %Y", "2024-01-31"),
        (["January 31, 2024"], "%B %d, %Y", "2024-01-31"),
        (["10:30", "23:59"], "%H:%M", "1900-01-01 10:30"),
        (["01/01/2024", "02/02/2024"], "%d/%m/%Y", "2024-01-01"),  # the same in both ways
    ],
)
def test_a_pattern_is_found(words, pattern, first):
    assert dates.pattern(words, "day", 0.9) == pattern
    assert str(dates.parsed(words, pattern)[0]).removesuffix(" 00:00:00").removesuffix(":00") == first


@pytest.mark.parametrize(
    "words",
    [["x"], ["1.5", "2.5"], ["192.168.0.1"], ["2024-13-01"], ["31.13.2024"], ["16:9", "4:70"], ["1/2", "3/4"],
     ["A-1-2"],     ["2024-01-31", "x", "y"], ["12-34-56-78"]],
)  # fmt: skip
def test_other_words_are_no_dates(words):
    assert dates.pattern(words, "day", 0.9) is None


@pytest.mark.parametrize("words", [["1/2/2024", "3/4/2024"], ["01-02-24"], ["1/1/2024", "1/2/2024 "[:8]]])
def test_day_and_month_that_could_change_places_are_refused(words):
    with pytest.raises(ValueError, match=r"^column 'day': '\d+.\d+.\d+' may have the day or the month in front.*2024-"):
        dates.pattern(words, "day", 0.9)


def test_a_few_words_that_are_none_do_not_hide_the_pattern():
    words = [f"{k}.01.2024" for k in range(1, 32)] + ["32.01.2024"]
    assert dates.pattern(words, "day", 0.9) == "%d.%m.%Y"
    assert dates.parsed(words, "%d.%m.%Y").isna().tolist() == [False] * 31 + [True]


days = st.lists(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None, database=None)
@given(days, st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d %B %Y", "%d-%b-%Y"]))
def test_a_date_is_read_as_it_was_written_or_refused(days, pattern):
    words = [day.strftime(pattern) for day in days]
    try:
        found = dates.pattern(words, "day", 0.9)
    except ValueError:
        assert pattern in ("%d/%m/%Y", "%m/%d/%Y") and all(day.day <= 12 for day in days)
    else:
        assert [time.date() for time in dates.parsed(words, found)] == days
