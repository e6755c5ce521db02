"""axe finds nothing wrong with the report: every width, both colour schemes, both languages."""

from __future__ import annotations

import re

import pytest

from report.figures.theme import COLOURS, WRITTEN
from tests.watched import Watched, found_by_axe, start_axe

OPENED = [("contents", "nav.contents button", "#contents"), ("chart", ".picture .enlarge", "dialog#large"),
          ("photograph", ".tile .zoom", "dialog#large"), ("card", "#activity-09 p data.q[data-runs]", "#card")]  # fmt: skip
"""What opens, with what, and what is then seen."""


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_axe_finds_no_violation(reports: dict[str, Watched], width: int) -> None:
    """All rules on each language in one colour scheme, and those on colours in the other: side by side, to take half the time."""
    found = {}
    for schemes, colours in (({"es": "light", "en": "dark"}, False), ({"es": "dark", "en": "light"}, True)):
        pages = {language: reports[language].shown(width, scheme) for language, scheme in schemes.items()}
        for page in pages.values():
            start_axe(page, colours=colours)
        found |= {(language, schemes[language]): found_by_axe(page) for language, page in pages.items()}
    assert found == {(language, scheme): [] for language in ("es", "en") for scheme in ("light", "dark")}


@pytest.mark.parametrize(("language", "scheme"), [("es", "light"), ("en", "dark")])
def test_axe_finds_no_violation_in_what_opens(reports: dict[str, Watched], language: str, scheme: str) -> None:
    page = reports[language].shown(1024, scheme)
    found = {}
    for name, opener, part in OPENED:
        opening = page.locator(opener).first
        opening.focus()
        if name != "card":
            page.keyboard.press("Enter")
        assert page.locator(part).is_visible(), name
        start_axe(page, only=part)
        found[name] = found_by_axe(page)
        page.keyboard.press("Escape")
        assert page.locator(part).is_hidden(), name
    assert found == {name: [] for name, *_ in OPENED}


def test_axe_would_find_violations(english: Watched) -> None:
    page = english.shown()
    page.evaluate("""document.querySelector("main").insertAdjacentHTML("afterbegin",
      "<div id=wrong><img src='data:,'><p style='color: #aaa; background: #fff'>Grey text, so pale</p></div>")""")
    start_axe(page, only="#wrong")
    rules = {one.partition(":")[0] for one in found_by_axe(page)}
    page.locator("#wrong").evaluate("(one) => one.remove()")
    assert rules == {"image-alt", "color-contrast"}


PAINTED = """() => [...new Set([...document.querySelectorAll(".picture svg :is(path, rect, use, text)")]
  .filter((one) => !one.closest("defs, clipPath"))
  .flatMap((one) => {
    const style = getComputedStyle(one);
    return ["fill", "stroke"].filter((part) => style[part + "Opacity"] * style.opacity > 0).map((part) => style[part]);
  }))]"""


@pytest.mark.parametrize(("scheme", "index"), [("light", 0), ("dark", 1)])
def test_charts_are_drawn_in_the_colours_of_the_scheme(english: Watched, scheme: str, index: int) -> None:
    """Which stand out from the page and from cells: `tests.test_figures_style` measures them."""
    found = {
        tuple(map(int, re.findall(r"\d+", one)))[:3]
        for one in english.shown(scheme=scheme).evaluate(PAINTED)
        if one != "none"
    }
    given = [one[index] for one in (*COLOURS.values(), *WRITTEN.values())] + ["#000000", "#ffffff"]  # shades of boxes
    assert found <= {tuple(bytes.fromhex(one[1:])) for one in given}
    assert {tuple(bytes.fromhex(COLOURS[name][index][1:])) for name in ("ink", "muted", "series-1", "heat")} <= found
