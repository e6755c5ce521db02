"""Reports of labs with missing runs: what is missing stands where its number would, and nothing is averaged silently."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from report.activities.common import accuracy_lines
from report.activities.results import answer
from report.build import build_report
from report.data.records import LabData, open_lab
from report.document.assembly import assemble
from report.document.model import Document
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity, Table
from tests.fabricate import write_store

Entry = dict[str, Any]
Lose = Callable[[RunStore, Entry], None]


def unfinished(store: RunStore, entry: Entry) -> None:
    entry.update(run=None, evaluation=None, problem="the disk was full")


def removed(store: RunStore, entry: Entry) -> None:
    shutil.rmtree(store.root / entry["run"])


def unevaluated(store: RunStore, entry: Entry) -> None:
    shutil.rmtree(store.root / "evaluations" / entry["evaluation"])


def lab_without(
    root: Path, lose: Lose, *, seeds: tuple[int, ...] = (0,), seed: int = 0, network: str = "vgg19"
) -> LabData:
    """A lab of which one run on one data set is lost."""
    store = write_store(root, seeds=seeds)
    path = root / "labs" / "demo.json"
    lock = json.loads(path.read_text())
    (entry,) = [
        one for one in lock["runs"] if (one["dataset"], one["network"], one["seed"]) == ("clothes", network, seed)
    ]
    lose(store, entry)
    path.write_text(json.dumps(lock))
    return open_lab(store, "demo")


def document(data: LabData, code: str) -> Document:
    return assemble(data, load_lab("demo", overrides=[f"lab.language={code}"]), Language(code))


def prose(made: Document, key: str) -> str:
    pieces = (piece for piece in made.section(key).pieces if hasattr(piece, "markdown"))
    return " ".join(" ".join(piece.markdown for piece in pieces).split())


def table(evidence: Evidence, name: str) -> Table:
    item = evidence.items[name]
    assert isinstance(item, Table)
    return item


@pytest.mark.parametrize(
    ("lose", "reason"),
    [
        (unfinished, "the disk was full"),
        (removed, "its record is no longer in the folder of runs"),
        (unevaluated, "its record is no longer in the folder of runs"),
    ],
)
def test_a_network_without_a_run_is_named_where_its_numbers_would_stand(
    tmp_path: Path, lose: Lose, reason: str
) -> None:
    data = lab_without(tmp_path, lose)
    evidence = answer(data, Language("en"), part="2_1")
    *present, absent = table(evidence, "accuracies").rows
    assert [row["network"] for row in present] == ["AlexNet", "ResNet-50"]
    assert absent == {"network": "VGG-19 (no finished run)"}
    figure = evidence.items["accuracy"]
    assert "VGG-19 (no finished run)." in figure.alt  # type: ignore[union-attr]
    made = document(data, "en")
    assert f"VGG-19 has no finished run here: {reason}" in made.section("activity-09").problems
    assert made.missing == (f"clothes, vgg19: {reason}",)


def test_no_claim_is_made_of_a_network_without_a_run(tmp_path: Path) -> None:
    data = lab_without(tmp_path, unfinished)
    made = document(data, "en")
    assert "VGG-19 has no finished run and no place in it." in prose(made, "activity-09")
    assert "The 2 networks of this part that finished took" in prose(made, "activity-07")
    assert "Missing: VGG-19 (no finished run)." in str(
        next(one.item.note for one in made.section("activity-08").pieces if getattr(one, "name", "") == "networks")
    )
    conclusion = prose(made, "conclusions")
    assert "of the networks with results" in conclusion or "of those with results" in conclusion
    assert "There are no results of VGG-19" in conclusion
    names = answer(data, Language("en"), part="2_1").names
    assert names["absent"] == ["VGG-19"]
    assert [pair["better"] for pair in names["pairs"]] != [] and "VGG-19" not in str(names["pairs"])
    assert "ningún entrenamiento y no tiene lugar en él." in prose(document(data, "es"), "activity-09")


@pytest.mark.parametrize("lose", [unfinished, removed])
def test_a_lost_seed_is_said_with_every_mean_of_its_network(tmp_path: Path, lose: Lose) -> None:
    data = lab_without(tmp_path, lose, seeds=(0, 1, 2), seed=1)
    part = data.parts["2_1"]
    assert part.problems == {} and part.asked_seeds("vgg19") == 3 and len(part.of("vgg19")) == 2
    evidence = answer(data, Language("en"), part="2_1")
    rows = {str(row["network"]): row for row in table(evidence, "accuracies").rows}
    assert list(rows) == ["AlexNet", "VGG-19 (seeds: 2 of 3)", "ResNet-50"]
    mean = rows["VGG-19 (seeds: 2 of 3)"]["test"]
    assert isinstance(mean, Quantity) and mean.n == 2 and len(mean.runs) == 2
    shown = Language("en").with_interval(mean)
    assert f"vgg19 on clothes: test {shown}, 40 images, mean of 2 seeds" in accuracy_lines(data)
    made = document(data, "en")
    assert made.section("activity-09").problems[0].startswith("Seed 1 of VGG-19 has no finished run here")
    assert "said over 2 of 3" in made.section("activity-09").problems[0]
    assert made.missing[0].startswith("clothes, vgg19, seed 1: ")
    if evidence.names["network"] == "VGG-19":
        assert "Over 2 of 3 seeds the mean test accuracy is" in prose(made, "activity-09")
    times = next(one.item for one in made.section("activity-07").pieces if getattr(one, "name", "") == "times")
    assert times.rows[-1] == {"network": "VGG-19, seed 1 (not finished)"}


def test_a_complete_lab_says_nothing_of_it_and_one_with_one_seed_left_does(tmp_path: Path) -> None:
    whole = document(open_lab(write_store(tmp_path / "whole", seeds=(0, 1)), "demo"), "es")
    data = lab_without(tmp_path / "less", unfinished, seeds=(0, 1))
    names = [
        [row["network"] for row in table(answer(one, Language("es"), part="2_1"), "accuracies").rows]
        for one in (whole.lab, data)
    ]
    assert whole.missing == () and names[0] == ["AlexNet", "VGG-19", "ResNet-50"]
    assert names[1] == ["AlexNet", "VGG-19 (semillas: 1 de 2)", "ResNet-50"]


def test_a_report_with_a_removed_run_is_written_and_says_so(tmp_path: Path) -> None:
    lab_without(tmp_path / "runs", removed)
    lab = load_lab("demo", overrides=["lab.language=en"])
    result = build_report(RunStore(tmp_path / "runs"), lab, tmp_path / "out", ["html"])
    assert result.missing == ["clothes, vgg19: its record is no longer in the folder of runs"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("VGG-19 (no finished run)") > 3
