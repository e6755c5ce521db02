"""`build_report`: the files it writes, what it records, and what it says is missing."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_output
from pypdf import PdfReader

from cnnlab.errors import Incomplete, LabError, StoreError
from report.build import build_report
from report.document.assembly import assemble
from report.render.pdf import Pdf, PdfProcess
from tests.pages import REFERENCES, SECTIONS, write_lab


@pytest.fixture(autouse=True)
def small_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine with the small sections of these tests in place of the assignment's."""
    monkeypatch.setattr(
        "report.document.assembly.assemble", partial(assemble, sections=SECTIONS, references=REFERENCES)
    )


def test_it_writes_the_files_asked_for(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    out = tmp_path / "out"
    result = build_report(store, lab, out, {"html", "pdf"})
    assert result.missing == []
    assert result.paths == [out / "report.html", out / "report.pdf", out / "report.json"]
    assert (out / "report.pdf").read_bytes()[:5] == b"%PDF-"
    assert sorted(path.name for path in out.iterdir()) == [
        ".built.json", ".figures", "report.html", "report.json", "report.pdf",
    ]  # fmt: skip


def test_the_json_holds_every_printed_number(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    build_report(store, lab, tmp_path / "out", {"html"})
    content = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert (content["format"], content["language"], content["title"]) == (3, "es", "A lab <1>")
    numbers = content["quantities"]
    prose = next(q for q in numbers if q["section"] == "activity-07" and q["name"] == "accuracy")
    assert prose | {"runs": []} == {
        "id": "activity-07/accuracy", "place": "prose", "section": "activity-07", "name": "accuracy", "value": 0.632, "unit": "share", "n": 1000, "low": 0.591,
        "high": 0.67, "runs": [], "how": "Wilson interval", "text": "63,2\u00a0% (59,1–67,0)",
    }  # fmt: skip
    assert prose["runs"]
    cells = [q for q in numbers if q["name"].startswith("results.")]
    assert ("results.VGG-19.loss", "1,500") in [(q["name"], q["text"]) for q in cells]
    tiles = [q for q in numbers if q["name"].startswith("mistakes.")]
    assert [q["text"] for q in tiles[:2]] == ["90,0\u00a0%", "90,0\u00a0%"]
    assert {q["place"] for q in cells} == {"table"} and {q["place"] for q in tiles} == {"gallery"}
    assert len({q["id"] for q in numbers}) == len(numbers)


def test_the_evidence_hash_ties_the_files_together(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    out = tmp_path / "out"
    build_report(store, lab, out, {"html", "pdf"})
    content = json.loads((out / "report.json").read_text(encoding="utf-8"))
    evidence = content["evidence"]
    assert re.fullmatch("[0-9a-f]{12}", evidence)
    page = BeautifulSoup((out / "report.html").read_text(encoding="utf-8"), "html.parser")
    assert page.select('meta[name="evidence"]')[0]["content"] == evidence
    colophon = page.select(".colophon")[0].get_text()
    assert f"Evidencia {evidence}" in colophon and "cnnlab verify" in colophon
    reader = PdfReader(out / "report.pdf")
    assert reader.metadata and f"cnnlab evidence {evidence}" in str(reader.metadata["/Keywords"])
    assert evidence in reader.pages[-1].extract_text()
    manifests = {path.parent.name for path in (tmp_path / "runs").rglob("manifest.json")}
    assert {name.partition("/")[2] for name in content["records"]} == manifests


def test_the_evidence_hash_changes_with_a_record_that_no_number_shows(tmp_path: Path) -> None:
    hashes = []
    for folder, source in (("one", "folder test"), ("two", "folder elsewhere")):
        store, lab = write_lab(tmp_path / folder, dataset={"source": source})
        build_report(store, lab, tmp_path / folder / "out", {"html"})
        hashes.append(json.loads((tmp_path / folder / "out/report.json").read_bytes())["evidence"])
    assert hashes[0] != hashes[1]


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    pages = []
    for folder in ("one", "two"):
        build_report(store, lab, tmp_path / folder, {"html"})
        pages.append((tmp_path / folder / "report.html").read_bytes())
    assert pages[0] == pages[1]


def test_english(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path, language="en")
    build_report(store, lab, tmp_path / "out", {"html"})
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    for words in ('<html lang="en">', "Activity 7", "63.2% (59.1–67.0)", "143,667,240", "Appendix: runs and data"):
        assert words in page
    assert "Actividad" not in page


def test_without_pango_the_rest_is_there_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("report.render.pdf._loads", lambda file: False)
    store, lab = write_lab(tmp_path)
    result = build_report(store, lab, tmp_path / "out", {"html", "pdf"})
    assert ["the system lacks" in one for one in result.missing] == [True]
    assert [path.name for path in result.paths] == ["report.html", "report.json"]


FAILURES: dict[str, tuple[str, int, str]] = {
    "screen.css": ("html", 2, "screen.css"),
    "print.css": ("pdf", 2, "print.css"),
    "killed": ("pdf", 4, "ended with code -9"),
    "kernel": ("ipynb", 4, "does not start"),
}


@pytest.mark.parametrize("cause", FAILURES)
def test_what_fails_in_one_format_costs_no_other(tmp_path: Path, cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lab = write_lab(tmp_path)
    lost, code, words = FAILURES[cause]
    style = lab.templates / "style" / cause
    monkeypatch.setattr("report.notebook.build.execute", _executed)
    with monkeypatch.context() as patch:
        if cause == "killed":
            patch.setattr("report.render.pdf.PdfProcess.result", _killed)
        elif cause == "kernel":
            patch.setattr("report.notebook.build.execute", _not_started)
        else:
            style.parent.mkdir()
            style.write_text("p { background: url(x.png) }")
        result = build_report(store, lab, tmp_path / "out", {"html", "pdf", "ipynb"})
    names = ["report.html", "report.pdf", "report.ipynb", "report.json"]
    assert [path.name for path in result.paths] == [name for name in names if not name.endswith(f".{lost}")]
    assert [one.exit_code for one in result.failed] == [code] and words in str(result.failed[0])
    assert all(path.exists() for path in result.paths) and not (tmp_path / "out" / f"report.{lost}").exists()
    style.unlink(missing_ok=True)
    again = build_report(store, lab, tmp_path / "out", {"html", "pdf", "ipynb"})
    assert [path.name for path in again.paths] == names and again.failed == []


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


def test_an_earlier_pdf_is_not_taken_for_the_one_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lab = write_lab(tmp_path)
    first = build_report(store, lab, tmp_path / "out", {"pdf"}).paths[-1].read_bytes()
    monkeypatch.setattr("report.render.pdf.pango_version", lambda: "another")
    with monkeypatch.context() as patch:
        patch.setattr(PdfProcess, "result", _killed)
        assert len(build_report(store, lab, tmp_path / "out", {"pdf"}).failed) == 1
    before = (tmp_path / "out/report.pdf").stat().st_ino
    assert build_report(store, lab, tmp_path / "out", {"pdf"}).paths[-1].read_bytes() == first
    assert (tmp_path / "out/report.pdf").stat().st_ino != before


def test_a_failed_run_is_said_in_the_page_and_in_missing(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    lock = store.read_lab("demo")
    lock["runs"][0] |= {"run": None, "evaluation": None, "problem": "loss became NaN"}
    store.write_lab("demo", lock)
    result = build_report(store, lab, tmp_path / "out", {"html"})
    assert result.missing == ["clothes, alexnet: loss became NaN"]
    assert (
        "AlexNet no tiene aquí ninguna ejecución terminada: loss became NaN"
        in (tmp_path / "out/report.html").read_text()
    )


def test_wrong_calls(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    with pytest.raises(LabError, match="docx"):
        build_report(store, lab, tmp_path / "out", {"html", "docx"})
    with pytest.raises(StoreError, match="no such record"):
        build_report(store, lab.model_copy(update={"stem": "never"}), tmp_path / "out", {"html"})
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        build_report(store, lab, tmp_path / "file", {"html"})


def test_a_damaged_record_is_a_run_that_is_missing(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    spec = next(path for path in (tmp_path / "runs").glob("clothes-*/spec.json"))
    spec.chmod(0o644)
    spec.write_text("{}")
    result = build_report(store, lab, tmp_path / "out", {"html"})
    assert len(result.missing) == 1
    assert "not what was published" in result.missing[0]
    assert str(spec) in result.missing[0]
    assert spec.read_text() == "{}"
