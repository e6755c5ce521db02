"""Class and file names that mean something to HTML, Jinja, Markdown, terminals or paths are data in every format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from cnnlab.lab import load_lab
from report.build import build_report
from tests.fabricate import write_store
from tests.whole_report import NAMES_LAB

NAMES = [
    '"><script>alert(1)</script>',
    "{{7*7}}",
    "{% include 'x' %}",
    "../../etc/passwd",
    "<img src=x onerror=alert(1)>",
    "a" * 255,
    "😀 smile",
    "مرحبا",
    "**bold** [link](http://example.org)",
    "`code` | cell | $x^2$",
    "&amp; &lt;",
    "'; DROP TABLE--",
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole report, every section, of two data sets whose classes and files have such names."""
    folder = tmp_path_factory.mktemp("names")
    findings = [
        {"kind": "undecodable", "severity": "warning", "count": 2, "detail": {NAMES[0]: 2}, "sources": NAMES[:3]},
        {"kind": "ignored", "severity": "info", "count": 2, "detail": {NAMES[1]: 2}, "sources": NAMES[3:6]},
    ]
    store = write_store(
        folder / "runs",
        stem="names",
        language="en",
        classes={"clothes": NAMES, "digits": NAMES[::-1]},
        findings=findings,
        leaks={"digits": [(90, 2, True), (91, 3, False)]},
    )
    (folder / "names.toml").write_text(NAMES_LAB)
    build_report(store, load_lab(str(folder / "names.toml")), folder / "out", {"html", "pdf"})
    return folder / "out"


def test_no_element_of_the_page_comes_from_a_name(out: Path) -> None:
    dom = BeautifulSoup((out / "report.html").read_text(encoding="utf-8"), "html.parser")
    assert len(dom.select("script")) == 1
    assert dom.select("[onerror], [onload], img[src=x], a[href='http://example.org']") == []
    text = dom.get_text()
    for name in NAMES:
        assert name in text, name
    heads = [cell.get_text() for cell in dom.select("table th, table td")]
    assert all(any(name in head for head in heads) for name in NAMES)


def test_the_pdf_prints_them_as_they_are(out: Path) -> None:
    text = "".join(page.extract_text() for page in PdfReader(out / "report.pdf").pages)
    plain = "".join(text.split())
    for name in (NAMES[0], NAMES[1], NAMES[2], NAMES[3], NAMES[4], NAMES[8], NAMES[10]):
        assert "".join(name.split()) in plain, name


def test_the_numbers_of_every_class_are_listed(out: Path) -> None:
    content = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert content["title"] == "Names"
    cells = [one["name"] for one in content["quantities"] if one["section"] == "activity-09"]
    assert all(any(name in cell for cell in cells) for name in NAMES)
