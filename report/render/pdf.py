"""The PDF, made by WeasyPrint from the same page as the HTML, in its style for paper, in a process of its own."""

from __future__ import annotations

import ctypes
import gc
import html
import logging
import os
import platform
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from logging.handlers import BufferingHandler
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple

from cnnlab.errors import Incomplete
from report.evidence.quantity import Attachment
from report.render.tagging import Tagging

_LIBRARIES = {
    "gobject-2.0": ("libgobject-2.0.so.0", "libgobject-2.0.0.dylib"),
    "pango-1.0": ("libpango-1.0.so.0", "libpango-1.0.dylib"),
    "pangoft2-1.0": ("libpangoft2-1.0.so.0", "libpangoft2-1.0.dylib"),
    "harfbuzz": ("libharfbuzz.so.0", "libharfbuzz.0.dylib"),
    "fontconfig": ("libfontconfig.so.1", "libfontconfig.1.dylib"),
}
# WeasyPrint 70 keeps the space that ends a text at a line's end, and where it alone exceeds the measure breaks the line
# after its first word. Inside the element that follows it does no harm; code keeps it outside, since its own is wider.
_SPACE_BEFORE = re.compile(r"(?<=\S)[ \n](<(?:strong|em|a)\b[^>]*>)")
_NO_GLYPH = re.compile(r"\.notdef glyph rendered .*\(U\+([0-9A-F]+)\)")
_PICTURE = re.compile(r"""<img\b(?:[^>"']|"[^"]*"|'[^']*')*>""")
_SOURCE = re.compile(r"""\ssrc\s*=\s*(["']?)([^"'>\s]*)""")
_ALTERNATIVE = re.compile(r"""\salt\s*=\s*(["'])(.*?)\1""", re.DOTALL)
_CONTENT = re.compile(r"data:[^\s'\"]+")
_LONGEST_MESSAGE = 400
_SYSTEMS = {"debian": "Debian/Ubuntu", "fedora": "Fedora", "darwin": "macOS"}
_PANGO = (
    "sudo apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0", "sudo dnf install pango",
    "brew install pango "
    "(and, for a Python that is not Homebrew's: export DYLD_FALLBACK_LIBRARY_PATH=$(brew --prefix)/lib)",
)  # fmt: skip
_FONTS = ("sudo apt-get install fonts-noto", "sudo dnf install google-noto-sans-fonts", "macOS has them")


def _on_this_system(commands: Sequence[str]) -> str:
    """The command of the system at hand; where it cannot be told, all of them, in the order of `_SYSTEMS`."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {"ID": sys.platform}
    own, names = dict(zip(_SYSTEMS, commands, strict=True)), [release["ID"], *release.get("ID_LIKE", "").split()]
    every = "; ".join(f"{_SYSTEMS[name]}: {command}" for name, command in own.items())
    return next((own[name] for name in names if name in own), every)


def pango_problem() -> str | None:
    """What keeps this machine from making a PDF, with the line that mends it; None when nothing does.

    Asks the system's loader without importing WeasyPrint: quick enough before hours of training.
    """
    absent = ", ".join(name for name, files in _LIBRARIES.items() if not any(map(_loads, files)))
    lacks = f"the PDF cannot be made: the system lacks {absent} (Pango). Install it: {_on_this_system(_PANGO)}"
    return lacks if absent else None


def pango_version() -> str:
    """The version of the system's Pango, which sets the PDF's text; empty where there is none."""
    for library in filter(None, map(_loads, _LIBRARIES["pango-1.0"])):
        library.pango_version_string.restype = ctypes.c_char_p
        return str(library.pango_version_string().decode())
    return ""


def _loads(file: str) -> ctypes.CDLL | None:
    """The library, where the system's loader finds it, which is how WeasyPrint looks for it too."""
    try:
        return ctypes.CDLL(file)
    except OSError:
        return None


class Pdf(NamedTuple):
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
        laid_out = HTML(string=_SPACE_BEFORE.sub(r"\1 ", page), url_fetcher=URLFetcher(allowed_protocols={"data"}))
        content = laid_out.write_pdf(pdf_variant="pdf/ua-1", pdf_tags=True, attachments=files,
                                     finisher=lambda _, made: Tagging(made).mend())  # fmt: skip
    finally:
        logger.removeHandler(heard)
    pictures, others, unshown = _PICTURE.findall(page), list[str](), ""
    # Of a picture without an address WeasyPrint prints the description in its place, and says nothing.
    empty = [tag for tag in pictures if not (found := _SOURCE.search(tag)) or not found[2]]
    missing = [f"missing from the PDF: the picture “{_description(tag)}”" for tag in empty]
    for record in heard.buffer:
        message = record.getMessage()
        if content_of := _CONTENT.search(message):  # a damaged picture is called by its description
            tag = next((tag for tag in pictures if content_of[0][:_LONGEST_MESSAGE] in tag), "")
            message = f"{message[: content_of.start()]}“{_description(tag)}” ({content_of[0][:30]}…)"
        message = message if content_of else message[:_LONGEST_MESSAGE]
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


def _description(tag: str) -> str:
    """The words that stand for a picture, or else the beginning of its tag."""
    alternative = _ALTERNATIVE.search(tag)
    return html.unescape(alternative[2])[:_LONGEST_MESSAGE] if alternative else tag[:_LONGEST_MESSAGE]


class PdfProcess:
    """A process that loads WeasyPrint while the page is put together, then lays it out while other files are made.

    It begins when it is entered; nothing of it is left when it is exited.
    """

    def __enter__(self) -> PdfProcess:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,))
        self._process.start()
        other.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def begin(self, page: str, attachments: Sequence[Attachment] = ()) -> None:
        """Have the page laid out, with files inside the PDF; returns when the process has loaded."""
        with self._alive():
            self._pipe.send((page, attachments))

    def result(self) -> Pdf:
        """The PDF of the page that was begun with, when it is ready.

        Raises:
            Incomplete: the process did not live to the end.
        """
        with self._alive():
            return self._pipe.recv()  # type: ignore[no-any-return]

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):
            self._process.join()
            received = f"its process ended with code {self._process.exitcode}"
            hint = "what it said is above; code -9 is what the system does where memory runs out"
            raise Incomplete("the PDF could not be made", received=received, hint=hint) from None


def _serve(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both: who asked for the PDF ends this
    os.dup2(2, 1)  # whatever a library prints is no data
    gc.disable()  # a short life: collecting costs a tenth of it, and frees next to nothing
    import weasyprint  # noqa: F401  while the page is put together

    pipe.send(render_pdf(*pipe.recv()))


def try_pdf() -> tuple[str, list[str]]:
    """What keeps this machine from a whole PDF, empty where nothing does, and what else WeasyPrint says of a small page."""
    from report.figures.fonts import font_faces

    if problem := pango_problem():
        return problem, []
    style = f"<style>{font_faces('print')} p {{ font-family: 'Source Serif 4' }}</style>"
    try:
        with PdfProcess() as paper:
            paper.begin(f"<html lang=en><title>A page</title>{style}<p>A page</p></html>")
            _, missing, heard = paper.result()
            return "; ".join(missing), heard
    except Incomplete as failure:
        return str(failure), []
