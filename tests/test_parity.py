"""The HTML, the PDF and the notebook of one report show the same numbers and the same figures, in both languages."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests import parity
from tests.parity import Forms


@pytest.fixture(params=["es", "en"])
def made(request: pytest.FixtureRequest, forms: Callable[[str], Forms]) -> Forms:
    """The report in each language."""
    return forms(request.param)


def test_the_sections_are_the_same(made: Forms) -> None:
    assert list(made.notebook) == list(made.screen) == list(made.paper)
    assert len(made.screen) > 16
    titles = set(made.document.part_titles.values())
    asked = 3  # bibliography and both appendices
    assert len([heading for heading in made.other_headings if heading not in titles]) == asked + 1  # and the title


def test_each_section_shows_the_same_numbers_as_often(made: Forms) -> None:
    different = {}
    for heading, shown in made.screen.items():
        for name, other in {"PDF": made.paper[heading], "notebook": made.notebook[heading]}.items():
            if other.numbers != shown.numbers:
                different[name, heading] = (shown.numbers - other.numbers, other.numbers - shown.numbers)
    assert different == {}, "by form and section: the numbers that only the HTML has, and that only the other has"
    total = sum((shown.numbers for shown in made.screen.values()), start=Counter[str]())
    assert total.total() > 1500
    assert total - made.pdf.numbers == {}, "numbers of the HTML that the PDF has not as often"


def test_each_number_of_the_report_is_in_its_section_of_all_three(made: Forms) -> None:
    lost, headings = [], {section.key: section.heading for section in made.document.sections}
    paper = made.pdf.squeezed + parity.squeezed(" ".join(made.pdf.descriptions))
    for entry in (entry for entry in made.quantities if entry["section"] in headings):  # the appendix is none
        text, heading = parity.words(entry["text"]), headings[entry["section"]]
        for name, shown in {"HTML": made.screen[heading], "notebook": made.notebook[heading]}.items():
            if text not in " ".join([shown.text, *shown.figures.values()]):
                lost.append((name, entry["id"]))
        if parity.squeezed(text) not in paper:
            lost.append(("PDF", entry["id"]))
    assert lost == [] and len(made.quantities) > 1200


def test_each_figure_is_there_with_the_same_description(made: Forms) -> None:
    count = 0
    for heading, shown in made.notebook.items():
        screen, paper = made.screen[heading].figures, made.paper[heading].figures
        assert list(screen) == list(paper) == list(shown.figures), heading
        for label, alt in shown.figures.items():
            count += 1
            assert alt and alt in screen[label] and alt in paper[label], (heading, label)
    assert count > 25
    drawn = [placed.item for section in made.document.sections for placed in section.items if placed.kind == "figure"]
    charts = [parity.words(item.alt) for item in drawn if type(item).__name__ == "Figure"]  # type: ignore[union-attr]
    assert [alt for alt in charts if alt not in made.pdf.descriptions] == []


def test_the_files_of_a_real_run_agree_and_a_number_that_differs_is_seen(trained_lab: Path) -> None:
    """The same of files that the command line wrote, with a notebook that a kernel ran."""
    out = trained_lab / "out/shapes"
    screen = parity.of_html((out / "report.html").read_text(encoding="utf-8"))
    text = (out / "report.ipynb").read_text(encoding="utf-8")
    every = parity.of_notebook(json.loads(text))
    found = {heading: shown for heading, shown in every.items() if heading in screen}
    assert {heading: shown.numbers for heading, shown in found.items()} == {
        heading: shown.numbers for heading, shown in screen.items()
    }
    pdf = parity.Pdf(PdfReader(out / "report.pdf"))
    for heading, shown in screen.items():
        assert shown.numbers - pdf.numbers == {}, heading
        assert list(shown.figures) == list(found[heading].figures), heading
    assert sum(len(shown.figures) for shown in found.values()) > 15
    changed = parity.of_notebook(json.loads(text.replace("143.667.240", "143.667.241", 1)))
    assert len([heading for heading in every if changed[heading].numbers != every[heading].numbers]) == 1
