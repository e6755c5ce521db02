"""What an author accepts is remembered beside the lab, holds while the file is what it was, and is told in the report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from cnnlab.errors import CnnlabError, LabError, StoreError
from cnnlab.lab import Lab
from report.build import page
from report.data.records import LabData, open_lab
from report.document import reviews as module
from report.document.assembly import assemble
from report.document.ledger import Finding
from report.document.model import Document
from report.document.reviews import accept, audit_reviews, read_reviews
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity, Table, table
from tests.pages import PROSE, REFERENCES, PlainSection, write_lab

TIME = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
MARK = "{# generated: remove this line when you have reviewed the text #}\n\n"
TEXT = MARK + "It is right for {{ test|interval }}.\n\n{% if good %}That is good.{% else %}That is bad.{% endif %}\n"


def share(value: float, spread: float = 0.02) -> Quantity:
    return Quantity(value=value, unit="share", n=1000, low=value - spread, high=value + spread)


@dataclass
class Results:
    """A lab of one section whose results a test sets and changes."""

    lab: Lab
    data: LabData
    names: dict[str, Any] = field(default_factory=lambda: {"test": share(0.8), "good": True})
    items: dict[str, Any] = field(default_factory=dict)

    def document(self, code: str = "en") -> Document:
        evidence = Evidence(names=dict(self.names), items=dict(self.items))
        section = PlainSection("activity-09", 9, "2_1", "results", lambda data, language: evidence)
        return assemble(self.data, self.lab, Language(code), sections=[section], references=REFERENCES)

    @property
    def file(self) -> Path:
        return self.lab.templates / "commentary" / "en" / "activity-09.md.j2"

    def accept(self, code: str = "en") -> None:
        accept(self.document(code), self.lab, ["activity-09"], time=TIME)

    def state(self, code: str = "en") -> str:
        return self.document(code).section("activity-09").review

    def findings(self) -> list[Finding]:
        return audit_reviews(self.document(), self.lab)

    def kept(self) -> dict[str, Any]:
        kept: dict[str, Any] = json.loads(self.lab.reviews.read_text())["languages"]["en"]["activity-09"]
        return kept


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Results]:
    def made(text: str = TEXT) -> Results:
        store, lab = write_lab(tmp_path, prose={**PROSE, "activity-09": text})
        return Results(lab, open_lab(store, "demo"))

    return made


@pytest.fixture
def made(make: Callable[..., Results]) -> Results:
    return make()


def test_the_states_of_a_text(made: Results) -> None:
    before = made.file.read_bytes()
    assert made.state() == "generated"
    made.accept()
    assert made.state() == "accepted" and made.file.read_bytes() == before, "although the file keeps its mark"
    assert made.state("es") == "generated", "another language is another text"
    made.file.write_bytes(before)
    os.utime(made.file, (1, 1))
    assert made.state() == "accepted", "a copy of the file that was accepted"
    made.names["test"] = share(0.7)
    assert made.state() == "stale"
    made.accept()
    made.accept("es")
    assert (made.state(), made.state("es")) == ("accepted", "accepted"), "renewed, side by side"
    made.file.write_text(TEXT + "\nMore.\n")
    made.names["test"] = share(0.5)
    assert made.state() == "generated" and made.findings() == [], "edited, it is not stale"
    made.file.write_text((TEXT + "\nMore.\n").removeprefix(MARK))
    assert made.state() == "written"
    made.accept()
    assert made.state() == "accepted"


def test_what_is_kept_and_read_of_the_version_before(made: Results) -> None:
    made.accept()
    path = made.lab.reviews
    assert path == made.lab.path.parent / "demo" / "reviews" / "demo.json"
    kept, content = made.kept(), json.loads(path.read_text())
    assert content["format"] == 2 and kept["time"] == "2026-03-02T12:30:00+00:00"
    assert list(kept["files"]) == ["commentary/en/activity-09.md.j2"]
    assert kept["paragraphs"] == ["It is right for 80.0% (78.0–82.0).", "That is good."] and kept["items"] == []
    number = {"name": "test", "value": 0.8, "unit": "share", "text": "80.0% (78.0–82.0)", "low": 0.78, "high": 0.82}
    content["format"] = 1
    content["languages"]["en"]["activity-09"] |= {
        "paragraphs": [
            {"text": "", "skeleton": "It is right for #.", "quantities": [number]},
            {"text": "", "skeleton": "That is good.", "quantities": []},
        ],
        "names": [number],
    }  # fmt: skip
    path.write_text(json.dumps(content))
    assert made.state() == "accepted"
    made.names["test"] = share(0.7)
    assert made.state() == "stale"
    made.accept("es")
    assert json.loads(path.read_text())["format"] == 2 and made.state() == "stale"


def test_files_that_are_included_count(make: Callable[..., Results]) -> None:
    made = make(MARK + "{% include 'commentary/en/shared.md.j2' %}\n")
    shared = made.file.with_name("shared.md.j2")
    shared.write_text("Shared {{ test }}.\n")
    made.accept()
    assert sorted(made.kept()["files"]) == ["commentary/en/activity-09.md.j2", "commentary/en/shared.md.j2"]
    assert made.state() == "accepted"
    shared.write_text("Shared, and edited, {{ test }}.\n")
    assert made.state() == "generated"


def test_the_page_shows_a_mark_over_generated_and_stale_text_only(made: Results, tmp_path: Path) -> None:
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
    ("content", "what", "hint"),
    [
        ("{", "damaged", "remove it"),
        ("[]", "damaged", "remove it"),
        ('{"format": 1}', "damaged", "remove it"),
        ('{"format": 1, "languages": {"en": {"activity-09": {"time": 3}}}}', "damaged", "remove it"),
        ('{"format": 1, "languages": {"en": {"activity-09": {"names": []}}}}', "damaged", "remove it"),
        ('{"format": 3, "languages": {}}', "newer cnnlab", "upgrade"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_left(made: Results, content: str, what: str, hint: str) -> None:
    path = made.lab.reviews
    path.parent.mkdir(parents=True)
    path.write_text(content)
    for use in (made.document, made.accept):
        with pytest.raises(StoreError, match=what) as caught:
            use()
        assert caught.value.where == path and hint in str(caught.value.hint)
    assert path.read_text() == content


def _refuse(descriptor: int) -> None:
    raise OSError(30, "Read-only file system")


@pytest.mark.parametrize(
    ("error", "what", "hint"),
    [
        (StoreError, "cannot be kept beside the lab", "copy the lab"),
        (LabError, "not yours to accept", "demo.toml"),
        (LabError, "no text to accept", "No network was trained"),
    ],
)
def test_what_cannot_be_accepted_is_told_and_nothing_is_left(
    made: Results, monkeypatch: pytest.MonkeyPatch, error: type[CnnlabError], what: str, hint: str
) -> None:
    if "kept" in what:
        monkeypatch.setattr("os.fsync", _refuse)
    elif "yours" in what:  # of an installed package
        monkeypatch.setattr(module, "in_checkout", lambda: False)
        monkeypatch.setattr(module, "labs_dir", lambda: made.lab.path.parent)
    else:
        made.data = replace(made.data, parts={"2_1": replace(made.data.parts["2_1"], runs=())})
    with pytest.raises(error, match=what) as caught:
        made.accept()
    assert hint in str(caught.value.hint)
    assert not made.lab.reviews.exists() and not list(made.lab.reviews.parent.glob("*"))


MOVES: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = {
    "nothing that is printed moved": ({}, {"test": share(0.80004)}, []),
    "a number": ({}, {"test": share(0.712)}, [("It is right for 80.0% (78.0–82.0).", "It is right for 71.2% (69.2–73.2).")]),
    "an interval": ({}, {"test": share(0.8, 0.05)}, [("80.0% (78.0–82.0).", "80.0% (75.0–85.0).")]),
    "another branch": ({}, {"good": False}, [("That is good.", "That is bad.")]),
    "a paragraph that came": ({"more": ""}, {"more": "Seen before."}, [("", "Seen before.")]),
    "one that went": ({"more": "Seen before."}, {"more": ""}, [("Seen before.", "")]),
    "a text of the data": ({"more": "coat"}, {"more": "*bag*"}, [("coat", "*bag*")]),
    "no number": ({"test": share(float("inf"))}, {"test": share(0.8)}, [("∞", "80.0%")]),
}  # fmt: skip


@pytest.mark.parametrize(("then", "now", "expected"), MOVES.values(), ids=MOVES)
def test_what_is_printed_differently_is_shown_then_and_now(
    make: Callable[..., Results], then: dict[str, Any], now: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    made = make(TEXT + "\n{{ more }}\n\nThe end.\n")
    made.names |= {"more": "?", **then}
    made.accept()
    made.names |= now
    found = made.findings()
    assert len(found) == len(expected) and made.state() == ("stale" if expected else "accepted")
    for one, (before, after) in zip(found, expected, strict=True):
        assert (one.kind, one.severity, one.section, one.path) == ("stale", "fault", "activity-09", made.file)
        assert one.what.startswith("accepted on 2026-03-02, it reads differently now: ")
        assert before in one.what and after in one.what and ("no longer there" in one.what) == (not after)
        assert one.suggestion.endswith(f"cnnlab commentary accept 9 {made.lab.path}")


def test_profiles_are_accepted_apart_and_the_command_names_the_lab(
    made: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.lab = made.lab.model_copy(update={"stem": "demo-cpu"})
    made.accept()
    assert made.lab.reviews.name == "demo-cpu.json" and made.lab.reviews.is_file()
    made.names["good"] = False
    monkeypatch.chdir(made.lab.path.parent)
    (found,) = made.findings()
    assert found.suggestion.endswith("cnnlab commentary accept 9 demo.toml --profile cpu")


def of(*values: float) -> Table:
    rows = [{"network": name, "test": share(value)} for name, value in zip(("VGG-19", "AlexNet"), values, strict=False)]
    return table("Accuracies", {"network": "Network", "test": "Test"}, rows)


def test_a_text_is_stale_when_its_tables_print_other_numbers_not_when_figures_are_counted_anew(
    make: Callable[..., Results],
) -> None:
    made = make("VGG-19 is right for 80.0%: {{ ref('results') }} {{ cite('vgg') }}.\n\n{{ table('results') }}\n")
    made.items["results"] = of(0.8)
    made.accept()
    paragraph = "VGG-19 is right for 80.0%: [activity-09-results] [vgg]."
    assert read_reviews(made.lab)["en"]["activity-09"].paragraphs == (paragraph,)
    for other, said in ((of(0.7), "results.VGG-19.test 70.0%"), (of(0.8, 0.6), "results.AlexNet.test 60.0%")):
        made.items["results"] = other
        (found,) = made.findings()
        assert said in found.what and made.state() == "stale"
    made.items = {"results": of(0.8), "besides": of(0.3)}
    assert made.state() == "accepted", "a table that came is none that was read"
