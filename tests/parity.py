"""What the HTML, the PDF and the notebook of one report show, in terms that can be compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bs4 import BeautifulSoup, Tag
from markdown_it import MarkdownIt
from pypdf import PdfReader

from tests.notebook_files import source

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
ITEM = re.compile(r"lab\.(figure|table|gallery)\(")
LABEL = re.compile(r"(Figura|Figure) \d+")

NOT_IN_HTML = {
    "Las redes y su entrenamiento": "the code of the networks and of their training is the notebook's own",
    "The networks and their training": "the same in English",
}
"""Headings of the notebook that the HTML has not, with why."""

NOT_IN_NOTEBOOK = ("bibliography", "appendix", "asked")
"""Parts of the HTML that are no sections of the report; the notebook has them as text below headings of its own."""


@dataclass
class Shown:
    """Of one section: the numbers in its text, captions, tables and grids, and the figures' descriptions by label."""

    numbers: Counter[str] = field(default_factory=Counter)
    figures: dict[str, str] = field(default_factory=dict)
    text: str = ""


def numbers(text: str) -> Counter[str]:
    """Every number of a text, as it is printed."""
    return Counter(NUMBER.findall(text))


def words(text: str) -> str:
    """A text with single spaces."""
    return " ".join(text.replace("\u00ad", "").split())


def of_html(page: str) -> dict[str, Shown]:
    """Each section by its heading."""
    dom = BeautifulSoup(page, "html.parser")
    sections = [tag for tag in dom.select("main > section[id]") if tag["id"] not in NOT_IN_NOTEBOOK]
    return {_heading(section): _html_section(section) for section in sections}


def _heading(section: Tag) -> str:
    heading = section.select_one(".section")
    assert heading is not None
    return str(heading["data-head"])


def _html_section(section: Tag) -> Shown:
    figures = {}
    for figure in section.select("figure"):
        label = figure.select_one("figcaption .label")
        if label is not None and (found := LABEL.match(words(label.get_text()))):
            figures[found[0]] = words(" ".join([figure.get_text(" "), *_attributes(figure)]))
    copy = BeautifulSoup(str(section), "html.parser")
    for tag in copy.select("svg, pre, .section, .hidden, .pad"):
        tag.replace_with(" ")
    text = words(copy.get_text(" "))
    return Shown(numbers(text), figures, text)


def _attributes(figure: Tag) -> Iterator[str]:
    for tag in figure.find_all(True):
        yield from (str(tag[name]) for name in ("alt", "aria-label", "title") if tag.has_attr(name))


def of_notebook(book: dict[str, Any]) -> dict[str, Shown]:
    """Each section by its heading, without what only the notebook has."""
    found: dict[str, Shown] = {}
    heading, alt = "", ""
    for cell in book["cells"]:
        text = source(cell)
        if cell["cell_type"] == "markdown":
            dom = BeautifulSoup(_markdown(text), "html.parser")
            title = dom.find(True)
            if isinstance(title, Tag) and title.name in ("h1", "h2", "h3"):  # others are the prose's own
                heading = title.get_text()
                title.replace_with(" ")
            for tag in dom.select("pre"):
                tag.replace_with(" ")
            shown = words(dom.get_text(" "))
            if alt and (label := LABEL.match(shown)):
                found[heading].figures[label[0]] = alt
            alt = ""
        elif call := ITEM.match(text):
            data = {kind: "".join(content) for kind, content in cell["outputs"][0]["data"].items()}
            first, _, rest = data["text/plain"].partition("\n")
            alt = "" if call[1] == "table" else words(first)
            shown = BeautifulSoup(data["text/html"], "html.parser").get_text(" ") if call[1] == "table" else rest
        else:
            continue
        section = found.setdefault(heading, Shown())
        section.text = words(f"{section.text} {shown}")
        section.numbers += numbers(shown)
    return {heading: shown for heading, shown in found.items() if heading not in NOT_IN_HTML}


def _markdown(text: str) -> str:
    return MarkdownIt("commonmark", {"html": False}).enable("table").render(text)


@dataclass
class Pdf:
    """A PDF's numbers, its text without any space, and the descriptions of its figures."""

    numbers: Counter[str]
    squeezed: str
    descriptions: list[str]


def of_pdf(reader: PdfReader) -> Pdf:
    """What pypdf finds in it."""
    text = "\n".join(page.extract_text() for page in reader.pages)
    alts = list(_alts(reader.trailer["/Root"]["/StructTreeRoot"], set()))  # type: ignore[index]
    return Pdf(numbers(text), squeezed(text), alts)


def squeezed(text: str) -> str:
    """A text without spaces, which lines of a PDF are broken at."""
    return re.sub(r"[\s\u00ad\u200b]+", "", text)


def _alts(node: Any, seen: set[int]) -> Iterator[str]:
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, list):
        for child in node:
            yield from _alts(child, seen)
    elif isinstance(node, dict) and id(node) not in seen:
        seen.add(id(node))
        if "/Alt" in node:
            yield words(str(node["/Alt"]))
        if "/K" in node:
            yield from _alts(node["/K"], seen)
