"""Texts that mean something to HTML, Jinja, Markdown, CSV readers or terminals are data wherever a report shows them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from pypdf import PdfReader

from cnnlab.errors import printable
from cnnlab.lab import Lab, load_lab
from cnnlab.store.store import RunStore
from report.build import build_report
from report.data.records import open_lab
from report.document.assembly import assemble
from report.document.provenance import printed
from report.document.rubric import template_folders
from report.evidence.language import Language
from report.evidence.quantity import csv_attachment
from report.notebook.writer import Cell, CellWriter
from report.render.html import render_html
from tests.fabricate import write_store
from tests.whole_report import NAMES_LAB

INJECTIONS = {
    "script": '"><script>alert(1)</script>',
    "attribute, single": "' onmouseover='alert(1)",
    "attribute, double": '" autofocus onfocus="alert(1)',
    "attribute, none": "x onfocus=alert(1) autofocus",
    "style": "</style><style>*{color:red}",
    "raw text": "</title></textarea></script><script>x()</script>",
    "comment": "--><!--<b>",
    "character data": "]]><b>x</b><![CDATA[",
    "processing": "<?php x ?>",
    "svg": "<svg/onload=alert(1)>",
    "references": "&lt;b&gt; &amp; &#60;b&#62;",
    "jinja": "{{7*7}}{% raw %}{#",
    "attribute of jinja": "{{ ''.__class__.__mro__ }}",
    "link": "[a](javascript:alert(1))",
    "image": "![i](http://127.0.0.1:9/x.png)",
    "autolink": "<file:///etc/passwd>",
    "code": "```x``` `y`",
    "table": "| a | b |",
    "heading": "# one",
    "underline": "=== under",
    "item": "12. twelve",
    "mathematics": r"\(x\) \[y\] $z$ $$w$$ \begin{align}",
    "formula, command": "=cmd|' /C calc'!A0",
    "formula, sum": "@SUM(1+1)*cmd|' /C calc'!A0",
    "terminal": "a\x1b[31mred\x1b]0;t\x07",
    "right to left": "\u202egnp.exe\u202c",
    "nul": "nul\x00byte",
    "half a character": "half\ud800",
    "token": "\ue000deadbeefx0\ue001",
    "token in an address": "%EE%80%80x",
    "lines": "one\r# two\r\n\r\n    three\n- four\t5",
    "long": "x" * 500,
    "include": "{% include 'x' %}",
    "path": "../../etc/passwd",
    "picture": "😀 smile",
    "arabic": "مرحبا",
}
HARMLESS = {key: f"name {index:02}" for index, key in enumerate(INJECTIONS)}


@dataclass(frozen=True)
class Built:
    """A report in which every text from outside is one of some texts: its page, its notebook's cells, its numbers' names."""

    page: str
    cells: list[Cell]
    names: list[str]

    @cached_property
    def prose(self) -> str:
        """The notebook's Markdown as a front end shows it that lets raw HTML through."""
        reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
        return "\n".join(reader.render(source) for kind, source in self.cells if kind == "markdown")

    @cached_property
    def texts(self) -> tuple[str, str]:
        """What is read in the page, and in the notebook's prose."""
        page, prose = (BeautifulSoup(html, "html.parser").get_text() for html in (self.page, self.prose))
        return spaced(page), spaced(prose)


def spaced(text: str) -> str:
    """The text with single spaces, as it is shown."""
    return " ".join(text.split())


def write(folder: Path, texts: Mapping[str, str], **report: str) -> tuple[RunStore, Lab]:
    """Records and a lab, with the texts as names of classes and files, of the lab, its authors and its data sets."""
    found = list(texts.values())
    findings = [
        {"kind": "undecodable", "severity": "warning", "count": 2, "detail": {found[0]: 2}, "sources": found[:16]},
        {"kind": "ignored", "severity": "info", "count": 2, "detail": {found[1]: 2}, "sources": found[16:]},
    ]
    store = write_store(
        folder / "runs", stem="names", language="en", classes={"clothes": found[::2], "digits": found[1::2]}, per_class=8,
        findings=findings, dataset=dict(zip(("title", "credit", "stand_in_for", "source"), found, strict=False)),
        leaks={"digits": [(18, 2, True), (19, 3, False)]}, baselines={"clothes": {}}, searches={"alexnet": {}},
        folds={"alexnet": [0.5, 0.6, None]}, diverged={"vgg19": found[7]},
    )  # fmt: skip
    (folder / "names.toml").write_text(NAMES_LAB)
    lab = load_lab(str(folder / "names.toml"))
    info = {"title": " ".join(found[:12]), "authors": tuple(found), "course": " ".join(found[12:-1])}
    file = lab.file.model_copy(
        update={
            "lab": lab.file.lab.model_copy(update=info),
            "style": lab.file.style.model_copy(update={"student_id": found[2]}),
            "report": lab.file.report.model_copy(update=report),
        }
    )
    return store, lab.model_copy(update={"file": file})


def build(folder: Path, texts: Mapping[str, str]) -> Built:
    """The whole report for the screen, and the cells of its notebook."""
    store, lab = write(folder, texts)
    document = assemble(open_lab(store, "names"), lab, Language("en"))
    page = render_html(document, "screen", templates=template_folders(lab), cache=folder / "figures")
    names = [one["name"] for one in printed(document)["quantities"] if one["section"] in ("activity-09", "activity-13")]
    return Built(page, CellWriter(store, lab, document, folder / "out").cells(), names)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("hostile"), INJECTIONS)


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("harmless"), HARMLESS)


def elements(page: str) -> Counter[tuple[str, tuple[str, ...]]]:
    """Every element with the names of its attributes, counted."""
    return Counter((tag.name, tuple(sorted(tag.attrs))) for tag in BeautifulSoup(page, "html.parser").find_all(True))


def test_page_and_notebook_have_the_elements_attributes_and_code_that_they_have_anyway(
    hostile: Built, harmless: Built
) -> None:
    assert elements(hostile.page) == elements(harmless.page)
    assert elements(hostile.prose) == elements(harmless.prose)
    addresses = re.findall(r'\b(?:href|src|action|formaction)="([^"]*)"', hostile.page)
    assert len(addresses) > 50 and all(one.startswith(("#", "data:", "https://")) for one in addresses)
    code, other = ([source for kind, source in one.cells if kind == "code"] for one in (hostile, harmless))
    assert len(code) > 20 and code == other


@pytest.mark.parametrize("key", INJECTIONS)
def test_page_and_notebook_show_them_literally(hostile: Built, key: str) -> None:
    assert all(spaced(printable(INJECTIONS[key])) in text for text in hostile.texts)
    assert any(INJECTIONS[key] in name for name in hostile.names), "the numbers of every class are listed"


def test_nothing_is_shown_that_a_terminal_a_file_or_mathematics_would_obey(hostile: Built) -> None:
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]", hostile.page)
    assert not any(re.search("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", source) for _, source in hostile.cells)
    prose = "\n".join(source for kind, source in hostile.cells if kind == "markdown")
    assert not re.search(r"(?<!\\)\$|\\\\[(\[]|\\(?:begin|end)\{", prose)


FORMULAS = ("=1+1", "+1", "-5", "@A1", "\t=1", "\r=1", "\n=1", "  =1", "\N{FULLWIDTH EQUALS SIGN}1")


@pytest.mark.parametrize(("key", "text"), [*INJECTIONS.items(), *(("formula", text) for text in FORMULAS)])
def test_a_csv_file_holds_them_as_one_quoted_text_that_is_no_formula(key: str, text: str) -> None:
    file = csv_attachment("x.csv", ["class", text], [[text, 1.5], ["b", None]]).text
    (_, head), (cell, number), (_, empty) = csv.reader(io.StringIO(file, newline=""))
    assert (number, empty) == ("1.5", "") and head == cell
    assert cell.endswith(printable(text)) and not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))
    assert (cell != printable(text)) == (key.startswith(("formula", "underline", "comment")))


def test_the_pdf_prints_them_literally(tmp_path: Path) -> None:
    unreadable = {"right to left", "token", "terminal", "nul", "half a character", "picture", "arabic"}  # or reordered
    texts = {key: text for key, text in INJECTIONS.items() if key not in unreadable}
    store, lab = write(tmp_path, texts, rubric="exercises")
    build_report(store, lab, tmp_path / "out", {"pdf"})
    text = "".join(page.extract_text() for page in PdfReader(tmp_path / "out" / "report.pdf").pages)
    plain = "".join(text.split())
    for key, one in texts.items():
        assert "".join(one.split()) in plain, key
