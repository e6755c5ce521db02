"""Debian's Chromium, driven by Playwright, and pages that remember what they asked for and what they complained of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
FLAGS = (
    "--disable-background-networking", "--disable-component-update", "--disable-gpu", "--disable-quic", "--disable-sync",
    "--no-first-run", "--no-sandbox",
)  # fmt: skip
HEIGHT = 900

AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
COLOUR_RULES = ("color-contrast", "link-in-text-block")
"""What of axe depends on the colour scheme."""

DRAWN = ".picture svg > *"
"""The parts of charts, each of which is one picture with a text for axe. Their colours are measured apart, since axe cannot."""

ALIKE = ("#activity-02", "#activity-03", "#activity-11", "#activity-12", "#activity-13")
"""Sections of the same templates as others, which need not be seen in each colour scheme."""


class NoBrowser(Exception):
    """There is no Chromium to test with."""


def chromium(find: Callable[[str], str | None] = shutil.which) -> str:
    """Where the browser is.

    Raises:
        NoBrowser: nowhere; the tests need it.
    """
    for name in NAMES:
        if path := find(name):
            return path
    raise NoBrowser(
        "the browser tests need Chromium, and there is none on the PATH. Install it: "
        "sudo apt-get install --no-install-recommends chromium (macOS: brew install --cask google-chrome)"
    )


@contextmanager
def launched() -> Iterator[Browser]:
    """The browser, headless, with a new profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page, with the addresses that it asked for and what it said on the console, both since it was made."""

    page: Page
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._ask)
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))
        self.page.on("console", self._say)
        self.page.on("pageerror", lambda problem: self.said.append(f"error: {problem}"))

    def _ask(self, request: Request) -> None:
        self.asked.append(request.url)

    def _say(self, message: ConsoleMessage) -> None:
        self.said.append(f"{message.type}: {message.text}")

    def shown(self, width: int = 1440, scheme: Any = "light", media: Any = "screen") -> Page:
        """The page as it opens on such a device: at the top, nothing open, nothing focused."""
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.page.emulate_media(color_scheme=scheme, media=media, reduced_motion="reduce")
        self.page.evaluate("""() => {
          document.getElementById("large").close(); document.activeElement.blur();
          history.replaceState(null, "", location.pathname); scrollTo(0, 0);
          dispatchEvent(new Event("scroll"));
          return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }""")
        return self.page


def opened(browser: Browser, address: str) -> Watched:
    """The page at an address, in a window of its own."""
    context = browser.new_context(viewport={"width": 1440, "height": HEIGHT}, reduced_motion="reduce")
    context.set_default_timeout(60_000)
    watched = Watched(context.new_page())
    watched.page.goto(address)
    return watched


def start_axe(page: Page, *, colours: bool = False, only: str | None = None) -> None:
    """Let axe begin on the page, or only on what a selector finds; `found_by_axe` waits for its answer."""
    rules = {"type": "rule", "values": COLOUR_RULES} if colours else {"type": "tag", "values": AXE_TAGS}
    left = [DRAWN, *ALIKE] if colours else [DRAWN]
    context: Mapping[str, Any] = {"exclude": [[one] for one in left]} | ({"include": [[only]]} if only else {})
    options = {"resultTypes": ["violations"], "runOnly": rules}
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(AXE_SCRIPT)
    page.evaluate(
        "([context, options]) => { window.axed = new Promise((done) => setTimeout(() => done(axe.run(context, options)), 0)); }",
        [context, options],
    )


def found_by_axe(page: Page) -> list[str]:
    """The violations, one text each place."""
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for rule in page.evaluate("() => window.axed")["violations"]
        for node in rule["nodes"]
    ]
