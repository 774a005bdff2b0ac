"""The first lines of a text table: its header, or none; comments; KEEL's and Weka's attributes; columns between blanks.

`plain` brings a text into one form, a header and rows; without a header, columns are named by their positions from 1.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from tasks.frame.errors import DataError
from tasks.sources import attributes, dialect
from tasks.sources.dialect import Text
from tasks.sources.labelling import NUMBER

MARKS = ("#", "%")  # of a comment
GAPS = ("", "?", "na", "n/a", "nan", "null", "none", "<na>")  # in lower case: they tell nothing of a column's kind
SEEN = 1_000  # rows that the first row is compared with
FEW, MANY = 3, 8  # numbers in equal steps, or ascending, that may number the columns


class Plain(NamedTuple):
    """A text whose first line is a header.

    Attributes:
        text: The header and the rows.
        delimiter: The mark between its columns.
        told: What was done, for a line of progress; empty for a text as it was.
        nominal: Columns that the file declares as categories.
        hint: What to say to somebody who looks for a column that is not there.
    """

    text: Text
    delimiter: str
    told: str = ""
    hint: str = ""
    nominal: Collection[str] = ()


def plain(text: Text, *, delimiter: str | None, header: bool | None, named: Collection[str]) -> Plain:
    """Return a text with a header.

    Args:
        text: The decoded file.
        delimiter: The mark between columns; None to find it.
        header: Whether the first row names the columns; None to find it.
        named: Names of columns in the settings: a first row with one of them, not a position, is a header.

    Raises: DataError if a line may be a comment or a row, or the first row may be a header or data.
    """
    if blank := re.match(rb"([ \t]*(\r\n|\r|\n))+", text.view):
        text = text.after(blank.end())
    if attributes.begins(text):
        return Plain(
            attributes.table(text), ",", ", names of columns from @attribute", nominal=attributes.nominal(text)
        )
    words = {name for name in named if not name.isdecimal()}
    text, comments = _without_comments(text, delimiter, words)
    mark = delimiter or dialect.sniffed(text)
    told = f", {comments} comment line{'s' * (comments > 1)} left out" if comments else ""
    if mark == dialect.BLANK:
        text, mark, told = dialect.tabbed(text), "\t", f", blanks read as tabs{told}"
    text = dialect.tight(text, mark)
    first, *rest = [*islice((row for row in dialect.records(text, mark) if row), SEEN)] or [[]]
    if header is None:
        header = _is_header([cell.strip() for cell in first], rest, words)
    if header is None:
        shown = ", ".join(first[:8])
        raise DataError(f"the first row ({shown}) may name the columns or be data: set fetch.header to true or false")
    if header:
        return Plain(text, mark, told)
    hint = f" (no header: columns are named by position, the last one is {str(len(first))!r}; else set fetch.header)"
    named_by_position = text.made([*dialect.written([range(1, len(first) + 1)], mark), text.view])
    return Plain(named_by_position, mark, f"{told}, no header: columns 1 to {len(first)}", hint)


def _without_comments(text: Text, delimiter: str | None, words: set[str]) -> tuple[Text, int]:
    """Return the text without the lines at its start that begin with # or %, and their number.

    The last of them is the header if it holds one of the words; DataError if it has as many cells as a row.
    """
    lines, at = [], 0
    for found in re.finditer(rb"[^\r\n]*(\r\n|\r|\n|\Z)", text.view):
        line = found[0].decode()
        if line.strip() and not line.startswith(MARKS):
            break
        lines += [line] if line.strip() else []
        at = found.end()
        if found.end() == len(text.view):
            break
    if not lines:
        return text, 0
    body, last = text.after(at), lines[-1].lstrip("".join(MARKS)).strip()
    mark = delimiter or dialect.sniffed(body)
    first = body.stream(newline=None).readline().rstrip("\n")
    row, cells = (next(iter(_rows(line, mark)), []) for line in (first, last))
    if words & {cell.strip() for cell in cells}:
        return text.made([f"{last}\n".encode(), body.view]), len(lines) - 1
    if len(row) == len(cells) and len(row) > 1:
        raise DataError(f"the line {lines[-1].strip()!r} may be a comment, a header or a row: remove it or its mark")
    return body, len(lines)


def _rows(line: str, mark: str) -> list[list[str]]:
    return [dialect.spaced(line)] if mark == dialect.BLANK else [*dialect.records(Text.of(line), mark)]


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]], words: set[str]) -> bool | None:
    """Return whether the first row names the columns; None if it may or may not."""
    rest = [row for row in rest if len(row) == len(first)]
    if not rest or words & {*first}:
        return True
    if all(_is_gap(cell) or _is_number(cell) for cell in first):
        return None if _may_number([cell for cell in first if not _is_gap(cell)]) else False
    named = recurring = measured = words_among_numbers = 0
    for cell, *others in zip(first, *rest, strict=True):
        others = [other.strip() for other in others if not _is_gap(other)]
        if _is_gap(cell) or not others:
            continue
        if all(map(_is_number, others)):
            measured += _is_number(cell)
            words_among_numbers += not _is_number(cell)
        else:
            named += 1
            recurring += cell in others
    if words_among_numbers:
        return None if measured else True
    if named == recurring:
        return False
    return None if measured or recurring or any(cell and _is_gap(cell) for cell in first) else True


def _is_gap(cell: str) -> bool:
    return cell.strip().lower() in GAPS


def _is_number(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell.strip().replace(",", ".")))


def _may_number(cells: Sequence[str]) -> bool:
    """Return whether numbers look like names of columns: 0, 1, 2 or years or wavelengths."""
    numbers = [float(cell.replace(",", ".")) for cell in cells]
    steps = [b - a for a, b in pairwise(numbers)]
    return min(steps, default=0) > 0 and (len(numbers) >= MANY or (len(numbers) >= FEW and len({*steps}) == 1))
