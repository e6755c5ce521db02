"""The HTML, the PDF and the notebook of one report show the same numbers and the same figures, in both languages.

About twenty seconds a language: the whole report of a fabricated store, laid out three times. Cells that show items are run
in this process; that a kernel shows the same is tested where one is started.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from pypdf import PdfReader

from cnnlab.lab import Lab, load_lab
from cnnlab.notebook import open_lab
from cnnlab.store.store import RunStore
from report.build import page
from report.data.records import open_lab as open_records
from report.document.assembly import assemble
from report.document.model import Document
from report.document.provenance import printed
from report.evidence.language import Language
from report.notebook import build as notebook
from report.notebook.build import build_notebook
from report.notebook.outputs import bundle
from report.render.pdf import render_pdf
from tests import parity
from tests.whole_report import write_demo


class Made:
    """One report in its forms."""

    def __init__(self, store: RunStore, lab: Lab, code: str, out: Path) -> None:
        self.document: Document = assemble(open_records(store, "demo"), lab, Language(code))
        self.screen = parity.of_html(page(self.document, lab, out, "screen"))
        paper = page(self.document, lab, out, "print")
        self.paper = parity.of_html(paper)
        self.pdf = parity.of_pdf(PdfReader(io.BytesIO(render_pdf(paper).content)))
        book = json.loads(build_notebook(store, lab, self.document, out).read_bytes())
        found = parity.of_notebook(book)
        self.notebook = {heading: shown for heading, shown in found.items() if heading in self.screen}
        self.other_headings = [heading for heading in found if heading not in self.screen]
        self.quantities: list[dict[str, Any]] = printed(self.document)["quantities"]


@pytest.fixture(scope="module", params=["es", "en"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A report with everything in it."""
    folder, code = tmp_path_factory.mktemp("parity"), request.param
    store = write_demo(folder)
    lab = load_lab("demo", overrides=[f"lab.language={code}"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notebook, "execute", lambda book, *_, **__: _show_items(book, store, code))
        return Made(store, lab, code, folder / "out" / code)


def _show_items(book: Any, store: RunStore, code: str) -> None:
    """Run the cells that show items; the others pretend."""
    lab = open_lab("demo", runs=store.root, language=code)
    shown: list[Any] = []
    lab._show = shown.append  # type: ignore[method-assign]
    for count, cell in enumerate((cell for cell in book.cells if cell.cell_type == "code"), 1):
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("stream", text="ran")]
        if parity.ITEM.match(cell.source):
            eval(cell.source, {"lab": lab})
            data, metadata = bundle(shown.pop(), lab.language)
            data = {kind: _text(content) for kind, content in data.items()}
            cell.outputs = [nbformat.v4.new_output("display_data", data=data, metadata=metadata)]


def _text(content: str | bytes) -> str:
    return content if isinstance(content, str) else "iVBORw0KGgo="


def test_the_sections_are_the_same(made: Made) -> None:
    assert list(made.notebook) == list(made.screen) == list(made.paper)
    assert len(made.screen) > 16
    titles = set(made.document.part_titles.values())
    asked = 3  # bibliography and both appendices
    assert len([heading for heading in made.other_headings if heading not in titles]) == asked + 1  # and the title


def test_each_section_shows_the_same_numbers_as_often(made: Made) -> None:
    different = {}
    for heading, shown in made.screen.items():
        for name, other in {"PDF": made.paper[heading], "notebook": made.notebook[heading]}.items():
            if other.numbers != shown.numbers:
                different[name, heading] = (shown.numbers - other.numbers, other.numbers - shown.numbers)
    assert different == {}, "by form and section: the numbers that only the HTML has, and that only the other has"
    total = sum((shown.numbers for shown in made.screen.values()), start=type(made.pdf.numbers)())
    assert total.total() > 1500
    assert total - made.pdf.numbers == {}, "numbers of the HTML that the PDF has not as often"


def test_each_number_of_the_report_is_in_its_section_of_all_three(made: Made) -> None:
    headings = {section.key: section.heading for section in made.document.sections}
    lost = []
    for entry in made.quantities:
        heading = headings.get(entry["section"])
        if heading is None:  # the appendix
            continue
        text = parity.words(entry["text"])
        places = {"HTML": made.screen[heading], "notebook": made.notebook[heading]}
        lost += [(name, entry["id"]) for name, shown in places.items() if text not in _said(shown)]
        if parity.squeezed(text) not in made.pdf.squeezed + parity.squeezed(" ".join(made.pdf.descriptions)):
            lost.append(("PDF", entry["id"]))
    assert lost == []
    assert len(made.quantities) > 1200


def _said(shown: parity.Shown) -> str:
    return " ".join([shown.text, *shown.figures.values()])


def test_each_figure_is_there_with_the_same_description(made: Made) -> None:
    count = 0
    for heading, shown in made.notebook.items():
        screen, paper = made.screen[heading].figures, made.paper[heading].figures
        assert list(screen) == list(paper) == list(shown.figures), heading
        for label, alt in shown.figures.items():
            count += 1
            assert alt and alt in screen[label] and alt in paper[label], (heading, label)
    assert count > 25


def test_figures_of_the_pdf_are_described_too(made: Made) -> None:
    drawn = [placed.item for section in made.document.sections for placed in section.items if placed.kind == "figure"]
    charts = [parity.words(item.alt) for item in drawn if type(item).__name__ == "Figure"]  # type: ignore[union-attr]
    assert [alt for alt in charts if alt not in made.pdf.descriptions] == []


def test_the_files_of_a_real_run_agree(trained_lab: Path) -> None:
    """The same of files that the command line wrote, with a notebook that a kernel ran."""
    out = trained_lab / "out/shapes"
    screen = parity.of_html((out / "report.html").read_text(encoding="utf-8"))
    book = json.loads((out / "report.ipynb").read_bytes())
    found = {heading: shown for heading, shown in parity.of_notebook(book).items() if heading in screen}
    assert {heading: shown.numbers for heading, shown in found.items()} == {
        heading: shown.numbers for heading, shown in screen.items()
    }
    pdf = parity.of_pdf(PdfReader(out / "report.pdf"))
    for heading, shown in screen.items():
        assert shown.numbers - pdf.numbers == {}, heading
        assert list(shown.figures) == list(found[heading].figures), heading
    alts = [alt for shown in found.values() for alt in shown.figures.values()]
    assert len(alts) > 15


def test_a_number_that_differs_is_seen(trained_lab: Path) -> None:
    path = trained_lab / "out/shapes/report.ipynb"
    before, after = (parity.of_notebook(json.loads(path.read_bytes())) for _ in range(2))
    assert before == after
    text = path.read_text(encoding="utf-8")
    changed = parity.of_notebook(json.loads(text.replace("143.667.240", "143.667.241", 1)))
    different = [heading for heading in before if changed[heading].numbers != before[heading].numbers]
    assert len(different) == 1
