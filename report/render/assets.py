"""What a report brings into its page from files and from its lab's style: style sheets, logo, accent colour."""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from cnnlab.errors import LabError, TemplateProblem
from cnnlab.style import readable
from report.figures.theme import COLOURS

LARGEST, LONGEST_SIDE = 512 * 1024, 4096
"""Bytes of a logo, and pixels of one that is PNG or JPEG."""

DARK_CONTRAST = 7.0
"""Least contrast of the accent on the dark page, where it is lightened until it has it."""

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_OUTSIDE = re.compile(
    r"@import\b[^;\n]*|\burl\(\s*(?![\"']?(?:data:|#))[^)\n]*\)?|\b(?:image-set|src)\([^)\n]*\)?", re.IGNORECASE
)
_ACCENT = {
    "screen": """:root {{ --accent: {light}; --link: var(--accent) }}
@media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark} }} }}
.course {{ color: var(--accent) }}
h2.part {{ border-top-color: var(--accent) }}
nav li li a[aria-current], pre.code {{ border-left-color: var(--accent) }}""",
    "print": """a, .course {{ color: {light} }}
header.title, h2.part {{ border-top-color: {light} }}
pre.code {{ border-left-color: {light} }}""",
}


def template_file(folders: Sequence[Path], name: str) -> str:
    """The text of a style sheet or a script, from the first of the template folders that has it.

    Raises:
        TemplateProblem: none has it, it cannot be read, or a style sheet asks for something outside the page.
    """
    path = next((folder / name for folder in folders if (folder / name).is_file()), folders[-1] / name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise TemplateProblem("a file of the report's templates cannot be read", where=path, received=problem) from None
    blanked = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)
    if path.suffix == ".css" and (found := _OUTSIDE.search(blanked)):
        raise TemplateProblem(
            "a style sheet asks for something outside the page",
            where=f"{path}, line {text.count(chr(10), 0, found.start()) + 1}",
            received=found[0],
            expected="nothing but data: addresses, so that a report is one file and tells nobody that it is read",
            hint="write the rules, or the picture as a data: address, into the sheet itself",
        )
    return text


def accent_css(accent: str, medium: Literal["screen", "print"]) -> str:
    """Links, rules and the course in the accent; the figures keep their colours, which mean networks."""
    return _ACCENT[medium].format(light=accent, dark=readable(accent, COLOURS["paper"][1], DARK_CONTRAST))


def logo_uri(path: Path) -> str:
    """The lab's logo as a `data:` address for an `<img>`, in which an SVG runs no script and fetches nothing.

    Raises:
        LabError: it is missing, too large, or neither PNG, JPEG nor SVG.
    """
    from PIL import Image

    try:
        content = path.read_bytes()
    except OSError as lost:
        hint = "style.logo is relative to the lab file"
        raise LabError("the logo cannot be read", where=path, received=lost.strerror, hint=hint) from None
    kind = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg"}.get(content[: 3 + content.startswith(b"\x89")], "svg+xml")
    received, expected = "", "a PNG, JPEG or SVG file"
    try:
        if len(content) > LARGEST:
            received, expected = f"{len(content) / 1024:.0f} KiB", f"at most {LARGEST // 1024} KiB"
        elif kind == "svg+xml":
            root = ElementTree.fromstring(content).tag
            received = "" if root == "{http://www.w3.org/2000/svg}svg" else f"XML that begins with <{root}>"
        else:
            with warnings.catch_warnings(action="error"), Image.open(io.BytesIO(content), formats=[kind]) as image:
                if max(image.size) > LONGEST_SIDE:
                    received, expected = f"{image.width}×{image.height}", f"at most {LONGEST_SIDE} pixels a side"
                else:
                    image.load()
    except (OSError, ValueError, SyntaxError, LookupError, Warning, Image.DecompressionBombError) as wrong:
        received = str(wrong)
    if received:
        raise LabError("the logo cannot be used", where=path, received=received, expected=expected)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
