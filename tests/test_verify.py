"""`cnnlab verify`: tampering is found and named, wherever it is; an honest report raises no alarm."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.errors import StoreError
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from report.build import build_report
from report.checks.verify import Mismatch, Verdict, compare, verify
from tests.command import cnnlab
from tests.fabricate import write_store

NETWORKS = {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet"]}
LEAKS = {"clothes": [(30, 0, True)]}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs and the report on them, in HTML and PDF."""
    folder = tmp_path_factory.mktemp("built")
    write_store(
        folder / "runs", leaks=LEAKS, networks=NETWORKS, folds={"alexnet": [0.5, 0.6, 0.7]}, searches={"vgg19": {}}, test_uses=3,
        diverged={"resnet50": "the loss is no longer a number"}, baselines={"clothes": {}},
    )  # fmt: skip
    build_report(RunStore(folder / "runs"), load_lab("demo"), folder / "out/demo", {"html", "pdf"})
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may tamper with."""
    return Path(shutil.copytree(built, tmp_path / "copy"))


def verdict(folder: Path, *overrides: str) -> Verdict:
    return verify(RunStore(folder / "runs"), load_lab("demo", overrides=overrides), folder / "out/demo")


def kinds(found: Verdict) -> set[str]:
    return {one.kind for one in found.mismatches}


def edit_json(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_bytes())
    edit(content)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def evaluation(folder: Path) -> Path:
    return next((folder / "runs/evaluations").glob("clothes-alexnet-*"))


def test_an_honest_report_is_as_derived(folder: Path) -> None:
    found = verdict(folder)
    assert found.mismatches == ()
    entries = json.loads((folder / "out/demo/report.json").read_bytes())["quantities"]
    assert found.numbers == len(entries) > 500
    assert found.records == len(list((folder / "runs").rglob("manifest.json")))
    assert found.unchecked == ("report.ipynb",)
    assert (found.reasons, found.notes) == ((), ())


def test_a_flipped_byte_is_found_and_so_is_every_other(folder: Path) -> None:
    flipped = [evaluation(folder) / "predictions.npz", next((folder / "runs").glob("clothes-vgg19-*/train.log"))]
    for path in flipped:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.chmod(0o644)
        path.write_bytes(content)
    damaged = [one for one in verdict(folder).mismatches if one.kind == "record"]
    assert {(one.where.partition("/")[0], one.name) for one in damaged} == {
        ("evaluation", "predictions.npz"), ("run", "train.log"),
    }  # fmt: skip
    assert all(one.found.startswith("sha256 ") and one.found != one.expected for one in damaged)


def test_rewritten_predictions_are_found_although_their_archive_is_sound(folder: Path) -> None:
    path = evaluation(folder) / "predictions.npz"
    better(path)
    found = verdict(folder)
    assert "predictions.npz" in [one.name for one in found.mismatches if one.kind == "record"]
    assert any("cannot be derived" in one.what for one in found.mismatches)
    assert "file" not in kinds(found), "the page is still that of report.json"


def test_rewritten_predictions_with_a_manifest_to_match_change_the_numbers(folder: Path) -> None:
    import hashlib

    path = evaluation(folder) / "predictions.npz"
    better(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit_json(path.parent / "manifest.json", lambda manifest: manifest["files"].update({"predictions.npz": digest}))
    found = verdict(folder)
    assert "record" not in kinds(found)
    name = "accuracies.AlexNet.test"
    changed = {(one.name, one.what): one for one in found.mismatches if one.where == "activity-09"}
    wrong = changed[name, "its value is not as derived"]
    assert (float(wrong.expected), float(wrong.found) < 1) == (1.0, True)
    assert any("other records" in reason and path.parent.name in reason for reason in found.reasons)


def better(path: Path) -> None:
    """Predictions that are all right."""
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    for split in ("train", "validation", "test"):
        arrays[f"{split}_probabilities"] = np.eye(4, dtype=np.float16)[arrays[f"{split}_labels"]]
    np.savez(path, **arrays)  # type: ignore[arg-type]


def only(found: Verdict, kind: str) -> list[Mismatch]:
    return [one for one in found.mismatches if one.kind == kind]


def a_caption(content: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in content["quantities"] if one["id"] == "activity-08/loss.caption.value")


def replaced(content: dict[str, Any]) -> None:
    entry = a_caption(content)
    content["quantities"].remove(entry)
    content["quantities"].append({**entry, "id": "activity-08/mine", "name": "mine"})


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda content: a_caption(content).update(value=0.01), {("loss.caption.value", "its value is not as derived", "0.01")}),
        (lambda content: a_caption(content).update(text="0,010"), {("loss.caption.value", "its text is not as derived", "0,010")}),
        (replaced, {("loss.caption.value", "report.json lacks this number", ""), ("mine", "the runs give no such number", "")}),
    ],
)  # fmt: skip
def test_a_tampered_number_is_named(
    folder: Path, edit: Callable[[dict[str, Any]], None], expected: set[tuple[str, str, str]]
) -> None:
    edit_json(folder / "out/demo/report.json", edit)
    found = verdict(folder)
    assert {(one.name, one.what) for one in only(found, "number")} == {one[:2] for one in expected}
    assert {one.found for one in only(found, "number") if one.name != "mine"} == {text for *_, text in expected}
    assert {one.where for one in only(found, "number")} == {"activity-08"}
    assert [one.name for one in only(found, "hash")] == ["evidence"]


@pytest.mark.parametrize("name", ["report.html", "report.pdf"])
def test_a_file_that_was_edited_is_named(folder: Path, name: str) -> None:
    path = folder / "out/demo" / name
    path.write_bytes(path.read_bytes() + b" ")
    (wrong,) = verdict(folder).mismatches
    assert (wrong.kind, wrong.where, wrong.found != wrong.expected) == ("file", name, True)


def test_a_report_of_the_version_before_is_read_but_its_files_are_not(folder: Path) -> None:
    def older(content: dict[str, Any]) -> None:
        content["format"] = 2
        del content["files"]

    edit_json(folder / "out/demo/report.json", older)
    found = verdict(folder)
    assert (found.mismatches, found.unchecked) == ((), ("report.html", "report.pdf", "report.ipynb"))


def test_a_damaged_manifest_is_named_and_the_rest_still_checked(folder: Path) -> None:
    (evaluation(folder) / "manifest.json").write_text("{")
    edit_json(folder / "out/demo/report.json", lambda content: a_caption(content).update(text="0,010"))
    found = verdict(folder)
    assert [(one.name, one.where) for one in only(found, "record")] == [
        ("manifest.json", f"evaluation/{evaluation(folder).name}")
    ]
    assert {"document", "hash"} <= kinds(found)


def test_a_file_of_another_build_is_told(folder: Path) -> None:
    out = folder / "out/demo"
    build_report(RunStore(folder / "runs"), load_lab("demo", overrides=["lab.language=en"]), out, {"html"})
    found = verdict(folder, "lab.language=en")
    assert [(one.kind, one.where) for one in found.mismatches] == [("file", "report.pdf")]


def test_another_language_is_no_alarm_and_is_said(folder: Path) -> None:
    found = verdict(folder, "lab.language=en")
    assert found.mismatches == ()
    assert len(found.notes) == 1 and "the report's own" in found.notes[0]


def test_edited_prose_is_the_reason_given(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built / "runs", tmp_path / "runs")
    source = load_lab("demo").path
    (tmp_path / "demo.toml").write_bytes(source.read_bytes())
    lab = load_lab(str(tmp_path / "demo.toml"))
    build_report(RunStore(tmp_path / "runs"), lab, tmp_path / "out", {"html"})
    own = lab.templates / "commentary/es/conclusions.md.j2"
    own.parent.mkdir(parents=True)
    own.write_text("Only {{ vgg_parameters }}.\n", encoding="utf-8")
    found = verify(RunStore(tmp_path / "runs"), lab, tmp_path / "out")
    assert {one.where for one in found.mismatches} == {"conclusions"}
    assert found.reasons == ("the text was edited after the report was made: conclusions",)


def test_no_report_and_no_list_of_numbers(folder: Path) -> None:
    path = folder / "out/demo/report.json"
    path.write_text("[]")
    assert [one.kind for one in verdict(folder).mismatches] == ["document"]
    path.write_text('{"format": 1, "quantities": []}')
    assert [one.kind for one in verdict(folder).mismatches] == ["document"]
    path.unlink()
    with pytest.raises(StoreError, match="no report to verify"):
        verdict(folder)


def test_a_damaged_lab_lock_is_told(folder: Path) -> None:
    edit_json(folder / "runs/labs/demo.json", lambda lock: lock.pop("architectures"))
    with pytest.raises(StoreError, match="lab lock is damaged"):
        verdict(folder)


def test_sums_that_differ_in_the_last_digit_are_the_same() -> None:
    entry = {"id": "a/b", "section": "a", "name": "b", "value": 0.3, "unit": "share", "n": 1, "low": None, "high": None,
             "runs": [], "how": "", "text": "30 %"}  # fmt: skip
    assert list(compare([entry], [{**entry, "value": 0.1 + 0.2}])) == []
    assert [one.found for one in compare([entry], [{**entry, "value": 0.3001}])] == ["0.3"]


def test_the_command(folder: Path) -> None:
    done = cnnlab("verify", "--runs", "runs", "--out", "out", cwd=folder, block=True)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"[\d,]+ numbers from \d+ records, all as derived\n", done.stdout)
    assert "not checked, because it is not there: report.ipynb" in done.stderr
    edit_json(folder / "out/demo/report.json", lambda content: a_caption(content).update(value=0.01))
    done = cnnlab("verify", "--runs", "runs", "--out", "out", cwd=folder, block=True)
    assert done.returncode == 3
    assert "activity-08, loss.caption.value: its value is not as derived (found 0.01, expected " in done.stdout
    done = cnnlab("verify", "--runs", "runs", "--out", "out", "--json", cwd=folder, block=True)
    assert done.returncode == 3
    assert {"number", "hash"} == {one["kind"] for one in json.loads(done.stdout)["mismatches"]}
    done = cnnlab("verify", "--runs", "runs", "--out", "elsewhere", cwd=folder, block=True)
    assert done.returncode == 2
    assert "cnnlab report demo" in done.stderr
