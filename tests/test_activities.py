"""What the activities answer: numbers that are those of the records, each with its source."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from cnnlab.lab import load_lab
from report.activities.common import primary_network
from report.document.rubric import load_rubric
from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity
from tests.handwritten import LABS
from tests.reports import Make, document, prose
from tests.whole_report import EVERY_KIND

SECTIONS = load_rubric(load_lab("demo")).sections


def test_the_primary_network_is_chosen_on_validation(lab: Make) -> None:
    data = lab()
    part = data.parts["2_1"]
    on_validation = {run.network: run.predictions["validation"].right.mean() for run in part.runs}
    assert primary_network(part) == max(on_validation, key=lambda name: on_validation[name])


def test_the_labs_choice_of_network_wins(lab: Make) -> None:
    data = lab(lambda lock: lock["parts"]["2_1"].update(primary="alexnet"))
    assert primary_network(data.parts["2_1"]) == "alexnet"
    assert "lo fija el archivo del laboratorio" in prose(document(data, "es"), "activity-09")


def test_accuracies_are_those_of_the_predictions(lab: Make) -> None:
    data = lab()
    section = next(section for section in SECTIONS if section.key == "activity-09")
    names = section.answer(data, Language("en")).names
    run = next(run for run in data.parts["2_1"].runs if run.title == names["network"])
    test = run.predictions["test"]
    assert names["test"].value == pytest.approx(test.right.mean())
    assert names["test"].n == test.labels.size == 40
    per_class = [test.right[test.labels == label].mean() for label in range(4)]
    assert names["mean_of_classes"].value == pytest.approx(np.mean(per_class))
    assert names["best"].accuracy.value == max(per_class)
    assert names["worst"].accuracy.value == min(per_class)
    assert names["gap_to_test"].value == pytest.approx(run.predictions["train"].right.mean() - test.right.mean())


def test_text_and_figure_break_ties_between_classes_alike(lab: Make) -> None:
    data = lab(skill=dict.fromkeys(("alexnet", "vgg19", "resnet50"), 1.0))
    section = next(section for section in SECTIONS if section.key == "activity-09")
    evidence = section.answer(data, Language("en"))
    names = sorted(["shirt", "trouser", "coat", "bag"])
    assert (evidence.names["best"].name, evidence.names["worst"].name) == (names[0], names[-1])
    figure = evidence.items["classes"]
    assert isinstance(figure, Figure)
    assert [pair["name"] for pair in figure.data["pairs"]] == names


def bare(name: str, value: Any) -> list[str]:
    """Names of what is a number without a source, which a template must not print."""
    if value is None or isinstance(value, bool | str | Quantity):
        return []
    if isinstance(value, Mapping):
        return [found for key, one in value.items() for found in bare(f"{name}.{key}", one)]
    if isinstance(value, Sequence):
        return [found for one in value for found in bare(name, one)]
    if dataclasses.is_dataclass(value):
        return [
            found for one in dataclasses.fields(value) for found in bare(f"{name}.{one.name}", getattr(value, one.name))
        ]
    return [name]


@pytest.mark.parametrize("options", [EVERY_KIND, LABS["several seeds"], LABS["many classes"]])
def test_every_number_of_the_evidence_has_a_source(lab: Make, options: dict[str, Any]) -> None:
    data = lab(**options)
    for section in SECTIONS:
        evidence = section.answer(data, Language("en"))
        assert set(bare("", evidence.names)) <= {".best.label", ".worst.label"}, section.key
