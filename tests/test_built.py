"""Nothing is built again when nothing changed, and everything is when anything did."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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
from tests.pages import write_lab

FORMATS = ("html", "pdf")
Made = tuple[RunStore, Lab, Path]


pytestmark = pytest.mark.usefixtures("small_report")


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
