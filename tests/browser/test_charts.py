"""Charts answer to the pointer and to the arrow keys, and come closer in the dialog."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page

from tests.watched import Watched

WIDE = 1250


def chart(page: Page, name: str) -> Locator:
    """A chart in the middle of the window."""
    found = page.locator(f"#{name} .picture > svg[data-hover]")
    found.evaluate("(one) => one.scrollIntoView({ block: 'center', behavior: 'instant' })")
    page.wait_for_timeout(100)  # what is still said of another place goes with the scrolling
    return found


def panel(found: Locator) -> dict[str, Any]:
    panels = json.loads(found.get_attribute("data-hover") or "")
    assert isinstance(panels, list)
    return dict(panels[0])


def point(page: Page, found: Locator, x: float, y: float) -> None:
    """Move the pointer to a place in the drawing's own points."""
    place = found.evaluate(
        "(one, [x, y]) => { const p = new DOMPoint(x, y).matrixTransform(one.getScreenCTM()); return [p.x, p.y]; }",
        [x, y],
    )
    page.mouse.move(*place)


def test_every_epoch_says_its_values_under_the_pointer(report: Watched) -> None:
    page = report.shown(WIDE)
    found = chart(page, "activity-08-loss")
    for text, x, y, *_ in panel(found)["at"]:
        point(page, found, x + 1, y + 9)
        assert page.locator("#tip").inner_text().split("\n") == text.split("\n")
    assert found.locator(".lit circle").count() == 2
    page.mouse.move(2, 2)
    assert page.locator("#tip").is_hidden() and found.locator(".lit").count() == 0


def test_a_cell_of_the_matrix_says_both_classes_and_its_share(english: Watched) -> None:
    page = english.shown(WIDE)
    found = chart(page, "activity-09-confusion")
    matrix = panel(found)
    left, top, right, _ = matrix["box"]
    size = (right - left) / len(matrix["names"])
    point(page, found, left + 1.5 * size, top + 0.5 * size)
    said = page.locator("#tip").inner_text()
    assert said.split("\n")[1:] == [f"True class: {matrix['names'][0]}", f"Predicted class: {matrix['names'][1]}"]
    assert said.split("\n")[0] in matrix["texts"]


def test_arrow_keys_read_the_values_aloud(english: Watched) -> None:
    page = english.shown(WIDE)
    found = chart(page, "activity-09-accuracy")
    texts = [text for text, *_ in panel(found)["at"]]
    page.locator("#activity-09-accuracy .enlarge").focus()
    for text in texts[:3]:
        page.keyboard.press("ArrowDown")
        assert page.locator("#told").inner_text().split() == text.split()
    page.keyboard.press("ArrowUp")
    assert page.locator("#told").inner_text().split() == texts[1].split()
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()


def test_an_enlarged_chart_comes_closer_and_still_answers(english: Watched) -> None:
    page = english.shown(WIDE)
    chart(page, "activity-09-confusion")
    page.locator("#activity-09-confusion .picture").click()
    stage = page.locator("dialog .stage")
    before = stage.evaluate("(one) => one.querySelector('svg').getBoundingClientRect().width")
    for _ in range(3):
        page.keyboard.press("+")
    after = stage.evaluate("(one) => one.querySelector('svg').getBoundingClientRect().width")
    assert after > 1.5 * before
    box = stage.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    assert page.locator("dialog #tip").is_visible()
    was = stage.evaluate("(one) => [one.scrollLeft, one.scrollTop]")
    page.mouse.down()
    page.mouse.move(x - 60, y - 40, steps=4)
    page.mouse.up()
    now = stage.evaluate("(one) => [one.scrollLeft, one.scrollTop]")
    assert [round(b - a) for a, b in zip(was, now, strict=True)] == [60, 40]
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
