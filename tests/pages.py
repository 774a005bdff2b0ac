"""Pages for people, read as a browser would: tags with their attributes, and text."""

from __future__ import annotations

import re
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest
import tiny
from made_up import settings

from tasks.reporting import catalogue

PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(8) + (7).to_bytes(4, "big") + (5).to_bytes(4, "big")  # its size in the header


class Page(HTMLParser):
    """The page's tags with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, "tags are nested"

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def page(stage, data, params=None):
    """Run a stage that writes a page of its name, and read the page."""
    out = tiny.run(stage, data, settings=params or settings())
    return Page((out / f"{stage}.html").read_text(encoding="utf-8"))


@contextmanager
def undrawn():
    """Put a pixel in every figure's place: drawing takes longer than all else, and is tests/test_paper.py's."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("of_study", "of_book"):
            real = getattr(catalogue, name)
            pixels = lambda *given, real=real: dict.fromkeys(real(*given), lambda path: path.write_bytes(PIXEL))  # noqa: E731
            patch.setattr(catalogue, name, pixels)
        yield


def check_closed(found, text):
    """Fail where a page reaches for something outside itself."""
    references = [a[name] for _, a in found.tags for name in ("src", "href", "srcset", "action", "data") if name in a]
    assert references
    assert {re.match(r"data:|#", reference) is not None for reference in references} == {True}
    assert all(script == {} for script in found.all("script"))
    assert not re.search(r"https?:|url\((?!data:)|@import|fetch\(|import\(", text)
    assert {a["href"][1:] for a in found.all("a")} <= {a["id"] for _, a in found.tags if "id" in a}


def check_marked(found):
    """Fail where headings or tables are not marked as such."""
    assert [tag for tag, _ in found.tags if tag == "h1"] == ["h1"]
    assert all("scope" in a for a in found.all("th"))
    regions = [a for a in found.all("div") if a.get("class") == "scroll"]
    assert len(regions) == len(found.all("table")), "every table scrolls in a box of its own"
    assert found.open == []


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
