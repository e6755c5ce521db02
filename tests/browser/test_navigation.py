"""Contents and links lead where they say, and the page keeps to its widths, fonts and colours."""

from __future__ import annotations

from typing import Any

import pytest

from report.figures.theme import COLOURS
from tests.watched import Watched

FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
CURRENT = "[...document.querySelectorAll('nav.contents [aria-current]')].map((one) => one.hash)"


@pytest.mark.parametrize(("language", "width"), [("en", 1440), ("es", 1024)])
def test_each_entry_of_the_contents_goes_there_and_is_marked(
    reports: dict[str, Watched], language: str, width: int
) -> None:
    page = reports[language].shown(width)
    entries = page.locator("nav.contents ol a")
    assert entries.count() > 20
    for entry in entries.all():
        if width < 1400:
            page.locator("nav.contents button").click()
        entry.click()
        page.evaluate(FRAME)
        name = entry.get_attribute("href")
        assert name is not None
        top = page.evaluate("(name) => document.querySelector(name).getBoundingClientRect().top", name)
        bar = 0 if width >= 1400 else page.locator("nav.contents").evaluate("(one) => one.offsetHeight")
        assert bar <= top < 120, name
        assert page.evaluate(CURRENT) == [name]


def test_the_section_being_read_is_marked_while_one_scrolls(english: Watched) -> None:
    page = english.shown()
    found = page.evaluate("""async () => {
      const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const links = [...document.querySelectorAll("nav.contents ol a")], found = [];
      for (const link of links) {
        scrollTo(0, document.querySelector(link.hash).getBoundingClientRect().top + scrollY - 110);
        await frame();
        found.push([link.hash, links.filter((one) => one.ariaCurrent).map((one) => one.hash).join()]);
      }
      scrollTo(0, 0);
      await frame();
      return [...found, ["", links.filter((one) => one.ariaCurrent).map((one) => one.hash).join()]];
    }""")
    assert len(found) > 20 and [marked for _, marked in found] == [name for name, _ in found]


def test_every_link_within_the_page_leads_to_something(report: Watched) -> None:
    page = report.shown()
    links = page.evaluate("[...document.querySelectorAll('a[href]')].map((one) => one.getAttribute('href'))")
    inner = [link for link in links if link.startswith("#")]
    assert len(inner) > 100
    assert page.evaluate("(all) => all.filter((one) => !document.getElementById(one.slice(1)))", inner) == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
def test_the_page_does_not_scroll_sideways(reports: dict[str, Watched], width: int) -> None:
    page = reports["es"].shown(width)  # whose words are longer
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = page.evaluate("""() => [...document.querySelectorAll("body *")].filter((one) => {
      const box = one.getBoundingClientRect(), held = one.closest(".scroll, .picture, pre, .skip, .hidden, dialog, #card");
      return !held && box.width && (box.right > innerWidth + 1 || box.left < -1);
    }).map((one) => one.outerHTML.slice(0, 80))""")
    assert beyond == []


def test_text_and_margin_have_their_widths(english: Watched) -> None:
    boxes: dict[str, Any] = english.shown(1440).evaluate("""() => Object.fromEntries(
      [["text", "#activity-07 > p"], ["picture", "figure.chart:not(.wide) .picture"], ["caption", "figure.chart:not(.wide) figcaption"]]
      .map(([name, found]) => [name, document.querySelector(found).getBoundingClientRect().toJSON()]))""")
    assert boxes["text"]["width"] == pytest.approx(680, abs=1)
    assert boxes["picture"]["left"] == boxes["text"]["left"]
    assert boxes["caption"]["width"] == pytest.approx(220, abs=1)
    assert boxes["caption"]["left"] == pytest.approx(boxes["text"]["right"] + 40, abs=1)
    narrow = english.shown(1024)
    below = narrow.locator("figure.chart:not(.wide) figcaption").first.bounding_box()
    picture = narrow.locator("figure.chart:not(.wide) .picture").first.bounding_box()
    assert below and picture and below["y"] >= picture["y"] + picture["height"] and below["x"] == picture["x"]


FONTS = {"main > section > p:not(:has(code))": "Source Serif 4", "td .q": "Source Sans 3", "figcaption": "Source Sans 3", "nav a": "Source Sans 3",
         ".line, .output": "Source Code Pro", ".picture text": "Source Sans 3"}  # fmt: skip


@pytest.mark.parametrize(("selector", "family"), FONTS.items())
def test_text_is_set_in_the_embedded_fonts(english: Watched, selector: str, family: str) -> None:
    page = english.shown()
    assert "error" not in page.evaluate("document.fonts.ready.then((all) => [...all].map((one) => one.status))")
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    nodes = session.send("DOM.querySelectorAll", {"nodeId": root, "selector": selector})["nodeIds"][:100]
    fonts = [font for node in nodes for font in session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]]
    session.detach()
    assert len(fonts) >= 6
    assert {(one["familyName"].removesuffix(" ExtraLight"), one["isCustomFont"]) for one in fonts} == {(family, True)}


@pytest.mark.parametrize(("scheme", "index"), [("light", 0), ("dark", 1)])
def test_each_scheme_has_its_colours(english: Watched, scheme: str, index: int) -> None:
    page = english.shown(scheme=scheme)
    assert page.evaluate("""() => {
      const style = getComputedStyle(document.documentElement);
      return [style.backgroundColor, style.color].map((one) =>
        "#" + one.match(/\\d+/g).slice(0, 3).map((part) => Number(part).toString(16).padStart(2, "0")).join(""));
    }""") == [COLOURS["paper"][index], COLOURS["ink"][index]]


def test_printed_from_the_browser_it_has_no_navigation(english: Watched) -> None:
    page = english.shown(media="print")
    for selector in ("nav.contents", ".skip", "#card", "dialog", ".enlarge"):
        assert page.locator(selector).first.is_hidden(), selector
    assert page.locator("h1").is_visible() and page.locator("main p").first.is_visible()
