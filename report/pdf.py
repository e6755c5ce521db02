"""The PDF, made by WeasyPrint from the same page as the HTML, in its style for paper."""

from __future__ import annotations

import ctypes.util
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cnnlab.errors import TemplateProblem

_LIBRARIES = ("pango-1.0", "pangoft2-1.0", "gobject-2.0", "fontconfig", "harfbuzz")
_NO_GLYPH = re.compile(r"\.notdef glyph rendered .*\(U\+([0-9A-F]+)\)")
INSTALL = (
    "Debian/Ubuntu: sudo apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0; "
    "Fedora: sudo dnf install pango; macOS: brew install pango"
)


def pango_problem() -> str | None:
    """What keeps this machine from making a PDF, with the line that mends it; None when nothing does.

    Loads neither WeasyPrint nor anything else: quick enough to ask before hours of training.
    """
    absent = [name for name in _LIBRARIES if _find(name) is None]
    if not absent:
        return None
    return f"the PDF cannot be made: the system lacks {', '.join(absent)} (Pango). Install it: {INSTALL}"


def _find(name: str) -> str | None:
    """The library's file; Homebrew's folder is not on macOS's default search path for every Python."""
    found = ctypes.util.find_library(name) or ctypes.util.find_library(name.replace("-1.0", "").replace("-2.0", ""))
    if found is None and sys.platform == "darwin":
        found = next((path for path in _homebrew(name)), None)
    return found


def _homebrew(name: str) -> Iterator[str]:
    from pathlib import Path

    for prefix in ("/opt/homebrew/lib", "/usr/local/lib"):
        yield from map(str, Path(prefix).glob(f"lib{name}*.dylib"))


@dataclass(frozen=True)
class Pdf:
    """The file's content, and the characters that no font of this machine could show."""

    content: bytes
    unshown: str

    @property
    def problem(self) -> str | None:
        """What the reader of the file will not see, with what mends it; None when all is there."""
        if not self.unshown:
            return None
        return (
            f"the PDF shows boxes in place of {self.unshown}: no font on this machine has these characters. "
            "Install one and build the report again (Debian/Ubuntu: sudo apt-get install fonts-noto; "
            "Fedora: sudo dnf install google-noto-sans-fonts; macOS has them)"
        )


def render_pdf(page: str) -> Pdf:
    """The page as a tagged PDF (variant pdf/ua-1).

    Raises:
        TemplateProblem: WeasyPrint warned about the page or its styles, or the page asks for something outside itself.
    """
    from weasyprint import HTML
    from weasyprint.urls import FatalURLFetchingError

    with _warnings() as heard:
        try:
            content = HTML(string=page, url_fetcher=_only_data()).write_pdf(pdf_variant="pdf/ua-1", pdf_tags=True)
        except FatalURLFetchingError as problem:
            raise TemplateProblem("the page asks for something outside itself", received=str(problem)) from None
    glyphs = [match for message in heard if (match := _NO_GLYPH.match(message))]
    warnings = list(dict.fromkeys(message for message in heard if not _NO_GLYPH.match(message)))
    if warnings:
        shown = "; ".join(warnings[:5])
        raise TemplateProblem(f"the page cannot be laid out without {len(warnings)} warnings", received=shown)
    characters = dict.fromkeys(chr(int(match[1], 16)) for match in glyphs)
    return Pdf(bytes(content), "".join(characters))


def _only_data() -> Any:
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    class OnlyData(URLFetcher):  # type: ignore[misc]
        """Fetches `data:` addresses and stops at every other one, files included."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            if not url.startswith("data:"):
                raise FatalURLFetchingError(url[:200])
            return super().fetch(url, headers)

    return OnlyData()


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what WeasyPrint logs at level warning and above."""
    found: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    logger, handler = logging.getLogger("weasyprint"), Collect(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
