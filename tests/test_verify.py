"""`cnnlab verify`: tampering is found and named, wherever it is; an honest report raises no alarm."""

from __future__ import annotations

import hashlib
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
from report.checks.verify import Verdict, compare, verify
from tests.command import cnnlab
from tests.fabricate import write_store

NETWORKS = {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet"]}
PREDICTIONS = "runs/evaluations/clothes-alexnet-*/predictions.npz"
REPORT = "out/demo/report.json"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs and the report on them, in HTML and PDF."""
    folder = tmp_path_factory.mktemp("built")
    write_store(
        folder / "runs", leaks={"clothes": [(30, 0, True)]}, networks=NETWORKS, folds={"alexnet": [0.5, 0.6, 0.7]},
        searches={"vgg19": {}}, test_uses=3, diverged={"resnet50": "the loss is no longer a number"},
        baselines={"clothes": {}},
    )  # fmt: skip
    build_report(RunStore(folder / "runs"), load_lab("demo"), folder / "out/demo", {"html", "pdf"})
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may tamper with."""
    return Path(shutil.copytree(built, tmp_path / "copy"))


def verdict(folder: Path, *overrides: str) -> Verdict:
    return verify(RunStore(folder / "runs"), load_lab("demo", overrides=overrides), folder / "out/demo")


def edit_json(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_bytes())
    edit(content)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


Edit = Callable[[Path], None]


def flipped(pattern: str) -> Edit:
    """One bit in the middle of a file is another."""

    def edit(folder: Path) -> None:
        (path,) = folder.glob(pattern)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    return edit


def better(folder: Path) -> None:
    """All of AlexNet's answers are right."""
    (path,) = folder.glob(PREDICTIONS)
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    for split in ("train", "validation", "test"):
        arrays[f"{split}_probabilities"] = np.eye(4, dtype=np.float16)[arrays[f"{split}_labels"]]
    np.savez(path, **arrays)  # type: ignore[arg-type]


def better_throughout(folder: Path) -> None:
    """The same, with a manifest to match."""
    better(folder)
    (path,) = folder.glob(PREDICTIONS)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit_json(path.parent / "manifest.json", lambda manifest: manifest["files"].update({"predictions.npz": digest}))


def caption(**changes: Any) -> Edit:
    """Another number in a caption, or another name or id for it."""

    def edit(content: dict[str, Any]) -> None:
        next(one for one in content["quantities"] if one["id"] == "activity-08/loss.caption.value").update(changes)

    return lambda folder: edit_json(folder / REPORT, edit)


def manifest_and_caption(folder: Path) -> None:
    (next(folder.glob(PREDICTIONS)).parent / "manifest.json").write_text("{")
    caption(text="0,010")(folder)


def written(name: str, content: str) -> Edit:
    return lambda folder: (folder / name).write_text(content) and None


NAMED = "activity-08, loss.caption.value: "
TAMPERINGS: dict[str, tuple[Edit, set[str], list[str]]] = {
    "a bit of the predictions": (
        flipped(PREDICTIONS), {"record", "document"}, [r"evaluation/clothes-alexnet-\S+: .*not what was published: .*/predictions.npz"],
    ),
    "a bit of a log": (flipped("runs/clothes-vgg19-s0-????????/train.log"), {"record"}, [r"run/clothes-vgg19-\S+: .*/train.log"]),
    "predictions, in a sound archive": (better, {"record", "document"}, ["report.json: the document cannot be derived"]),
    "predictions and their manifest": (
        better_throughout, {"number"},
        [r"activity-09, accuracies.AlexNet.test: its value is not as derived \(found 0\.\d+, expected 1\.0\)"],
    ),
    "a manifest and a caption": (manifest_and_caption, {"record", "document", "hash"}, ["evaluation/clothes-alexnet-.*manifest.json"]),
    "a value": (caption(value=0.01), {"number", "hash"}, [NAMED + r"its value is not as derived \(found 0.01, expected"]),
    "a text": (caption(text="0,010"), {"number", "hash"}, [NAMED + r"its text is not as derived \(found 0,010, expected"]),
    "a name": (
        caption(id="activity-08/mine", name="mine"), {"number", "hash"},
        [NAMED + "report.json lacks this number", "activity-08, mine: the runs give no such number"],
    ),
    "the page": (written("out/demo/report.html", "<p>"), {"file"}, [r"report.html: .*\(found sha256 \w+, expected sha256 \w+\)"]),
    "the PDF": (written("out/demo/report.pdf", ""), {"file"}, ["report.pdf: it is not the file"]),
    "another list": (written(REPORT, "[]"), {"document"}, ["report.json: it is not a list of numbers"]),
    "an old list": (written(REPORT, '{"format": 1, "quantities": []}'), {"document"}, ["not a list of numbers"]),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "kinds", "lines"), TAMPERINGS.values(), ids=TAMPERINGS)
def test_tampering_is_named(folder: Path, edit: Edit, kinds: set[str], lines: list[str]) -> None:
    edit(folder)
    found = verdict(folder)
    told = "\n".join(map(str, found.mismatches))
    assert {one.kind for one in found.mismatches} == kinds, told
    assert all(re.search(line, told) for line in lines), told
    assert bool([one for one in found.reasons if "other records" in one]) == (edit is better_throughout)


def test_an_honest_report_is_as_derived_in_whatever_language_the_lab_is_now(folder: Path) -> None:
    found = verdict(folder)
    assert (found.mismatches, found.reasons, found.unchecked) == ((), (), ("report.ipynb",))
    assert found.numbers == len(json.loads((folder / REPORT).read_bytes())["quantities"]) > 500
    assert found.records == len(list((folder / "runs").rglob("manifest.json")))
    assert verdict(folder, "lab.language=en").mismatches == ()


def test_a_report_of_the_version_before_is_read_but_its_files_are_not(folder: Path) -> None:
    edit_json(folder / REPORT, lambda content: (content.update(format=2), content.pop("files")))
    found = verdict(folder)
    assert (found.mismatches, found.unchecked) == ((), ("report.html", "report.pdf", "report.ipynb"))


def test_a_file_of_another_build_and_edited_prose_are_told(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "copy")
    own = tmp_path / "copy/demo.toml"
    own.write_bytes(load_lab("demo").path.read_bytes())
    lab, store, out = load_lab(str(own)), RunStore(tmp_path / "copy/runs"), tmp_path / "copy/out/demo"
    build_report(store, lab, out, {"html"})
    prose = lab.templates / "commentary/es/conclusions.md.j2"
    prose.parent.mkdir(parents=True)
    prose.write_text("Only {{ vgg_parameters }}.\n", encoding="utf-8")
    found = verify(store, lab, out)
    assert {(one.kind, one.where) for one in found.mismatches} == {("number", "conclusions"), ("file", "report.pdf")}
    assert found.reasons == ("the text was edited after the report was made: conclusions",)


def test_what_cannot_be_verified_is_an_error(folder: Path) -> None:
    (folder / REPORT).unlink()
    with pytest.raises(StoreError, match=r"no report to verify(.|\n)*cnnlab report demo"):
        verdict(folder)
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
    caption(value=0.01)(folder)
    done = cnnlab("verify", "--runs", "runs", "--out", "out", cwd=folder, block=True)
    assert done.returncode == 3 and NAMED + "its value is not as derived (found 0.01, expected " in done.stdout
    done = cnnlab("verify", "--runs", "runs", "--out", "out", "--json", cwd=folder, block=True)
    assert done.returncode == 3
    assert {"number", "hash"} == {one["kind"] for one in json.loads(done.stdout)["mismatches"]}
