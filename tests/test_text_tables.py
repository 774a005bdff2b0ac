"""tasks/sources/text_tables.py: numbers of text are read to the last bit, or refused."""

from __future__ import annotations

import io

import pytest

from tasks.sources import kinds, text_tables


def read(text, **options):
    given = {"as_text": {"label"}, "needed": "label", "delimiter": None, "decimal": None} | options
    return text_tables.read(io.BytesIO(text.encode()), **given)


def column(*cells, delimiter=";", **options):
    """Read cells as the column `a` beside two classes."""
    rows = "".join(f"{cell}{delimiter}k{k % 2}\n" for k, cell in enumerate(cells))
    found = read(f"a{delimiter}label\n{rows}", **options)
    return kinds.typed(found.table.named("a"), "number" if "True" not in cells else None, found.decimal)[0].tolist()


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["0.1", "1e-300", "5e-324"], [0.1, 1e-300, 5e-324]),
        (["1,5", "1,234", "-2"], [1.5, 1.234, -2.0]),
        (["1,5e3", "+2,5E-1", "3"], [1500.0, 0.25, 3.0]),
        (["0,123", "7"], [0.123, 7.0]),  # no thousands begin with 0
        (["1.234", "5.6"], [1.234, 5.6]),
        (["0.234", "2"], [0.234, 2.0]),
        ([" 5 ", "6"], [5, 6]),
        (["True", "False"], [True, False]),
        (["9007199254740992", "1"], [2**53, 1]),
        (["10000000000000000000000", "1"], [1e22, 1.0]),  # a double holds this one
    ],
)
def test_a_number_is_what_it_says(cells, numbers):
    assert column(*cells) == numbers


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        (["1,234", "2,345"], r"row 1, column 'a': '1,234' has a decimal mark or a thousands separator"),
        (["1,234,567", "2"], "'1,234,567' has a decimal mark or a thousands"),
        (["1.234", "2"], r"row 1: '1\.234' has a decimal mark or a thousands separator: set fetch\.decimal"),
        (["1,5", "1.234"], r"row 2, column 'a': expected a number with a decimal comma, received '1\.234' \(1 such"),
        (["1", "2 000"], r"row 2, column 'a': expected a number, received '2 000' \(1 such values in this column\)"),
        (["1", "5%", "6%"], r"received '5%' \(2 such"),
        (["1", "inf", "NA"], "row 2, column 'a': expected a number, received 'inf'"),
        (["1", "1e999"], "row 2, column 'a': expected a finite number, received inf"),
        (["1", "1e999", "NA"], "row 2, column 'a': expected a finite number, received inf"),
        (["0x10", "1"], "received '0x10'"),
        (["1_000", "1"], "received '1_000'"),
        (["١٢", "1"], "received '١٢'"),
        (["12:30", "1"], "received '12:30'"),
        (["9007199254740993", "1"], "row 1, column 'a': received 9007199254740993, which would lose digits"),
        (["NA", "9007199254740993", "1"], "row 2, column 'a': received 9007199254740993, which would lose digits"),
        (["1", "123456789012345678901"], "row 2, column 'a': received 123456789012345678901, which"),
    ],
)
def test_a_cell_that_is_no_number_or_two_is_refused(cells, complaint):
    with pytest.raises(ValueError, match=complaint):
        column(*cells)


def test_the_decimal_mark_may_be_set():
    assert column("1,234", "2,345", decimal=",") == [1.234, 2.345]
    assert column("1.234", "2", decimal=".") == [1.234, 2.0]
    assert column('"1,234"', "2", delimiter=",", decimal=",") == [1.234, 2.0]
    with pytest.raises(ValueError, match="expected a number, received '1,5'"):
        column("1,5", "2", decimal=".")


def test_three_decimals_among_missing_values_are_no_thousands():
    assert column("1.065", "NA", "2.5", delimiter=",")[::2] == [1.065, 2.5]
    assert column("1.065", "NA", "2.5")[::2] == [1.065, 2.5]
    with pytest.raises(ValueError, match=r"row 1: '1\.065' has a decimal mark or a thousands separator"):
        column("1.065", "NA", "2")
    with pytest.raises(ValueError, match=r"row 1, column 'a': '1,065' has a decimal mark or a thousands separator"):
        column("1,065", "NA", "2")


def test_the_delimiter_may_be_set():
    assert read("a^label\n1^x\n", delimiter="^").table.named("a").tolist() == [1]


def test_the_other_columns_stay_text():
    table = read("label;id;a\n01;1,5;2\n;NA;3\n", as_text={"label", "id"}).table
    assert (table.named("label").fillna("none").tolist(), table.named("id").tolist()) == (["01", "none"], ["1,5", "NA"])


def test_rows_are_counted_without_blank_lines_and_each_has_the_headers_columns():
    with pytest.raises(ValueError, match="row 2: expected the 2 columns of the header, received 1"):
        read("a,label\n\n1,x\n\n2\n")
    with pytest.raises(ValueError, match=r"row 1: .* received 2; .* if another mark .* fetch\.delimiter"):
        read("a b\n1,2\n")


def test_how_the_file_was_understood_is_told():
    assert read("sep=;\na;label\n1,5;x\n").told == "UTF-8, columns separated by a semicolon, decimal comma"
    assert read("a^label\n1^x\n", delimiter="^").told == "UTF-8, columns separated by a '^', decimal point"
