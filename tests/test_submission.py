"""The name to hand a report in under: filled in, checked before anything is rendered, and given to copies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from cnnlab.app.pipeline import copy_submission, submission_name
from cnnlab.errors import LabError
from cnnlab.lab import load_lab
from tests.command import cnnlab
from tests.fabricate import write_store

WriteLab = Callable[..., Path]
BOTH = ("ipynb", "pdf")
NUMBER = '[style]\nstudent_id = "20.123-7"\n'


NAMES = [("{id}_tarea1", "20.123-7_tarea1"), ("{stem} {date}", "mine 2026-03-31"), ("Ñandú {{1}}", "Ñandú {1}")]
UNSAFE = [
    "", "  ", "../up", ".hidden", "a/b", "/tmp/a", "a\\b", "C:a", "a\nb", "a\x00b", "a\u202efdp", " a", "a.", "Report",
    "tarea1.pdf", "a" * 121, "{id.__class__}",
]  # fmt: skip
UNREADABLE = ["{name}", "{}", "{date:%d}", "{id", "{id.nothing}"]


@pytest.fixture(autouse=True)
def a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1774915200")


@pytest.mark.parametrize(("template", "name"), NAMES)
def test_fields_are_filled_in(write_lab: WriteLab, template: str, name: str) -> None:
    assert submission_name(template, load_lab(str(write_lab(extra=NUMBER))), BOTH) == name


REFUSED = [
    *((one, "is not one to hand in under") for one in UNSAFE),
    *((one, "cannot be filled") for one in UNREADABLE),
]


@pytest.mark.parametrize(("template", "said"), REFUSED)
def test_unsafe_names_are_refused(write_lab: WriteLab, template: str, said: str) -> None:
    with pytest.raises(LabError, match=said) as caught:
        submission_name(template, load_lab(str(write_lab(extra=NUMBER))), BOTH)
    assert caught.value.where == "--submission-name"


def test_what_else_is_refused(write_lab: WriteLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = load_lab(str(write_lab(extra='[style]\nstudent_id = "2026/17"\n')))
    with pytest.raises(LabError, match="2026/17"):
        submission_name("{id}", lab, BOTH)
    lab = load_lab(str(write_lab()))
    assert submission_name("{stem}", lab, BOTH) == "mine"
    with pytest.raises(LabError, match="student_id"):
        submission_name("{id}", lab, BOTH)
    with pytest.raises(LabError, match="nothing to copy"):
        submission_name("a", lab, ("html",))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "tomorrow")
    with pytest.raises(LabError, match="SOURCE_DATE_EPOCH"):
        submission_name("a", lab, BOTH)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    before = date.today()
    assert before.isoformat() <= submission_name("{date}", lab, BOTH) <= date.today().isoformat()


def test_notebook_and_pdf_are_copied_beside_themselves(tmp_path: Path) -> None:
    paths = [tmp_path / f"report.{suffix}" for suffix in ("json", "html", "pdf", "ipynb")]
    for path in paths:
        path.write_bytes(path.suffix.encode())
    copies = copy_submission(paths, "20.123-7_tarea1")
    assert [path.name for path in copies] == ["20.123-7_tarea1.pdf", "20.123-7_tarea1.ipynb"]
    assert [path.read_bytes() for path in copies] == [b".pdf", b".ipynb"]


@pytest.mark.parametrize("command", ["run", "report"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--submission-name", "../a"], "not one to hand in under"),
        (["--submission-name", "{id}"], "student_id"),
        (["--set", "style.logo=nowhere.png"], "the logo cannot be read"),
    ],
)
def test_it_is_refused_before_anything_is_written(
    write_lab: WriteLab, tmp_path: Path, command: str, options: list[str], said: str
) -> None:
    write_lab()
    found = cnnlab(command, "mine.toml", *options, cwd=tmp_path, block=True)
    assert found.returncode == 2, found.stderr
    assert said in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "out").exists()


def test_the_command_copies_what_it_built(tmp_path: Path) -> None:
    write_store(tmp_path / "runs")
    options = ["--formats", "pdf", "--set", "style.student_id=20-7", "--submission-name", "{id}_tarea1"]
    found = cnnlab("report", "demo", *options, cwd=tmp_path, block=True)
    copy = tmp_path / "out/demo/20-7_tarea1.pdf"
    assert str(copy.relative_to(tmp_path)) in found.stdout, found.stderr
    assert copy.read_bytes() == (tmp_path / "out/demo/report.pdf").read_bytes()
