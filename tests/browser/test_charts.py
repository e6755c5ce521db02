"""Charts say their numbers where the pointer rests, and come closer in the dialog."""

from __future__ import annotations

import re

from tests.watched import Watched

WIDE = 1250
SAYS = "([x, y]) => document.elementFromPoint(x, y).closest('g:has(> title)')?.querySelector('title').textContent"


def test_every_epoch_says_its_values_all_the_way_up(report: Watched) -> None:
    page = report.shown(WIDE)
    found = page.locator("#activity-08-loss .picture > svg")
    found.evaluate("(one) => one.scrollIntoView({ block: 'center', behavior: 'instant' })")
    titles = found.locator("title")
    assert titles.count() > 2
    for index in range(titles.count()):
        box = titles.nth(index).locator("..").bounding_box()
        assert box is not None
        for part in (0.1, 0.9):
            said = page.evaluate(SAYS, [box["x"] + box["width"] / 2, box["y"] + part * box["height"]])
            assert re.match(rf"(Época|Epoch) {index + 1}\n", said)


def test_an_enlarged_chart_comes_closer_and_still_says_its_numbers(english: Watched) -> None:
    page = english.shown(WIDE)
    page.locator("#activity-09-confusion .picture").click()
    stage = page.locator("dialog .stage")
    before = stage.evaluate("(one) => one.querySelector('svg').getBoundingClientRect().width")
    for _ in range(3):
        page.keyboard.press("+")
    after = stage.evaluate("(one) => one.querySelector('svg').getBoundingClientRect().width")
    assert after > 1.5 * before
    assert stage.locator("title").first.text_content()
    box = stage.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    was = stage.evaluate("(one) => [one.scrollLeft, one.scrollTop]")
    page.mouse.down()
    page.mouse.move(x - 60, y - 40, steps=4)
    page.mouse.up()
    now = stage.evaluate("(one) => [one.scrollLeft, one.scrollTop]")
    assert [round(b - a) for a, b in zip(was, now, strict=True)] == [60, 40]
    page.keyboard.press("Escape")
