"""The accent colour of a lab's house style, as the style sheet that lays it over the report's own."""

from __future__ import annotations

from typing import Literal

from cnnlab.style import readable
from report.figures.theme import COLOURS

DARK_CONTRAST = 7.0
"""Least contrast of the accent on the dark page, where it is lightened until it has it."""

_SCREEN = """:root {{ --accent: {light}; --link: var(--accent) }}
@media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark} }} }}
.course {{ color: var(--accent) }}
h2.part {{ border-top-color: var(--accent) }}
nav li li a[aria-current], pre.code {{ border-left-color: var(--accent) }}"""

_PRINT = """a, .course {{ color: {light} }}
header.title, h2.part {{ border-top-color: {light} }}
pre.code {{ border-left-color: {light} }}"""


def accent_css(accent: str, medium: Literal["screen", "print"]) -> str:
    """Links, rules and the course in the accent; the figures keep their colours, which mean networks."""
    sheet = _SCREEN if medium == "screen" else _PRINT
    return sheet.format(light=accent, dark=dark_accent(accent))


def dark_accent(accent: str) -> str:
    """The accent as it can be read on the dark page."""
    return readable(accent, COLOURS["paper"][1], DARK_CONTRAST)
