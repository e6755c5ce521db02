"""The report asks the network for nothing, whatever one does with it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.watched import NAMES, NoBrowser, Watched, chromium, opened

ELSEWHERE = "http://127.0.0.1:9/picture.png"


def test_no_request_leaves_the_page(report: Watched) -> None:
    """Which the fixtures assert after each test: here read to the end, enlarged, in the other colours, printed."""
    page = report.shown()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for end in ("scrollHeight", "scrollTop"):
            page.evaluate(f"scrollTo({{ top: document.documentElement.{end}, behavior: 'instant' }})")
        for opener in (page.locator(".picture").last, page.locator(".tile .zoom").last):
            opener.click()
            page.keyboard.press("Escape")
    page.emulate_media(media="print")
    assert len(page.pdf()) > 100_000
    found = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    assert [one for one in found if not one.startswith("data:")] == []


def test_its_policy_refuses_requests_that_a_script_or_an_edit_would_make(
    browser: Browser, files: dict[str, Path]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        watched = opened(browser, files["en"].resolve().as_uri())
        watched.page.evaluate(
            """(address) => {
          document.body.insertAdjacentHTML("beforeend",
            `<img src="${address}"><link rel=stylesheet href="${address}"><video src="${address}"></video>`);
          return fetch(address).catch(() => {});
        }""",
            f"http://127.0.0.1:{server.getsockname()[1]}/",
        )
        watched.page.wait_for_timeout(100)
        watched.page.context.close()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    refused = " ".join(one for one in watched.said if "Content Security Policy" in one)
    assert all(kind in refused for kind in ("img-src", "style-src", "media-src", "connect-src"))


def test_a_page_that_asks_or_complains_is_noticed(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        f"<title>t</title><img src='{ELSEWHERE}'><script>console.warn('oh'); nonsense()</script>"
    )
    watched = opened(browser, (tmp_path / "page.html").as_uri())
    watched.page.context.close()
    assert ELSEWHERE in watched.asked
    assert "warning: oh" in watched.said and any("nonsense is not defined" in one for one in watched.said)


def test_without_a_browser_it_says_what_to_install() -> None:
    with pytest.raises(NoBrowser, match="sudo apt-get install --no-install-recommends chromium"):
        chromium(lambda name: None)
    assert chromium(lambda name: f"/opt/{name}" if name == NAMES[1] else None) == "/opt/chromium-browser"
