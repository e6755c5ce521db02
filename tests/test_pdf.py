"""The PDF: tagged, named, bookmarked, whole; what is missing is told; nothing is left of the process that makes it."""

from __future__ import annotations

import os
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from cnnlab.errors import Incomplete
from report.build import page
from report.data.records import open_lab
from report.document.assembly import assemble
from report.evidence.language import Language
from report.render import pdf
from tests.pages import REFERENCES, SECTIONS, write_lab


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> PdfReader:
    folder = tmp_path_factory.mktemp("pdf")
    store, lab = write_lab(folder)
    document = assemble(open_lab(store, "demo"), lab, Language("es"), sections=SECTIONS, references=REFERENCES)
    content, *said = pdf.render_pdf(page(document, lab, folder / "out", "print"))
    assert said == [[], []], "nothing is missing, and nothing is said"
    return PdfReader(BytesIO(content))


def test_pages_are_numbered_and_name_their_activity_and_contents_give_page_numbers(reader: PdfReader) -> None:
    texts = [sheet.extract_text() for sheet in reader.pages]
    assert all(f"página {number} de {len(texts)}" in text for number, text in enumerate(texts, 1))
    assert any("Actividad 7: Contenido" in text for text in texts)
    assert "Bibliografía" in texts[0] and max(texts[0].count("....."), texts[0].count(". . .")) >= 4


def test_code_is_whole_and_inside_the_page_and_figures_are_vectors(reader: PdfReader) -> None:
    text = "".join("".join(sheet.extract_text() for sheet in reader.pages).split())
    assert 'padding="same",name="block1_conv1"))' in text
    for sheet in reader.pages:
        starts: list[float] = []

        def note(words: str, cm: Any, tm: Any, font: Any, size: Any, starts: list[float] = starts) -> None:
            if words.strip() and font and "Code" in str(font["/BaseFont"]):
                starts.append(tm[4] * cm[0] + tm[5] * cm[2] + cm[4])

        sheet.extract_text(visitor_text=note)
        assert all(50 < x < float(sheet.mediabox.width) - 60 for x in starts)
    images = [image for sheet in reader.pages for image in sheet.images]
    assert {(image.image.width, image.image.height) for image in images if image.image} <= {(32, 32)}


@pytest.mark.parametrize(
    ("body", "missing", "heard"),
    [
        ("<style>p { no-such-property: 1 }</style><p>x", [], ["no-such-property"]),
        ("<style>@font-face { font-family: q; src: url(data:font/ttf;base64,AAAA) }</style><p>x",
         ["missing from the PDF: Font-face 'q' cannot be loaded"], []),
        ("<p>a \U0010fffd b \U0010fffd", ["in place of \U0010fffd: no font on this machine has these characters. Install one"], []),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_once_and_what_changes_nothing_apart(
    body: str, missing: list[str], heard: list[str]
) -> None:
    content, *found = pdf.render_pdf(f"<html lang=en><title>t</title>{body}")
    assert content.startswith(b"%PDF-")
    for texts, words in zip(found, (missing, heard), strict=True):
        assert len(texts) == len(words) and all(one in text for one, text in zip(words, texts, strict=True)), texts


APT, DNF, BREW = "apt-get install libpango-1.0-0 libpangoft2-1.0-0", "dnf install pango", "brew install pango"


@pytest.mark.parametrize(
    ("release", "system", "told"),
    [
        ({"ID": "debian"}, "linux", [APT]),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "linux", [APT]),
        ({"ID": "fedora"}, "linux", [DNF]),
        ({"ID": "arch"}, "linux", [APT, DNF, BREW]),
        (None, "darwin", [BREW]),
        (None, "linux", [APT, DNF, BREW]),
    ],
)
def test_missing_pango_is_told_with_what_to_install(
    release: dict[str, str] | None, system: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> dict[str, str]:
        if release is None:
            raise OSError
        return release

    assert pdf.pango_problem() is None
    monkeypatch.setattr(pdf, "_loads", lambda file: "pango" not in file)
    monkeypatch.setattr("platform.freedesktop_os_release", read)
    monkeypatch.setattr("sys.platform", system)
    problem = pdf.pango_problem()
    assert problem and "lacks pango-1.0, pangoft2-1.0 (Pango)" in problem
    assert [line for line in (APT, DNF, BREW) if line in problem] == told


def test_a_line_is_broken_at_its_end_whatever_the_measure() -> None:
    text = "Las redes frente a AlexNet, con la misma receta: <strong>todas son mejores</strong> en las mismas imágenes."
    rows = "".join(f'<p style="margin-right: {i * 0.3:.1f}mm">{text}</p>' for i in range(300))
    style = "<style>@page { size: 190mm 300mm; margin: 10mm }</style>"
    content = pdf.render_pdf(f"<html lang=es><title>t</title>{style}<body>{rows}</body></html>").content
    lines = [line.strip() for sheet in PdfReader(BytesIO(content)).pages for line in sheet.extract_text().splitlines()]
    assert sum(line.startswith("Las redes") for line in lines) == 300


PAGE = "<html lang=es><title>Uno</title><p>Año {} \N{CHECK MARK}</p>"


def test_its_process_makes_what_is_made_here_and_tells_what_is_wrong() -> None:
    wrong = PAGE.format("<img alt=x src='http://example.org/x.png'>\U0010fffd")
    with pdf.PdfProcess() as paper:
        paper.begin(wrong)
        made = paper.result()
    assert made == pdf.render_pdf(wrong) and made.content[:5] == b"%PDF-"
    assert ["http://example.org/x.png" in one for one in made.missing] == [True, False]


@pytest.mark.parametrize("step", ["begin", "result"])
def test_a_process_that_is_ended_is_told(step: str) -> None:
    with pdf.PdfProcess() as paper, pytest.raises(Incomplete, match="code -9"):
        if step == "result":
            paper.begin(PAGE.format(1))
        paper._process.kill()
        paper._process.join()
        paper.begin(PAGE.format(1)) if step == "begin" else paper.result()


@pytest.mark.parametrize("begun", [False, True])
def test_nothing_of_it_is_left_when_the_build_ends(begun: bool) -> None:
    with pytest.raises(KeyboardInterrupt), pdf.PdfProcess() as paper:
        pid = paper._process.pid or 0
        if begun:
            paper.begin(PAGE.format("word " * 200_000))
        raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
