"""Everything can be reached and used with the keyboard, and it shows where one is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.watched import Watched

FOLLOW = """() => {
  window.stops = [...document.querySelectorAll("a[href], button, [tabindex]")]
    .filter((one) => one.tabIndex >= 0 && one.checkVisibility({ visibilityProperty: true }));
  window.passed = [];
  document.addEventListener("focusin", ({ target }) => {
    const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(target), box = target.getBoundingClientRect();
    const bar = document.querySelector("nav.contents").getBoundingClientRect(), sticky = bar.width > innerWidth / 2;
    const covered = sticky && !target.closest("nav, .skip") && box.bottom <= bar.bottom;
    window.passed.push([window.stops.indexOf(target), outlineStyle, parseFloat(outlineWidth), outlineColor,
      box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth && !covered]);
  });
  return window.stops.length;
}"""
"""Note every stop of the Tab key from now on; the number of stops that there should be."""

INSIDE = "document.activeElement.closest('dialog') !== null"
FOCUSED = "() => { const one = document.activeElement; return one.id || one.className || one.tagName; }"


def test_tab_stops_at_every_interactive_thing_in_order_and_shows_it(english: Watched) -> None:
    page = english.shown(1024)  # where a bar sticks to the top, which must not cover what has the focus
    page.reload()
    count = page.evaluate(FOLLOW)
    for _ in range(count):
        page.keyboard.press("Tab")
    passed = page.evaluate("window.passed")
    assert count > 300 and [stop for stop, *_ in passed] == list(range(count))
    for stop, style, width, colour, there in passed:
        assert there and style != "none" and width >= 2 and colour != "rgba(0, 0, 0, 0)", stop


def test_the_skip_link_is_first_and_leads_past_the_contents(report: Watched) -> None:
    page = report.shown()
    page.reload()
    skip = page.locator("a.skip")
    assert not skip.evaluate("(one) => one.getBoundingClientRect().right > 0")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "skip"
    assert skip.evaluate("(one) => { const box = one.getBoundingClientRect(); return box.left > 0 && box.top >= 0; }")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_tables_and_outputs_that_scroll_take_the_focus_and_scroll(english: Watched) -> None:
    page = english.shown(390)
    wide = page.evaluate("""() => [...document.querySelectorAll("main *")]
      .filter((one) => one.scrollWidth > one.clientWidth + 1 && ["auto", "scroll"].includes(getComputedStyle(one).overflowX))
      .map((one) => [one.className, one.tabIndex, one.querySelector("button, a[href], [tabindex='0']") !== null])""")
    assert {name.split()[0] for name, *_ in wide} >= {"scroll", "picture"}
    assert [one for one in wide if one[1] < 0 and not one[2]] == []
    box = page.locator(".scroll:has(table)").filter(has=page.locator("th:nth-child(6)")).first
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(one) => one.scrollLeft > 0", arg=box.element_handle())


def test_arrows_go_through_the_numbers_of_a_table(english: Watched) -> None:
    page = english.shown()
    numbers = page.locator("table").nth(0).locator("data.q[tabindex]")
    count = numbers.count()
    assert count > 5 and page.locator("table").nth(0).locator("data.q[tabindex='0']").count() == 1
    numbers.first.focus()
    seen = set()
    for _ in range(count):
        seen.add(page.evaluate("[...document.querySelectorAll('data.q')].indexOf(document.activeElement)"))
        page.keyboard.press("ArrowRight")
    assert len(seen) == count


def test_a_number_opens_its_card_and_gives_the_focus_back(english: Watched) -> None:
    page = english.shown()
    number = page.locator("#activity-09 p data.q[data-runs]").first
    number.focus()
    card = page.locator("#card")
    assert card.is_visible() and number.get_attribute("aria-describedby") == "card"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('#card') !== null")
    page.keyboard.press("Escape")
    assert card.is_hidden() and number.evaluate("(one) => one === document.activeElement")


OPENERS = {"a chart": ".picture .enlarge", "a photograph": ".tile .zoom"}


@pytest.mark.parametrize("selector", OPENERS.values(), ids=OPENERS)
@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_picture_opens_large_keeps_the_focus_and_gives_it_back(report: Watched, selector: str, key: str) -> None:
    page = report.shown()
    opener, dialog = page.locator(selector).first, page.locator("dialog#large")
    opener.focus()
    page.keyboard.press(key)
    assert dialog.is_visible() and page.evaluate(INSIDE)
    assert dialog.locator("svg, img").count() == 1 and len(dialog.locator(".text").inner_text()) > 0
    for pressed in ["Tab"] * 6 + ["Shift+Tab"] * 7:
        page.keyboard.press(pressed)
        assert page.evaluate(f"document.activeElement === document.body || {INSIDE}")
    page.keyboard.press("Escape")
    assert dialog.is_hidden() and opener.evaluate("(one) => one === document.activeElement")


def test_the_enlarged_picture_closes_with_its_button_and_beside_it(english: Watched) -> None:
    page = english.shown()
    dialog = page.locator("dialog#large")
    for close in (lambda: dialog.locator(".close").click(), lambda: page.mouse.click(3, 3)):
        page.locator(".picture").first.click()
        assert dialog.is_visible()
        close()
        assert dialog.is_hidden()


def test_a_chart_says_what_it_shows_beside_its_button(report: Watched) -> None:
    page = report.shown()
    said: list[list[Any]] = page.evaluate("""() => [...document.querySelectorAll(".picture")].map((one) => [
      one.getAttribute("role"), one.querySelector("svg").getAttribute("role"), one.querySelector("svg").ariaLabel,
      one.querySelector("button").ariaLabel])""")
    assert len(said) > 10
    for role, drawing, text, label in said:
        assert (role, drawing) == (None, "img") and len(text) > 20
        assert label.startswith(("Ampliar: Figura\N{NO-BREAK SPACE}", "Enlarge: Figure\N{NO-BREAK SPACE}"))


def test_the_bar_of_contents_opens_and_closes_with_the_keyboard(report: Watched) -> None:
    page = report.shown(1024)
    bar, contents = page.locator("nav.contents button"), page.locator("#contents")
    bar.focus()
    assert contents.is_hidden() and bar.get_attribute("aria-expanded") == "false"
    page.keyboard.press("Enter")
    assert contents.is_visible() and bar.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#contents') !== null")
    page.keyboard.press("Escape")
    assert contents.is_hidden() and bar.evaluate("(one) => one === document.activeElement")
    page.keyboard.press("Enter")
    contents.locator("a").last.focus()
    page.keyboard.press("Tab")
    assert contents.is_hidden(), "it does not cover what has the focus"
