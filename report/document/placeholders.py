"""Words in a section that only keep a place: TODO, “por escribir”, “lorem ipsum”, a lone “…”."""

from __future__ import annotations

import re
from dataclasses import dataclass

from report.document.model import Paragraph, SectionText
from report.evidence.language import NBSP

_SHOUTED = re.compile(r"\b(?:TODO|TBD|FIXME)\b")  # “todo” in small letters is a common word in Spanish
_SAID = re.compile(r"\b(?:por escribir|to be written|lorem ipsum|x{3,})\b", re.IGNORECASE)
_LONE_DOTS = re.compile(r"(?:^|(?<=[\s*\[(]))(?:…|\.{3})(?=[\s*.\])]*$)")
_TEMPLATE = re.compile(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_ESCAPED = re.compile(r"\\([^\w\s]|_)")


@dataclass(frozen=True)
class Placeholder:
    """A placeholder: its paragraph, its words, and their line in the commentary file."""

    paragraph: Paragraph
    text: str
    line: int


def placeholders(section: SectionText) -> list[Placeholder]:
    """Those that stand in the section's text and were written in its file: a class may be called “xxx”."""
    found, written = [], typed(section)
    for paragraph in section.paragraphs:
        said = plain(paragraph.text)
        for pattern in (_SHOUTED, _SAID, _LONE_DOTS):
            if (match := pattern.search(said)) and match[0] in written:
                found.append(Placeholder(paragraph, match[0], written[: written.index(match[0])].count("\n") + 1))
                break
    return found


def typed(section: SectionText) -> str:
    """What its author wrote in its file, line by line, without what the template engine puts there."""
    return _TEMPLATE.sub(_blank, section.path.read_text(encoding="utf-8")) if section.path else ""


def plain(text: str) -> str:
    """Markdown without its escapes and emphasis, blanks alike."""
    return _ESCAPED.sub(r"\1", text.replace("**", "").replace(NBSP, " ")).strip()


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")
