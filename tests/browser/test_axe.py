"""axe finds nothing wrong with the report: every width, both colour schemes, both languages."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_in_what_opens(report: Watched, scheme: str) -> None:
    page = report.shown(1024, scheme)
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


PAINTED = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((part, index) => part * a + below[index] * (1 - a));
  const light = (colour) => colour.map((part) => part / 255)
    .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const colour = (style, part) => {
    const [r, g, b, a] = rgba(style[part]);
    return [r, g, b, a * style.opacity * style[part + "Opacity"]];
  };
  const paper = rgba(getComputedStyle(document.documentElement).backgroundColor).slice(0, 3);
  const texts = [], lines = [];
  for (const svg of document.querySelectorAll(".picture svg")) {
    const behind = [];
    for (const one of svg.querySelectorAll("path, rect, use, text")) {
      if (one.closest("defs, clipPath")) continue;
      const style = getComputedStyle(one), box = one.getBoundingClientRect();
      if (one.tagName === "text") {
        const at = new DOMPoint(box.x + box.width / 2, box.y + box.height / 2);
        const below = behind.filter((shape) => shape.isPointInFill(at.matrixTransform(shape.getScreenCTM().inverse())))
          .reduce((found, shape) => over(colour(getComputedStyle(shape), "fill"), found), paper);
        if (one.textContent.trim()) texts.push([one.textContent, contrast(over(colour(style, "fill"), below), below)]);
      } else {
        if (style.fill !== "none" && one.isPointInFill) behind.push(one);
        const given = one.getAttribute("style") ?? "";
        const part = given.includes("stroke: var(--paper") ? "fill" : "stroke";  // marks set apart by a rim of paper
        if (style[part] !== "none" && style.stroke !== "none")
          lines.push([given, contrast(over(colour(style, part), paper), paper)]);
      }
    }
  }
  return [texts, lines];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_of_charts_stand_out(english: Watched, scheme: str) -> None:
    texts, lines = english.shown(scheme=scheme).evaluate(PAINTED)
    assert len(texts) > 300 and len(lines) > 100
    assert [one for one in texts if one[1] < 4.5] == []
    drawn = [one for one in lines if "--grid" not in one[0]]
    assert [one for one in drawn if one[1] < 3] == []
