"""One browser and one report in each language for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from report.build import build_report
from tests.watched import NoBrowser, Watched, launched, opened
from tests.whole_report import write_whole

LANGUAGES = ("es", "en")


# Not of the whole session: while Playwright runs, no other test could use asyncio.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    try:
        with launched() as one:
            yield one
    except NoBrowser as problem:
        pytest.fail(str(problem))


@pytest.fixture(scope="package")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of fabricated runs by language."""
    made = {}
    for language in LANGUAGES:
        folder = tmp_path_factory.mktemp(f"browser-{language}")
        store, lab = write_whole(folder, language)
        build_report(store, lab, folder / "out", {"html"})
        made[language] = folder / "out" / "report.html"
    return made


@pytest.fixture(scope="package")
def reports(browser: Browser, files: dict[str, Path]) -> dict[str, Watched]:
    """The report by language, opened from its file."""
    return {language: opened(browser, path.resolve().as_uri()) for language, path in files.items()}


@pytest.fixture(params=LANGUAGES)
def report(request: pytest.FixtureRequest, reports: dict[str, Watched]) -> Watched:
    """The report in each language."""
    return reports[request.param]


@pytest.fixture
def english(reports: dict[str, Watched]) -> Watched:
    """The report in English, where the language makes no difference."""
    return reports["en"]


@pytest.fixture(autouse=True)
def nothing_said_nor_asked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test does to a report, it asks for nothing but itself and says nothing on the console."""
    yield
    if "reports" not in request.fixturenames:
        return
    for watched in request.getfixturevalue("reports").values():
        own = watched.page.url.partition("#")[0]
        assert {one for one in watched.asked if not one.startswith(("data:", "blob:"))} == {own}
        assert watched.said == []
