"""The house style of a lab: its logo, accent colour and student number are checked, shown, and change no run."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from PIL import Image
from pypdf import PdfReader

from cnnlab.errors import LabError
from cnnlab.lab import Lab, load_lab
from cnnlab.store.store import RunStore
from cnnlab.style import PAGE, HouseStyle, contrast, readable
from report.build import page
from report.data.records import open_lab
from report.document.assembly import assemble
from report.document.model import Document
from report.evidence.language import Language
from report.figures.theme import COLOURS
from report.notebook.writer import CellWriter
from report.render.assets import accent_css, logo_uri
from report.render.pdf import render_pdf
from tests.pages import REFERENCES, SECTIONS, write_lab

WriteLab = Callable[..., Path]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">{}</svg>'
SHAPES = (
    '<defs><linearGradient id="g"><stop offset="0" stop-color="red"/></linearGradient></defs>'
    '<style>.a{fill:url(#g)}</style><path class="a" d="M0 0h9v9z"/><use xlink:href="#g"/>'
)


def made(folder: Path, **style: object) -> tuple[RunStore, Lab, Document]:
    store, lab = write_lab(folder)
    file = lab.file.model_copy(update={"style": HouseStyle.model_validate(style)})
    lab = lab.model_copy(update={"file": file})
    document = assemble(open_lab(store, "demo"), lab, Language("es"), sections=SECTIONS, references=REFERENCES)
    return store, lab, document


def rendered(folder: Path, medium: str, **style: object) -> str:
    _, lab, document = made(folder, **style)
    return page(document, lab, folder / "out", medium)


def picture(kind: str, size: tuple[int, int] = (6, 4)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (138, 21, 56)).save(buffer, kind)
    return buffer.getvalue()


def test_the_title_block_shows_logo_and_number_and_the_page_takes_the_accent(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text(SVG.format(SHAPES))
    style = {"logo": tmp_path / "logo.svg", "accent": "#8A1538", "student_id": "20<b>-7"}
    dom = BeautifulSoup(rendered(tmp_path, "screen", **style), "html.parser")
    (logo,) = dom.select("header img.logo")
    content = base64.b64decode(str(logo["src"]).removeprefix("data:image/svg+xml;base64,"))
    assert logo["alt"] == "Logotipo" and content == (tmp_path / "logo.svg").read_bytes()
    assert [one.text for one in dom.select("header .student")] == ["Número de estudiante: 20<b>-7"]
    sheet = dom.select("style")[0].text
    assert "--accent: #8a1538; --link: var(--accent)" in sheet
    assert accent_css("#8a1538", "screen") in sheet and "dark) { :root { --accent: " in sheet
    plain = BeautifulSoup(rendered(tmp_path, "screen"), "html.parser")
    assert plain.select("img.logo, .student") == [] and "--accent:" not in plain.select("style")[0].text


def test_the_pdf_has_number_and_logo_and_the_notebook_the_number(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(picture("PNG"))
    style = {"logo": tmp_path / "logo.png", "accent": "#8a1538", "student_id": "20-7"}
    reader = PdfReader(io.BytesIO(render_pdf(rendered(tmp_path, "print", **style)).content))
    assert "Número de estudiante: 20-7" in reader.metadata["/Keywords"]  # type: ignore[index]
    assert "Número de estudiante: 20-7" in reader.pages[0].extract_text()
    assert (6, 4) in [one.image.size for one in reader.pages[0].images if one.image]
    kind, title = CellWriter(*made(tmp_path, **style), tmp_path / "out").cells()[0]
    assert kind == "markdown" and "Número de estudiante: 20-7" in title.replace("\\", "")


def test_pictures_are_known_by_their_content(tmp_path: Path) -> None:
    for kind in ("PNG", "JPEG"):
        (tmp_path / "logo.any").write_bytes(picture(kind))
        encoded = base64.b64encode(picture(kind)).decode()
        assert logo_uri(tmp_path / "logo.any") == f"data:image/{kind.lower()};base64,{encoded}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"GIF89a", "expected: a PNG, JPEG or SVG file"),
        (b"", "expected: a PNG, JPEG or SVG file"),
        (b"<html xmlns='http://www.w3.org/1999/xhtml'/>", "begins with <.*html>"),
        (b"<svg/>", "begins with <svg>"),
        (picture("PNG")[:40], "cannot be used"),
        (picture("PNG", (4097, 1)), "at most 4096 pixels a side"),
        (picture("JPEG") + bytes(513 * 1024), "at most 512 KiB"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "logo").write_bytes(content)
    with pytest.raises(LabError, match=said):
        logo_uri(tmp_path / "logo")
    with pytest.raises(LabError, match="relative to the lab file"):
        logo_uri(tmp_path / "nowhere.png")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('accent = "red"', ["style.accent", "#rrggbb"]),
        ('accent = "#777777"', ["style.accent", "4.47", "#767676 would do"]),
        ('accent = "#ffff00"', ["style.accent", "1.07"]),
        ('student_id = ""', ["style.student_id", "1 to 64"]),
        ('student_id = "a\\nb"', ["style.student_id", "one line"]),
        ('acent = "#000000"', ["unknown key", "style.acent", "did you mean “accent”"]),
    ],
)
def test_a_wrong_style_is_one_clear_message(write_lab: WriteLab, line: str, said: list[str]) -> None:
    with pytest.raises(LabError) as caught:
        load_lab(str(write_lab(extra=f"[style]\n{line}\n")))
    for part in said:
        assert part in str(caught.value)


def test_contrast_is_that_of_the_page_in_both_modes() -> None:
    assert COLOURS["paper"][0] == PAGE
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    for accent in ("#8a1538", "#000000", "#00008b", "#174a93"):
        dark = accent_css(accent, "screen").split("--accent: ")[2][:7]
        assert contrast(dark, COLOURS["paper"][1]) >= 7
    assert readable("#8a1538", PAGE, 4.5) == "#8a1538"


def test_the_logo_is_relative_to_the_lab_and_no_run_depends_on_the_style(write_lab: WriteLab) -> None:
    plain = load_lab(str(write_lab()))
    path = write_lab(extra='[style]\nlogo = "a.png"\naccent = "#8a1538"\nstudent_id = "20-7"\n', name="other.toml")
    lab = load_lab(str(path))
    assert lab.file.style.logo == path.parent / "a.png"
    assert [spec.model_dump() for spec in lab.run_specs()] == [spec.model_dump() for spec in plain.run_specs()]
