"""`cnnlab check`: one command that finds what a marker would, and the line that each build ends with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnlab.paths import templates_dir
from tests.command import Ran, called
from tests.fabricate import write_store

ANSWER = "{# reviewed #}\n\nThe test accuracy is {{ test|interval }}, and the best class is {{ best.name }}, the worst {{ worst.name }}.\n"


@pytest.fixture
def folder(tmp_path: Path, write_lab: Callable[..., Path]) -> Path:
    write_store(tmp_path / "runs", stem="mine")
    write_lab({'title = "A test"': 'title = "A test"\nlanguage = "en"'})
    return tmp_path


def check(folder: Path, *arguments: str) -> Ran:
    return called("check", "mine.toml", *arguments, cwd=folder)


def write(folder: Path, text: str) -> Path:
    path = folder / "mine/templates/commentary/en/activity-09.md.j2"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def findings(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [one for one in json.loads(check(folder, "--json").stdout)["findings"] if one["kind"] == kind]


def run_again(folder: Path, **skill: float) -> None:
    """Replace the cached runs by others."""
    shutil.rmtree(folder / "runs")
    write_store(folder / "runs", stem="mine", skill=skill)


def test_the_shipped_text_has_no_fault_and_strictness_asks_for_a_reader(folder: Path) -> None:
    result = check(folder)
    assert result.returncode == 0, result.stdout
    assert "answered by generated text that nobody has reviewed; 0 faults, 17 hints" in result.stderr
    first, *more = result.stdout.splitlines()
    assert "generated text that nobody has reviewed: introduction, activity-01" in first and len(more) == 1
    strict = check(folder, "--strict")
    assert strict.returncode == 3 and "the report would be marked down" in strict.stderr


def test_an_emptied_answer_fails_and_each_build_ends_with_the_counts(folder: Path) -> None:
    path = write(folder, "")
    result = check(folder)
    assert result.returncode == 3 and f"fault rubric  {path.relative_to(folder)}" in result.stdout
    entries = json.loads(check(folder, "--json").stdout)["ledger"]
    assert {one["state"] for one in entries if one["section"] == "activity-09"} == {"missing"}
    built = called("report", "mine.toml", "--formats", "html", cwd=folder).stderr
    (last,) = [line for line in built.splitlines() if "cnnlab check" in line]
    assert " missing; " in last and " faults, " in last


def test_typed_numbers_are_compared_with_the_runs(folder: Path) -> None:
    path = write(folder, ANSWER + "\nIt reaches an accuracy of 12.34% on the moon.\n")
    (found,) = findings(folder, "number")
    assert (found["severity"], found["path"], found["line"]) == ("fault", str(path), 5) and "12.34" in found["what"]
    assert check(folder).returncode == 3
    printed = json.loads(called("commentary", "mine.toml", "--section", "9", "--json", cwd=folder).stdout)
    value = next(one["text"] for one in printed["names"] if one["name"] == "test")
    shipped = (templates_dir() / "commentary" / "en" / "results.md.j2").read_text()
    write(folder, shipped + f"\nThe test accuracy is {value.split(' ')[0]}.\n")
    (found,) = findings(folder, "number")
    assert found["severity"] == "hint" and "{{ test" in found["suggestion"] and check(folder).returncode == 0


def test_a_false_claim_fails_and_words_without_one_are_pointed_out(folder: Path) -> None:
    run_again(folder, alexnet=0.2, vgg19=0.5, resnet50=0.9)
    write(folder, ANSWER + '\n{{ claim("alexnet > resnet50") }}.\n\nResNet-50 is better than AlexNet.\n')
    (claim,), (words,) = findings(folder, "claim"), findings(folder, "comparison")
    assert (claim["severity"], claim["line"], words["severity"], words["line"]) == ("fault", 5, "hint", 7)
    assert "claim(" in words["suggestion"]


def test_accepted_text_goes_stale_and_fails_until_it_is_accepted_again(folder: Path) -> None:
    for again in (False, True):
        if again:
            run_again(folder, alexnet=0.4, vgg19=0.5, resnet50=0.45)
            assert {one["section"] for one in findings(folder, "stale")} == {"activity-09"}
            assert check(folder).returncode == 3
        assert called("commentary", "accept", "9", "mine.toml", cwd=folder).returncode == 0
        assert findings(folder, "stale") == [] and check(folder).returncode == 0


def test_a_lab_that_was_never_run(folder: Path) -> None:
    result = check(folder, "--runs", "nowhere")
    assert result.returncode == 2 and "cnnlab run mine" in result.stderr
