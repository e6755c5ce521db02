"""Reports of labs with missing runs: what is missing stands where its number would, and nothing is averaged silently."""

from __future__ import annotations

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
from report.evidence.quantity import Quantity
from tests.fabricate import write_store
from tests.reports import ENGLISH, SPANISH, document, prose, says, table

Lose = Callable[[RunStore, dict[str, Any]], None]


def unfinished(store: RunStore, entry: dict[str, Any]) -> None:
    entry.update(run=None, evaluation=None, problem="the disk was full\nmore")


def removed(store: RunStore, entry: dict[str, Any]) -> None:
    shutil.rmtree(store.root / entry["run"])


def unevaluated(store: RunStore, entry: dict[str, Any]) -> None:
    shutil.rmtree(store.root / "evaluations" / entry["evaluation"])


def lab_without(root: Path, lose: Lose, *, seeds: tuple[int, ...] = (0,), seed: int = 0, **lost: str) -> LabData:
    """A lab of which runs from one seed are lost: those of a data set and a network, or VGG-19's on clothes."""
    store = write_store(root, seeds=seeds)
    lock = store.read_lab("demo")
    lost = {"seed": seed, **(lost or {"dataset": "clothes", "network": "vgg19"})}  # type: ignore[dict-item]
    for entry in lock["runs"]:
        if lost.items() <= entry.items():
            lose(store, entry)
    store.write_lab("demo", lock)
    return open_lab(store, "demo")


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
    evidence, made = answer(data, ENGLISH, part="2_1"), document(data, "en")
    *present, absent = table(evidence, "accuracies").rows
    assert [row["network"] for row in present] == ["AlexNet", "ResNet-50"]
    assert absent == {"network": "VGG-19 (no finished run)"}
    assert "VGG-19 (no finished run)." in evidence.items["accuracy"].alt  # type: ignore[union-attr]
    assert f"VGG-19 has no finished run here: {reason}" in made.section("activity-09").problems
    (missing,) = made.missing
    assert missing.startswith(f"clothes, vgg19: {reason}") and "AlexNet" in prose(made, "activity-09")


def test_no_claim_is_made_of_a_network_without_a_run(tmp_path: Path) -> None:
    data = lab_without(tmp_path, unfinished)
    made = document(data, "en")
    assert "VGG-19 has no finished run and no place in it." in prose(made, "activity-09")
    assert "The 2 networks of this part that finished took" in prose(made, "activity-07")
    (networks,) = (one.item for one in made.section("activity-08").items if one.name == "networks")
    assert "Missing: VGG-19 (no finished run)." in str(networks.note)  # type: ignore[union-attr]
    conclusion = prose(made, "conclusions")
    assert "of the networks with results" in conclusion or "of those with results" in conclusion
    assert "There are no results of VGG-19" in conclusion
    names = answer(data, ENGLISH, part="2_1").names
    assert names["absent"] == ["VGG-19"]
    assert [pair["better"] for pair in names["pairs"]] != [] and "VGG-19" not in str(names["pairs"])
    assert "ningún entrenamiento y no tiene lugar en él." in says(data, "activity-09", "es")


def test_a_part_without_any_run_is_said_and_its_data_are_described(tmp_path: Path) -> None:
    made = document(lab_without(tmp_path, unfinished, dataset="digits"), "es")
    section = made.section("activity-13")
    assert section.problems[0].startswith("Ninguna red se ha entrenado") and section.pieces == ()
    assert any(text.startswith("activity-13:") for text in made.missing)
    assert len(prose(made, "activity-10")) > 150 and not made.section("activity-09").problems


@pytest.mark.parametrize("lose", [unfinished, removed])
def test_a_lost_seed_is_said_with_every_mean_of_its_network(tmp_path: Path, lose: Lose) -> None:
    data = lab_without(tmp_path, lose, seeds=(0, 1, 2), seed=1)
    part = data.parts["2_1"]
    assert part.problems == {} and part.asked_seeds("vgg19") == 3 and len(part.of("vgg19")) == 2
    evidence, made = answer(data, ENGLISH, part="2_1"), document(data, "en")
    rows = {str(row["network"]): row for row in table(evidence, "accuracies").rows}
    assert list(rows) == ["AlexNet", "VGG-19 (seeds: 2 of 3)", "ResNet-50"]
    mean = rows["VGG-19 (seeds: 2 of 3)"]["test"]
    assert isinstance(mean, Quantity) and mean.n == 2 and len(mean.runs) == 2
    line = f"vgg19 on clothes: test {ENGLISH.with_interval(mean)}, 40 images, mean of 2 seeds"
    assert line in accuracy_lines(data)
    (problem,) = made.section("activity-09").problems
    assert problem.startswith("Seed 1 of VGG-19 has no finished run here") and "said over 2 of 3" in problem
    assert made.missing[0].startswith("clothes, vgg19, seed 1: ")
    if evidence.names["network"] == "VGG-19":
        assert "Over 2 of 3 seeds the mean test accuracy is" in prose(made, "activity-09")
    (times,) = (one.item for one in made.section("activity-07").items if one.name == "times")
    assert times.rows[-1] == {"network": "VGG-19, seed 1 (not finished)"}  # type: ignore[union-attr]


def test_a_complete_lab_says_nothing_of_it_and_one_with_one_seed_left_does(tmp_path: Path) -> None:
    whole = open_lab(write_store(tmp_path / "whole", seeds=(0, 1)), "demo")
    for data, network in (
        (whole, "VGG-19"), (lab_without(tmp_path / "less", unfinished, seeds=(0, 1)), "VGG-19 (semillas: 1 de 2)")
    ):  # fmt: skip
        rows = table(answer(data, SPANISH, part="2_1"), "accuracies").rows
        assert [row["network"] for row in rows] == ["AlexNet", network, "ResNet-50"]
    assert document(whole, "es").missing == ()


def test_a_report_with_a_removed_run_is_written_and_says_so(tmp_path: Path) -> None:
    lab_without(tmp_path / "runs", removed)
    lab = load_lab("demo", overrides=["lab.language=en"])
    result = build_report(RunStore(tmp_path / "runs"), lab, tmp_path / "out", ["html"])
    assert result.missing == ["clothes, vgg19: its record is no longer in the folder of runs"]
    assert (tmp_path / "out" / "report.html").read_text().count("VGG-19 (no finished run)") > 3
