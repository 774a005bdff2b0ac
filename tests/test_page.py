"""The report's page in a real browser: quiet, closed to the outside, fitting phone and desk, by day and by night."""

from __future__ import annotations

import os
import shutil

import made_up
import pytest
import tiny

from tasks.frame import config
from tasks.frame import printed as numbers

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FITS = """() => [...document.querySelectorAll("body *")].filter((e) => !e.closest(".scroll, .paper, pre, svg, output")
  && e.getBoundingClientRect().right > innerWidth + 0.5).map((e) => e.outerHTML.slice(0, 80))"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        say = pytest.fail if os.environ.get("REQUIRE_BROWSER") else pytest.skip
        say(f"expected one of {', '.join(BROWSERS)}, found none: the page was not opened; `make browser` installs one")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])  # root has no sandbox
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    """The pages of made-up results, with printed numbers, long names and figures as large as real ones."""
    data = made_up.make(tmp_path_factory.mktemp("ü b'x") / "data")
    known = numbers.read(str(tiny.ROOT / config.load(tiny.ROOT / "params.yaml").book.printed))
    printed = [figure._asdict() | {"metric": "pretrain.val_loss@1"} for figure in known]
    given = made_up.settings(book=tiny.printed(data, *printed))
    found = {name: (tiny.run(name, data, settings=given) / f"{name}.html").as_uri() for name in ("report", "book")}
    table = made_up.make(tmp_path_factory.mktemp("own") / "data", image_shape=None)
    return found | {"own": (tiny.run("report", table, settings=made_up.own_data(table)) / "report.html").as_uri()}


SHOWN = [
    (name, width, scheme) for name in ("report", "book", "own") for width in (390, 1280) for scheme in ("light", "dark")
]


@pytest.fixture(params=SHOWN, ids=lambda shown: " ".join(map(str, shown)))
def page(request, browser, urls):
    """A page opened at that width and in that scheme; `said` and `asked` hold the console's errors and requests."""
    name, width, scheme = request.param
    url = urls[name]
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(url)
    yield page
    assert page.said == []
    assert [address[:80] for address in page.asked if address != url and not address.startswith("data:")] == []
    context.close()


def test_nothing_is_wider_than_the_window(page):
    for opened in (False, True):
        page.evaluate(f"document.querySelectorAll('details').forEach((d) => d.open = {str(opened).lower()})")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        assert page.evaluate(FITS) == []


@pytest.mark.parametrize("page", [shown for shown in SHOWN if shown[0] == "report"], indirect=True, ids=str)
def test_the_chart_for_this_width_is_shown_and_readable(page):
    wide = page.viewport_size["width"] > 600
    shown = [figure.get_attribute("class") for figure in page.locator(".figure").all() if figure.is_visible()]
    assert shown == [f"figure {'wide' if wide else 'narrow'}"] * 2
    heights = page.locator(".figure:visible .tick").evaluate_all(
        "(all) => all.map((t) => t.getBoundingClientRect().height)"
    )
    assert min(heights) > 10, "pixels of a tick's text"


def test_text_stands_out_from_its_ground_in_both_schemes(page):
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    lightness = {
        part: page.evaluate(f"getComputedStyle(document.body).{part}.match(/\\d+/g).slice(0, 3).map(Number)")
        for part in ("color", "backgroundColor")
    }
    ink, ground = (sum(lightness[part]) / 3 for part in ("color", "backgroundColor"))
    assert (ink > 200 and ground < 60) if dark else (ink < 60 and ground > 200)


@pytest.mark.parametrize("page", [shown for shown in SHOWN if shown[0] == "book"], indirect=True, ids=str)
def test_the_map_shows_the_image_under_the_pointer_and_arrow_keys_go_on(page):
    box, card = page.locator("#codings"), page.locator("#codings output")
    box.scroll_into_view_if_needed()
    assert not card.is_visible()
    area = box.bounding_box()
    path = page.locator("#codings path").nth(1)
    x, y = (float(part) for part in path.get_attribute("d").split("h0")[0][1:].split(" "))
    page.mouse.move(area["x"] + x / 1000 * area["width"], area["y"] + y / 720 * area["height"])
    assert card.is_visible()
    first = card.inner_text()
    name, _, row = first.strip().rpartition(", row ")
    assert int(row) in map(
        int, page.locator(f"#codings path[data-name='{name}']").get_attribute("data-rows").split(",")
    )
    box.focus()
    page.keyboard.press("ArrowRight")
    assert card.is_visible() and card.inner_text() != first
    page.keyboard.press("Escape")
    assert not card.is_visible()
