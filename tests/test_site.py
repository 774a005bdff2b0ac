"""The site of `make docs`: built with warnings as errors, closed to the outside, fitting phone and desk."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import clones
import pytest
from test_page import browser  # noqa: F401

pytestmark = pytest.mark.slow
OUTSIDE = re.compile(r"\s*(https?:)?//")
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}


def build(docs: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Build documents into a site with the command of `make docs`."""
    dry = subprocess.run(["make", "-n", "docs"], cwd=clones.ROOT, capture_output=True, text=True, check=True).stdout
    words = shlex.split(dry.strip().splitlines()[-1].partition(" && ")[0])
    assert words[-2:] == ["docs", "site"]
    command = [sys.executable, *words[1:-2], str(docs), str(out)]
    return subprocess.run(command, cwd=clones.ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    done = build(clones.ROOT / "docs", out)
    assert (done.returncode, done.stderr) == (0, "")
    return out


class Loaded(HTMLParser):
    """What a page loads by itself: scripts, images, styles, fonts."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if value := given.get(LOADED.get(tag, ""), ""):
            self.found.append(value)
        self.found += re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")]+)", given.get("style") or "")


def outside(page: Path) -> list[str]:
    """Return the addresses outside the site that a page or a style sheet loads."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".css":
        found = re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")]+)", text)
    else:
        found = Loaded(text).found
        assert found
    return [one for one in found if OUTSIDE.match(one)]


def test_no_page_and_no_style_sheet_loads_anything_from_outside(site, tmp_path):
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    assert len(files) > 50 and {name: found for name in files if (found := outside(name))} == {}
    (tmp_path / "a.html").write_text('<script src="https://cdn.example/a.js"></script>')
    (tmp_path / "a.css").write_text("@import '//fonts.example/a.css'; p { background: url(https://b.example/c.png) }")
    assert outside(tmp_path / "a.html") and len(outside(tmp_path / "a.css")) == 2, "this test can fail"


def test_the_site_holds_every_document_and_nothing_that_dvc_would_read(site):
    pages = {path.relative_to(clones.ROOT / "docs") for path in (clones.ROOT / "docs").rglob("*.md")}
    assert [page for page in pages if not (site / page.with_suffix(".html")).exists()] == []
    assert "/site" in (clones.ROOT / ".dvcignore").read_text().splitlines(), "it may hold a copy of dvc.yaml"


def test_a_link_to_a_heading_that_is_gone_ends_the_build(tmp_path):
    clones.copy(tmp_path)
    with (tmp_path / "docs/memory.md").open("a") as page:
        page.write("\n[gone](cluster.md#gone)\n")
    done = build(tmp_path / "docs", tmp_path / "site")
    assert done.returncode != 0 and len(done.stderr.splitlines()) == 1 and "gone" in done.stderr


@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_without_a_network_shows_the_pages_whole(browser, site, width):  # noqa: F811
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: said.append(str(error)))
    for name in ("index", "tutorial", "own-data", "team", "cluster", "concepts", "reference"):
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.locator("h1").count() == 1
    assert said == [] and {address.partition(":")[0] for address in asked} <= {"file", "data"}
    context.close()
