"""How a table is written as text: its encoding and the mark between its columns."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa

from tasks.frame.errors import DataError
from tasks.sources import stored

MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\xef\xbb\xbf": "UTF-8-sig"}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
BLANK = " "  # stands for one blank or several, and for tabs among them
AT_A_TIME = 2**20  # bytes that are decoded


class Text(NamedTuple):
    """A text, which may be larger than the memory.

    Attributes:
        view: Its bytes in UTF-8, in memory or mapped from a file.
        room: The folder for texts that are made of it; None for where temporary files lie.
    """

    view: memoryview
    room: Path | None = None

    @classmethod
    def of(cls, text: str) -> Text:
        """Return a text in memory."""
        return cls(memoryview(text.encode()))

    def __str__(self) -> str:
        """Return the whole text."""
        return str(self.view, "utf-8")

    def made(self, parts: Iterable[bytes | memoryview]) -> Text:
        """Return another text, made of parts."""
        return self._replace(view=stored.text(parts, self.room))

    def after(self, start: int) -> Text:
        """Return the text without its first bytes."""
        return self._replace(view=self.view[start:])

    def stream(self, newline: str | None = "") -> io.TextIOWrapper:
        """Return a stream of the text."""
        return io.TextIOWrapper(pa.BufferReader(pa.py_buffer(self.view)), "utf-8", newline=newline)


class _NotDecoded(Exception):
    """Bytes are not of an encoding; `args` are the position of the first that is not."""


def decoded(file: IO[bytes], room: Path | None = None) -> tuple[Text, str]:
    """Return the text of a file, and the name of its encoding."""
    first = file.read(3)
    mark = next((name for start, name in MARKS.items() if first.startswith(start)), None)
    file.seek(3 if mark == "UTF-8-sig" else 0)
    name = (mark or "UTF-8").removesuffix("-sig")
    try:
        text = Text(stored.text(_in_utf8(file, name), room), room)
    except _NotDecoded as error:
        if mark:
            raise DataError(f"not {name} at byte {error}, as its first bytes say") from None
        text, name = _one_byte_each(file, str(error), room)
    if re.search(rb"\0", text.view):
        raise DataError("expected text, received a zero byte: save the table as UTF-8")
    if found := re.search("\ufeff".encode(), text.view):
        line = 1 + sum(1 for _ in re.finditer(rb"\n", text.view[: found.start()]))
        raise DataError(f"line {line}: a byte order mark within the text, as joined files have: remove it")
    return text, name


def _in_utf8(file: IO[bytes], codec: str) -> Iterator[bytes]:
    """Yield the text of a file in pieces; _NotDecoded says where it is not of this encoding."""
    decoder, at = codecs.getincrementaldecoder(codec)(), 0
    while True:
        content, kept = file.read(AT_A_TIME), len(decoder.getstate()[0])
        try:
            yield decoder.decode(content, final=not content).encode()
        except UnicodeDecodeError as error:
            raise _NotDecoded(at - kept + error.start) from None
        if not content:
            return
        at += len(content)


def _one_byte_each(file: IO[bytes], start: str, room: Path | None) -> tuple[Text, str]:
    file.seek(0)
    is_windows = any(re.search(rb"[\x80-\x9f]", piece) for piece in iter(lambda: file.read(AT_A_TIME), b""))
    codec, name = ("cp1252", "Windows-1252") if is_windows else ("latin-1", "Latin-1")
    file.seek(0)
    try:
        return Text(stored.text(_in_utf8(file, codec), room), room), f"{name} (not UTF-8 at byte {start})"
    except _NotDecoded as error:
        raise DataError(f"not UTF-8 at byte {start}, not Windows-1252 at byte {error}: save it as UTF-8") from None


def records(text: Text, delimiter: str, *, skip_blanks: bool = False) -> Iterator[list[str]]:
    """Yield the cells of each row, a blank line as none; DataError names a row with a wrong quote."""
    reader, n_rows = csv.reader(text.stream(), delimiter=delimiter, strict=True, skipinitialspace=skip_blanks), -1
    try:
        for row in reader:
            n_rows += bool(row)
            yield row
    except csv.Error as error:
        where = f"row {n_rows + 1}" if n_rows >= 0 else "in the header"
        raise DataError(f"not readable as CSV, {where}: {error}") from None


def written(rows: Iterable[Iterable[Any]], delimiter: str = ",") -> Iterator[bytes]:
    """Yield rows as lines between delimiters."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    for row in rows:
        writer.writerow(row)
        yield stream.getvalue().encode()
        stream.seek(0)
        stream.truncate()


def lines(text: Text) -> Iterator[str]:
    """Yield lines without their ends: of Windows, Unix or old Macs, and no other mark that Unicode has."""
    return (line.rstrip("\n") for line in text.stream(newline=None))


def tabbed(text: Text) -> Text:
    """Return a table between blanks as one between tabs; blanks in quotes stay."""

    def mark(found: re.Match[bytes]) -> bytes:
        start, end = found.span()
        before, behind = bytes(text.view[max(start - 1, 0) : start]), bytes(text.view[end : end + 1])
        is_edge = before in (b"", b"\r", b"\n") or behind in (b"", b"\r", b"\n")
        return found[1] or (b"" if is_edge else b"\t")

    return _replaced(text, rb'("(?:[^"]|"")*")|[ \t]+', mark)


def _replaced(text: Text, pattern: bytes, function: Callable[[re.Match[bytes]], bytes]) -> Text:
    """Return the text with what a function makes of each place where a pattern is found."""

    def parts() -> Iterator[bytes | memoryview]:
        at = 0
        for found in re.finditer(pattern, text.view):
            yield text.view[at : found.start()]
            yield function(found)
            at = found.end()
        yield text.view[at:]

    return text.made(parts())


def spaced(line: str) -> list[str]:
    """Return the cells of a line between blanks."""
    return re.split("[ \t]+", line.strip(" \t"))


def tight(text: Text, delimiter: str) -> Text:
    """Return the text without the blanks before quoted cells, and without a delimiter that ends every line."""
    mark = re.escape(delimiter).encode()
    if re.search(rb'(?m)(^|%b) +"' % mark, text.view):
        rows = records(text, delimiter, skip_blanks=True)
        text = text.made(written((row for row in rows if row), delimiter))
    ends_so = re.match(rb"[^\r\n]*%b *(\r|\n)" % mark, text.view)
    if ends_so and not re.search(rb'"|[^\s%b] *(\r|\n|\Z)' % mark, text.view):
        return _replaced(text, rb"(?m)%b *(?=\r|\n|\Z)" % mark, lambda _: b"")
    return text


def without_empty_end(text: Text, delimiter: str) -> tuple[Text, int]:
    """Return the text without rows of empty cells at its end, as Excel writes them, and their number."""
    end = bytes(text.view[-AT_A_TIME:]).splitlines(keepends=True)
    n_bytes, n_rows = 0, 0
    while end and not (line := end.pop()).strip(b" \t\r\n" + delimiter.encode()):
        n_bytes, n_rows = n_bytes + len(line), n_rows + (delimiter.encode() in line)
    return text._replace(view=text.view[: len(text.view) - n_bytes]), n_rows


def sniffed(text: Text) -> str:
    """Return the delimiter that divides the header; of several, the one that divides every row alike."""
    first = text.stream(newline="\n").readline()
    possible = [mark for mark in DELIMITERS if mark in first and _divides_header(text, mark)]
    if len(possible) > 1:
        even = [mark for mark in possible if _is_even(text, mark)]
        if len(even) != 1:
            marks = " or a ".join(DELIMITERS[mark] for mark in possible)
            raise DataError(f"columns may be separated by a {marks}: set fetch.delimiter")
        return even[0]
    return possible[0] if possible else BLANK if _is_between_blanks(text) else ","


def _is_between_blanks(text: Text) -> bool:
    if re.search(rb'"', text.view):  # as R's write.table has them, which may name the rows, but not their column
        try:
            first, *others = [len(row) for row in records(tabbed(text), "\t") if row] or [0]
        except DataError:
            return False
        return first > 1 and {*others} in ({first}, {first + 1})
    widths = {len(spaced(line)) for line in lines(text) if line.strip()}
    return len(widths) == 1 and min(widths) > 1


def _divides_header(text: Text, delimiter: str) -> bool:
    try:
        return len(next(records(text, delimiter), [])) > 1
    except DataError:  # its quotes are not those of this delimiter
        return False


def _is_even(text: Text, delimiter: str) -> bool:
    try:
        return len({len(row) for row in records(text, delimiter) if row}) == 1
    except DataError:
        return False
