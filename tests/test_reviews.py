"""What an author accepts is remembered beside the lab, holds while the file is what it was, and is told in the report."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from cnnlab.errors import LabError, StoreError
from cnnlab.lab import Lab
from report.build import page
from report.data.records import LabData, open_lab
from report.document import reviews as module
from report.document.assembly import assemble
from report.document.model import Document
from report.document.reviews import accept, read_reviews, reviews_path
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity
from tests.pages import PROSE, REFERENCES, PlainSection, write_lab

TIME = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
MARK = "{# generated: remove this line when you have reviewed the text #}\n\n"
TEXT = MARK + "It is right for {{ test|interval }}.\n\n{% if good %}That is good.{% else %}That is bad.{% endif %}\n"


@dataclass
class Results:
    """A lab of one section whose results a test sets and changes."""

    lab: Lab
    data: LabData
    names: dict[str, Any]
    items: dict[str, Any]

    def document(self, code: str = "en") -> Document:
        section = PlainSection("activity-09", 9, "2_1", "Contents", "results", lambda data, language: self._evidence())
        return assemble(self.data, self.lab, Language(code), sections=[section], references=REFERENCES)

    def _evidence(self) -> Evidence:
        return Evidence(names=dict(self.names), items=dict(self.items))

    @property
    def file(self) -> Path:
        return self.lab.templates / "commentary" / "en" / "activity-09.md.j2"

    def accept(self, code: str = "en") -> None:
        accept(self.document(code), self.lab, ["activity-09"], time=TIME)

    def state(self, code: str = "en") -> str:
        return self.document(code).section("activity-09").review


def share(value: float, spread: float = 0.02) -> Quantity:
    return Quantity(value=value, unit="share", n=1000, low=value - spread, high=value + spread)


def results(folder: Path, text: str = TEXT, names: Mapping[str, Any] | None = None) -> Results:
    store, lab = write_lab(folder, prose={**PROSE, "activity-09": text})
    return Results(lab, open_lab(store, "demo"), dict(names or {"test": share(0.8), "good": True}), {})


def test_a_section_is_generated_then_accepted_although_the_file_keeps_its_mark(tmp_path: Path) -> None:
    made = results(tmp_path)
    before = made.file.read_bytes()
    assert made.state() == "generated" and made.document().section("activity-09").generated
    made.accept()
    assert made.state() == "accepted" and made.file.read_bytes() == before
    assert not made.document().section("activity-09").generated
    assert made.state("es") == "generated", "another language is another text"


def test_what_is_kept(tmp_path: Path) -> None:
    made = results(tmp_path)
    made.accept()
    path = tmp_path / "demo" / "reviews" / "demo.json"
    assert reviews_path(made.lab) == path
    content = json.loads(path.read_text())
    kept = content["languages"]["en"]["activity-09"]
    assert content["format"] == 1 and kept["time"] == "2026-03-02T12:30:00+00:00"
    assert list(kept["files"]) == ["commentary/en/activity-09.md.j2"]
    assert [one["skeleton"] for one in kept["paragraphs"]] == ["It is right for #.", "That is good."]
    assert kept["paragraphs"][0]["text"] == "It is right for 80.0% (78.0–82.0)."
    assert kept["paragraphs"][0]["quantities"] == [
        {"name": "test", "value": 0.8, "unit": "share", "text": "80.0% (78.0–82.0)", "low": 0.78, "high": 0.8200000000000001}
    ]  # fmt: skip
    assert [one["name"] for one in kept["names"]] == ["test"]


def test_a_file_edited_since_is_no_longer_accepted(tmp_path: Path) -> None:
    made = results(tmp_path)
    made.accept()
    made.file.write_text(TEXT + "\nMore.\n")
    assert made.state() == "generated"
    made.file.write_text((TEXT + "\nMore.\n").removeprefix(MARK))
    assert made.state() == "written"
    made.accept()
    assert made.state() == "accepted"
    made.file.write_text(TEXT)
    assert made.state() == "generated"


def test_files_that_are_included_count(tmp_path: Path) -> None:
    made = results(tmp_path, MARK + "{% include 'commentary/en/shared.md.j2' %}\n")
    shared = made.file.with_name("shared.md.j2")
    shared.write_text("Shared {{ test }}.\n")
    made.accept()
    kept = json.loads(reviews_path(made.lab).read_text())["languages"]["en"]["activity-09"]["files"]
    assert sorted(kept) == ["commentary/en/activity-09.md.j2", "commentary/en/shared.md.j2"]
    assert made.state() == "accepted"
    shared.write_text("Shared, and edited, {{ test }}.\n")
    assert made.state() == "generated"


def test_a_copy_of_the_file_that_was_accepted_is_accepted_too(tmp_path: Path) -> None:
    made = results(tmp_path)
    made.accept()
    made.file.write_bytes(made.file.read_bytes())
    os.utime(made.file, (1, 1))
    assert made.state() == "accepted"


def test_results_that_change_make_it_stale_and_accepting_renews_it(tmp_path: Path) -> None:
    made = results(tmp_path)
    made.accept()
    made.names["test"] = share(0.7)
    assert made.state() == "stale"
    made.accept()
    assert made.state() == "accepted"
    assert json.loads(reviews_path(made.lab).read_text())["languages"]["en"]["activity-09"]["names"][0]["value"] == 0.7


def test_both_languages_are_kept_side_by_side(tmp_path: Path) -> None:
    made = results(tmp_path)
    made.accept("en")
    made.accept("es")
    assert set(read_reviews(made.lab).languages) == {"en", "es"}
    assert (made.state("en"), made.state("es")) == ("accepted", "accepted")


def test_the_page_shows_a_mark_over_generated_and_stale_text_only(tmp_path: Path) -> None:
    made = results(tmp_path)

    def mark(code: str) -> tuple[str, list[str]] | None:
        text = page(made.document(code), made.lab, tmp_path / "out", "screen")
        found = BeautifulSoup(text, "html.parser").select_one(".review")
        return (found.get_text(), list(found["class"])) if found else None

    assert mark("en") == ("Generated text, not yet reviewed", ["review", "generated"])
    for code in ("en", "es"):
        made.accept(code)
        assert mark(code) is None
    made.names["good"] = False
    assert mark("en") == ("Written against earlier results", ["review", "stale"])
    assert mark("es") == ("Escrito con resultados anteriores", ["review", "stale"])


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"format": 1}', '{"format": 1, "languages": {"en": {"activity-09": {"time": 3}}}}']
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    made = results(tmp_path)
    path = reviews_path(made.lab)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    for use in (made.document, made.accept):
        with pytest.raises(StoreError, match="damaged") as caught:
            use()
        assert caught.value.where == path and "remove it" in str(caught.value.hint)
    assert path.read_text() == content


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    made = results(tmp_path)
    path = reviews_path(made.lab)
    path.parent.mkdir(parents=True)
    path.write_text('{"format": 2, "languages": {}}')
    with pytest.raises(StoreError, match="newer cnnlab"):
        made.document()


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = results(tmp_path)

    def refuse(descriptor: int) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(StoreError, match="cannot be kept beside the lab") as caught:
        made.accept()
    assert caught.value.received == "Read-only file system" and "copy the lab" in str(caught.value.hint)
    assert list(reviews_path(made.lab).parent.iterdir()) == []
    assert made.state() == "generated"


def test_a_lab_of_an_installed_package_is_to_be_copied_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = results(tmp_path)
    monkeypatch.setattr(module, "in_checkout", lambda: False)
    monkeypatch.setattr(module, "labs_dir", lambda: tmp_path)
    with pytest.raises(LabError, match="not yours to accept") as caught:
        made.accept()
    assert str(made.lab.path) in str(caught.value.hint)
    assert not reviews_path(made.lab).exists()


def test_profiles_are_accepted_apart_and_the_command_names_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = results(tmp_path)
    other = made.lab.model_copy(update={"stem": "demo-cpu"})
    assert reviews_path(other) == tmp_path / "demo" / "reviews" / "demo-cpu.json"
    section = made.document().section("activity-09")
    monkeypatch.chdir(tmp_path)
    assert read_reviews(other).command(section) == "cnnlab commentary accept 9 demo.toml --profile cpu"


def test_a_section_without_a_text_cannot_be_accepted(tmp_path: Path) -> None:
    made = results(tmp_path)
    made.data = replace(made.data, parts={"2_1": replace(made.data.parts["2_1"], runs=())})
    with pytest.raises(LabError, match="no text to accept"):
        made.accept()
