"""Markdown of the prose as HTML, in the one dialect of reports and notebooks."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

from cnnlab.errors import TemplateProblem
from report.document.problems import line_of

_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def markdown_html(source: str, path: Path | None = None, *, level: int = 4) -> str:
    """Markdown (with tokens) as HTML. Raw HTML prints literally; only harmless addresses become links.

    The space of "95 %" becomes one that does not break.

    Args:
        level: what `####` becomes, so that no level is left out under the section's own heading.

    Raises:
        TemplateProblem: a heading above level 4, the levels above being the document's own.
    """
    parsed = _PARSER.parse(source)
    for index, token in enumerate(parsed):
        for part in token.children or ():
            part.content = re.sub(r"(?<=\d) %", "\u00a0%", part.content) if part.type == "text" else part.content
        if token.type == "heading_open" and token.tag in ("h1", "h2", "h3"):
            where = line_of(path, r"(?m)^ {0,3}#{1,3}\s") if path else None
            received = parsed[index + 1].content
            raise TemplateProblem(
                "a heading in the prose is too high", where=where, received=received, expected="#### or lower"
            )
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{int(token.tag[1]) - 4 + level}"
    return str(_PARSER.renderer.render(parsed, _PARSER.options, {}))


def under_heading(source: str, level: int) -> str:
    """The Markdown of prose with its headings moved up to stand right under one of `level` (`####` fits level 3)."""
    lines = source.split("\n")
    for token in _PARSER.parse(source):
        if token.type == "heading_open" and token.map and token.markup.startswith("####"):
            first = token.map[0]
            lines[first] = lines[first].replace(token.markup, "#" * (len(token.markup) - 3 + level), 1)
    return "\n".join(lines)
