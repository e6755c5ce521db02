"""Markdown of the prose as HTML."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from markdown_it import MarkdownIt

from cnnlab.errors import TemplateProblem
from report.document.problems import line_of

_BEFORE_PERCENT = re.compile(r"(?<=\d) %")


def markdown_html(source: str, path: Path | None = None, *, level: int = 4) -> str:
    """Markdown (with tokens) as HTML. Raw HTML prints literally; only harmless addresses become links.

    The space of "95 %" becomes one that does not break.

    Args:
        level: what `####` becomes, so that no level is left out under the section's own heading.

    Raises:
        TemplateProblem: a heading above level 4, the levels above being the document's own.
    """
    parsed = parser().parse(source)
    for part in (child for token in parsed for child in token.children or () if child.type == "text"):
        part.content = _BEFORE_PERCENT.sub("\u00a0%", part.content)
    for token, text in zip(parsed, [*parsed[1:], None], strict=True):
        if token.type in ("heading_open", "heading_close"):
            if token.tag in ("h1", "h2", "h3"):
                title = text.content if text else ""
                raise TemplateProblem(
                    "a heading in the prose is too high",
                    where=line_of(path, r"(?m)^ {0,3}#{1,3}\s") if path else None,
                    received=title,
                    expected="#### or lower",
                )
            token.tag = f"h{int(token.tag[1]) - 4 + level}"
    return str(parser().renderer.render(parsed, parser().options, {}))


def under_heading(source: str, level: int) -> str:
    """The Markdown of prose with its headings moved up to stand right under one of `level` (`####` fits level 3)."""
    lines = source.split("\n")
    for token in parser().parse(source):
        if token.type == "heading_open" and token.map and token.markup.startswith("####"):
            first = token.map[0]
            lines[first] = lines[first].replace(token.markup, "#" * (len(token.markup) - 3 + level), 1)
    return "\n".join(lines)


@lru_cache
def parser() -> MarkdownIt:
    """The one dialect of Markdown of reports and notebooks: CommonMark with tables, without raw HTML and pictures."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
