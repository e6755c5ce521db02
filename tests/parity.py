"""What the HTML, the PDF and the notebook of one report show, in terms that can be compared."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from markdown_it import MarkdownIt
from pypdf import PdfReader

from cnnlab.lab import load_lab
from cnnlab.notebook import open_lab
from cnnlab.store.store import RunStore
from report.build import page
from report.data.records import open_lab as open_records
from report.document.assembly import assemble
from report.document.provenance import printed
from report.evidence.language import Language
from report.notebook import build as notebook
from report.notebook.outputs import bundle
from report.render.pdf import render_pdf
from tests.notebook_files import source
from tests.whole_report import write_demo

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
ITEM = re.compile(r"lab\.(figure|table|gallery)\(")
LABEL = re.compile(r"(Figura|Figure) \d+")

NOT_IN_HTML = ("Las redes y su entrenamiento", "The networks and their training")
"""Headings of the notebook that the HTML has not: the code of the networks and of their training is the notebook's own."""

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
    return {str(section.select(".section")[0]["data-head"]): _html_section(section) for section in sections}


def _html_section(section: Tag) -> Shown:
    figures = {}
    for figure in section.select("figure"):
        label = figure.select_one("figcaption .label")
        if label is not None and (found := LABEL.match(words(label.get_text()))):
            said = [
                tag[name]
                for tag in figure.find_all(True)
                for name in ("alt", "aria-label", "title")
                if tag.has_attr(name)
            ]
            figures[found[0]] = words(" ".join([figure.get_text(" "), *map(str, said)]))
    copy = BeautifulSoup(str(section), "html.parser")
    for tag in copy.select("svg, pre, .section, .hidden, .pad"):
        tag.replace_with(" ")
    text = words(copy.get_text(" "))
    return Shown(numbers(text), figures, text)


def of_notebook(book: dict[str, Any]) -> dict[str, Shown]:
    """Each section by its heading, without what only the notebook has."""
    found: dict[str, Shown] = {}
    heading, alt, markdown = "", "", MarkdownIt("commonmark", {"html": False}).enable("table")
    for cell in book["cells"]:
        text = source(cell)
        if cell["cell_type"] == "markdown":
            dom = BeautifulSoup(markdown.render(text), "html.parser")
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


def squeezed(text: str) -> str:
    """A text without spaces, which lines of a PDF are broken at."""
    return re.sub(r"[\s\u00ad\u200b]+", "", text)


class Pdf:
    """A PDF's numbers, its text without any space, and the descriptions of its figures."""

    def __init__(self, reader: PdfReader) -> None:
        text = "\n".join(page.extract_text() for page in reader.pages)
        self.numbers, self.squeezed = numbers(text), squeezed(text)
        self.descriptions = list(_alts(reader.trailer["/Root"]["/StructTreeRoot"], set()))  # type: ignore[index]


def _alts(node: Any, seen: set[int]) -> Iterator[str]:
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, list):
        for child in node:
            yield from _alts(child, seen)
    elif isinstance(node, dict) and id(node) not in seen:
        seen.add(id(node))
        if "/Alt" in node:
            yield words(str(node["/Alt"]))
        yield from _alts(node.get("/K"), seen)


class Forms:
    """The report of a fabricated store with everything in it, as page, paper, PDF and notebook, in `folder`.

    Cells that show items are run in this process; that a kernel shows the same is tested where one is started.
    """

    def __init__(self, folder: Path, code: str) -> None:
        store, lab, out = write_demo(folder), load_lab("demo", overrides=[f"lab.language={code}"]), folder / "out"
        self.document = assemble(open_records(store, "demo"), lab, Language(code))
        self.screen = of_html(page(self.document, lab, out, "screen"))
        self.page = page(self.document, lab, out, "print")
        self.paper = of_html(self.page)
        self.reader = PdfReader(io.BytesIO(render_pdf(self.page).content))
        self.pdf = Pdf(self.reader)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(notebook, "execute", lambda book, *_, **__: _show_items(book, store, code))
            book = json.loads(notebook.build_notebook(store, lab, self.document, out).read_bytes())
        found = of_notebook(book)
        self.notebook = {heading: shown for heading, shown in found.items() if heading in self.screen}
        self.other_headings = [heading for heading in found if heading not in self.screen]
        self.quantities: list[dict[str, Any]] = printed(self.document)["quantities"]


def _show_items(book: Any, store: RunStore, code: str) -> None:
    """Run the cells that show items; the others pretend."""
    lab, shown = open_lab("demo", runs=store.root, language=code), list[Any]()
    lab._show = shown.append  # type: ignore[method-assign]
    for count, cell in enumerate((cell for cell in book.cells if cell.cell_type == "code"), 1):
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("stream", text="ran")]
        if ITEM.match(cell.source):
            eval(cell.source, {"lab": lab})
            data, metadata = bundle(shown.pop(), lab.language)
            data = {kind: one if isinstance(one, str) else "iVBORw0KGgo=" for kind, one in data.items()}
            cell.outputs = [nbformat.v4.new_output("display_data", data=data, metadata=metadata)]
