"""What is added in one file each: a figure, an activity; and a unit's format, which is one line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import report.activities
from cnnlab.lab import Lab, load_lab
from report.activities.common import primary_run
from report.build import page
from report.data.records import LabData, open_lab
from report.document.assembly import assemble
from report.evidence.language import UNITS, Language
from tests.command import ROOT
from tests.fabricate import write_store

EXAMPLES = ROOT / "tests" / "examples"


def opened(folder: Path, *overrides: str) -> tuple[LabData, Lab]:
    """Fabricated records of the demo, and its lab file in a folder of its own."""
    shutil.copy(load_lab("demo").path, folder / "demo.toml")
    lab = load_lab(str(folder / "demo.toml"), overrides=list(overrides))
    return open_lab(write_store(folder / "runs"), "demo"), lab


@pytest.mark.parametrize(
    ("code", "label", "said"), [("en", "Task 1", "most often"), ("es", "Tarea 1", "La respuesta más frecuente")]
)
def test_an_activity_and_its_figure_are_a_file_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, label: str, said: str
) -> None:
    monkeypatch.setattr(report.activities, "__path__", [*report.activities.__path__, str(EXAMPLES)])
    monkeypatch.setattr("report.document.rubric.ANSWERERS", report.activities.found())
    data, lab = opened(tmp_path, "report.rubric=bias", f"lab.language={code}")
    for name in ("commentary", "rubrics"):
        shutil.copytree(EXAMPLES / name, lab.templates / name)
    document = assemble(data, lab, Language(code))
    (section,) = document.sections
    assert (section.label, len(section.items)) == (label, 2)
    shares = {one.name: one.quantity for one in document.printed if one.name in ("share", "own")}
    test = data.parts["2_1"].runs[0].predictions["test"]
    assert shares["share"].n == test.labels.size and shares["share"].low is not None
    dom = BeautifulSoup(page(document, lab, tmp_path / "out", "screen"), "html.parser")
    assert said in dom.select_one("section.activity").get_text()  # type: ignore[union-attr]
    titles = [title.get_text() for title in dom.select("figure svg title")]
    classes = data.parts["2_1"].dataset.class_names
    assert [title.split("\n")[0] for title in titles] == classes
    assert all(one.runs for one in shares.values())


@pytest.mark.parametrize("digits", [1, 2])
def test_decimals_of_accuracies_are_one_entry_for_page_figures_and_prose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: int
) -> None:
    monkeypatch.setitem(UNITS, "share", UNITS["share"]._replace(digits=digits))
    data, lab = opened(tmp_path, "lab.language=en")
    document = assemble(data, lab, Language("en"))
    dom = BeautifulSoup(page(document, lab, tmp_path / "out", "screen"), "html.parser")
    section = dom.select_one("section#activity-09")
    assert section is not None
    value = primary_run(data.parts["2_1"]).predictions["test"].right.mean()
    printed = f"{100 * value:.{digits}f}%"
    drawing = next(figure for figure in section.select("figure") if "intervals" in figure.get_text())
    prose = " ".join(paragraph.get_text() for paragraph in section.select("p"))
    table = section.select_one("table")
    assert table is not None
    for place, text in (("prose", prose), ("table", table.get_text()), ("figure", drawing.get_text())):
        assert printed in text, (place, printed)
        assert not re.search(rf"(?<!\d)\d+\.\d{{{3 - digits}}}%", text), place
