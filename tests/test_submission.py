"""The name to hand a report in under: filled in, checked before anything is rendered, and given to copies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from cnnlab.app.pipeline import submission_name
from cnnlab.errors import LabError
from cnnlab.lab import load_lab
from tests.command import cnnlab
from tests.fabricate import write_store

WriteLab = Callable[..., Path]
BOTH = ("ipynb", "pdf")
NAMES = [("{id}_tarea1", "20.123-7_tarea1"), ("{stem} {date}", "mine 2026-03-31"), ("Ñandú {{1}}", "Ñandú {1}")]
REFUSED = [
    "", "  ", "../up", ".hidden", "a/b", "/tmp/a", "a\\b", "C:a", "a\nb", "a\x00b", "a\u202efdp", " a", "a.", "Report",
    "tarea1.pdf", "a.IPYNB", "a" * 121, "{id.__class__}", "{name}", "{}", "{date:%d}", "{id", "{id.nothing}",
]  # fmt: skip


@pytest.mark.parametrize("template", [*NAMES, *REFUSED])
def test_fields_are_filled_in_and_unsafe_names_refused(
    write_lab: WriteLab, monkeypatch: pytest.MonkeyPatch, template: str | tuple[str, str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1774915200")
    lab = load_lab(str(write_lab(extra='[style]\nstudent_id = "20.123-7"\n')))
    if isinstance(template, tuple):
        assert submission_name(template[0], lab, BOTH) == template[1]
        return
    with pytest.raises(LabError, match="not one to hand in under") as caught:
        submission_name(template, lab, BOTH)
    assert caught.value.where == "--submission-name"


def test_what_else_is_refused(write_lab: WriteLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = load_lab(str(write_lab(extra='[style]\nstudent_id = "2026/17"\n')))
    plain = load_lab(str(write_lab()))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    before = date.today()
    assert before.isoformat() <= submission_name("{date}", plain, BOTH) <= date.today().isoformat()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1774915200")
    for template, one, formats, said in (
        ("{id}", lab, BOTH, "2026/17"),
        ("{id}", plain, BOTH, "student_id"),
        ("a", plain, ("html",), "for ipynb or pdf"),
    ):
        with pytest.raises(LabError, match=said):
            submission_name(template, one, formats)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "tomorrow")
    with pytest.raises(LabError, match=r"'tomorrow'[\s\S]*SOURCE_DATE_EPOCH, in seconds"):
        submission_name("{date}", plain, BOTH)


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        ("run", ["--submission-name", "../a"], "not one to hand in under"),
        ("report", ["--submission-name", "{id}"], "student_id"),
        ("report", ["--set", "style.logo=nowhere.png"], "the logo cannot be read"),
        ("run", ["--set", "report.rubric=nothing"], "no such rubric"),
        ("run", ["--formats", "docx"], "no such report format"),
    ],
)
def test_it_is_refused_before_anything_is_written(
    write_lab: WriteLab, tmp_path: Path, command: str, options: list[str], said: str
) -> None:
    write_lab()
    found = cnnlab(command, "mine.toml", *options, cwd=tmp_path, block=True)
    assert found.returncode == 2 and said in found.stderr and "Traceback" not in found.stderr
    assert not (tmp_path / "out").exists() and not (tmp_path / "runs").exists()


def test_the_command_copies_what_it_built(tmp_path: Path) -> None:
    write_store(tmp_path / "runs")
    options = ["--formats", "pdf", "--set", "style.student_id=20-7", "--submission-name", "{id}_tarea1"]
    found = cnnlab("report", "demo", *options, cwd=tmp_path, block=True)
    copy = tmp_path / "out/demo/20-7_tarea1.pdf"
    assert found.stdout.splitlines()[-1] == str(copy.relative_to(tmp_path)), found.stderr
    assert copy.read_bytes() == (tmp_path / "out/demo/report.pdf").read_bytes()
