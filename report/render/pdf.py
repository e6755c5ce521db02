"""The PDF, made by WeasyPrint from the same page as the HTML, in its style for paper."""

from __future__ import annotations

import ctypes
import html
import logging
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from logging.handlers import BufferingHandler

from report.evidence.quantity import Attachment
from report.render.tagging import Tagging

_LIBRARIES = {
    "gobject-2.0": ("libgobject-2.0.so.0", "libgobject-2.0.0.dylib"),
    "pango-1.0": ("libpango-1.0.so.0", "libpango-1.0.dylib"),
    "pangoft2-1.0": ("libpangoft2-1.0.so.0", "libpangoft2-1.0.dylib"),
    "harfbuzz": ("libharfbuzz.so.0", "libharfbuzz.0.dylib"),
    "fontconfig": ("libfontconfig.so.1", "libfontconfig.1.dylib"),
}
# WeasyPrint 70 keeps the space that ends a text at a line's end, and where it alone exceeds the measure breaks the line after its
# first word. Inside the element that follows it does no harm; code keeps it outside, since its own is wider.
_SPACE_BEFORE = re.compile(r"(?<=\S)[ \n](<(?:strong|em|a)\b[^>]*>)")
_NO_GLYPH = re.compile(r"\.notdef glyph rendered .*\(U\+([0-9A-F]+)\)")
_PICTURE = re.compile(r"""<img\b(?:[^>"']|"[^"]*"|'[^']*')*>""")
_SOURCE = re.compile(r"""\ssrc\s*=\s*(["']?)([^"'>\s]*)""")
_ALTERNATIVE = re.compile(r"""\salt\s*=\s*(["'])(.*?)\1""", re.DOTALL)
_CONTENT = re.compile(r"data:[^\s'\"]+")
_LONGEST_MESSAGE = 400
_SYSTEMS = {"debian": "Debian/Ubuntu", "fedora": "Fedora", "darwin": "macOS"}
_PANGO = {
    "debian": "sudo apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0",
    "fedora": "sudo dnf install pango",
    "darwin": "brew install pango "
    "(and, for a Python that is not Homebrew's: export DYLD_FALLBACK_LIBRARY_PATH=$(brew --prefix)/lib)",
}
_FONTS = {
    "debian": "sudo apt-get install fonts-noto",
    "fedora": "sudo dnf install google-noto-sans-fonts",
    "darwin": "macOS has them",
}


def _on_this_system(commands: Mapping[str, str]) -> str:
    """The command of the system at hand; where it cannot be told, all of them."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {"ID": sys.platform}
    names = [release["ID"], *release.get("ID_LIKE", "").split()]
    own = [commands[name] for name in names if name in commands]
    return own[0] if own else "; ".join(f"{_SYSTEMS[name]}: {command}" for name, command in commands.items())


def pango_problem() -> str | None:
    """What keeps this machine from making a PDF, with the line that mends it; None when nothing does.

    Asks the system's loader without importing WeasyPrint: quick enough before hours of training.
    """
    absent = [name for name, files in _LIBRARIES.items() if not any(map(_loads, files))]
    if not absent:
        return None
    return (
        f"the PDF cannot be made: the system lacks {', '.join(absent)} (Pango). Install it: {_on_this_system(_PANGO)}"
    )


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
    """The file's content, what is missing from it, and what else WeasyPrint said, both in words and each once."""

    content: bytes
    missing: list[str]
    heard: list[str]


def render_pdf(page: str, attachments: Sequence[Attachment] = ()) -> Pdf:
    """The page as a tagged PDF (variant pdf/ua-1), with files inside it; it fetches nothing but `data:` addresses."""
    from weasyprint import HTML
    from weasyprint import Attachment as Embedded
    from weasyprint.urls import URLFetcher

    day = datetime(2000, 1, 1)  # so that the same report has the same bytes
    files = [
        Embedded(string=one.text, name=one.name, description=one.name, created=day, modified=day, relationship="Data")
        for one in attachments
    ]

    heard, logger = BufferingHandler(sys.maxsize), logging.getLogger("weasyprint")
    heard.setLevel(logging.WARNING)
    logger.addHandler(heard)
    try:
        content = HTML(
            string=_SPACE_BEFORE.sub(r"\1 ", page), url_fetcher=URLFetcher(allowed_protocols={"data"})
        ).write_pdf(
            pdf_variant="pdf/ua-1",
            pdf_tags=True,
            attachments=files,
            finisher=lambda document, made: Tagging(made).mend(),
        )
    finally:
        logger.removeHandler(heard)
    missing = [f"missing from the PDF: {one}" for one in _missing_pictures(page)]
    others, unshown = [], ""
    for record in heard.buffer:
        message = _named(record.getMessage(), page)
        if glyph := _NO_GLYPH.match(message):
            unshown += chr(int(glyph[1], 16))
        elif record.levelno >= logging.ERROR or message.startswith("Font-face"):
            missing.append(f"missing from the PDF: {message}")
        else:
            others.append(message)
    if unshown:
        missing.append(
            f"the PDF shows boxes in place of {''.join(dict.fromkeys(unshown))}: no font on this machine has these "
            f"characters. Install one and build the report again: {_on_this_system(_FONTS)}"
        )
    return Pdf(bytes(content), list(dict.fromkeys(missing)), list(dict.fromkeys(others)))


def _missing_pictures(page: str) -> list[str]:
    """The pictures without an address: WeasyPrint prints their descriptions in their place, and says nothing."""
    tags = _PICTURE.findall(page)
    return [f"the picture “{_description(tag)}”" for tag in tags if not (found := _SOURCE.search(tag)) or not found[2]]


def _named(message: str, page: str) -> str:
    """A message in which a damaged picture is called by its description, in place of its content."""
    if not (found := _CONTENT.search(message)):
        return message[:_LONGEST_MESSAGE]
    tag = next((tag for tag in _PICTURE.findall(page) if found[0][:_LONGEST_MESSAGE] in tag), "")
    return f"{message[: found.start()]}“{_description(tag)}” ({found[0][:30]}…)"


def _description(tag: str) -> str:
    """The words that stand for a picture, or else the beginning of its tag."""
    alternative = _ALTERNATIVE.search(tag)
    return html.unescape(alternative[2])[:_LONGEST_MESSAGE] if alternative else tag[:_LONGEST_MESSAGE]
