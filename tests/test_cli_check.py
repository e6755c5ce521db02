"""`cnnlab check`: one command that finds what a marker would, and the line that each build ends with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from cnnlab.paths import templates_dir
from tests.command import cnnlab
from tests.fabricate import write_store

WriteLab = Callable[..., Path]
ANSWER = "{# reviewed #}\n\nThe test accuracy is {{ test|interval }}, and the best class is {{ best.name }}, the worst {{ worst.name }}.\n"


@pytest.fixture
def folder(tmp_path: Path, write_lab: WriteLab) -> Path:
    write_store(tmp_path / "runs", stem="mine")
    write_lab({'title = "A test"': 'title = "A test"\nlanguage = "en"'})
    return tmp_path


def check(folder: Path, *arguments: str) -> CompletedProcess[str]:
    result = cnnlab("check", "mine.toml", *arguments, cwd=folder, block=True)
    assert "Traceback" not in result.stderr, result.stderr
    return result


def write(folder: Path, text: str, key: str = "activity-09") -> Path:
    path = folder / "mine" / "templates" / "commentary" / "en" / f"{key}.md.j2"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def findings(folder: Path, kind: str, *arguments: str) -> list[dict[str, Any]]:
    found = json.loads(check(folder, "--json", *arguments).stdout)
    return [one for one in found["findings"] if one["kind"] == kind]


def run_again(folder: Path, **options: Any) -> None:
    """Replace the cached runs by others."""
    shutil.rmtree(folder / "runs")
    write_store(folder / "runs", stem="mine", **options)


def test_the_shipped_text_has_no_fault_and_strictness_asks_for_a_reader(folder: Path) -> None:
    result = check(folder)
    assert result.returncode == 0, result.stdout
    assert "answered by generated text that nobody has reviewed; 0 faults, 17 hints" in result.stderr
    assert (
        result.stdout.count("\n") == 2
        and "generated text that nobody has reviewed: introduction, activity-01" in result.stdout
    )
    strict = check(folder, "--strict")
    assert strict.returncode == 3 and "the report would be marked down" in strict.stderr


def test_an_emptied_answer_fails(folder: Path) -> None:
    path = write(folder, "")
    result = check(folder)
    assert result.returncode == 3
    assert f"fault rubric  {path.relative_to(folder)}" in result.stdout
    entries = json.loads(check(folder, "--json").stdout)["ledger"]
    assert {one["state"] for one in entries if one["section"] == "activity-09"} == {"missing"}


def test_a_typed_number_that_the_runs_do_not_know_fails_with_its_line(folder: Path) -> None:
    path = write(folder, ANSWER + "\nIt reaches an accuracy of 12.34% on the moon.\n")
    (found,) = findings(folder, "number")
    assert (found["severity"], found["path"], found["line"]) == ("fault", str(path), 5)
    assert "12.34" in found["what"]
    assert check(folder).returncode == 3


def test_a_typed_number_that_is_right_is_told_its_name(folder: Path) -> None:
    printed = json.loads(cnnlab("commentary", "mine.toml", "--section", "9", "--json", cwd=folder, block=True).stdout)
    value = next(one["text"] for one in printed["names"] if one["name"] == "test")
    shipped = (templates_dir() / "commentary" / "en" / "results.md.j2").read_text()
    write(folder, shipped + f"\nThe test accuracy is {value.split(' ')[0]}.\n")
    (found,) = findings(folder, "number")
    assert found["severity"] == "hint" and "{{ test" in found["suggestion"]
    assert check(folder).returncode == 0


def test_a_false_claim_fails_and_words_without_one_are_pointed_out(folder: Path) -> None:
    run_again(folder, skill={"alexnet": 0.2, "vgg19": 0.5, "resnet50": 0.9})
    write(folder, ANSWER + '\n{{ claim("alexnet > resnet50") }}.\n\nResNet-50 is better than AlexNet.\n')
    (claim,) = findings(folder, "claim")
    assert (claim["severity"], claim["line"]) == ("fault", 5)
    (words,) = findings(folder, "comparison")
    assert (words["severity"], words["line"]) == ("hint", 7) and "claim(" in words["suggestion"]


def test_accepted_text_goes_stale_and_fails_until_it_is_accepted_again(folder: Path) -> None:
    assert cnnlab("commentary", "accept", "9", "mine.toml", cwd=folder, block=True).returncode == 0
    assert check(folder).returncode == 0
    run_again(folder, skill={"alexnet": 0.4, "vgg19": 0.5, "resnet50": 0.45})
    stale = findings(folder, "stale")
    assert stale and {one["section"] for one in stale} == {"activity-09"}
    assert check(folder).returncode == 3
    assert cnnlab("commentary", "accept", "9", "mine.toml", cwd=folder, block=True).returncode == 0
    assert findings(folder, "stale") == [] and check(folder).returncode == 0


def test_each_build_ends_with_the_counts(folder: Path) -> None:
    write(folder, "")
    result = cnnlab("report", "mine.toml", "--formats", "html", cwd=folder, block=True)
    last = [line for line in result.stderr.splitlines() if "cnnlab check" in line]
    assert len(last) == 1 and " missing; " in last[0] and " faults, " in last[0]


def test_a_lab_that_was_never_run(folder: Path) -> None:
    result = check(folder, "--runs", "nowhere")
    assert result.returncode == 2 and "cnnlab run mine" in result.stderr
