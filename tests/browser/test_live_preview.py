"""`cnnlab preview` in a browser: what one writes appears where one is reading, and mistakes over the page until they are mended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.command import served
from tests.watched import Watched, found_by_axe, opened, start_axe
from tests.whole_report import write_whole

WRONG = "{# reviewed #}\n\nTwo lines, then\n\n{{ nonsense }}\n"
RIGHT = "{# reviewed #}\n\nJust written: {{ test|interval }}.\n"


@pytest.fixture
def commentary(tmp_path: Path) -> Path:
    """The text of Activity 9 in a lab of its own; wrong, to begin with."""
    write_whole(tmp_path, "en")
    path = tmp_path / "whole/templates/commentary/en/activity-09.md.j2"
    path.parent.mkdir(parents=True)
    path.write_text(WRONG, encoding="utf-8")
    return path


@pytest.fixture
def address(commentary: Path, files: dict[str, Path]) -> Iterator[str]:
    """Where the command serves the lab; its figures are already drawn."""
    folder, out = commentary.parents[4], files["en"].parents[1]
    (out / "whole").mkdir(exist_ok=True)
    (out / "out" / ".figures").rename(out / "whole" / ".figures")
    with served("whole.toml", out, cwd=folder) as (_, found):
        yield found


@pytest.fixture
def preview(browser: Browser, address: str) -> Iterator[Watched]:
    watched = opened(browser, address)
    yield watched
    watched.page.context.close()


def test_edits_and_mistakes_appear_where_one_is_reading(preview: Watched, commentary: Path, address: str) -> None:
    page, problem = preview.page, preview.page.locator("#cnnlab-problem")
    expect(problem).to_contain_text("nonsense")
    start_axe(page)
    assert found_by_axe(page) == [], "nothing could be built yet"

    commentary.write_text(RIGHT, encoding="utf-8")
    expect(page.locator("h1")).to_have_text("Convolutional networks")
    expect(problem).to_have_count(0)

    page.locator("#activity-10 > p").first.scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    commentary.write_text(RIGHT.replace("Just written", "Written anew"), encoding="utf-8")
    text = page.locator("#activity-09 > p", has_text="Written anew")
    expect(text).to_have_count(1)
    assert page.evaluate("scrollY") == pytest.approx(place, abs=60) and place > 1000

    commentary.write_text(WRONG, encoding="utf-8")
    expect(problem).to_be_in_viewport()
    expect(problem).to_contain_text(re.compile(r"activity-09\.md\.j2, line 5\b"))
    assert text.count() == 1, "the last page that could be built stays below"
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        start_axe(page, only="#cnnlab-problem")
        assert found_by_axe(page) == [], scheme

    commentary.write_text(RIGHT, encoding="utf-8")
    expect(problem).to_have_count(0)
    assert {one for one in preview.asked if not one.startswith(("data:", "blob:"))} == {address, f"{address}version"}
    assert preview.said == []
