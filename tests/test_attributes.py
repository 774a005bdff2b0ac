"""tasks/sources/attributes.py: KEEL's and Weka's header becomes one of CSV, and the rows stay as they are."""

from __future__ import annotations

import pytest

from tasks.sources import attributes
from tasks.sources.dialect import Text

HEAD = "@relation r\n@attribute a real\n@attribute label {x, 'y z'}\n@data\n"


def table(text):
    return str(attributes.table(Text.of(text)))


def test_only_a_text_that_says_so_has_attributes():
    assert attributes.begins(Text.of("% a\n\n  @RELATION r\n")) and attributes.begins(Text.of("@relation 'a b'"))
    for text in ("@relational\n", "a,b\n@relation\n", "", "@data"):
        assert not attributes.begins(Text.of(text))


def test_names_rows_quotes_and_missing_cells():
    rows = '1, x\n\n% no row\n?,\'y z\'\n 2.5 ,<null>\n"3","y z"\n'
    assert table(HEAD + rows) == "a,label\n1,x\n,y z\n2.5,\n3,y z\n"


@pytest.mark.parametrize(
    ("name", "is_called"),
    [("a", "a"), ("'a b'", "a b"), ('"a, b"', "a, b"), (r"'it\'s'", "it's"), ("a-b/c", "a-b/c"), ("é", "é")],
)
def test_a_name_may_be_quoted(name, is_called):
    text = f"@relation r\n@attribute {name} real\n@data\n1\n"
    assert attributes._columns(iter(enumerate(text.splitlines(), 1)))[0].name == is_called


@pytest.mark.parametrize(
    "kind", ["real", "REAL [0, 1]", "integer[0,9]", "numeric", "string", 'date "yyyy"', "real % a"]
)
def test_kinds_of_attributes(kind):
    assert table(f"@relation r\n@attribute a {kind}\n@inputs a\n@outputs a\n@data\n1\n") == "a\n1\n"


def test_attributes_that_list_their_values_are_nominal():
    assert attributes.nominal(Text.of(HEAD + "1,x\n")) == {"label"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("@relation r\n@attribute a\n@data\n1\n", "line 2: expected @attribute NAME and"),
        ("@relation r\n@attribute a {x\n@data\n1\n", "line 2: expected @attribute NAME and"),
        (
            "@relation r\n@attribute a real\nb real\n@data\n1\n",
            "line 3: expected @attribute or @data, received 'b real'",
        ),
        ("@relation r\n@attribute a real\n1\n", "line 3: expected @attribute or @data"),
        (HEAD + "1,x\n1,x,3\n", "row 2: expected the 2 attributes, received 3 cells"),
        (HEAD + "1,X\n", "row 1, column 'label': expected one of x, y z, received 'X'"),
        (HEAD + "1,'x' y\n", "row 1: a quote that is not closed, or text behind it"),
        (HEAD + "1,'x\n", "row 1: a quote that is not closed"),
        (HEAD + "\n{0 1}\n", "row 1: sparse rows"),
    ],
)
def test_what_is_not_understood_is_named(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        table(text)
