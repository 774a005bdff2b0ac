"""How a table is written as text: its encoding and the mark between its columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from tasks.frame.errors import DataError

MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\xef\xbb\xbf": "UTF-8-sig"}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
BLANK = " "  # stands for one blank or several, and for tabs among them


def decoded(content: bytes) -> tuple[str, str]:
    """Return the text, and the name of its encoding."""
    mark = next((name for start, name in MARKS.items() if content.startswith(start)), None)
    try:
        text, name = content.decode(mark or "utf-8"), (mark or "UTF-8").removesuffix("-sig")
    except UnicodeDecodeError as error:
        if mark:
            raise DataError(f"not {mark.removesuffix('-sig')} at byte {error.start}, as its first bytes say") from None
        text, name = _one_byte_each(content, error.start)
    if "\0" in text:
        raise DataError("expected text, received a zero byte: save the table as UTF-8")
    if (at := text.find("\ufeff")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise DataError(f"line {line}: a byte order mark within the text, as joined files have: remove it")
    return text, name


def _one_byte_each(content: bytes, start: int) -> tuple[str, str]:
    codec, name = ("cp1252", "Windows-1252") if re.search(rb"[\x80-\x9f]", content) else ("latin-1", "Latin-1")
    try:
        return content.decode(codec), f"{name} (not UTF-8 at byte {start})"
    except UnicodeDecodeError as error:
        raise DataError(
            f"not UTF-8 at byte {start}, not Windows-1252 at byte {error.start}: save it as UTF-8"
        ) from None


def records(text: str, delimiter: str, *, skip_blanks: bool = False) -> Iterator[list[str]]:
    """Yield the cells of each row, a blank line as none; DataError names a row with a wrong quote."""
    stream, n_rows = io.StringIO(text, newline=""), -1
    reader = csv.reader(stream, delimiter=delimiter, strict=True, skipinitialspace=skip_blanks)
    try:
        for row in reader:
            n_rows += bool(row)
            yield row
    except csv.Error as error:
        where = f"row {n_rows + 1}" if n_rows >= 0 else "in the header"
        raise DataError(f"not readable as CSV, {where}: {error}") from None


def lines(text: str) -> Iterator[str]:
    """Yield lines without their ends: of Windows, Unix or old Macs, and no other mark that Unicode has."""
    return (line.rstrip("\n") for line in io.StringIO(text, newline=None))


def tabbed(text: str) -> str:
    """Return a table between blanks as one between tabs; blanks in quotes stay."""

    def mark(found: re.Match[str]) -> str:
        start, end = found.span()
        is_edge = text[start - 1 : start] in ("", "\r", "\n") or text[end : end + 1] in ("", "\r", "\n")
        return found[1] or ("" if is_edge else "\t")

    return re.sub(r'("(?:[^"]|"")*")|[ \t]+', mark, text)


def spaced(line: str) -> list[str]:
    """Return the cells of a line between blanks."""
    return re.split("[ \t]+", line.strip(" \t"))


def tight(text: str, delimiter: str) -> str:
    """Return the text without the blanks before quoted cells, and without a delimiter that ends every line."""
    mark = re.escape(delimiter)
    if re.search(rf'(?m)(^|{mark}) +"', text):
        stream = io.StringIO()
        rows = records(text, delimiter, skip_blanks=True)
        csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(row for row in rows if row)
        text = stream.getvalue()
    if re.match(rf"[^\r\n]*{mark} *(\r|\n)", text) and not re.search(rf'"|[^\s{mark}] *(\r|\n|\Z)', text):
        return re.sub(rf"(?m){mark} *(?=\r|\n|\Z)", "", text)
    return text


def sniffed(text: str) -> str:
    """Return the delimiter that divides the header; of several, the one that divides every row alike."""
    first = text.partition("\n")[0]
    possible = [mark for mark in DELIMITERS if mark in first and _divides_header(text, mark)]
    if len(possible) > 1:
        even = [mark for mark in possible if _is_even(text, mark)]
        if len(even) != 1:
            marks = " or a ".join(DELIMITERS[mark] for mark in possible)
            raise DataError(f"columns may be separated by a {marks}: set fetch.delimiter")
        return even[0]
    return possible[0] if possible else BLANK if _is_between_blanks(text) else ","


def _is_between_blanks(text: str) -> bool:
    widths = {len(spaced(line)) for line in lines(text) if line.strip()} if '"' not in text else set()
    return len(widths) == 1 and min(widths) > 1


def _divides_header(text: str, delimiter: str) -> bool:
    try:
        return len(next(records(text, delimiter), [])) > 1
    except DataError:  # its quotes are not those of this delimiter
        return False


def _is_even(text: str, delimiter: str) -> bool:
    try:
        return len({len(row) for row in records(text, delimiter) if row}) == 1
    except DataError:
        return False
