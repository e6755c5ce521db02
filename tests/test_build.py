"""`build_report`: the files it writes, what it records, and what it says is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_output
from pypdf import PdfReader

from cnnlab.errors import Incomplete, LabError, StoreError
from report.build import build_report
from report.render.pdf import Pdf, PdfProcess
from tests.pages import write_lab

pytestmark = pytest.mark.usefixtures("small_report")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report as HTML and PDF, beside its runs."""
    folder = tmp_path_factory.mktemp("build")
    out = folder / "out"
    result = build_report(*write_lab(folder), out, {"html", "pdf"})
    assert result.missing == [] and result.problems == []
    assert result.paths == [out / f"report.{kind}" for kind in ("html", "pdf", "json")]
    return out


def test_the_json_holds_every_printed_number(built: Path) -> None:
    content = json.loads((built / "report.json").read_bytes())
    assert (content["format"], content["language"], content["title"]) == (3, "es", "A lab <1>")
    numbers = content["quantities"]
    prose = next(q for q in numbers if q["section"] == "activity-07" and q["name"] == "accuracy")
    assert prose["runs"] and prose | {"runs": []} == {
        "id": "activity-07/accuracy", "place": "prose", "section": "activity-07", "name": "accuracy", "value": 0.632, "unit": "share", "n": 1000, "low": 0.591,
        "high": 0.67, "runs": [], "how": "Wilson interval", "text": "63,2\u00a0% (59,1–67,0)",
    }  # fmt: skip
    cells = [q for q in numbers if q["name"].startswith("results.")]
    assert ("results.VGG-19.loss", "1,500") in [(q["name"], q["text"]) for q in cells]
    tiles = [q for q in numbers if q["name"].startswith("mistakes.")]
    assert [q["text"] for q in tiles[:2]] == ["90,0\u00a0%", "90,0\u00a0%"]
    assert {q["place"] for q in cells} == {"table"} and {q["place"] for q in tiles} == {"gallery"}
    assert len({q["id"] for q in numbers}) == len(numbers)


def test_the_evidence_hash_ties_the_files_together(built: Path, tmp_path: Path) -> None:
    content = json.loads((built / "report.json").read_bytes())
    evidence = content["evidence"]
    assert re.fullmatch("[0-9a-f]{12}", evidence)
    page = BeautifulSoup((built / "report.html").read_text(encoding="utf-8"), "html.parser")
    assert page.select('meta[name="evidence"]')[0]["content"] == evidence
    colophon = page.select(".colophon")[0].get_text()
    assert f"Evidencia {evidence}" in colophon and "cnnlab verify" in colophon
    reader = PdfReader(built / "report.pdf")
    assert reader.metadata and f"cnnlab evidence {evidence}" in str(reader.metadata["/Keywords"])
    assert evidence in reader.pages[-1].extract_text()
    manifests = {path.parent.name for path in (built.parent / "runs").rglob("manifest.json")}
    assert {name.partition("/")[2] for name in content["records"]} == manifests
    store, lab = write_lab(tmp_path, dataset={"source": "folder elsewhere"})  # which no number shows
    build_report(store, lab, tmp_path / "out", {"html"})
    assert json.loads((tmp_path / "out/report.json").read_bytes())["evidence"] != evidence


def test_english(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path, language="en")
    build_report(store, lab, tmp_path / "out", {"html"})
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    for words in ('<html lang="en">', "Activity 7", "63.2% (59.1–67.0)", "143,667,240", "Appendix: runs and data"):
        assert words in page
    assert "Actividad" not in page


def test_without_pango_the_rest_is_there_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("report.render.pdf._loads", lambda file: False)
    result = build_report(*write_lab(tmp_path), tmp_path / "out", {"html", "pdf"})
    assert ["the system lacks" in one for one in result.missing] == [True]
    assert [path.name for path in result.paths] == ["report.html", "report.json"]


FAILURES: dict[str, tuple[str, int, str]] = {
    "screen.css": ("html", 2, "screen.css"),
    "print.css": ("pdf", 2, "print.css"),
    "killed": ("pdf", 4, "ended with code -9"),
    "kernel": ("ipynb", 4, "does not start"),
}
_result = PdfProcess.result


def _killed(paper: PdfProcess) -> Pdf:
    paper._process.kill()
    return _result(paper)


def _executed(notebook: Any, *_: object, **__: object) -> None:
    """Without a kernel, for speed."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell |= {"outputs": [new_output("stream", text="shown")], "execution_count": 1}


def _not_started(*_: object, **__: object) -> None:
    raise Incomplete("the notebook's kernel does not start")


@pytest.mark.parametrize("cause", FAILURES)
def test_what_fails_in_one_format_costs_no_other(tmp_path: Path, cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lab = write_lab(tmp_path)
    lost, code, words = FAILURES[cause]
    style, out = lab.templates / "style" / cause, tmp_path / "out"
    monkeypatch.setattr("report.notebook.build.execute", _executed)
    with monkeypatch.context() as patch:
        if cause == "killed":
            patch.setattr("report.render.pdf.PdfProcess.result", _killed)
        elif cause == "kernel":
            patch.setattr("report.notebook.build.execute", _not_started)
        else:
            style.parent.mkdir()
            style.write_text("p { background: url(x.png) }")
        result = build_report(store, lab, out, {"html", "pdf", "ipynb"})
    names = ["report.html", "report.pdf", "report.ipynb", "report.json"]
    assert [path.name for path in result.paths] == [name for name in names if not name.endswith(f".{lost}")]
    assert [one.exit_code for one in result.problems] == [code] and words in str(result.failed[0])
    assert all(path.exists() for path in result.paths) and not (out / f"report.{lost}").exists()
    style.unlink(missing_ok=True)
    again = build_report(store, lab, out, {"html", "pdf", "ipynb"})
    assert [path.name for path in again.paths] == names and again.failed == []


def test_an_earlier_pdf_is_not_taken_for_the_one_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lab = write_lab(tmp_path)
    pdf = tmp_path / "out/report.pdf"
    build_report(store, lab, pdf.parent, {"pdf"})
    first, before = pdf.read_bytes(), pdf.stat().st_ino
    monkeypatch.setattr("report.render.pdf.pango_version", lambda: "another")
    with monkeypatch.context() as patch:
        patch.setattr(PdfProcess, "result", _killed)
        assert len(build_report(store, lab, pdf.parent, {"pdf"}).failed) == 1
    assert pdf not in build_report(store, lab, pdf.parent, {"html"}).paths and pdf.stat().st_ino == before
    build_report(store, lab, pdf.parent, {"pdf"})
    assert pdf.read_bytes() == first and pdf.stat().st_ino != before


def test_wrong_calls(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    with pytest.raises(LabError, match="docx"):
        build_report(store, lab, tmp_path / "out", {"html", "docx"})
    with pytest.raises(StoreError, match="no such record"):
        build_report(store, lab.model_copy(update={"stem": "never"}), tmp_path / "out", {"html"})
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        build_report(store, lab, tmp_path / "file", {"html"})
