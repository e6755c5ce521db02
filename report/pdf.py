"""The PDF, made by WeasyPrint from the same page as the HTML, in its style for paper."""

from __future__ import annotations

import ctypes
import html
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cnnlab.errors import TemplateProblem
from report.evidence import Attachment
from report.tagging import Tagging

_LIBRARIES = {
    "gobject-2.0": ("libgobject-2.0.so.0", "libgobject-2.0.0.dylib"),
    "pango-1.0": ("libpango-1.0.so.0", "libpango-1.0.dylib"),
    "pangoft2-1.0": ("libpangoft2-1.0.so.0", "libpangoft2-1.0.dylib"),
    "harfbuzz": ("libharfbuzz.so.0", "libharfbuzz.0.dylib"),
    "fontconfig": ("libfontconfig.so.1", "libfontconfig.1.dylib"),
}
# WeasyPrint 70 sends a line back to its first word when the space at its end is all that does not fit: see `_inward`.
_SPACE_BEFORE = re.compile(r"(?<=\S)[ \n](<(?:strong|em|a)\b[^>]*>)")
_NO_GLYPH = re.compile(r"\.notdef glyph rendered .*\(U\+([0-9A-F]+)\)")
_PICTURE = re.compile(r"""<img\b(?:[^>"']|"[^"]*"|'[^']*')*>""")
_SOURCE = re.compile(r"""\ssrc\s*=\s*(["']?)([^"'>\s]*)""")
_ALTERNATIVE = re.compile(r"""\salt\s*=\s*(["'])(.*?)\1""", re.DOTALL)
_CONTENT = re.compile(r"data:[^\s'\"]+")
_LONGEST_WARNING = 400
INSTALL = (
    "Debian/Ubuntu: sudo apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0; "
    "Fedora: sudo dnf install pango; macOS: brew install pango "
    "(and, for a Python that is not Homebrew's: export DYLD_FALLBACK_LIBRARY_PATH=$(brew --prefix)/lib)"
)


def pango_problem() -> str | None:
    """What keeps this machine from making a PDF, with the line that mends it; None when nothing does.

    Asks the system's loader without importing WeasyPrint: quick enough before hours of training.
    """
    absent = [name for name, files in _LIBRARIES.items() if not any(map(_loads, files))]
    if not absent:
        return None
    return f"the PDF cannot be made: the system lacks {', '.join(absent)} (Pango). Install it: {INSTALL}"


def pango_version() -> str:
    """The version of the system's Pango, which sets the PDF's text; empty where there is none."""
    for file in _LIBRARIES["pango-1.0"]:
        if _loads(file):
            told = ctypes.CDLL(file).pango_version_string
            told.restype = ctypes.c_char_p
            return str(told().decode())
    return ""


def _loads(file: str) -> bool:
    """Whether the system's loader finds the library, which is how WeasyPrint looks for it too."""
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True


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


def render_pdf(page: str, attachments: Sequence[Attachment] = ()) -> Pdf:
    """The page as a tagged PDF (variant pdf/ua-1), with files inside it.

    Raises:
        TemplateProblem: WeasyPrint warned about the page or its styles, or the page asks for something outside itself,
            or a picture of it is missing or damaged.
    """
    from weasyprint import HTML
    from weasyprint.urls import FatalURLFetchingError

    _check_pictures(page)
    with _warnings() as heard:
        try:
            content = HTML(string=_inward(page), url_fetcher=_only_data()).write_pdf(
                pdf_variant="pdf/ua-1",
                pdf_tags=True,
                attachments=[_embedded(one) for one in attachments],
                finisher=lambda document, made: Tagging(made).mend(),
            )
        except FatalURLFetchingError as problem:
            raise TemplateProblem("the page asks for something outside itself", received=str(problem)) from None
    glyphs = [match for message in heard if (match := _NO_GLYPH.match(message))]
    warnings = list(dict.fromkeys(message for message in heard if not _NO_GLYPH.match(message)))
    if warnings:
        shown = "; ".join(_named(message, page) for message in warnings[:5])
        raise TemplateProblem(f"the page cannot be laid out without {len(warnings)} warnings", received=shown)
    characters = dict.fromkeys(chr(int(match[1], 16)) for match in glyphs)
    return Pdf(bytes(content), "".join(characters))


def _check_pictures(page: str) -> None:
    """Stop at a picture that is not there: WeasyPrint would print its description in its place, and say nothing."""
    for tag in _PICTURE.findall(page):
        if not (source := _SOURCE.search(tag)) or not source[2]:
            raise TemplateProblem("a picture of the page is missing", received=_description(tag))


def _named(message: str, page: str) -> str:
    """A warning in which a damaged picture is called by its description, in place of its content."""
    if not (found := _CONTENT.search(message)):
        return message[:_LONGEST_WARNING]
    tag = next((tag for tag in _PICTURE.findall(page) if found[0][:_LONGEST_WARNING] in tag), "")
    return f"{message[: found.start()]}“{_description(tag)}” ({found[0][:30]}…)"


def _description(tag: str) -> str:
    """The words that stand for a picture, or else the beginning of its tag."""
    alternative = _ALTERNATIVE.search(tag)
    return html.unescape(alternative[2])[:_LONGEST_WARNING] if alternative else tag[:_LONGEST_WARNING]


def _inward(page: str) -> str:
    """The page with the spaces before inline elements inside them.

    WeasyPrint keeps the space that ends a text at a line's end; where it alone exceeds the measure, the line is broken after
    its first word. A text that does not end in a space is broken where it should be. Code keeps the space before it outside,
    since its own is wider.
    """
    return _SPACE_BEFORE.sub(r"\1 ", page)


def _embedded(attachment: Attachment) -> Any:
    """A file for WeasyPrint, dated like every other one, so that the same report has the same bytes."""
    from weasyprint import Attachment as Embedded

    day = datetime(2000, 1, 1)
    return Embedded(
        string=attachment.text, name=attachment.name, description=attachment.name, created=day, modified=day,
        relationship="Data",
    )  # fmt: skip


def _only_data() -> Any:
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    class OnlyData(URLFetcher):
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
