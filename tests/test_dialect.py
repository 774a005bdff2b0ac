"""tasks/sources/dialect.py: the encoding and the delimiter of a table of text."""

from __future__ import annotations

import io

import pytest

from tasks.frame.errors import DataError
from tasks.sources import dialect
from tasks.sources.dialect import Text


@pytest.mark.parametrize(
    ("content", "text", "name"),
    [
        (b"caf\xc3\xa9", "café", "UTF-8"),
        (b"\xef\xbb\xbfa", "a", "UTF-8"),
        (b"\xff\xfea\0", "a", "UTF-16"),
        (b"\xfe\xff\0a", "a", "UTF-16"),
        (b"caf\xe9", "café", "Latin-1 (not UTF-8 at byte 3)"),
        (b"\x80\xe9", "€é", "Windows-1252 (not UTF-8 at byte 0)"),
    ],
)
def test_an_encoding_is_found_and_named(content, text, name):
    found = dialect.decoded(io.BytesIO(content))
    assert (str(found[0]), found[1]) == (text, name)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a\0b\0", "received a zero byte"),
        (b"\xff\xfea", "not UTF-16 at byte 2, as its first bytes say"),
        (b"\xef\xbb\xbfa\xff", "not UTF-8 at byte"),
        (b"a\x81", "not UTF-8 at byte 1, not Windows-1252 at byte 1"),
    ],
)
def test_bytes_that_are_no_text_are_refused(content, complaint):
    with pytest.raises(DataError, match=complaint):
        dialect.decoded(io.BytesIO(content))


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2\n", ";"),
        ("a\tb\n", "\t"),
        ("a|b\n", "|"),
        ('"a,b";c\n1;2\n', ";"),
        ("a,x;b\n1;2\n", ";"),
        ("a,b;x\n1,2\n", ","),
        ("alone\n1\n", ","),
        ("", ","),
    ],
)
def test_the_delimiter_divides_the_header_and_every_row_alike(text, delimiter):
    assert dialect.sniffed(Text.of(text)) == delimiter


@pytest.mark.parametrize("text", ["a;b,c\n1;2,3\n", "a;b,c\n1;2;3,4,5\n", 'a;b,c\n1;"2\n'])
def test_a_delimiter_is_not_guessed(text):
    with pytest.raises(DataError, match=r"separated by a comma or a semicolon: set fetch\.delimiter"):
        dialect.sniffed(Text.of(text))


def test_a_wrong_quote_is_named_with_its_row():
    with pytest.raises(DataError, match="not readable as CSV, row 2"):
        list(dialect.records(Text.of('a\n1\n"2"x\n'), ","))
