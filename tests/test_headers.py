"""tasks/sources/headers.py: a first row is a header, or data, or it is asked."""

from __future__ import annotations

import pytest

from tasks.sources import headers
from tasks.sources.dialect import Text

ROWS = "{}\n1,x\n2,y\n3,x\n"


def plain(text, *, delimiter=None, header=None, named=("label",)):
    found = headers.plain(Text.of(text), delimiter=delimiter, header=header, named=named)
    return found._replace(text=str(found.text))


@pytest.mark.parametrize("first", ["a,label", "1,label", "label,label", "a,b", "a,", ",b"])
def test_a_word_above_numbers_or_the_labels_name_makes_a_header(first):
    text = ROWS.format(first)
    assert plain(text) == (text, ",", "", "", ())


@pytest.mark.parametrize("first", ["4,x", "4.5,y", "-1e3,x", "?,x", "NA,y", ' 4 ," x"'])
def test_numbers_above_numbers_and_known_words_are_data(first):
    found = plain(ROWS.format(first))
    assert found.text.splitlines()[0] == "1,2" and found.told == ", no header: columns 1 to 2"


@pytest.mark.parametrize("first", ["4,z", "1990,b", "NaN,z", "n/a,b"])
def test_a_new_word_beside_numbers_is_asked(first):
    with pytest.raises(ValueError, match=r"the first row \(.*\) may name the columns or be data: set fetch\.header"):
        plain(ROWS.format(first), named=["2"])


@pytest.mark.parametrize(
    ("rows", "data"),
    [
        ("0,1,2\n5,5,5\n", None), ("1990,1991,1992\n5,5,5\n", None), ("400,410,420\n5,5,5\n", None),
        (",0,1,2\n0,5,5,5\n", None), ("1,2,4,5,7,8,9,11\n" * 2, None), ("1,2,4\n5,5,5\n", False),
        ("0,1\n5,5\n", False), ("3,2,1\n5,5,5\n", False), ("5,5,5\n5,5,5\n", False),
    ],
)  # fmt: skip
def test_ascending_numbers_may_name_columns(rows, data):
    if data is None:
        with pytest.raises(ValueError, match=r"set fetch\.header"):
            plain(rows)
    else:
        assert plain(rows).told.startswith(", no header")
    for header in (True, False):
        assert plain(rows, header=header).told.startswith(", no header") != header


def test_a_setting_wins():
    text = ROWS.format("a,label")
    assert plain(text, header=True).text == text
    assert plain(text, header=False).text == f"1,2\n{text}"


def test_a_position_is_no_word_of_a_header():
    assert plain(ROWS.format("1,x"), named=["1"]).told == ", no header: columns 1 to 2"


def test_columns_of_words_alone_are_compared_with_the_rows():
    rows = "x,p\ny,q\nx,q\ny,p\n"
    assert plain(f"y,q\n{rows}").told and plain(f"a,b\n{rows}").text.startswith("a,b")
    with pytest.raises(ValueError, match=r"set fetch\.header"):
        plain(f"x,b\n{rows}")


def test_comments_are_left_out_and_one_may_be_the_header():
    rows = "1,x\n2,y\n1,y\n2,x\n"
    assert plain(f"# made\n\n%\n{rows}").told == ", 2 comment lines left out, no header: columns 1 to 2"
    assert plain(f"# made\n# a,label\n{rows}") == (f"a,label\n{rows}", ",", ", 1 comment line left out", "", ())
    assert plain("# alone") == ("", ",", ", 1 comment line left out", "", ())
    with pytest.raises(ValueError, match=r"the line '# a,b' may be a comment, a header or a row"):
        plain(f"# a,b\n{rows}")


def test_blanks_become_tabs():
    found = plain("  1   x \r\n 20  y\r\n\r\n 3\t x\r\n 4 y", named=["2"])
    assert (found.text, found.delimiter) == ("1\t2\n1\tx\r\n20\ty\r\n\r\n3\tx\r\n4\ty", "\t")
    assert plain('a "b c"\n1 2', delimiter=" ").text == 'a\t"b c"\n1\t2'


def test_the_hint_for_a_missing_column_names_the_last_position():
    assert "the last one is '2'" in plain(ROWS.format("4,x")).hint and not plain(ROWS.format("a,label")).hint
