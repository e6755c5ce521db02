"""Nothing is built again when nothing changed, and everything is when anything did."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cnnlab.app import pipeline
from cnnlab.lab import Lab
from cnnlab.store.store import RunStore
from report.build import NOTE, BuildResult, unchanged
from report.document import assembly
from report.render.pdf import Pdf, PdfProcess
from tests.pages import REFERENCES, SECTIONS, write_lab

FORMATS = ("html", "pdf")
Made = tuple[RunStore, Lab, Path]


@pytest.fixture(scope="module", autouse=True)
def _small_report() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "report.document.assembly.assemble", partial(assembly.assemble, sections=SECTIONS, references=REFERENCES)
        )
        yield


def build(*arguments: Any, **options: Any) -> BuildResult:
    return pipeline.build(*arguments, print, **options)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A lab whose HTML and PDF were built; what a test changes it puts back."""
    folder = tmp_path_factory.mktemp("built")
    store, lab = write_lab(folder)
    logo = folder / "logo.png"
    Image.new("RGB", (40, 20), "navy").save(logo)
    lab = lab.model_copy(update={"file": lab.file.model_copy(update={"style": _style(lab, logo)})})
    build(lab, store, folder / "out", FORMATS)
    return store, lab, folder / "out" / "demo"


def _style(lab: Lab, logo: Path) -> Any:
    return lab.file.style.model_copy(update={"logo": logo})


@contextmanager
def written(path: Path, content: bytes) -> Iterator[None]:
    """The file with this content, for a while."""
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode if before is not None else 0o644
    path.chmod(0o644) if before is not None else None
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before) if before is not None else path.unlink()
        path.chmod(mode) if before is not None else None


@contextmanager
def absent(path: Path) -> Iterator[None]:
    content = path.read_bytes()
    path.unlink()
    try:
        yield
    finally:
        path.write_bytes(content)


def more(path: Path) -> AbstractContextManager[None]:
    """One byte more in the file."""
    return written(path, path.read_bytes() + b"\n")


def record(made: Made, name: str) -> Path:
    return next(made[0].root.glob(f"clothes-alexnet-*/{name}"))


CHANGES: dict[str, Callable[[Made], AbstractContextManager[None]]] = {
    "commentary": lambda made: more(made[1].templates / "commentary/es/activity-07.md.j2"),
    "commentary of the lab where there was none": lambda made: written(
        made[1].templates / "commentary/es/conclusions.md.j2", b"Mine.\n"
    ),
    "style": lambda made: written(made[1].templates / "style/screen.css", b"p { color: red }"),
    "style for paper": lambda made: written(made[1].templates / "style/print.css", b""),
    "template": lambda made: written(made[1].templates / "section.html.j2", b"nothing"),
    "rubric": lambda made: written(made[1].templates / "rubrics/tarea1.toml", b""),
    "logo": lambda made: more(made[1].file.style.logo or Path()),
    "accepted sections": lambda made: written(made[1].reviews, b"{}"),
    "lab lock": lambda made: more(made[0].root / "labs/demo.json"),
    "a record's manifest": lambda made: more(record(made, "manifest.json")),
    "a record's file": lambda made: more(record(made, "spec.json")),
    "a record that went": lambda made: absent(record(made, "spec.json")),
    "HTML deleted": lambda made: absent(made[2] / "report.html"),
    "HTML edited": lambda made: more(made[2] / "report.html"),
    "PDF edited": lambda made: more(made[2] / "report.pdf"),
    "numbers edited": lambda made: more(made[2] / "report.json"),
    "no note": lambda made: absent(made[2] / NOTE),
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


LABS: dict[str, dict[str, Any]] = {
    "title": {"title": "Another"},
    "language": {"language": "en"},
    "authors": {"authors": ("Ana",)},
}


@pytest.mark.parametrize("change", LABS)
def test_so_is_another_lab_file(made: Made, change: str) -> None:
    store, lab, out = made
    other = lab.file.model_copy(update={"lab": lab.file.lab.model_copy(update=LABS[change])})
    assert unchanged(store, lab.model_copy(update={"file": other}), out, FORMATS) is None


def test_so_are_code_libraries_and_dates(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lab, out = made
    with monkeypatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        assert unchanged(store, lab, out, FORMATS) is None
    with monkeypatch.context() as patch:
        patch.setattr("report.build.code_hash", lambda: "other code")
        assert unchanged(store, lab, out, FORMATS) is None
    with monkeypatch.context() as patch:
        (tmp_path / "jinja2-99.dist-info").mkdir()
        patch.setattr(sys, "path", [*sys.path, str(tmp_path)])
        assert unchanged(store, lab, out, FORMATS) is None
    with monkeypatch.context() as patch:
        patch.setattr("report.render.pdf.pango_version", lambda: "0.1")
        assert unchanged(store, lab, out, FORMATS) is None
    assert unchanged(store, lab, out, FORMATS) is not None


def test_a_format_that_was_not_built_is_missing(made: Made) -> None:
    assert unchanged(*made, ("html", "ipynb")) is None
    assert unchanged(*made, ("html",)) is not None


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was drawn up and laid out, in order; the PDF is none, for speed."""
    found: list[str] = []

    class Quick(PdfProcess):
        def __enter__(self) -> PdfProcess:
            return self

        def __exit__(self, *_: object) -> None: ...

        def begin(self, page: str, attachments: object = ()) -> None:
            found.append("laid out")

        def result(self) -> Pdf:
            return Pdf(b"%PDF-", list(MISSING), [])

    assembled = assembly.assemble
    monkeypatch.setattr(assembly, "assemble", lambda *args: found.append("assembled") or assembled(*args))
    monkeypatch.setattr("report.render.pdf.PdfProcess", Quick)
    monkeypatch.setattr(sys.modules[__name__], "MISSING", [])
    return found


MISSING: list[str] = []
"""From a `Quick` PDF."""


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


def test_a_pdf_that_shows_the_same_page_stays(tmp_path: Path, calls: list[str]) -> None:
    store, lab = write_lab(tmp_path)
    build(lab, store, tmp_path / "out", FORMATS)
    (lab.templates / "style").mkdir()
    (lab.templates / "style/screen.css").write_text("p { color: red }")
    calls.clear()
    found = build(lab, store, tmp_path / "out", FORMATS)
    assert calls == ["assembled"] and [path.name for path in found.paths][1] == "report.pdf"
    assert "color: red" in found.paths[0].read_text(encoding="utf-8")
    (lab.templates / "style/print.css").write_text("")
    calls.clear()
    build(lab, store, tmp_path / "out", FORMATS)
    assert calls == ["assembled", "laid out"]


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


def test_a_pdf_from_which_something_is_missing_is_made_again(tmp_path: Path, calls: list[str]) -> None:
    store, lab = write_lab(tmp_path)
    MISSING.append("boxes in place of 字")
    found = build(lab, store, tmp_path / "out", FORMATS)
    assert found.missing == MISSING
    build(lab, store, tmp_path / "out", FORMATS)
    assert calls == ["assembled", "laid out"] * 2


def test_what_is_missing_is_said_again(tmp_path: Path, calls: list[str]) -> None:
    store, lab = write_lab(tmp_path)
    lock = store.read_lab("demo")
    lock["runs"][0] |= {"run": None, "evaluation": None, "problem": "loss became NaN"}
    store.write_lab("demo", lock)
    for _ in range(2):
        found = build(lab, store, tmp_path / "out", ("html",))
        assert found.missing == ["clothes, alexnet: loss became NaN"]
    assert calls == ["assembled"]


@pytest.mark.parametrize("harm", ["damaged", "without a file", "gone"])
def test_a_run_that_is_lost_and_found_is_told_each_time(tmp_path: Path, harm: str) -> None:
    store, lab = write_lab(tmp_path)
    whole = build(lab, store, tmp_path / "out", ("html",))
    run = next((tmp_path / "runs").glob("clothes-alexnet-*"))
    harms = {"damaged": more, "without a file": absent}
    with harms[harm](run / "train.log") if harm in harms else moved(run):
        for _ in range(2):
            lost = build(lab, store, tmp_path / "out", ("html",))
            assert len(lost.missing) == 1 and "clothes, alexnet: its record is" in lost.missing[0]
    assert whole.missing == [] and build(lab, store, tmp_path / "out", ("html",)) == whole


@contextmanager
def moved(folder: Path) -> Iterator[None]:
    """The folder somewhere else, for a while."""
    elsewhere = folder.rename(folder.with_name(".elsewhere"))
    try:
        yield
    finally:
        elsewhere.rename(folder)


def test_the_same_files_in_another_place_are_others(made: Made, tmp_path: Path) -> None:
    store, lab, out = made
    assert unchanged(store, lab, shutil.copytree(out, tmp_path / "demo"), FORMATS) is None
