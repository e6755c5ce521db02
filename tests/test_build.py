"""`build_report`: the files it writes, what is missing, what it records; where nothing changed nothing is built again."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from PIL import Image
from pypdf import PdfReader

from cnnlab.app import pipeline
from cnnlab.errors import Incomplete, LabError, StoreError
from cnnlab.lab import Lab
from cnnlab.store.store import RunStore
from report.build import NOTE, BuildResult, build_report, unchanged
from report.document import assembly
from report.render.pdf import Pdf, PdfProcess
from tests.pages import pretended, write_lab

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


def _not_started(*_: object, **__: object) -> None:
    raise Incomplete("the notebook's kernel does not start")


@pytest.mark.parametrize("cause", FAILURES)
def test_what_fails_in_one_format_costs_no_other(tmp_path: Path, cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lab = write_lab(tmp_path)
    lost, code, words = FAILURES[cause]
    style, out = lab.templates / "style" / cause, tmp_path / "out"
    monkeypatch.setattr("report.notebook.build.execute", pretended)
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


FORMATS = ("html", "pdf")
Made = tuple[RunStore, Lab, Path]


def build(*arguments: Any, **options: Any) -> BuildResult:
    return pipeline.build(*arguments, print, **options)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A lab whose HTML and PDF were built; what a test changes it puts back."""
    folder = tmp_path_factory.mktemp("built")
    store, lab = write_lab(folder)
    Image.new("RGB", (40, 20), "navy").save(folder / "logo.png")
    style = lab.file.style.model_copy(update={"logo": folder / "logo.png"})
    lab = lab.model_copy(update={"file": lab.file.model_copy(update={"style": style})})
    build(lab, store, folder / "out", FORMATS)
    return store, lab, folder / "out" / "demo"


@contextmanager
def written(path: Path, content: bytes | None) -> Iterator[None]:
    """The file with this content, or without the file, for a while."""
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # records cannot be written, but replaced
    if content is not None:
        path.write_bytes(content)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)


def more(path: Path) -> AbstractContextManager[None]:
    """One byte more in the file."""
    return written(path, path.read_bytes() + b"\n")


def record(made: Made, name: str) -> Path:
    return next(made[0].root.glob(f"clothes-alexnet-*/{name}"))


CHANGES: dict[str, Callable[[Made], AbstractContextManager[None]]] = {
    "commentary": lambda made: more(made[1].templates / "commentary/es/activity-07.md.j2"),
    "commentary where there was none": lambda made: written(made[1].templates / "commentary/es/x.md.j2", b"Mine.\n"),
    "style": lambda made: written(made[1].templates / "style/screen.css", b"p { color: red }"),
    "template": lambda made: written(made[1].templates / "section.html.j2", b"nothing"),
    "rubric": lambda made: written(made[1].templates / "rubrics/tarea1.toml", b""),
    "logo": lambda made: more(made[1].file.style.logo or Path()),
    "accepted sections": lambda made: written(made[1].reviews, b"{}"),
    "lab lock": lambda made: more(made[0].root / "labs/demo.json"),
    "a record's manifest": lambda made: more(record(made, "manifest.json")),
    "a record's file": lambda made: more(record(made, "spec.json")),
    "a record that went": lambda made: written(record(made, "spec.json"), None),
    "HTML deleted": lambda made: written(made[2] / "report.html", None),
    "PDF edited": lambda made: more(made[2] / "report.pdf"),
    "numbers edited": lambda made: more(made[2] / "report.json"),
    "no note": lambda made: written(made[2] / NOTE, None),
    "damaged note": lambda made: written(made[2] / NOTE, b'{"format": 1, "inputs": 3}'),
    "something else for a note": lambda made: written(made[2] / NOTE, b"[3"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_noticed(made: Made, change: str) -> None:
    store, lab, out = made
    with CHANGES[change](made):
        assert unchanged(store, lab, out, FORMATS) is None
    again = unchanged(store, lab, out, FORMATS)
    assert again is not None and again.paths == [out / f"report.{kind}" for kind in ("html", "pdf", "json")]


def test_so_are_another_lab_file_code_libraries_dates_formats_and_places(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, lab, out = made
    for update in ({"title": "Another"}, {"language": "en"}, {"authors": ("Ana",)}):
        other = lab.file.model_copy(update={"lab": lab.file.lab.model_copy(update=update)})
        assert unchanged(store, lab.model_copy(update={"file": other}), out, FORMATS) is None
    (tmp_path / "jinja2-99.dist-info").mkdir()
    for change in (
        lambda patch: patch.setenv("SOURCE_DATE_EPOCH", "1700000000"),
        lambda patch: patch.setattr("report.build.code_hash", lambda: "other code"),
        lambda patch: patch.setattr(sys, "path", [*sys.path, str(tmp_path)]),
        lambda patch: patch.setattr("report.render.pdf.pango_version", lambda: "0.1"),
    ):
        with monkeypatch.context() as patch:
            change(patch)
            assert unchanged(store, lab, out, FORMATS) is None
    assert unchanged(*made, ("html", "ipynb")) is None and unchanged(*made, ("html",)) is not None
    assert unchanged(store, lab, shutil.copytree(out, tmp_path / "demo"), FORMATS) is None


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was drawn up and laid out, in order; the PDF is none, for speed, and lacks what `lacks` names."""
    found: list[str] = []

    class Quick(PdfProcess):
        def __enter__(self) -> PdfProcess:
            return self

        def __exit__(self, *_: object) -> None: ...

        def begin(self, page: str, attachments: object = ()) -> None:
            found.append("laid out")

        def result(self) -> Pdf:
            return Pdf(b"%PDF-", [one for one in found if one.startswith("boxes")], [])

    assembled = assembly.assemble
    monkeypatch.setattr(assembly, "assemble", lambda *args: found.append("assembled") or assembled(*args))
    monkeypatch.setattr("report.render.pdf.PdfProcess", Quick)
    return found


def test_what_is_unchanged_is_not_built_and_says_the_same(tmp_path: Path, calls: list[str]) -> None:
    store, lab = write_lab(tmp_path)
    first = build(lab, store, tmp_path / "out", FORMATS)
    assert calls == ["assembled", "laid out"] and first.checked
    assert first.accuracies[0] == "alexnet on clothes: test 70.0% (54.6–81.9), 40 images"
    stamps = [path.stat().st_mtime_ns for path in first.paths]
    assert build(lab, store, tmp_path / "out", FORMATS) == first
    assert calls == ["assembled", "laid out"] and [path.stat().st_mtime_ns for path in first.paths] == stamps
    build(lab, store, tmp_path / "out", FORMATS, anew=True)
    assert calls == ["assembled", "laid out"] * 2


def test_a_pdf_that_shows_the_same_page_stays_unless_something_is_missing_from_it(
    tmp_path: Path, calls: list[str]
) -> None:
    store, lab = write_lab(tmp_path)
    (lab.templates / "style").mkdir()
    for sheet, content, again in (
        ("print.css", "", ["laid out"]),
        ("screen.css", "p { color: red }", []),
        ("print.css", "p { color: blue }", ["laid out"]),
    ):
        calls.clear()
        (lab.templates / "style" / sheet).write_text(content)
        found = build(lab, store, tmp_path / "out", FORMATS)
        assert calls == ["assembled", *again] and [path.name for path in found.paths][1] == "report.pdf"
    assert "color: red" in found.paths[0].read_text(encoding="utf-8")
    (lab.templates / "style/print.css").write_text("")
    calls[:] = ["boxes in place of 字"]
    for times in (1, 2):
        assert build(lab, store, tmp_path / "out", FORMATS).missing == calls[:1]
        assert calls.count("laid out") == times


def test_formats_built_one_by_one_are_all_known(tmp_path: Path, calls: list[str]) -> None:
    store, lab = write_lab(tmp_path)
    build(lab, store, tmp_path / "out", ("pdf",))
    build(lab, store, tmp_path / "out", ("html",))
    calls.clear()
    build(lab, store, tmp_path / "out", FORMATS)
    assert calls == []
    (lab.templates / "commentary/es/activity-07.md.j2").write_text("Now {{ accuracy }}.\n")
    build(lab, store, tmp_path / "out", ("html",))
    assert set(json.loads((tmp_path / "out/demo/report.json").read_bytes())["files"]) == {"report.html"}


@pytest.mark.parametrize("harm", ["damaged", "without a file", "gone"])
def test_a_run_that_is_lost_and_found_is_told_each_time(tmp_path: Path, harm: str) -> None:
    store, lab = write_lab(tmp_path)
    whole = build(lab, store, tmp_path / "out", ("html",))
    run = next((tmp_path / "runs").glob("clothes-alexnet-*"))
    name, content = {"damaged": ("train.log", b""), "without a file": ("train.log", None)}.get(
        harm, ("manifest.json", None)
    )
    with written(run / name, content):
        for _ in range(2):
            lost = build(lab, store, tmp_path / "out", ("html",))
            assert len(lost.missing) == 1 and "clothes, alexnet: its record is" in lost.missing[0]
    assert whole.missing == [] and build(lab, store, tmp_path / "out", ("html",)) == whole
